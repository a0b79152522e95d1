//! The text of a token: claims and a MAC, in base64url.
//!
//! ```text
//! 30 bytes = 40 characters:  claims, 14 bytes, big-endian | MAC, 16 bytes
//!
//! claims:  111..108 version, 1 | 107..104 number of the key | 103..63 issued, ms since 2020-01-01 | 62..46 life in seconds
//!          45..28 generation, modulo 2^18 | 27..0 random
//! MAC:     AES-256-CMAC(key of the kind, claims ‖ app id)
//! ```
//! CMAC is that of NIST SP 800-38B. The key of a kind is HMAC-SHA256(secret, name of the kind): an access token never passes for a one-time token. The claims have one length,
//! so claims ‖ app id is one string for one pair. 128 bits of MAC can be guessed only by asking us, 2^-128 at each try. The times
//! last until 2089; the generation returns after 2^18 refreshes, at least a second apart, while a token lives a day at most.

use crate::codec::base64::{self, Variant};
use crate::hash::Message;
use crate::hash::aes_mac::{CmacKey, Code};
use crate::hash::hmac::Sha256Key;
use crate::time::Millis;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Characters in a token.
pub const TEXT_LEN: usize = 40;
const BYTES: usize = 30;
const CLAIMS: usize = 14;
pub(super) const MAC: usize = BYTES - CLAIMS;
const VERSION: u128 = 1;
/// 2020-01-01T00:00:00Z in milliseconds since 1970.
const EPOCH: i64 = 1_577_836_800_000;
/// Bits of a stamp.
pub(super) const STAMP_BITS: u32 = 41;
/// Bits of a generation in a token.
pub(super) const GENERATION_BITS: u32 = 18;
const LIFE_BITS: u32 = 17;
const RANDOM_BITS: u32 = 28;

/// Milliseconds since 2020, held at the ends of the range.
pub(super) fn stamp(at: Millis) -> u64 {
    at.0.saturating_sub(EPOCH).clamp(0, (1 << STAMP_BITS) - 1).cast_unsigned()
}

/// The moment of a stamp.
pub(super) fn moment(stamp: u64) -> Millis {
    Millis((stamp & ((1 << STAMP_BITS) - 1)).cast_signed() + EPOCH)
}

/// A token as it is sent: a secret while it lives. Wiped when dropped, never printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct TokenText([u8; TEXT_LEN]);

impl TokenText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Whose a token is: what is under its MAC besides the claims. An app's id, and nothing; or of a grant app ‖ 0 ‖ API ‖ 0, and the user.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub head: &'a [u8],
    pub tail: &'a [u8],
}

impl<'a> Of<'a> {
    pub fn app(id: &'a [u8]) -> Self {
        Self { head: id, tail: &[] }
    }

    pub fn message(self, claims: &'a [u8]) -> Message<'a> {
        Message { prefix: claims, body: self.head, suffix: self.tail }
    }
}

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Access,
    OneTime,
    Grant,
}

/// One secret, as the keys of both kinds.
pub(super) struct MacKeys {
    pub number: u8,
    access: CmacKey,
    one_time: CmacKey,
    grant: CmacKey,
}

impl MacKeys {
    pub fn new(number: u8, secret: &[u8]) -> Self {
        let secret = Sha256Key::new(secret);
        let derive = |name: &str| CmacKey::new(&Zeroizing::new(secret.mac(Message::new(name.as_bytes()))));
        Self {
            number,
            access: derive("portcullis access token 2"),
            one_time: derive("portcullis one-time token 2"),
            grant: derive("portcullis grant 2"),
        }
    }

    pub fn of(&self, kind: Kind) -> &CmacKey {
        match kind {
            Kind::Access => &self.access,
            Kind::OneTime => &self.one_time,
            Kind::Grant => &self.grant,
        }
    }

    fn mac(&self, kind: Kind, claims: &[u8], of: Of<'_>) -> [u8; MAC] {
        self.of(kind).mac(&of.message(claims))
    }
}

impl fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MacKeys").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claims {
    pub key: u8,
    pub issued: Millis,
    pub life_s: u32,
    pub generation: u32,
    pub random: u32,
}

impl Claims {
    pub fn expires(&self) -> Millis {
        self.issued.plus(i64::from(self.life_s) * 1000)
    }

    fn pack(&self) -> [u8; CLAIMS] {
        let low = |value: u32, bits: u32| u128::from(value) & ((1 << bits) - 1);
        let mut packed = VERSION;
        packed = packed << 4 | low(self.key.into(), 4);
        packed = packed << STAMP_BITS | u128::from(stamp(self.issued));
        packed = packed << LIFE_BITS | low(self.life_s, LIFE_BITS);
        packed = packed << GENERATION_BITS | low(self.generation, GENERATION_BITS);
        packed = packed << RANDOM_BITS | low(self.random, RANDOM_BITS);
        let bytes = packed.to_be_bytes();
        std::array::from_fn(|i| bytes[i + 2])
    }

    #[inline]
    fn unpack(mut packed: u128) -> Option<Self> {
        let mut take = |bits: u32| {
            let value = (packed & ((1 << bits) - 1)) as u64;
            packed >>= bits;
            value
        };
        let random = take(RANDOM_BITS) as u32;
        let generation = take(GENERATION_BITS) as u32;
        let life_s = take(LIFE_BITS) as u32;
        let issued = moment(take(STAMP_BITS));
        let key = take(4) as u8;
        (u128::from(take(4)) == VERSION).then_some(Self { key, issued, life_s, generation, random })
    }
}

/// The token of `claims` for `app`, and its bytes.
pub(super) fn write(keys: &MacKeys, kind: Kind, claims: &Claims, of: Of<'_>) -> Option<TokenText> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    let packed = claims.pack();
    let mac = keys.mac(kind, &packed, of);
    for (to, from) in bytes.iter_mut().zip(packed.iter().chain(&mac)) {
        *to = *from;
    }
    let mut text = TokenText([0; TEXT_LEN]);
    base64::encode(Variant::UrlSafeNoPad, bytes.as_slice(), &mut text.0).ok()?;
    Some(text)
}

/// A token's bytes, not yet held against its MAC.
#[derive(Clone, Copy)]
pub(super) struct Decoded {
    pub claims: Claims,
    /// Which of the keys it names.
    pub key: usize,
    packed: [u8; CLAIMS],
    mac: u128,
}

impl Decoded {
    /// For places that are not used.
    pub const NONE: Self = Self {
        claims: Claims { key: 0, issued: Millis(0), life_s: 0, generation: 0, random: 0 },
        key: 0,
        packed: [0; CLAIMS],
        mac: 0,
    };

    /// The claims as they were sent.
    #[inline]
    pub fn packed(&self) -> &[u8; CLAIMS] {
        &self.packed
    }

    /// The MAC that was sent.
    #[inline]
    pub fn mac(&self) -> [u8; MAC] {
        self.mac.to_be_bytes()
    }

    /// Whether the MAC is the one of this code. In constant time.
    #[inline]
    pub fn fits(&self, code: &Code) -> bool {
        u128::from_be_bytes(*code).ct_eq(&self.mac).into()
    }

    /// Takes the MAC out: without it a token is worth nothing. (What outlives its call is really written.)
    pub fn wipe(&mut self) {
        self.mac = 0;
    }
}

/// The bytes of a text that has the form of a token and names one of `keys`.
#[inline]
pub(super) fn decode(keys: &[MacKeys], text: &[u8]) -> Option<Decoded> {
    if text.len() != TEXT_LEN {
        return None;
    }
    let mut bytes = [0; BYTES];
    base64::decode(Variant::UrlSafeNoPad, text, &mut bytes).ok()?;
    let claims = u128::from_be_bytes(*bytes.first_chunk()?) >> (8 * (16 - CLAIMS));
    let mac = u128::from_be_bytes(*bytes.last_chunk()?);
    let packed = *bytes.first_chunk()?;
    let claims = Claims::unpack(claims)?;
    // The number is a claim like any other: a wrong one finds no key, or one under which the MAC is wrong.
    let key = keys.iter().position(|key| key.number == claims.key)?;
    Some(Decoded { claims, key, packed, mac })
}

/// A token that one of our keys made for `app`, and its MAC, which names it among all tokens; `None` for anything else.
pub(super) fn read(keys: &[MacKeys], kind: Kind, text: &[u8], of: Of<'_>) -> Option<(Claims, [u8; MAC])> {
    let found = decode(keys, text)?;
    let code = keys.get(found.key)?.of(kind).mac(&of.message(found.packed()));
    found.fits(&code).then(|| (found.claims, found.mac()))
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn claims_come_back_at_the_ends_of_their_ranges() {
        for claims in [
            Claims { key: 0, issued: Millis(EPOCH), life_s: 0, generation: 0, random: 0 },
            Claims {
                key: 15,
                issued: moment(u64::MAX),
                life_s: (1 << LIFE_BITS) - 1,
                generation: (1 << GENERATION_BITS) - 1,
                random: (1 << RANDOM_BITS) - 1,
            },
            Claims { key: 7, issued: Millis(1_700_000_000_123), life_s: 86_400, generation: 5, random: 9 },
        ] {
            let packed = claims.pack().iter().fold(0, |packed, byte| packed << 8 | u128::from(*byte));
            assert_eq!(Claims::unpack(packed), Some(claims));
        }
        assert_eq!(moment(stamp(Millis(0))), Millis(EPOCH), "times before 2020 are held at its beginning");
    }
}
