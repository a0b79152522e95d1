//! The binary form of a record: a frame with its length in front.
//!
//! ```text
//!  0  1  0xf5, which stands in no UTF-8: no text begins like a frame
//!  1  1  version of the form, 1, in the high half; what it is in the low half: 0 a record, 1 opens, 2 closes, 3 seals
//!  2  2  length of the whole frame in units of 16 bytes
//!  4  2  the same, inverted: a changed bit is seen before anything is measured by it
//!  6  2  number of the reason; 0 where it is no record
//!  8  8  the chain, big-endian, as its name is written
//! 16  8  number of the record in its chain
//! 24  8  when, milliseconds since 1970
//! 32     a record:  microseconds, 4 | lengths: app 1, api 1, kid 1, code 1, trace 1, account 1 | flags, 1
//!                   microseconds, 8, where 4 do not hold them | app | api | kid | code | trace | account
//!                   digest, 32 | length of the signature, 2 | signature
//!        opens:     until when records are kept, 8 | 1, and chain, 8, lines, 8, link, 16, of the chain that it goes on from; or 0
//!        closes:    records before, 8
//!        seals:     digest, 32 | length of the signature, 2 | signature
//!        zeros up to a multiple of 16
//! end-16    the link
//! ```
//! Numbers are little-endian, but for the chain. What is not there has the length 0, and its flag is not set; a text whose length is 255 has it before it, 4. The link covers all before it, as in a
//! line; both begin in ways of their own, so that no text is read as both.
//!
//! Masks are put on before a text comes here. A code that is its reason's default, and a trace number as W3C's Trace Context writes it (`mask.rs`),
//! are not written out: flags say so. Texts and signatures are cut after 65,535 bytes.

use super::link::{LINK, Link};
use crate::audit::Head;

/// First byte of a frame.
pub(super) const MAGIC: u8 = 0xf5;
const VERSION: u8 = 1;
/// Frames are multiples of so many bytes.
pub(super) const UNIT: usize = 16;
/// What every frame begins with.
pub(super) const HEADER: usize = 32;
/// What every record begins with.
pub(super) const RECORD: usize = HEADER + 11;
/// Greatest length of a text, and of a signature.
pub(super) const TEXT_MAX: usize = 0xffff;
/// As much of a header as tells the length.
const LENGTH: usize = 6;

/// Flags of a record.
pub(super) mod flag {
    /// It has a duration.
    pub const DURATION: u8 = 1;
    /// The duration takes eight bytes.
    pub const LONG_DURATION: u8 = 2;
    /// It has a trace number.
    pub const TRACE: u8 = 4;
    /// The trace number is written as the bytes of its digits.
    pub const PACKED_TRACE: u8 = 8;
    /// It has an account.
    pub const ACCOUNT: u8 = 16;
    /// It has evidence.
    pub const EVIDENCE: u8 = 32;
    /// The code is the reason's own.
    pub const OWN_CODE: u8 = 64;
}

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Record,
    Open,
    Close,
    Seal,
}

impl Kind {
    const fn byte(self) -> u8 {
        VERSION << 4
            | match self {
                Self::Record => 0,
                Self::Open => 1,
                Self::Close => 2,
                Self::Seal => 3,
            }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Record, Self::Open, Self::Close, Self::Seal].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// The header of a frame of `len` bytes.
#[inline]
pub(super) fn header(kind: Kind, len: usize, reason: u16, chain: u64, seq: u64, at: i64) -> [u8; HEADER] {
    // Texts are cut, so a frame has less than 2^20 bytes.
    let units = (len / UNIT) as u16;
    let mut header = [0; HEADER];
    header[0] = MAGIC;
    header[1] = kind.byte();
    header[2..4].copy_from_slice(&units.to_le_bytes());
    header[4..6].copy_from_slice(&(!units).to_le_bytes());
    header[6..8].copy_from_slice(&reason.to_le_bytes());
    header[8..16].copy_from_slice(&chain.to_be_bytes());
    header[16..24].copy_from_slice(&seq.to_le_bytes());
    header[24..32].copy_from_slice(&at.to_le_bytes());
    header
}

/// The length of the frame that begins like this: `None` where too little is there to tell, and an error where no frame begins so.
pub(super) fn length(text: &[u8]) -> Result<Option<usize>, ()> {
    let begins = match text {
        [] => true,
        [magic] => *magic == MAGIC,
        [magic, kind, ..] => *magic == MAGIC && Kind::of(*kind).is_some(),
    };
    if !begins {
        return Err(());
    }
    let Some([_, _, low, high, not_low, not_high]) = text.first_chunk::<LENGTH>() else { return Ok(None) };
    let units = u16::from_le_bytes([*low, *high]);
    let len = usize::from(units) * UNIT;
    let good = units == !u16::from_le_bytes([*not_low, *not_high]) && len >= HEADER + LINK;
    if good { Ok(Some(len)) } else { Err(()) }
}

/// A frame, taken apart.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    pub kind: Kind,
    pub reason: u16,
    pub chain: u64,
    pub seq: u64,
    pub at: i64,
    /// What the link covers.
    pub covered: &'f [u8],
    /// The link that is written.
    pub link: &'f Link,
}

impl<'f> Frame<'f> {
    /// `None` where `frame` is not a whole frame.
    pub fn read(frame: &'f [u8]) -> Option<Self> {
        if length(frame) != Ok(Some(frame.len())) {
            return None;
        }
        let (covered, link) = frame.split_last_chunk()?;
        let mut rest = Reader(covered.get(LENGTH..)?);
        let kind = Kind::of(*covered.get(1)?)?;
        let reason = u16::from_le_bytes(rest.array()?);
        let chain = u64::from_be_bytes(rest.array()?);
        let (seq, at) = (u64::from_le_bytes(rest.array()?), i64::from_le_bytes(rest.array()?));
        Some(Self { kind, reason, chain, seq, at, covered, link })
    }

    /// What follows the header.
    pub fn body(&self) -> Reader<'f> {
        Reader(self.covered.get(HEADER..).unwrap_or_default())
    }

    /// Of a frame that opens a chain: until when records are kept, and the head that it goes on from.
    pub fn opening(&self) -> Option<(i64, Option<Head>)> {
        let mut body = self.body();
        let keep_until = i64::from_le_bytes(body.array()?);
        let after = match body.array()? {
            [0] => None,
            [1] => Some(Head {
                chain: u64::from_be_bytes(body.array()?),
                lines: u64::from_le_bytes(body.array()?),
                link: body.array()?,
            }),
            _ => return None,
        };
        Some((keep_until, after))
    }

    /// Of a frame that seals: the digest, and the signature.
    pub fn sealing(&self) -> Option<([u8; 32], &'f [u8])> {
        let mut body = self.body();
        let digest = body.array()?;
        let len = u16::from_le_bytes(body.array()?);
        Some((digest, body.take(len.into())?))
    }
}

/// Takes a body apart from its beginning.
#[derive(Clone, Copy)]
pub(super) struct Reader<'f>(&'f [u8]);

impl<'f> Reader<'f> {
    pub fn take(&mut self, len: usize) -> Option<&'f [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn text(&mut self, len: usize) -> Option<&'f str> {
        std::str::from_utf8(self.take(len)?).ok()
    }
}

/// As much of a text as is written.
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= TEXT_MAX { text } else { text.get(..text.floor_char_boundary(TEXT_MAX)).unwrap_or_default() }
}

/// What is signed of a seal: that, and its frame from the chain on up to the digest's end.
pub(super) fn signed(chain: u64, seq: u64, at: i64, digest: &[u8; 32]) -> Vec<u8> {
    [&b"portcullis audit seal 1 binary:"[..], &chain.to_be_bytes(), &seq.to_le_bytes(), &at.to_le_bytes(), digest]
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_its_length_and_no_other_byte_string_of_one_bit_less_or_more_does() {
        let header = header(Kind::Record, 144, 19, 0x0123_4567_89ab_cdef, 7, -1);
        assert_eq!(length(&header), Ok(Some(144)));
        for len in 0..LENGTH {
            assert_eq!(length(&header[..len]), Ok(None));
        }
        for bit in 16..8 * LENGTH {
            let mut changed = header;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(length(&changed), Err(()), "{bit}");
        }
        for kind in 0..=255 {
            let known = [0x10, 0x11, 0x12, 0x13].contains(&kind);
            assert_eq!(length(&[MAGIC, kind]).is_ok(), known);
            assert_eq!(length(&[kind]).is_ok(), kind == MAGIC);
        }
        assert_eq!(length(&super::header(Kind::Close, 32, 0, 0, 0, 0)), Err(()), "no room for a link");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(40_000)).len(), 65_534);
    }
}
