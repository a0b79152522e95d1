//! Every Wycheproof set that fits an algorithm of ours, through the public verifier: each case alone and all cases of a set in one batch, with
//! every set of CPU features.
//!
//! A case that a set calls `acceptable` (valid, but with a reason to refuse it) is decided by [`ACCEPTABLE`].

use portcullis::alg::{Algorithm, Item, Key, KeyError, MacInput, PublicKey, SignatureForm, Verifier};
use portcullis::lanes::Cpu;
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

/// What we say to acceptable cases, by the flag that makes them so.
const ACCEPTABLE: &[(&str, bool, &str)] = &[(
    "MissingNull",
    false,
    "PKCS#1 v1.5 compares the whole encoded message, and that has the NULL (RFC 8017, 9.2, note 1)",
)];

struct Case {
    key: usize,
    id: usize,
    message: Vec<u8>,
    signature: Vec<u8>,
    good: bool,
    note: String,
}

/// The cases of a set and their keys.
struct Set {
    name: String,
    form: SignatureForm,
    keys: Vec<Key>,
    cases: Vec<Case>,
}

impl Set {
    fn new(name: impl std::fmt::Debug, form: SignatureForm) -> Self {
        Self { name: format!("{name:?}"), form, keys: Vec::new(), cases: Vec::new() }
    }

    fn key(&mut self, key: Result<Key, KeyError>) {
        self.keys.push(key.unwrap_or_else(|why| panic!("{}: {why}", self.name)));
    }

    /// Adds a case under the last key.
    fn case(&mut self, id: usize, message: &[u8], signature: &[u8], result: TestResult, flags: &str, comment: &str) {
        let good = match result {
            TestResult::Valid => true,
            TestResult::Invalid => false,
            TestResult::Acceptable => {
                ACCEPTABLE
                    .iter()
                    .find(|rule| flags.contains(rule.0))
                    .unwrap_or_else(|| panic!("{} {id}: undecided: {flags} {comment}", self.name))
                    .1
            }
        };
        let (message, signature) = (message.to_vec(), signature.to_vec());
        let note = format!("{comment} {flags}");
        self.cases.push(Case { key: self.keys.len() - 1, id, message, signature, good, note });
    }

    /// Runs the set; returns how many cases are good and how many are not.
    fn run(&self) -> (usize, usize) {
        let items: Vec<Item<'_>> = self
            .cases
            .iter()
            .map(|case| Item {
                key: &self.keys[case.key],
                message: &case.message,
                signature: &case.signature,
                form: self.form,
                input: MacInput::Plain,
            })
            .collect();
        for cpu in Cpu::variants() {
            let mut verifier = Verifier::new(cpu);
            let mut together = vec![false; items.len()];
            verifier.verify(&items, &mut together);
            for ((case, item), together) in self.cases.iter().zip(&items).zip(&together) {
                let mut alone = [false];
                verifier.verify(std::slice::from_ref(item), &mut alone);
                assert_eq!(alone[0], *together, "{} {}: another verdict in a batch, {cpu:?}", self.name, case.id);
                assert_eq!(alone[0], case.good, "{} {}: {}, {cpu:?}", self.name, case.id, case.note);
            }
        }
        let good = self.cases.iter().filter(|c| c.good).count();
        println!("{}: {good} good, {} not", self.name, self.cases.len() - good);
        assert!(good > 0, "{}: a set without a good case tells nothing", self.name);
        (good, self.cases.len() - good)
    }
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let (mut files, mut cases) = (0, 0);
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let mut run = Set::new(name, SignatureForm::Either);
        for group in &set.test_groups {
            let alg = match group.hash {
                HashFunction::Sha1 => Algorithm::RsaPkcs1Sha1,
                HashFunction::Sha2_256 => Algorithm::RsaPkcs1Sha256,
                HashFunction::Sha2_512 => Algorithm::RsaPkcs1Sha512,
                _ => continue,
            };
            let public = PublicKey::from_spki_der(&group.der).unwrap();
            assert_eq!(public, PublicKey::from_pem(&group.pem).unwrap());
            assert_eq!(public, PublicKey::from_pkcs1_der(&group.asn_key).unwrap());
            run.key(Key::public(alg, &public, None));
            for test in &group.tests {
                let flags = format!("{:?}", test.flags);
                let comment = &test.comment;
                run.case(test.tc_id, &test.msg, &test.sig, test.result, &flags, comment);
            }
        }
        if !run.cases.is_empty() {
            files += 1;
            let (good, bad) = run.run();
            cases += good + bad;
        }
    }
    // 2048, 3072, 4096 with SHA-256 and SHA-512 but one, and 8192.
    assert!(files >= 7 && cases > 1500, "{files} files, {cases} cases");
}

#[test]
fn rsa_pss() {
    use rsa_pss_verify::{TestName, TestSet};
    let (mut files, mut others) = (0, 0);
    for name in TestName::all() {
        let set = TestSet::load(name).unwrap();
        let mut run = Set::new(name, SignatureForm::Either);
        let mut other = Set::new(name, SignatureForm::Either);
        for group in &set.test_groups {
            let (alg, salt) = match group.hash {
                HashFunction::Sha2_256 => (Algorithm::RsaPssSha256, 32),
                HashFunction::Sha2_512 => (Algorithm::RsaPssSha512, 64),
                _ => continue,
            };
            if group.key_size < 2048 {
                continue;
            }
            // The sets with parameters have keys that are named after PSS, which we do not take; their numbers are as good as any.
            let public = PublicKey::from_pkcs1_der(&group.asn_key).unwrap();
            let fits = group.salt_size == salt && group.mgf_hash == Some(group.hash);
            let run = if fits { &mut run } else { &mut other };
            run.key(Key::public(alg, &public, None));
            for test in &group.tests {
                let flags = format!("{:?}", test.flags);
                let comment = &test.comment;
                // Under other parameters only what is good there is of interest: it must not be good here.
                if fits || test.result == TestResult::Valid {
                    run.case(test.tc_id, &test.msg, &test.sig, test.result, &flags, comment);
                }
            }
        }
        if !run.cases.is_empty() {
            files += 1;
            run.run();
        }
        for case in &other.cases {
            let item = Item {
                key: &other.keys[case.key],
                message: &case.message,
                signature: &case.signature,
                form: SignatureForm::Either,
                input: MacInput::Plain,
            };
            let mut ok = [true];
            Verifier::new(Cpu::detect()).verify(&[item], &mut ok);
            assert!(!ok[0], "{} {}: {}", other.name, case.id, case.note);
            others += 1;
        }
    }
    assert!(files >= 5 && others > 100, "{files} files, {others} cases of other parameters");
}

#[test]
fn ecdsa() {
    use ecdsa::{TestName::*, TestSet};
    for (name, alg, form) in [
        (EcdsaSecp256r1Sha256, Algorithm::EcdsaP256Sha256, SignatureForm::Der),
        (EcdsaSecp256r1Sha256P1363, Algorithm::EcdsaP256Sha256, SignatureForm::Fixed),
        (EcdsaSecp384r1Sha384, Algorithm::EcdsaP384Sha384, SignatureForm::Der),
        (EcdsaSecp384r1Sha384P1363, Algorithm::EcdsaP384Sha384, SignatureForm::Fixed),
    ] {
        let mut run = Set::new(name, form);
        for group in &TestSet::load(name).unwrap().test_groups {
            let public = PublicKey::from_spki_der(&group.der).unwrap();
            assert_eq!(public, PublicKey::from_pem(&group.pem).unwrap());
            assert_eq!(public, PublicKey::from_point(alg, &group.key.key).unwrap());
            run.key(Key::public(alg, &public, None));
            for test in &group.tests {
                let flags = format!("{:?}", test.flags);
                let comment = &test.comment;
                run.case(test.tc_id, &test.msg, &test.sig, test.result, &flags, comment);
            }
        }
        let (good, bad) = run.run();
        assert!(good > 50 && bad > 50);
        // Whatever is good in its own form is good as `Either`, unless it is DER of the fixed length.
        let items: Vec<Item<'_>> = run
            .cases
            .iter()
            .filter(|case| case.good)
            .map(|case| Item {
                key: &run.keys[case.key],
                message: &case.message,
                signature: &case.signature,
                form: SignatureForm::Either,
                input: MacInput::Plain,
            })
            .collect();
        let mut ok = vec![false; items.len()];
        Verifier::new(Cpu::detect()).verify(&items, &mut ok);
        let fixed = if alg == Algorithm::EcdsaP256Sha256 { 64 } else { 96 };
        for (item, ok) in items.iter().zip(ok) {
            assert_eq!(ok, form == SignatureForm::Fixed || item.signature.len() != fixed);
        }
    }
}

#[test]
fn ed25519() {
    use eddsa::{TestName, TestSet};
    let mut run = Set::new(TestName::Ed25519, SignatureForm::Either);
    for group in &TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let public = PublicKey::from_spki_der(&group.der).unwrap();
        assert_eq!(public, PublicKey::from_pem(&group.pem).unwrap());
        run.key(Key::public(Algorithm::Ed25519, &public, None));
        for test in &group.tests {
            let flags = format!("{:?}", test.flags);
            let comment = &test.comment;
            run.case(test.tc_id, &test.msg, &test.sig, test.result, &flags, comment);
        }
    }
    run.run();
}

#[test]
fn hmac() {
    use mac::{TestName, TestSet};
    for (name, alg, len) in [
        (TestName::HmacSha1, Algorithm::HmacSha1, 20),
        (TestName::HmacSha256, Algorithm::HmacSha256, 32),
        (TestName::HmacSha384, Algorithm::HmacSha384, 48),
        (TestName::HmacSha512, Algorithm::HmacSha512, 64),
        (TestName::HmacSm3, Algorithm::HmacSm3, 32),
    ] {
        let mut run = Set::new(name, SignatureForm::Either);
        for group in &TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                if test.key.is_empty() {
                    assert_eq!(Key::secret(alg, &test.key).unwrap_err(), KeyError::EmptySecret);
                    continue;
                }
                run.key(Key::secret(alg, &test.key));
                // A truncated tag is no tag of ours, whatever the set says of it.
                let result = if group.tag_size == len * 8 { test.result } else { TestResult::Invalid };
                let flags = format!("{:?}", test.flags);
                let comment = &test.comment;
                run.case(test.tc_id, &test.msg, &test.tag, result, &flags, comment);
            }
        }
        run.run();
    }
}
