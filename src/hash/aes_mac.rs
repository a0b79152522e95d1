//! MACs under AES-256 for texts of our own making: tokens, links of audit chains. The block cipher is the `aes` crate's, constant-time with
//! and without AES instructions; the modes are exclusive-ors around it.
//!
//! - [`CmacKey`]: CMAC (NIST SP 800-38B; the mode of RFC 4493 with a key of 256 bits), block after block. For texts of a block or two: a token takes two calls
//!   of the cipher, a third of what HMAC-SHA256 takes, and many tokens go through it side by side.
//! - [`PmacKey`]: PMAC (Black and Rogaway, *A Block-Cipher Mode of Operation for Parallelizable Message Authentication*, Eurocrypt 2002). Every block is
//!   enciphered under an offset of its own, so all go through the cipher side by side; one more call makes the code of their sum. For texts of many blocks.
//!
//! Both are pseudo-random functions up to the birthday bound: for σ blocks in all an adversary's advantage, besides breaking AES, is below σ²/2^126 (Iwata and
//! Kurosawa, 2003, for CMAC; Rogaway, 2004, for PMAC). A code is 16 bytes.
//!
//! ```text
//! L = E(0)      x·L: doubled in GF(2^128), big-endian, x^128 + x^7 + x^2 + x + 1      pad(M) = M ‖ 80 00 …      M whole: a last block of 16 bytes
//!
//! CMAC: C0 = 0, C(i) = E(C(i-1) ⊕ M(i));            code = E(C(m-1) ⊕ (M(m) ⊕ x·L  if whole, else pad(M(m)) ⊕ x²·L))
//! PMAC: Z(i) = Z(i-1) ⊕ x^ntz(i)·L, Z0 = 0;         code = E(Σ E(M(i) ⊕ Z(i)), i < m, ⊕ (M(m) ⊕ x^-1·L if whole, else pad(M(m))))
//! ```

use super::message::Message;
use aes::Aes256Enc;
use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherEncBackend as Backend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a code, and of a block.
pub const CODE: usize = 16;
/// A code.
pub type Code = [u8; CODE];
/// Blocks that are enciphered side by side.
const WIDE: usize = 8;
/// Texts of up to so many blocks go side by side with others.
const SHORT: usize = 4;
/// Powers of x times L that are held: enough for texts of 2^20 blocks.
const POWERS: usize = 20;

const ZERO: Bytes = [0; CODE];
/// A block as bytes: its exclusive-ors stay in one vector register, where two halves of a number would go through memory on their way to the cipher.
type Bytes = [u8; CODE];

#[inline(always)]
fn xor(one: Bytes, other: Bytes) -> Bytes {
    let mut sum = one;
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum ^= other;
    }
    sum
}

#[inline(always)]
fn encipher(backend: &impl Backend<BlockSize = U16>, block: Bytes) -> Bytes {
    let mut block = Array(block);
    backend.encrypt_block((&mut block).into());
    block.0
}

/// One call of the cipher.
fn enciphered(cipher: &Aes256Enc, block: Bytes) -> Bytes {
    let mut block = Array(block);
    cipher.encrypt_block(&mut block);
    block.0
}

/// x times a block. No branch on it.
fn doubled(block: Bytes) -> Bytes {
    let value = u128::from_be_bytes(block);
    ((value << 1) ^ (0x87 & (value >> 127).wrapping_neg())).to_be_bytes()
}

/// x^-1 times a block. No branch on it.
fn halved(block: Bytes) -> Bytes {
    let value = u128::from_be_bytes(block);
    let odd = (value & 1).wrapping_neg();
    // x^-1 = x^127 + x^6 + x + 1.
    ((value >> 1) ^ (odd & (1 << 127 | 0x43))).to_be_bytes()
}

/// `text`, which is shorter than a block, with a one bit and zeros after it.
#[inline(always)]
fn padded(text: &[u8]) -> Bytes {
    let mut block = [0; CODE];
    if let Some((start, [end, ..])) = block.split_at_mut_checked(text.len()) {
        start.copy_from_slice(text);
        *end = 0x80;
    }
    block
}

/// A key of AES-256-CMAC.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CmacKey {
    #[zeroize(skip)] // It wipes itself when dropped.
    cipher: Aes256Enc,
    /// What goes to the last block: where it is whole, and where it was padded.
    whole: Bytes,
    cut: Bytes,
}

/// Room for a message of a few blocks. It stands at the end, so that messages of any lengths end together.
type Room = [Bytes; SHORT];

impl CmacKey {
    /// From a key of AES-256, which is wiped by who has it.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(&Array(*key));
        let whole = doubled(enciphered(&cipher, ZERO));
        Self { cipher, whole, cut: doubled(whole) }
    }

    /// Puts `message` into `room`, padded: where it begins, and what comes to its last block. `None` where it is too long.
    #[inline(always)]
    fn place(&self, message: &Message<'_>, room: &mut Room) -> Option<(usize, &Bytes)> {
        let len = message.len();
        // The message of no byte has one block, and it is cut.
        let first = SHORT.checked_sub(len.div_ceil(CODE).max(1))?;
        *room = [ZERO; SHORT];
        let text = room.as_flattened_mut().get_mut(first * CODE..)?;
        let mut rest = &mut *text;
        for piece in [message.prefix, message.body, message.suffix] {
            let (place, behind) = rest.split_at_mut_checked(piece.len())?;
            copy(place, piece);
            rest = behind;
        }
        let last = match rest {
            [] => &self.whole,
            [end, ..] => {
                *end = 0x80;
                &self.cut
            }
        };
        Some((first, last))
    }

    /// The code of one message.
    #[must_use]
    #[inline]
    pub fn mac(&self, message: &Message<'_>) -> Code {
        let mut room = [ZERO; SHORT];
        match self.place(message, &mut room) {
            Some((first, last)) => {
                let mut code = ZERO;
                self.cipher.encrypt_with_backend(Chain { room: &room, first, last, code: &mut code });
                code
            }
            None => self.long(message),
        }
    }

    fn long(&self, message: &Message<'_>) -> Code {
        let (mut chain, mut last, mut fill) = (ZERO, ZERO, 0);
        for mut piece in [message.prefix, message.body, message.suffix] {
            while !piece.is_empty() {
                if fill == CODE {
                    chain = enciphered(&self.cipher, xor(chain, last));
                    fill = 0;
                }
                let (now, later) = piece.split_at(piece.len().min(CODE - fill));
                last[fill..fill + now.len()].copy_from_slice(now);
                fill += now.len();
                piece = later;
            }
        }
        let last = if fill == CODE { xor(last, self.whole) } else { xor(padded(&last[..fill]), self.cut) };
        enciphered(&self.cipher, xor(chain, last))
    }

    /// The codes of many messages: `put(item, …)` is called once for each of `items`, with the code of `message(item)`, in any order.
    #[inline]
    pub fn mac_each<'m, T: Copy>(
        &self,
        items: impl IntoIterator<Item = T>,
        message: impl Fn(T) -> Message<'m>,
        mut put: impl FnMut(T, &Code),
    ) {
        let mut items = items.into_iter();
        let mut rooms = [[ZERO; SHORT]; WIDE];
        loop {
            // Eight at a time, of whatever lengths: the shorter begin later.
            let (mut places, mut group) = ([(SHORT, &self.whole); WIDE], [None; WIDE]);
            let (mut filled, mut earliest) = (0, SHORT);
            while filled < WIDE {
                let Some(item) = items.next() else { break };
                let message = message(item);
                match self.place(&message, &mut rooms[filled]) {
                    Some(place) => {
                        (places[filled], group[filled]) = (place, Some(item));
                        earliest = earliest.min(place.0);
                        filled += 1;
                    }
                    None => put(item, &self.long(&message)),
                }
            }
            let mut codes = [ZERO; WIDE];
            let (rooms, places) = (&rooms[..filled], &places[..filled]);
            self.cipher.encrypt_with_backend(Chains { rooms, places, earliest, codes: &mut codes });
            for (item, code) in group.iter().flatten().zip(&codes) {
                put(*item, code);
            }
            if filled < WIDE {
                return;
            }
        }
    }
}

/// Copies a piece. Those of a token's size are two moves that overlap, not a call.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    /// Two moves of `N` bytes; `false` where the piece is shorter than one, or longer than two.
    #[inline(always)]
    fn moved<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
        let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else { return false };
        if from.len() > 2 * N || to.len() != from.len() {
            return false;
        }
        if let Some(place) = to.first_chunk_mut() {
            *place = *first;
        }
        if let Some(place) = to.last_chunk_mut() {
            *place = *last;
        }
        true
    }
    if !(moved::<8>(to, from) || moved::<4>(to, from)) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
}

/// One chain: a message from its first block on. What comes to its last block, of which the key could be found, stays out of the room.
struct Chain<'a> {
    room: &'a Room,
    first: usize,
    last: &'a Bytes,
    code: &'a mut Bytes,
}

impl BlockSizeUser for Chain<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chain<'_> {
    #[inline(always)]
    fn call<B: Backend<BlockSize = U16>>(self, backend: &B) {
        let Some((end, before)) = self.room.split_last() else { return };
        let chain = before.iter().skip(self.first).fold(ZERO, |chain, block| encipher(backend, xor(chain, *block)));
        *self.code = encipher(backend, xor(chain, xor(*end, *self.last)));
    }
}

/// As many chains as there are rooms, block by block over all of them: they do not wait for one another.
struct Chains<'a> {
    rooms: &'a [Room],
    places: &'a [(usize, &'a Bytes)],
    /// The first block of any.
    earliest: usize,
    codes: &'a mut [Bytes; WIDE],
}

impl BlockSizeUser for Chains<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Chains<'_> {
    #[inline(always)]
    fn call<B: Backend<BlockSize = U16>>(self, backend: &B) {
        for round in self.earliest..SHORT - 1 {
            for ((chain, room), (first, _)) in self.codes.iter_mut().zip(self.rooms).zip(self.places) {
                // What went through the cipher before a message begins is left behind.
                *chain = encipher(backend, if round <= *first { room[round] } else { xor(*chain, room[round]) });
            }
        }
        for ((chain, room), (first, last)) in self.codes.iter_mut().zip(self.rooms).zip(self.places) {
            let end = xor(room[SHORT - 1], **last);
            *chain = encipher(backend, if *first == SHORT - 1 { end } else { xor(*chain, end) });
        }
    }
}

impl fmt::Debug for CmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CmacKey([redacted])")
    }
}

/// A key of PMAC under AES-256.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PmacKey {
    #[zeroize(skip)] // It wipes itself when dropped.
    cipher: Aes256Enc,
    /// x^-1·L.
    whole: Bytes,
    /// x^i·L.
    powers: [Bytes; POWERS],
}

impl PmacKey {
    /// From a key of AES-256, which is wiped by who has it.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(&Array(*key));
        let mut power = enciphered(&cipher, ZERO);
        let whole = halved(power);
        let mut powers = [ZERO; POWERS];
        for place in &mut powers {
            *place = power;
            power = doubled(power);
        }
        power.zeroize();
        Self { cipher, whole, powers }
    }

    /// x^exponent·L.
    #[cold]
    fn far(&self, exponent: usize) -> Bytes {
        (POWERS..=exponent).fold(self.powers[POWERS - 1], |power, _| doubled(power))
    }

    /// Z(number) from the offset before it.
    #[inline(always)]
    fn next(&self, offset: Bytes, number: u64) -> Bytes {
        let exponent = number.trailing_zeros() as usize;
        match self.powers.get(exponent) {
            Some(power) => xor(offset, *power),
            None => xor(offset, self.far(exponent)),
        }
    }

    /// The code of one text.
    #[must_use]
    #[inline]
    pub fn mac(&self, text: &[u8]) -> Code {
        let mut code = ZERO;
        self.cipher.encrypt_with_backend(Sum { key: self, text, code: &mut code });
        code
    }
}

/// The sum of a text's blocks, and the code of it.
struct Sum<'a> {
    key: &'a PmacKey,
    text: &'a [u8],
    code: &'a mut Bytes,
}

impl BlockSizeUser for Sum<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Sum<'_> {
    #[inline(always)]
    fn call<B: Backend<BlockSize = U16>>(self, backend: &B) {
        let Self { key, text, code } = self;
        // All blocks but the last, which is cut or whole; the text of no byte has one block, and it is cut.
        let before = text.len().saturating_sub(1) / CODE;
        let (blocks, last) = text.split_at(before * CODE);
        let (mut sum, mut offset) = (ZERO, ZERO);
        for (block, number) in blocks.as_chunks::<CODE>().0.iter().zip(1..) {
            offset = key.next(offset, number);
            sum = xor(sum, encipher(backend, xor(*block, offset)));
        }
        let last = match last.try_into() {
            Ok(whole) => xor(whole, key.whole),
            Err(_) => padded(last),
        };
        *code = encipher(backend, xor(sum, last));
    }
}

impl fmt::Debug for PmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PmacKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::Aes256;
    use cmac::{Cmac, KeyInit, Mac};
    use pmac::Pmac;

    const KEY: [u8; 32] = *b"thirty-two bytes of a key, no mo";

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    fn expected<M: Mac + KeyInit>(key: &[u8; 32], text: &[u8]) -> Code {
        let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes().as_slice().try_into().unwrap()
    }

    #[test]
    fn cmac_gives_the_examples_of_sp_800_38b() {
        // NIST SP 800-38B, examples with AES-256 (appendix D.3): lengths 0, 16, 40, 64.
        let key: [u8; 32] = from_hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let message: [u8; 64] = from_hex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        );
        let key = CmacKey::new(&key);
        for (len, code) in [
            (0, "028962f61b7bf89efc6b551f4667d983"),
            (16, "28a7023f452e8f82bd4bf28d8c37c35c"),
            (40, "aaf3d8f1de5640c232f5b169b9c911e6"),
            (64, "e1992190549f6ed5696a2c056c315410"),
        ] {
            assert_eq!(key.mac(&Message::new(&message[..len])), from_hex::<16>(code), "{len}");
        }
    }

    fn from_hex<const N: usize>(digits: &str) -> [u8; N] {
        hex::decode(digits).unwrap().try_into().unwrap()
    }

    #[test]
    fn cmac_of_every_length_and_cut_is_that_of_the_crate() {
        let key = CmacKey::new(&KEY);
        for len in (0..200).chain([255, 256, 257, 1000]) {
            let text = text(len);
            let expected = expected::<Cmac<Aes256>>(&KEY, &text);
            assert_eq!(key.mac(&Message::new(&text)), expected, "{len}");
            for cut in (0..=len).step_by(1 + len / 9) {
                let (prefix, rest) = text.split_at(cut);
                let (body, suffix) = rest.split_at(rest.len() / 2);
                assert_eq!(key.mac(&Message { prefix, body, suffix }), expected, "{len} {cut}");
            }
        }
    }

    #[test]
    fn many_messages_of_mixed_lengths_have_the_codes_of_each_alone() {
        let key = CmacKey::new(&KEY);
        let text = text(200);
        for count in 0..40 {
            for shape in 0..12 {
                // All of one length, and lengths from none to more than go side by side.
                let len = |i: usize| if shape < 6 { shape * 16 + shape % 2 } else { (i * i * shape + 5 * i) % 90 };
                let mut found = vec![None; count];
                key.mac_each(
                    0..count,
                    |i| Message::new(&text[i..i + len(i)]),
                    |i, code| {
                        assert!(found[i].replace(*code).is_none(), "once each");
                    },
                );
                for (i, found) in found.into_iter().enumerate() {
                    assert_eq!(found, Some(key.mac(&Message::new(&text[i..i + len(i)]))), "{count} {shape} {i}");
                }
            }
        }
    }

    #[test]
    fn pmac_of_every_length_is_that_of_the_crate() {
        let key = PmacKey::new(&KEY);
        for len in (0..700).chain([1023, 1024, 1025, 4096, 5000, 20_000, 70_000]) {
            let text = text(len);
            assert_eq!(key.mac(&text), expected::<Pmac<Aes256>>(&KEY, &text), "{len}");
        }
    }

    #[test]
    fn offsets_beyond_the_held_powers_are_made_when_needed() {
        let key = PmacKey::new(&KEY);
        let mut power = key.powers[0];
        for exponent in 0..40 {
            assert_eq!(key.next(ZERO, 1 << exponent), power, "{exponent}");
            assert_eq!(key.next([7; 16], 3 << exponent), xor([7; 16], power), "{exponent}");
            power = doubled(power);
            assert_eq!(halved(doubled(power)), power);
        }
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(
            format!("{:?} {:?}", CmacKey::new(&KEY), PmacKey::new(&KEY)),
            "CmacKey([redacted]) PmacKey([redacted])"
        );
    }
}
