//! Signing and verifying meet for every algorithm, and an item's verdict is the same alone and in any batch.

mod support;

use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, Verifier};
use portcullis::lanes::Cpu;
use support::{Pair, Random, pairs, scale};

const FORMS: [SignatureForm; 3] = [SignatureForm::Der, SignatureForm::Fixed, SignatureForm::Either];

#[test]
fn what_is_signed_verifies_and_nothing_else_does() {
    let pairs = pairs(1);
    let mut verifier = Verifier::new(Cpu::detect());
    let mut good = |key: &Key, message: &[u8], signature: &[u8], form, input| {
        let mut ok = [false];
        verifier.verify(&[Item { key, message, signature, form, input }], &mut ok);
        ok[0]
    };
    for pair in &pairs {
        let (alg, key) = (pair.algorithm(), &pair.key);
        // Around the blocks of 64 and 128 bytes that the hashes work in.
        for len in [0, 1, 54, 55, 56, 63, 64, 65, 111, 112, 119, 120, 127, 128, 129, 300, 4096] {
            let message: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let form = FORMS[len % 3];
            let signature = pair.signing.sign(&message, form, pair.input()).unwrap();
            assert!(good(key, &message, &signature, form, pair.input()), "{alg} {len}");
            assert!(good(key, &message, &signature, SignatureForm::Either, pair.input()), "{alg} {len}");
            let other = [message.as_slice(), b"x"].concat();
            assert!(!good(key, &other, &signature, form, pair.input()), "{alg} {len}");
            let mut flipped = signature.clone();
            flipped[signature.len() - 1] ^= 1;
            assert!(!good(key, &message, &flipped, form, pair.input()), "{alg} {len}");
            assert!(!good(key, &message, &signature[..signature.len() - 1], form, pair.input()), "{alg} {len}");
        }
        let message = b"appended";
        if alg.is_mac() {
            let appended = pair.signing.sign(message, SignatureForm::Either, MacInput::AppendKey).unwrap();
            assert!(good(key, message, &appended, SignatureForm::Either, MacInput::AppendKey), "{alg}");
            assert!(!good(key, message, &appended, SignatureForm::Either, MacInput::Plain), "{alg}");
        } else {
            let plain = pair.signing.sign(message, SignatureForm::Either, MacInput::Plain).unwrap();
            assert!(!good(key, message, &plain, SignatureForm::Either, MacInput::AppendKey), "{alg}");
            assert!(pair.signing.sign(message, SignatureForm::Either, MacInput::AppendKey).is_err(), "{alg}");
        }
        assert!(!format!("{key:?} {:?}", pair.signing).contains("secret of"));
    }
    // No signature is good under another algorithm's key.
    for (i, a) in pairs.iter().enumerate() {
        let signature = a.signing.sign(b"m", SignatureForm::Either, a.input()).unwrap();
        for (j, b) in pairs.iter().enumerate() {
            assert_eq!(good(&b.key, b"m", &signature, SignatureForm::Either, b.input()), i == j);
        }
    }
}

struct Case {
    pair: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    form: SignatureForm,
    good: bool,
}

/// A good signature, or one of the ways in which one is not.
fn case(pairs: &[Pair], random: &mut Random) -> Case {
    let pair = random.below(pairs.len());
    let len = random.below(700);
    let mut message = random.bytes(len);
    let form = FORMS[random.below(3)];
    let mut signature = pairs[pair].signing.sign(&message, form, pairs[pair].input()).unwrap();
    let mut good = false;
    match random.below(12) {
        0 => signature.clear(),
        1 => {
            let bit = random.below(signature.len() * 8);
            signature[bit / 8] ^= 1 << (bit % 8);
        }
        2 => message.push(0),
        3 => signature.truncate(random.below(signature.len())),
        4 => signature.insert(0, 0),
        5 => signature.fill(0),
        6 => signature.fill(0xff),
        7 => {
            let len = random.below(300);
            signature = random.bytes(len);
        }
        _ => good = true,
    }
    Case { pair, message, signature, form, good }
}

#[test]
fn the_verdict_is_the_same_alone_and_in_any_batch() {
    let mut random = Random(0x5eed);
    let pairs = pairs(3);
    let cases: Vec<Case> = (0..1000 * scale()).map(|_| case(&pairs, &mut random)).collect();
    let items: Vec<Item<'_>> = cases
        .iter()
        .map(|case| Item {
            key: &pairs[case.pair].key,
            message: &case.message,
            signature: &case.signature,
            form: case.form,
            input: pairs[case.pair].input(),
        })
        .collect();
    let mut first: Option<Vec<bool>> = None;
    for cpu in Cpu::variants() {
        let mut verifier = Verifier::new(cpu);
        let mut alone = vec![false; items.len()];
        for (item, ok) in items.iter().zip(alone.chunks_mut(1)) {
            verifier.verify(std::slice::from_ref(item), ok);
        }
        for (case, ok) in cases.iter().zip(&alone) {
            assert_eq!(*ok, case.good, "{} {:?} {:?}", pairs[case.pair].algorithm(), case.form, case.signature);
        }
        let first = first.get_or_insert_with(|| alone.clone());
        assert_eq!(*first, alone, "{cpu:?} judges otherwise");
        // Batches of 1 to 130, each from a random place, some items twice.
        for len in (1..=130).chain([cases.len()]) {
            let picks: Vec<usize> = (0..len).map(|_| random.below(items.len())).collect();
            let batch: Vec<Item<'_>> = picks.iter().map(|i| items[*i]).collect();
            let mut ok = vec![true; len];
            verifier.verify(&batch, &mut ok);
            for (pick, ok) in picks.iter().zip(ok) {
                assert_eq!(ok, alone[*pick], "item {pick} in a batch of {len}, {cpu:?}");
            }
        }
        // One algorithm alone, where lanes fill up.
        for alg in Algorithm::ALL {
            let picks: Vec<usize> = (0..items.len()).filter(|i| items[*i].key.algorithm() == *alg).take(130).collect();
            for len in [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, picks.len()] {
                let picks = &picks[..len.min(picks.len())];
                let batch: Vec<Item<'_>> = picks.iter().map(|i| items[*i]).collect();
                let mut ok = vec![false; batch.len()];
                verifier.verify(&batch, &mut ok);
                for (pick, ok) in picks.iter().zip(ok) {
                    assert_eq!(ok, alone[*pick], "item {pick} among {len} of {alg}, {cpu:?}");
                }
            }
        }
    }
}

#[test]
fn a_slice_of_words_of_another_length_does_no_harm() {
    let pair = Pair::secret(Algorithm::HmacSha256, b"secret");
    let signature = pair.signing.sign(b"m", SignatureForm::Either, MacInput::Plain).unwrap();
    let item = Item {
        key: &pair.key,
        message: b"m",
        signature: &signature,
        form: SignatureForm::Either,
        input: MacInput::Plain,
    };
    let mut verifier = Verifier::new(Cpu::detect());
    let mut short = [false; 1];
    verifier.verify(&[item, item], &mut short);
    assert_eq!(short, [true]);
    let mut long = [true; 3];
    verifier.verify(&[item, item], &mut long);
    assert_eq!(long, [true, true, false]);
    verifier.verify(&[], &mut []);
}
