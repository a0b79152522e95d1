//! Rows 4, 26 and 60: signed answers, and fields that are opened for one request.

use crate::freed::unwiped;
use crate::guide::{own, signed};
use crate::keys;
use crate::support::*;
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
    PrivateDecryptingKey,
};
use portcullis::alg::Algorithm;
use portcullis::seal::{Cipher, OpenError, Opener, Sealed, Wrap};
use portcullis::verdict::{Reason, Verdict};
use serde_json::json;
use sm2::pkcs8::DecodePrivateKey;

const FIELD: &[u8] = b"6222020000001234567";

fn accepted() -> Verdict {
    Verdict::of(Reason::Ok)
}

/// The same profiles sign answers: the body carries its `sign`, and the other side verifies it as it would a request.
#[test]
fn r04_an_answer_is_signed_by_the_same_profiles() {
    let (document, mut bank) = own(&[("/fields/signature/in", json!("body"))]);
    let (signing, public) = credential(Algorithm::Sm2Sm3);
    let document = with(&document, "/apps/0/credentials", json!([public]));
    (bank.key, bank.alg) = (signing, Algorithm::Sm2Sm3);
    let answer = format!(
        "{{\"code\":\"0000\",\"msg\":\"success\",\"data\":{{\"balance\":\"10.00\"}},\"partnerId\":\"p1\",\"timestamp\":{},\"nonce\":\"{}\"}}",
        NOW / 1000,
        nonce()
    );
    let signed = signed(&bank, "POST", "/answer", &answer);
    let body = String::from_utf8(signed.draft.body.clone()).unwrap();
    assert!(body.contains("\"sign\":\""), "{body}");
    assert_eq!(signed.by(&document), Reason::Ok);
    for (from, to) in [("10.00", "99.00"), ("\"0000\"", "\"9998\""), ("success", "failure")] {
        assert_eq!(signed.clone().body(|b| b.replace(from, to)).by(&document), Reason::BadSignature);
    }
}

fn padded(text: &[u8]) -> Vec<u8> {
    let pad = 16 - text.len() % 16;
    [text, &vec![pad as u8; pad]].concat()
}

/// Encrypted by another implementation than the one that opens: iv and text.
fn encrypt(cipher: Cipher, key: &[u8], text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match cipher {
        Cipher::Aes128Cbc | Cipher::Aes256Cbc => {
            let algorithm = if cipher == Cipher::Aes128Cbc { &AES_128 } else { &AES_256 };
            // Block by block from ECB: CBC as the book has it.
            let ecb = || EncryptingKey::ecb(UnboundCipherKey::new(algorithm, key).unwrap()).unwrap();
            cbc(text, |block| {
                ecb().less_safe_encrypt(block, EncryptionContext::None).unwrap();
            })
        }
        Cipher::Sm4Cbc => {
            use sm4::cipher::{BlockCipherEncrypt, KeyInit};
            let sm4 = sm4::Sm4::new_from_slice(key).unwrap();
            cbc(text, |block| {
                let mut out = <[u8; 16]>::try_from(&*block).unwrap().into();
                sm4.encrypt_block(&mut out);
                block.copy_from_slice(&out);
            })
        }
        Cipher::Sm4Gcm => {
            use aes_gcm::KeyInit;
            use aes_gcm::aead::AeadInOut;
            let sm4 = aes_gcm::AesGcm::<sm4::Sm4, aes_gcm::aead::consts::U12>::new_from_slice(key).unwrap();
            let mut out = text.to_vec();
            let tag = sm4.encrypt_inout_detached(&[3; 12].into(), b"p1", out.as_mut_slice().into()).unwrap();
            out.extend_from_slice(&tag);
            (vec![3; 12], out)
        }
        _ => {
            use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
            let algorithm = if cipher == Cipher::Aes128Gcm { &AES_128_GCM } else { &AES_256_GCM };
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
            let mut out = text.to_vec();
            key.seal_in_place_append_tag(Nonce::assume_unique_for_key([3; 12]), Aad::from(b"p1"), &mut out).unwrap();
            (vec![3; 12], out)
        }
    }
}

fn cbc(text: &[u8], block: impl Fn(&mut [u8])) -> (Vec<u8>, Vec<u8>) {
    let iv = vec![9u8; 16];
    let (mut out, mut before) = (Vec::new(), iv.clone());
    for plain in padded(text).chunks(16) {
        let mut next: Vec<u8> = plain.iter().zip(&before).map(|(a, b)| a ^ b).collect();
        block(&mut next);
        out.extend_from_slice(&next);
        before = next;
    }
    (iv, out)
}

/// Wraps a key.
type WrapKey = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A server's key, and a way to wrap for it.
fn server(wrap: Wrap) -> (Opener, WrapKey) {
    if wrap == Wrap::Sm2 {
        let der = keys::sm2_pkcs8();
        let public = sm2::SecretKey::from_pkcs8_der(&der).unwrap().public_key();
        let wrapping = sm2::pke::EncryptingKey::new(public);
        let wrap_key = move |key: &[u8]| {
            let mut random = getrandom_adapter();
            wrapping.encrypt(&mut random, key).unwrap()
        };
        return (Opener::from_pkcs8(wrap, &der).unwrap(), Box::new(wrap_key));
    }
    let der = keys::rsa_pkcs8(KeySize::Rsa2048);
    let opener = Opener::from_pkcs8(wrap, &der).unwrap();
    let public = PrivateDecryptingKey::from_pkcs8(&der).unwrap().public_key();
    let wrap_key = move |key: &[u8]| {
        let mut out = vec![0; 256];
        match wrap {
            Wrap::RsaPkcs1 => {
                Pkcs1PublicEncryptingKey::new(public.clone()).unwrap().encrypt(key, &mut out).unwrap();
            }
            _ => {
                let way = if wrap == Wrap::RsaOaepSha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
                OaepPublicEncryptingKey::new(public.clone()).unwrap().encrypt(way, key, &mut out, None).unwrap();
            }
        }
        out
    };
    (opener, Box::new(wrap_key))
}

/// A generator of random numbers for the SM2 crate.
fn getrandom_adapter() -> impl sm2::elliptic_curve::rand_core::CryptoRng {
    struct System;
    impl sm2::elliptic_curve::rand_core::TryRng for System {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            aws_lc_rs::rand::fill(out).unwrap();
            Ok(())
        }
    }
    impl sm2::elliptic_curve::rand_core::TryCryptoRng for System {}
    System
}

fn aad(cipher: Cipher) -> &'static [u8] {
    if matches!(cipher, Cipher::Aes128Gcm | Cipher::Aes256Gcm | Cipher::Sm4Gcm) { b"p1" } else { b"" }
}

/// `seal::Opener` opens a field of an accepted request alone; keys and plaintext live in memory that is wiped when dropped and that `Debug` does not show.
#[test]
fn r26_what_was_opened_is_wiped_and_not_shown() {
    let (opener, wrap) = server(Wrap::RsaOaepSha256);
    let key = [5; 16];
    let (iv, text) = encrypt(Cipher::Aes128Cbc, &key, FIELD);
    let wrapped = wrap(&key);
    let sealed = Sealed { key: &wrapped, iv: &iv, text: &text, aad: b"" };
    let opened = opener.open(&accepted(), Cipher::Aes128Cbc, &sealed).unwrap();
    assert_eq!(opened.expose(), FIELD);
    assert_eq!(format!("{opened:?} {opener:?}"), "Opened([redacted]) Opener([redacted])");
    drop(opened);
    // No memory that is given back has the field or its key in it, however it was wrapped and encrypted; where it is not wiped it is found.
    const KEY: &[u8; 32] = b"the key of one request, not kept";
    assert_eq!(unwiped(FIELD, || drop(std::hint::black_box(FIELD.to_vec()))), 1);
    for wrap in [Wrap::RsaOaepSha256, Wrap::RsaOaepSha1, Wrap::RsaPkcs1, Wrap::Sm2] {
        let (opener, wrap_key) = server(wrap);
        for cipher in Cipher::ALL {
            let key = &KEY[..cipher.key_len()];
            let (iv, text) = encrypt(cipher, key, FIELD);
            let wrapped = wrap_key(key);
            let sealed = Sealed { key: &wrapped, iv: &iv, text: &text, aad: aad(cipher) };
            let open = || assert_eq!(opener.open(&accepted(), cipher, &sealed).unwrap().expose(), FIELD);
            assert_eq!(unwiped(FIELD, open), 0, "{wrap:?} {cipher:?}: the field");
            assert_eq!(unwiped(&KEY[..16], open), 0, "{wrap:?} {cipher:?}: the key");
        }
    }
    assert!(Opener::from_pkcs8(Wrap::RsaPkcs1, b"no key").is_err());
    assert!(Opener::from_pkcs8(Wrap::Sm2, &keys::rsa_pkcs8(KeySize::Rsa2048)).is_err());
}

/// AES and SM4, in CBC with PKCS5 padding and in GCM, under a key that the client wraps with RSA (OAEP, PKCS#1 v1.5) or SM2 for each request; opened only with
/// the verdict that accepted the request.
#[test]
fn r60_fields_are_opened_under_the_key_of_their_request_after_its_signature() {
    for wrap in [Wrap::RsaOaepSha256, Wrap::RsaOaepSha1, Wrap::RsaPkcs1, Wrap::Sm2] {
        let (opener, wrap_key) = server(wrap);
        for cipher in Cipher::ALL {
            for len in [0usize, 1, 15, 16, 17, 1000] {
                let key = vec![7; cipher.key_len()];
                let field = vec![b'x'; len];
                let (iv, text) = encrypt(cipher, &key, &field);
                let wrapped = wrap_key(&key);
                let sealed = Sealed { key: &wrapped, iv: &iv, text: &text, aad: aad(cipher) };
                let opened =
                    opener.open(&accepted(), cipher, &sealed).unwrap_or_else(|_| panic!("{wrap:?} {cipher:?} {len}"));
                assert_eq!(opened.expose(), field);
                for reason in [Reason::BadSignature, Reason::Replayed, Reason::Internal] {
                    assert_eq!(opener.open(&Verdict::of(reason), cipher, &sealed).unwrap_err(), OpenError);
                }
            }
        }
    }
}

/// Decrypted by another implementation than the one that opens, with the key that was wrapped: what `Opener` must say of a text under a
/// good key. `None` is a failure.
fn reference(cipher: Cipher, key: &[u8], iv: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    use sm4::cipher::{BlockCipherDecrypt, KeyInit};
    if !matches!(cipher, Cipher::Aes128Cbc | Cipher::Aes256Cbc | Cipher::Sm4Cbc) {
        // A tag of 128 bits fits nothing that was changed.
        return None;
    }
    if iv.len() != 16 || text.is_empty() || !text.len().is_multiple_of(16) {
        return None;
    }
    let (mut out, mut before) = (Vec::new(), iv);
    for block in text.chunks(16) {
        let mut plain = <[u8; 16]>::try_from(block).unwrap();
        if cipher == Cipher::Sm4Cbc {
            let mut array = plain.into();
            sm4::Sm4::new_from_slice(key).unwrap().decrypt_block(&mut array);
            plain = array.into();
        } else {
            use aws_lc_rs::cipher::{DecryptingKey, DecryptionContext};
            let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
            let ecb = DecryptingKey::ecb(UnboundCipherKey::new(algorithm, key).unwrap()).unwrap();
            ecb.decrypt(&mut plain, DecryptionContext::None).unwrap();
        }
        out.extend(plain.iter().zip(before).map(|(a, b)| a ^ b));
        before = block;
    }
    let pad = usize::from(*out.last()?);
    let padding = out.len().checked_sub(pad).filter(|_| (1..=16).contains(&pad)).map(|at| out.split_off(at))?;
    padding.iter().all(|byte| usize::from(*byte) == pad).then_some(out)
}

/// Changes one of wrapped key, iv and text, as those do who look for an oracle.
fn mutate(random: &mut keys::Random, turn: usize, w: &mut Vec<u8>, i: &mut Vec<u8>, t: &mut Vec<u8>) {
    match turn % 8 {
        0 => *w = random.bytes(w.len()),
        1 => w.truncate(random.below(w.len())),
        // Bleichenbacher's and Manger's questions are changed integers: here, changed bits anywhere.
        2 | 3 => {
            let at = random.below(w.len());
            w[at] ^= 1 << random.below(8);
        }
        // The last block's padding, as Vaudenay's attack would try it.
        4 | 5 => {
            let at = t.len().saturating_sub(17 + random.below(16));
            t[at] ^= 1 + random.below(255) as u8;
        }
        6 if random.below(2) == 0 => t.truncate(random.below(t.len())),
        6 => i.truncate(random.below(i.len())),
        _ => {
            let blocks = 1 + random.below(4);
            *t = random.bytes(16 * blocks);
        }
    }
}

/// Whatever is wrong (wrapping, length, padding, tag), the answer is one and the same: no padding oracle. 10,000 changed ciphertexts are opened exactly where
/// their padding is good by chance under the key that was wrapped, and answered with the same bytes everywhere else.
#[test]
fn r60_ten_thousand_changed_ciphertexts_get_one_answer() {
    const ANSWER: &str = "OpenError the field cannot be opened";
    let turns = 10_000 * keys::scale();
    let ways = [(Wrap::RsaOaepSha256, 2), (Wrap::RsaPkcs1, 6), (Wrap::Sm2, 1), (Wrap::RsaOaepSha1, 1)];
    let judged: usize = std::thread::scope(|threads| {
        let mut running = Vec::new();
        for (lane, wrap) in ways.iter().flat_map(|(wrap, share)| vec![*wrap; *share]).enumerate() {
            running.push(threads.spawn(move || {
                let mut random = keys::Random(60 + lane as u64);
                let (opener, wrap_key) = server(wrap);
                let made: Vec<_> = Cipher::ALL
                    .iter()
                    .map(|cipher| {
                        let key = random.bytes(cipher.key_len());
                        let (iv, text) = encrypt(*cipher, &key, FIELD);
                        (*cipher, wrap_key(&key), key, iv, text)
                    })
                    .collect();
                let wrong = wrap_key(&[7; 40]);
                let mut judged = 0;
                for turn in 0..turns / 10 {
                    let (cipher, wrapped, key, iv, text) = &made[turn / 8 % made.len()];
                    let (mut w, mut i, mut t) = (wrapped.clone(), iv.clone(), text.clone());
                    mutate(&mut random, turn, &mut w, &mut i, &mut t);
                    if turn % 100 == 0 {
                        // A key of the wrong length, well wrapped.
                        w = wrong.clone();
                    }
                    // What is changed in the wrapping alone leaves no key; what is changed beside it has the right one.
                    let expected = if w == *wrapped { reference(*cipher, key, &i, &t) } else { None };
                    let sealed = Sealed { key: &w, iv: &i, text: &t, aad: aad(*cipher) };
                    match (opener.open(&accepted(), *cipher, &sealed), expected) {
                        (Err(e), None) => assert_eq!(format!("{e:?} {e}"), ANSWER),
                        (Ok(opened), Some(text)) => assert_eq!(opened.expose(), text),
                        (got, expected) => panic!("{wrap:?} {cipher:?} {turn}: {got:?}, expected {expected:?}"),
                    }
                    judged += 1;
                }
                judged
            }));
        }
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(judged, turns);
}

/// The question is not even asked: a sealed field that was changed on its way makes the signature wrong, and its request gets the answer of all wrong signatures,
/// byte by byte.
#[test]
fn r60_a_changed_field_is_refused_by_its_signature_with_one_answer() {
    let document = with(&document(), "/answers", json!({ "form": "code-msg-data" }));
    let engine = engine(&document);
    let mut worker = engine.worker();
    let (_, wrap_key) = server(Wrap::RsaPkcs1);
    let key = [7; 16];
    let (iv, text) = encrypt(Cipher::Aes128Cbc, &key, FIELD);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let wrapped = hex(&wrap_key(&key));
    let body = json!({ "key": wrapped, "iv": hex(&iv), "account": hex(&text) });
    let good = Client::new("p1").call("/pay", Some(body));
    let mut random = keys::Random(61);
    let mut answers = std::collections::BTreeSet::new();
    for _ in 0..2_000 * keys::scale() {
        let changed = good.clone().body(|body| {
            let mut bytes = body.as_bytes().to_vec();
            let digits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_hexdigit() && *at > 8).collect();
            let at = digits[random.below(digits.len())];
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            String::from_utf8(bytes).unwrap()
        });
        let verdict = changed.verdict(&mut worker);
        if verdict.reason != Reason::BadSignature {
            // A digit of the timestamp, the nonce or a name was hit: refused, but for what it is.
            assert!(!verdict.ok());
            continue;
        }
        let mut answer = Vec::new();
        assert!(engine.answer(&verdict, &mut answer));
        answers.insert(answer);
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(good.verdict(&mut worker).reason, Reason::Ok);
}

/// Several fields under one key: it is unwrapped once, and a key that is none opens nothing and says no more than any failure.
#[test]
fn r60_the_fields_of_a_request_share_its_key() {
    let (opener, wrap_key) = server(Wrap::RsaOaepSha256);
    for cipher in Cipher::ALL {
        let key = vec![9; cipher.key_len()];
        let request = opener.request_key(&accepted(), cipher, &wrap_key(&key)).unwrap();
        for field in [&b"6222020000001234567"[..], b"", b"13812345678"] {
            let (iv, text) = encrypt(cipher, &key, field);
            assert_eq!(request.open(&iv, &text, aad(cipher)).unwrap().expose(), field);
        }
        let (iv, text) = encrypt(cipher, &key, FIELD);
        let none = opener.request_key(&accepted(), cipher, &[0; 256]).unwrap();
        assert_eq!(none.open(&iv, &text, aad(cipher)).unwrap_err(), OpenError);
        assert_eq!(format!("{request:?}"), "RequestKey([redacted])");
        let refused = Verdict::of(Reason::BadSignature);
        assert_eq!(opener.request_key(&refused, cipher, &wrap_key(&key)).unwrap_err(), OpenError);
    }
}
