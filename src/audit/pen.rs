//! Writing a record: into room that was made beforehand, by a cursor.
//!
//! What is written piece by piece into a vector asks at every piece whether there is room. A record has some twenty pieces, so a [`Pen`] is given room for all of
//! them at once: literals become moves of a length that the compiler knows, and a label is moved whole, with the zeros behind it, which the next piece covers.
//! Where the room were too small after all, the line would be short of a piece, which debug builds assert against.

use super::link::{self, Link};
use super::mask::{Masked, mask, mask_text, needs_mask, trace_number};
use crate::codec::base64::{self, Variant};
use crate::codec::hex;
use crate::codec::json::write_string;
use crate::verdict::Label;

/// Where the next piece goes.
pub(super) struct Pen<'b> {
    room: &'b mut [u8],
    at: usize,
    /// Text on its way through masks and escapes.
    text: &'b mut String,
    escaped: &'b mut Vec<u8>,
}

/// Two digits for each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// How many digits a number has: its bits tell it but for one, by 1233/4096, which is a little above log10(2).
#[inline(always)]
fn digits_of(number: u64) -> usize {
    const POWERS: [u64; 20] = {
        let mut powers = [1u64; 20];
        let mut at = 1;
        while at < 20 {
            powers[at] = 10 * powers[at - 1];
            at += 1;
        }
        powers
    };
    // 0 has one digit, as 1 has; no power of ten but the first lies between an even number and the next.
    let number = number | 1;
    let least = ((u64::BITS - number.leading_zeros()) as usize * 1233) >> 12;
    least + usize::from(number >= POWERS[least.min(19)])
}

/// Whether JSON writes one of eight bytes in another way in a string: below 0x20, `"`, `\`, 0x7f. A word with nothing in some bytes has 0x20 there.
#[inline(always)]
const fn is_odd(eight: u64) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const fn spread(byte: u8) -> u64 {
        byte as u64 * 0x0101_0101_0101_0101
    }
    // The highest bit of each byte that, without it, is at least 0x80 - `least`: no byte carries into the next.
    const fn reaches(word: u64, least: u8) -> u64 {
        (word & !HIGH) + spread(0x80 - least)
    }
    let control = !(reaches(eight, 0x20) | eight);
    let other = !((reaches(eight ^ spread(b'"'), 1) | eight ^ spread(b'"'))
        & (reaches(eight ^ spread(b'\\'), 1) | eight ^ spread(b'\\'))
        & (reaches(eight ^ spread(0x7f), 1) | eight ^ spread(0x7f)));
    (control | other) & HIGH != 0
}

/// Whether JSON writes a text in another way than as it is.
#[inline(always)]
fn is_escaped(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    let mut last = [0x20; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let last = is_odd(u64::from_le_bytes(last));
    eights.iter().fold(last, |found, eight| found | is_odd(u64::from_le_bytes(*eight)))
}

impl<'b> Pen<'b> {
    pub fn new(room: &'b mut [u8], at: usize, text: &'b mut String, escaped: &'b mut Vec<u8>) -> Self {
        Self { room, at, text, escaped }
    }

    /// Where the next piece goes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What was written from `from` on.
    pub fn written(&self, from: usize) -> &[u8] {
        self.room.get(from..self.at).unwrap_or_default()
    }

    /// The next `len` bytes of the room.
    #[inline(always)]
    fn place(&mut self, len: usize) -> &mut [u8] {
        let place = self.room.get_mut(self.at..).and_then(|room| room.get_mut(..len));
        debug_assert!(place.is_some(), "more room");
        match place {
            Some(place) => {
                self.at += len;
                place
            }
            None => &mut [],
        }
    }

    /// Bytes as they are.
    #[inline(always)]
    pub fn raw(&mut self, text: &[u8]) {
        if let Some(place) = self.place(text.len()).get_mut(..text.len()) {
            place.copy_from_slice(text);
        }
    }

    /// A literal.
    #[inline(always)]
    pub fn literal<const N: usize>(&mut self, text: &[u8; N]) {
        if let Some(place) = self.place(N).first_chunk_mut() {
            *place = *text;
        }
    }

    /// Bytes in the place of others that were written before.
    #[inline(always)]
    pub fn patch<const N: usize>(&mut self, at: usize, text: &[u8; N]) {
        let place = self.room.get_mut(at..).and_then(|room| room.first_chunk_mut());
        debug_assert!(place.is_some() && at + N <= self.at, "written before");
        if let Some(place) = place {
            *place = *text;
        }
    }

    /// Zeros up to a multiple of `N`.
    #[inline(always)]
    pub fn pad<const N: usize>(&mut self) {
        let end = self.at.next_multiple_of(N);
        self.literal(&[0; N]);
        self.at = end;
    }

    /// An integer in decimal.
    #[inline]
    pub fn number(&mut self, number: u64) {
        let len = digits_of(number);
        let mut rest = number;
        // From the end, in place: what is written in small pieces and read in a large one right after would wait. Four digits a division.
        for place in self.place(len).rchunks_mut(4) {
            let four = (rest % 10_000) as usize;
            rest /= 10_000;
            let (high, low) = (PAIRS[four / 100], PAIRS[four % 100]);
            match place {
                [a, b, c, d] => [*a, *b, *c, *d] = [high[0], high[1], low[0], low[1]],
                [b, c, d] => [*b, *c, *d] = [high[1], low[0], low[1]],
                [c, d] => [*c, *d] = low,
                [d] => *d = low[1],
                _ => {}
            }
        }
    }

    /// An integer in decimal that may be negative.
    pub fn signed(&mut self, number: i64) {
        if number < 0 {
            self.literal(b"-");
        }
        self.number(number.unsigned_abs());
    }

    /// Bytes as hexadecimal in quotes.
    pub fn hex(&mut self, bytes: &[u8]) {
        self.literal(b"\"");
        // The place has the room that is asked for.
        let _ = hex::encode_lower(bytes, self.place(2 * bytes.len()));
        self.literal(b"\"");
    }

    /// A link.
    #[inline]
    pub fn link(&mut self, link: &Link) {
        self.literal(&link::digits(link));
    }

    /// Bytes as base64 in quotes.
    pub fn base64(&mut self, bytes: &[u8]) {
        self.literal(b"\"");
        let len = base64::encoded_len(bytes.len());
        // As above.
        let _ = base64::encode(Variant::Standard, bytes, self.place(len));
        self.literal(b"\"");
    }

    /// A text as a string of JSON.
    #[inline]
    pub fn string(&mut self, text: &str) {
        if is_escaped(text.as_bytes()) {
            self.escaped.clear();
            write_string(text, self.escaped);
            let escaped = std::mem::take(self.escaped);
            self.raw(&escaped);
            *self.escaped = escaped;
        } else {
            self.literal(b"\"");
            self.raw(text.as_bytes());
            self.literal(b"\"");
        }
    }

    /// A label as a string of JSON; none is `null`.
    #[inline]
    pub fn label<const N: usize>(&mut self, label: &Label<N>) {
        if label.is_empty() {
            return self.literal(b"null");
        }
        if is_escaped(label.as_bytes()) {
            return self.string(label.as_str());
        }
        self.literal(b"\"");
        self.label_bytes(label);
        self.literal(b"\"");
    }

    /// A label as it is.
    #[inline(always)]
    pub fn label_bytes<const N: usize>(&mut self, label: &Label<N>) {
        let place = self.room.get_mut(self.at..).and_then(|room| room.first_chunk_mut());
        debug_assert!(place.is_some(), "more room");
        if let Some(place) = place {
            *place = *label.padded();
            self.at += label.as_bytes().len();
        }
    }

    /// A text that came with a request: whatever looks like an account, an identity or a telephone in it is masked.
    #[inline]
    pub fn masked(&mut self, text: &str) {
        if !needs_mask(text) {
            return self.string(text);
        }
        let mut masked = std::mem::take(self.text);
        masked.clear();
        mask_text(text, &mut masked);
        self.string(&masked);
        *self.text = masked;
    }

    /// A trace number, and what stands in its place: masked where it is not of the usual form.
    #[inline]
    pub fn trace(&mut self, text: &str) {
        if trace_number(text.as_bytes()).is_none() {
            return self.masked(text);
        }
        self.literal(b"\"");
        self.raw(text.as_bytes());
        self.literal(b"\"");
    }

    /// A text of a kind, masked.
    #[inline]
    pub fn masked_as(&mut self, kind: Masked, text: &str) {
        if text.is_ascii() && !is_escaped(text.as_bytes()) {
            self.literal(b"\"");
            self.masked_bytes_as(kind, text);
            return self.literal(b"\"");
        }
        let mut masked = std::mem::take(self.text);
        masked.clear();
        mask(kind, text, &mut masked);
        self.string(&masked);
        *self.text = masked;
    }

    /// As [`Pen::masked`], without quotes and escapes.
    #[inline]
    pub fn masked_bytes(&mut self, text: &str) {
        if !needs_mask(text) {
            return self.raw(text.as_bytes());
        }
        let mut masked = std::mem::take(self.text);
        masked.clear();
        mask_text(text, &mut masked);
        self.raw(masked.as_bytes());
        *self.text = masked;
    }

    /// As [`Pen::masked_as`], without quotes and escapes.
    #[inline]
    pub fn masked_bytes_as(&mut self, kind: Masked, text: &str) {
        if text.is_ascii() {
            let (first, last) = kind.shown(text.len());
            let place = self.place(text.len());
            place.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
            if let Some(between) = place.get_mut(first..text.len() - last) {
                between.fill(b'*');
            }
            return;
        }
        let mut masked = std::mem::take(self.text);
        masked.clear();
        mask(kind, text, &mut masked);
        self.raw(masked.as_bytes());
        *self.text = masked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Pen<'_>)) -> String {
        let (mut room, mut text, mut escaped) = ([b'?'; 512], String::new(), Vec::new());
        let mut pen = Pen::new(&mut room, 3, &mut text, &mut escaped);
        write(&mut pen);
        String::from_utf8(pen.written(3).to_vec()).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        let mut number = 1u64;
        for _ in 0..64 {
            for near in [number - 1, number, number + 1] {
                assert_eq!(written(|pen| pen.number(near)), near.to_string());
            }
            number = number.wrapping_mul(2) | (number >> 63);
        }
        for power in (0..20).map(|power| 10u64.pow(power)) {
            for near in [power - 1, power, power + 1] {
                assert_eq!(written(|pen| pen.number(near)), near.to_string());
            }
        }
        for number in (0..2000).chain([10_000, 99_999, 100_000, 1_700_000_000_000, u64::MAX]) {
            assert_eq!(written(|pen| pen.number(number)), number.to_string());
        }
        for number in [i64::MIN, -100, -1, 0, 7, i64::MAX] {
            assert_eq!(written(|pen| pen.signed(number)), number.to_string());
        }
    }

    #[test]
    fn texts_are_what_a_parser_reads() {
        for text in
            ["", "a", "p10001", "a\"b", "\\", "\u{7f}\n\u{1}", "未知 ü", "x\0", "0123456789012345678901234567890"]
        {
            let read = |line: String| serde_json::from_str::<Option<String>>(&line).unwrap();
            assert_eq!(read(written(|pen| pen.string(text))).unwrap(), text);
            let label = Label::<40>::new(text).unwrap();
            assert_eq!(read(written(|pen| pen.label(&label))).unwrap_or_default(), text);
            let full = Label::<31>::new("0123456789012345678901234567890").unwrap();
            assert_eq!(written(|pen| pen.label(&full)), "\"0123456789012345678901234567890\"");
        }
        for byte in 0..=0x7fu8 {
            for at in 0..20 {
                let mut bytes = vec![b'a'; 20];
                bytes[at] = byte;
                let text = String::from_utf8(bytes).unwrap();
                let line = written(|pen| pen.string(&text));
                assert_eq!(
                    line,
                    serde_json::to_string(&text)
                        .unwrap()
                        .replace('\u{7f}', "\\u007f")
                        .replace("\\b", "\\u0008")
                        .replace("\\f", "\\u000c")
                );
            }
        }
        for text in
            ["", "1", "6222021234567890123", "6222 0212 3456 7890", "张三丰", "a\"b456789012345", "12345678901234"]
        {
            for kind in [Masked::Account, Masked::Phone, Masked::Identity, Masked::Name] {
                let mut masked = String::new();
                mask(kind, text, &mut masked);
                let line = written(|pen| pen.masked_as(kind, text));
                assert_eq!(serde_json::from_str::<String>(&line).unwrap(), masked);
            }
        }
        assert_eq!(written(|pen| pen.label(&Label::<8>::EMPTY)), "null");
        assert_eq!(written(|pen| pen.hex(&[0, 0xab])), "\"00ab\"");
        assert_eq!(written(|pen| pen.base64(b"ab")), "\"YWI=\"");
    }
}
