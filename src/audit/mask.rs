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

    /// How many characters of `count` stay at the beginning and at the end: of a text too short to hide at least as much as it shows none, but for a name's
    /// first.
    pub(super) fn shown(self, count: usize) -> (usize, usize) {
        match self.ends() {
            (first, last) if self == Self::Name || count >= first + last + 4 => {
                (if count < 2 { 0 } else { first }, last)
            }
            _ => (0, 0),
        }
    }
}

/// Appends `text` with all but its ends as `*`. A text too short to hide at least as much as it shows is hidden whole, but for a name's
/// first character.
pub fn mask(kind: Masked, text: &str, out: &mut String) {
    let count = text.chars().count();
    let (first, last) = kind.shown(count);
    out.extend(text.chars().enumerate().map(|(at, c)| if at < first || at + last >= count { c } else { '*' }));
}

/// The bytes of a trace number as W3C's Trace Context writes it: 32 hexadecimal digits in lower case, a letter among them. Such a text is written as it is. Of random
/// ones an eighth have eleven decimal digits together somewhere, and by a masked one nobody finds the call; 32 decimal digits are no such number.
#[inline]
pub(super) fn trace_number(text: &[u8]) -> Option<[u8; 16]> {
    const fn spread(byte: u8) -> u64 {
        byte as u64 * 0x0101_0101_0101_0101
    }
    let digits: &[u8; 32] = text.try_into().ok()?;
    let mut bytes = [0; 16];
    let (mut other, mut letters) = (0, 0);
    for (four, eight) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(digits.as_chunks::<8>().0) {
        let word = u64::from_le_bytes(*eight);
        // The value of each, were it a digit of either kind; and how that is written, which tells whether it was. No byte reaches the next.
        let letter = (word >> 6) & spread(1);
        let value = ((word & spread(0x0f)) + 9 * letter) & spread(0x0f);
        let beyond_nine = ((value + spread(6)) >> 4) & spread(1);
        other |= word ^ (value + spread(b'0') + beyond_nine * u64::from(b'a' - b'0' - 10));
        letters |= beyond_nine;
        // Two halves to a byte, the first higher; then the bytes side by side.
        let pairs = ((value << 4) | (value >> 8)) & 0x00ff_00ff_00ff_00ff;
        let pairs = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
        *four = ((pairs | (pairs >> 16)) as u32).to_le_bytes();
    }
    (other == 0 && letters != 0).then_some(bytes)
}

/// Whether [`mask_text`] would change `text`, or `true` where that is not quickly told: whether eleven digits stand together, single spaces or hyphens between them
/// left aside.
#[inline]
pub(super) fn needs_mask(text: &str) -> bool {
    /// Each byte's highest bit.
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let bytes = text.as_bytes();
    if bytes.len() > 64 {
        return true;
    }
    // A bit for each byte: whether it is a digit, and whether it may stand between two.
    let (mut digits, mut joints) = (0u64, 0u64);
    let mut take = |eight: [u8; 8], at: usize| {
        let word = u64::from_le_bytes(eight);
        let spread = |byte: u8| u64::from(byte) * 0x0101_0101_0101_0101;
        // Without a carry from byte to byte: seven bits and 0x76 stay below 0x100, and reach 0x80 beyond 9.
        let from_zero = word ^ spread(b'0');
        let is_digit = !(((from_zero & !HIGH) + spread(0x76)) | from_zero) & HIGH;
        let zero = |word: u64| !(((word & !HIGH) + !HIGH) | word) & HIGH;
        let is_joint = zero(word ^ spread(b' ')) | zero(word ^ spread(b'-'));
        // The eight high bits, side by side (their products meet nowhere).
        let gather = |high: u64| (high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        digits |= gather(is_digit) << at;
        joints |= gather(is_joint) << at;
    };
    let (whole, rest) = bytes.as_chunks::<8>();
    for (at, eight) in whole.iter().enumerate() {
        take(*eight, 8 * at);
    }
    if !rest.is_empty() {
        let mut eight = [0; 8];
        eight.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        take(eight, 8 * whole.len());
    }
    // Runs of at least 11 with joints inside: one of 6 digits with 5 joints is looked at in vain.
    let run = digits | (joints & (digits << 1) & (digits >> 1));
    let two = run & (run >> 1);
    let four = two & (two >> 2);
    let eight = four & (four >> 4);
    eight & (two >> 8) & (run >> 10) != 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex;

    #[test]
    fn trace_numbers_are_told_by_their_digits_and_come_out_as_they_were() {
        let trace = *b"4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_number(&trace).map(|bytes| hex::to_string(&bytes)).as_deref(), str::from_utf8(&trace).ok());
        for at in 0..32 {
            for byte in 0..=255u8 {
                let mut text = trace;
                text[at] = byte;
                let good = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                assert_eq!(trace_number(&text).is_some(), good, "{byte}");
                let mut text = [b'7'; 32];
                text[at] = byte;
                let expected = matches!(byte, b'a'..=b'f').then(|| {
                    let mut bytes = [0; 16];
                    hex::decode(&text, &mut bytes).unwrap();
                    bytes
                });
                assert_eq!(trace_number(&text), expected, "{byte}: 32 decimal digits are none");
            }
        }
        assert_eq!(trace_number(b"4bf9"), None);
        assert_eq!(trace_number(&[b'a'; 33]), None);
    }
}
