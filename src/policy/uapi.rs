//! U_API_ID: the number of an API that is unique among all banks (JR/T 0185-2020, Appendix B).
//!
//! ```text
//! OP | 102345 | 02 | 02 0001 | 000010 | 00        24 characters of ASCII
//!  |      |      |    |   |       |      reserved, 00 by default (B.3.7)
//!  |      |      |    |   |       number, 000001 to 999999 (B.3.6)
//!  |      |      |    |   service, second level, 0001 to 9999 (B.3.5)
//!  |      |      |    service, first level, 01 to 99 (B.3.5)
//!  |      |      type: 01 is security level A1, 02 is A2 (B.3.4)
//!  |      the bank: the first six characters of its code by JR/T 0124 (B.3.3)
//!  fixed (B.3.2)
//! ```

use std::fmt;

/// Characters in a U_API_ID.
pub const LEN: usize = 24;

/// The type of an interface: its security level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Type {
    /// Security level A1.
    A1,
    /// Security level A2.
    A2,
}

/// A U_API_ID, field by field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UApiId {
    /// The bank's code: six digits or capital letters.
    pub institution: [u8; 6],
    /// The security level.
    pub kind: Type,
    /// First level of the service: 1 to 99.
    pub service: u8,
    /// Second level of the service: 1 to 9999.
    pub sub_service: u16,
    /// Number among the bank's APIs of this type and service: 1 to 999,999.
    pub number: u32,
    /// The reserved place: two digits.
    pub reserved: u8,
}

/// What is wrong with a U_API_ID, and where the standard says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UApiIdError {
    /// Not 24 characters of ASCII.
    #[error("expected 24 characters of ASCII (JR/T 0185-2020, Appendix B)")]
    Length,
    /// Does not begin with `OP`.
    #[error("expected \"OP\" at its beginning (JR/T 0185-2020, B.3.2)")]
    Fixed,
    /// The bank's code.
    #[error("expected six digits or capital letters as the code of the bank, at character 3 (B.3.3)")]
    Institution,
    /// The type: 00 is reserved.
    #[error("expected 01 (A1) or 02 (A2) as the type of the interface, at character 9 (B.3.4)")]
    Type,
    /// First level of the service: 00 is reserved.
    #[error("expected 01 to 99 as the first level of the service, at character 11 (B.3.5)")]
    Service,
    /// Second level of the service: 0000 is reserved.
    #[error("expected 0001 to 9999 as the second level of the service, at character 13 (B.3.5)")]
    SubService,
    /// The number.
    #[error("expected 000001 to 999999 as the number, at character 17 (B.3.6)")]
    Number,
    /// The reserved place.
    #[error("expected two digits in the reserved place, at character 23 (B.3.7)")]
    Reserved,
}

/// The digits of `text` as a number, if it is digits alone.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |number, digit| {
        digit.is_ascii_digit().then(|| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
    })
}

fn institution(text: &[u8]) -> Option<[u8; 6]> {
    let code: [u8; 6] = text.try_into().ok()?;
    code.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some(code)
}

impl UApiId {
    /// Reads one.
    ///
    /// # Errors
    /// The first field that is wrong, by its clause.
    pub fn parse(text: &str) -> Result<Self, UApiIdError> {
        let text: &[u8; LEN] = text.as_bytes().try_into().map_err(|_| UApiIdError::Length)?;
        if !text.is_ascii() {
            return Err(UApiIdError::Length);
        }
        let field = |from: usize, len: usize| text.get(from..from + len).unwrap_or_default();
        if field(0, 2) != b"OP" {
            return Err(UApiIdError::Fixed);
        }
        let institution = institution(field(2, 6)).ok_or(UApiIdError::Institution)?;
        let kind = match field(8, 2) {
            b"01" => Type::A1,
            b"02" => Type::A2,
            _ => return Err(UApiIdError::Type),
        };
        let above_zero = |from, len, error| digits(field(from, len)).filter(|number| *number > 0).ok_or(error);
        let service = above_zero(10, 2, UApiIdError::Service)? as u8;
        let sub_service = above_zero(12, 4, UApiIdError::SubService)? as u16;
        let number = above_zero(16, 6, UApiIdError::Number)?;
        let reserved = digits(field(22, 2)).ok_or(UApiIdError::Reserved)? as u8;
        Ok(Self { institution, kind, service, sub_service, number, reserved })
    }

    /// Checks the fields of one that was put together.
    ///
    /// # Errors
    /// The first field that is out of its range, by its clause.
    pub fn check(&self) -> Result<(), UApiIdError> {
        institution(&self.institution).ok_or(UApiIdError::Institution)?;
        for (holds, error) in [
            ((1..=99).contains(&self.service), UApiIdError::Service),
            ((1..=9999).contains(&self.sub_service), UApiIdError::SubService),
            ((1..=999_999).contains(&self.number), UApiIdError::Number),
            (self.reserved <= 99, UApiIdError::Reserved),
        ] {
            if !holds {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What the standard calls the service's first level; none for those that a bank may number itself.
    #[must_use]
    pub fn service_name(&self) -> Option<&'static str> {
        const NAMES: [&str; 8] = [
            "account services",
            "payment and settlement",
            "investment and wealth management",
            "credit",
            "credit cards",
            "services to other industries",
            "international business",
            "technology services",
        ];
        NAMES.get(usize::from(self.service).checked_sub(1)?).copied()
    }
}

impl fmt::Display for UApiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let institution = std::str::from_utf8(&self.institution).unwrap_or("??????");
        let kind = match self.kind {
            Type::A1 => 1,
            Type::A2 => 2,
        };
        write!(
            f,
            "OP{institution}{kind:02}{:02}{:04}{:06}{:02}",
            self.service, self.sub_service, self.number, self.reserved
        )
    }
}
