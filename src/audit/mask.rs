//! Masking: what identifies a person or an account is cut down before it is written anywhere (JR/T 0185-2020, 7.3.3).

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Masked {
    /// An account or card number: the first six and the last four stay (the issuer and what customers recognise).
    Account,
    /// A telephone number: the first three and the last four stay.
    Phone,
    /// An identity number: the first and the last stay.
    Identity,
    /// A name: the first character stays.
    Name,
}

impl Masked {
    fn ends(self) -> (usize, usize) {
        match self {
            Self::Account => (6, 4),
            Self::Phone => (3, 4),
            Self::Identity => (1, 1),
            Self::Name => (1, 0),
        }
    }
}

/// Appends `text` with all but its ends as `*`. A text too short to hide at least as much as it shows is hidden whole, but for a name's
/// first character.
pub fn mask(kind: Masked, text: &str, out: &mut String) {
    let count = text.chars().count();
    let (mut first, mut last) = kind.ends();
    if kind != Masked::Name && count < first + last + 4 {
        (first, last) = (0, 0);
    } else if count < 2 {
        first = 0;
    }
    out.extend(text.chars().enumerate().map(|(at, c)| if at < first || at + last >= count { c } else { '*' }));
}

/// Appends `text` with everything in it masked that looks like a number of an account (12 digits and more, with single spaces or hyphens
/// between them), an identity (17 digits and a digit or X) or a Chinese mobile telephone (11 digits that begin with 13 to 19).
pub fn mask_text(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let len = run(from);
        let (run, after) = from.split_at(len);
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let identity = run.len() == digits && digits == 17 && after.starts_with(['x', 'X']);
        match digits {
            17 if identity => {
                let (whole, after) = from.split_at(len + 1);
                mask(Masked::Identity, whole, out);
                rest = after;
                continue;
            }
            18 if run.len() == 18 => mask(Masked::Identity, run, out),
            12.. => mask(Masked::Account, run, out),
            11 if run.starts_with('1') && matches!(run.as_bytes().get(1), Some(b'3'..=b'9')) => {
                mask(Masked::Phone, run, out);
            }
            _ => out.push_str(run),
        }
        rest = after;
    }
    out.push_str(rest);
}

/// The length of the digits at the start of `text`, single spaces and hyphens between them included.
fn run(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        let joins = matches!(byte, b' ' | b'-') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !byte.is_ascii_digit() && !joins {
            break;
        }
        end += 1;
    }
    end
}
