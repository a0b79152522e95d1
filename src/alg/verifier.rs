//! Items of work, and the verifier that groups them.

use super::key::{Key, Material};
use super::scheme::{Batch, Scheme};
use super::{ecdsa_p256, ecdsa_p384, ed25519, hmac, keyed, rsa, sm2};
use crate::lanes::Cpu;

/// How an ECDSA or SM2 signature is written. Other algorithms have one form only and do not look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum SignatureForm {
    /// DER of `SEQUENCE { INTEGER r, INTEGER s }`, strict: shortest lengths, shortest integers, no byte more (X.690, 10; RFC 3279, 2.2.3).
    Der,
    /// r and s as big-endian numbers of the curve's length, one after the other: 64 bytes, or 96 for P-384 (IEEE P1363; RFC 7518, 3.4).
    Fixed,
    /// Told by length alone: exactly 64 bytes (96 for P-384) are read as [`Fixed`](Self::Fixed), any other length as [`Der`](Self::Der).
    ///
    /// A DER signature of that very length needs r and s to lack some fifty bits together, which an honest signer meets once in 2^48
    /// signatures or so; it is then refused, always and everywhere. When signing, `Either` means DER.
    Either,
}

/// What a MAC is computed over. Signature algorithms know only [`Plain`](Self::Plain).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum MacInput {
    /// The message. An `md5` item with it is refused: it would be a digest that anyone can make.
    Plain,
    /// The message, then the secret's bytes: MD5(message ‖ secret), or HMAC(secret, message ‖ secret).
    AppendKey,
}

/// One signature to verify.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// The key, which names the algorithm.
    pub key: &'a Key,
    /// What was signed.
    pub message: &'a [u8],
    /// The signature as bytes: a MAC in full length, RSA's k bytes, Ed25519's 64, r and s in either form.
    pub signature: &'a [u8],
    /// How r and s are written.
    pub form: SignatureForm,
    /// What a MAC covers.
    pub input: MacInput,
}

/// A message may hold what nobody should read in a log, so its length stands for it.
impl std::fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item")
            .field("key", self.key)
            .field("message_len", &self.message.len())
            .field("signature_len", &self.signature.len())
            .field("form", &self.form)
            .field("input", &self.input)
            .finish()
    }
}

/// Verifies; holds the CPU's proofs and the scratch of one worker.
///
/// Allocates while its scratch grows to the longest batch seen, never after.
pub struct Verifier {
    cpu: Cpu,
    order: Vec<(u64, u32)>,
    schemes: Schemes,
}

#[derive(Default)]
struct Schemes {
    keyed: keyed::Keyed,
    hmac: hmac::Hmac,
    hmac_sm3: hmac::HmacSm3,
    rsa: rsa::Rsa,
    p256: ecdsa_p256::EcdsaP256,
    p384: ecdsa_p384::EcdsaP384,
    ed25519: ed25519::Ed25519,
    sm2: sm2::Sm2,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("cpu", &self.cpu).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier that uses what `cpu` offers.
    #[must_use]
    pub fn new(cpu: Cpu) -> Self {
        Self { cpu, order: Vec::new(), schemes: Schemes::default() }
    }

    /// Writes into `ok[i]` whether `items[i]` is good. The word on an item is the same alone and in any batch.
    ///
    /// `ok` is as long as `items`; were it shorter, the items beyond it would not be judged, and what it has beyond them becomes `false`.
    pub fn verify(&mut self, items: &[Item<'_>], ok: &mut [bool]) {
        ok.fill(false);
        // Indices are kept in 32 bits.
        const MOST: usize = 1 << 31;
        for (items, ok) in items.chunks(MOST).zip(ok.chunks_mut(MOST)) {
            self.verify_chunk(items, ok);
        }
    }

    fn verify_chunk(&mut self, items: &[Item<'_>], ok: &mut [bool]) {
        self.order.clear();
        self.order.extend(items.iter().zip(0u32..).take(ok.len()).map(|(item, i)| (item.key.group, i)));
        // Pairs are distinct, so the order is one and only one: by group, then as given.
        self.order.sort_unstable();
        for group in self.order.chunk_by(|a, b| a.0 == b.0) {
            let Some(first) = group.first().and_then(|p| items.get(p.1 as usize)) else { continue };
            let run = Run { cpu: self.cpu, items, picks: group, ok };
            let schemes = &mut self.schemes;
            match &first.key.material {
                Material::Md5(_) => run.with(&mut schemes.keyed),
                Material::Hmac(_) => run.with(&mut schemes.hmac),
                Material::HmacSm3(_) => run.with(&mut schemes.hmac_sm3),
                Material::Rsa(_) => run.with(&mut schemes.rsa),
                Material::P256(_) => run.with(&mut schemes.p256),
                Material::P384(_) => run.with(&mut schemes.p384),
                Material::Ed25519(_) => run.with(&mut schemes.ed25519),
                Material::Sm2(_) => run.with(&mut schemes.sm2),
            }
        }
    }
}

struct Run<'a> {
    cpu: Cpu,
    items: &'a [Item<'a>],
    picks: &'a [(u64, u32)],
    ok: &'a mut [bool],
}

impl Run<'_> {
    fn with<S: Scheme>(self, scheme: &mut S) {
        scheme.verify(self.cpu, &mut Batch::new(self.items, self.picks, S::key, self.ok));
    }
}
