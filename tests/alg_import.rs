//! Keys and certificates in every form that they come in, and every way in which one is broken, with the words that an operator reads.

mod support;

use portcullis::alg::{
    Algorithm, Certificate, Item, Key, KeyError, MacInput, PublicKey, SignatureForm, SigningKey, Verifier,
};
use portcullis::codec::base64::{self, Variant};
use portcullis::codec::{hex, pem};
use portcullis::lanes::Cpu;
use serde_json::Value;

fn openssl() -> Value {
    serde_json::from_str(include_str!("../vectors/alg/openssl.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}"))
}

fn entry<'a>(table: &'a Value, name: &str) -> &'a Value {
    table["keys"].as_array().unwrap().iter().find(|k| k["name"] == name).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode_vec(text.as_bytes()).unwrap()
}

fn good(key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let mut ok = [false];
    let (form, input) = (SignatureForm::Either, MacInput::Plain);
    Verifier::new(Cpu::detect()).verify(&[Item { key, message, signature, form, input }], &mut ok);
    ok[0]
}

#[test]
fn what_openssl_writes_is_read_and_what_it_signs_is_good() {
    let table = openssl();
    let message = text(&table, "message").as_bytes();
    let mut seen = 0;
    for entry in table["keys"].as_array().unwrap() {
        let Some(signatures) = entry["signatures"].as_object().filter(|s| !s.is_empty()) else { continue };
        let public = PublicKey::from_pem(text(entry, "public_pem")).unwrap();
        assert_eq!(public, PublicKey::from_spki_der(&bytes(text(entry, "public_der"))).unwrap());
        if entry.get("pkcs1_public_pem").is_some() {
            assert_eq!(public, PublicKey::from_pem(text(entry, "pkcs1_public_pem")).unwrap());
        }
        if entry.get("compressed_der").is_some() {
            assert_eq!(public, PublicKey::from_spki_der(&bytes(text(entry, "compressed_der"))).unwrap());
        }
        let certificate = Certificate::from_pem(text(&entry["certificate"], "pem")).unwrap();
        assert_eq!(&public, certificate.public_key());
        for (name, signature) in signatures {
            let alg = Algorithm::from_name(name).unwrap();
            let key = Key::public(alg, &public, None).unwrap();
            assert_eq!(key.algorithm(), alg);
            let signature = bytes(signature.as_str().unwrap());
            assert!(good(&key, message, &signature), "{name}");
            assert!(!good(&key, &message[1..], &signature), "{name}");
            seen += 1;
            if alg == Algorithm::RsaPkcs1Sha1 {
                let why = SigningKey::from_pkcs8_pem(alg, text(entry, "private_pem"), None).unwrap_err();
                assert_eq!(why.to_string(), "cannot sign: SHA-1 signatures are verified, no longer made");
                continue;
            }
            let signing = SigningKey::from_pkcs8_pem(alg, text(entry, "private_pem"), None).unwrap();
            assert_eq!(signing.public_key().unwrap(), public);
            let ours = signing.sign(message, SignatureForm::Either, MacInput::Plain).unwrap();
            assert!(good(&key, message, &ours), "{name}");
            let deterministic =
                matches!(alg, Algorithm::RsaPkcs1Sha256 | Algorithm::RsaPkcs1Sha512 | Algorithm::Ed25519);
            assert_eq!(ours == signature, deterministic, "{name}");
        }
    }
    assert_eq!(seen, 11);
}

#[test]
fn certificates_tell_what_openssl_tells() {
    let millis = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let (mut read, mut refused) = (0, 0);
    for entry in openssl()["keys"].as_array().unwrap() {
        let expected = &entry["certificate"];
        let certificate = match Certificate::from_pem(text(expected, "pem")) {
            Ok(certificate) => certificate,
            Err(why) => {
                assert!(matches!(why, KeyError::Oid { .. }), "{why}");
                refused += 1;
                continue;
            }
        };
        read += 1;
        assert_eq!(certificate.serial_hex(), text(expected, "serial_hex"));
        assert_eq!(certificate.serial_decimal(), text(expected, "serial_decimal"));
        assert_eq!(hex::to_string(&certificate.sha256_fingerprint()), text(expected, "sha256"));
        assert_eq!(certificate.not_before(), millis(text(expected, "not_before")));
        assert_eq!(certificate.not_after(), millis(text(expected, "not_after")));
        assert_eq!(certificate.subject(), text(expected, "subject"));
        assert_eq!(certificate.issuer(), certificate.subject());
        let der = pem::only(text(expected, "pem")).unwrap().der;
        assert_eq!(certificate.der(), *der);
        assert_eq!(certificate, Certificate::from_der(&der).unwrap());
        // Cut anywhere, or longer, it is none.
        for len in [0, 1, 4, der.len() / 2, der.len() - 1] {
            assert!(matches!(Certificate::from_der(&der[..len]), Err(KeyError::Der { .. })));
        }
        assert!(Certificate::from_der(&[der.as_slice(), &[0]].concat()).is_err());
    }
    assert_eq!((read, refused), (7, 2), "P-521 and RSASSA-PSS keys are not taken");
    let key = openssl();
    let why = Certificate::from_pem(text(entry(&key, "P-256"), "public_pem")).unwrap_err();
    assert_eq!(why.to_string(), "PEM label `PUBLIC KEY`, `CERTIFICATE` needed");
}

/// A DER element.
fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = match len {
        0..=0x7f => vec![tag, len as u8],
        0x80..=0xff => vec![tag, 0x81, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [head, body.to_vec()].concat()
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let sign = if magnitude.first().is_none_or(|b| *b >= 0x80) { &[0][..] } else { &[] };
    der(2, &[sign, magnitude].concat())
}

fn rsa(n: &[u8], e: &[u8]) -> Vec<u8> {
    der(0x30, &[integer(n), integer(e)].concat())
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der(0x30, &[der(0x30, algorithm), der(3, &[&[0], key].concat())].concat())
}

fn rsa_algorithm() -> Vec<u8> {
    bytes("06092a864886f70d0101010500")
}

fn ec_algorithm(curve: &str) -> Vec<u8> {
    [bytes("06072a8648ce3d0201"), bytes(curve)].concat()
}

const P256_OID: &str = "06082a8648ce3d030107";
const P384_OID: &str = "06052b81040022";
const SM2_OID: &str = "06082a811ccf5501822d";

/// An odd number of that many bits.
fn odd(bits: usize) -> Vec<u8> {
    let mut n = vec![0x5b; bits.div_ceil(8)];
    n[0] = 1 << ((bits - 1) % 8);
    *n.last_mut().unwrap() |= 1;
    n
}

/// Imports and binds, and gives the words of the refusal.
fn why(alg: Algorithm, der: &[u8]) -> String {
    let imported = PublicKey::from_spki_der(der);
    if !der.is_empty() {
        assert_eq!(imported, PublicKey::from_pem(&pem::encode("PUBLIC KEY", der)), "PEM and DER are one");
    }
    imported.and_then(|public| Key::public(alg, &public, None)).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn broken_rsa_keys() {
    let e = [1, 0, 1];
    let rsa_spki = |n: &[u8], e: &[u8]| spki(&rsa_algorithm(), &rsa(n, e));
    let good = rsa_spki(&odd(2048), &e);
    let alg = Algorithm::RsaPkcs1Sha256;
    for bits in [2048, 2049, 2055, 3072, 4096, 8192] {
        let public = PublicKey::from_spki_der(&rsa_spki(&odd(bits), &e)).unwrap();
        assert!(Key::public(alg, &public, None).is_ok(), "{bits}");
    }
    for exponent in [&[3][..], &[17], &[1, 0, 1], &[0xff, 0xff, 0xff, 0xff], &[1, 0xff, 0xff, 0xff, 0xff]] {
        let public = PublicKey::from_spki_der(&rsa_spki(&odd(2048), exponent)).unwrap();
        assert!(Key::public(alg, &public, None).is_ok(), "{exponent:?}");
    }
    let mut even = odd(2048);
    even[255] &= 0xfe;
    for (der, words) in [
        (rsa_spki(&odd(1024), &e), "RSA modulus of 1024 bits, at least 2048 needed"),
        (rsa_spki(&odd(2047), &e), "RSA modulus of 2047 bits, at least 2048 needed"),
        (rsa_spki(&[], &e), "RSA modulus of 0 bits, at least 2048 needed"),
        (rsa_spki(&odd(8193), &e), "RSA modulus of 8193 bits, at most 8192 taken"),
        (rsa_spki(&even, &e), "RSA modulus is even"),
        (rsa_spki(&odd(2048), &[]), "RSA exponent 0, an odd number from 3 to 2^33 - 1 needed"),
        (rsa_spki(&odd(2048), &[1]), "RSA exponent 1, an odd number from 3 to 2^33 - 1 needed"),
        (rsa_spki(&odd(2048), &[2]), "RSA exponent 2, an odd number from 3 to 2^33 - 1 needed"),
        (rsa_spki(&odd(2048), &[1, 0, 0]), "RSA exponent 65536, an odd number from 3 to 2^33 - 1 needed"),
        (rsa_spki(&odd(2048), &[2, 0, 0, 0, 1]), "RSA exponent 8589934593, an odd number from 3 to 2^33 - 1 needed"),
        (
            rsa_spki(&odd(2048), &[1, 0, 0, 0, 0, 0, 0, 0, 1]),
            "RSA exponent 0x010000000000000001, an odd number from 3 to 2^33 - 1 needed",
        ),
        (
            spki(&bytes("06092a864886f70d01010a"), &rsa(&odd(2048), &e)),
            "key algorithm 1.2.840.113549.1.1.10 is not taken (rsaEncryption 1.2.840.113549.1.1.1, \
             id-ecPublicKey 1.2.840.10045.2.1 and Ed25519 1.3.101.112 are)",
        ),
        (
            spki(&bytes("06092a864886f70d010101"), &rsa(&odd(2048), &e)),
            "not the DER of a SubjectPublicKeyInfo: the parameters of rsaEncryption are not NULL",
        ),
    ] {
        assert_eq!(why(alg, &der), words);
    }
    // Broken DER: which word the reader has for it is the reader's, but it is DER that is broken.
    let negative = der(0x30, &[der(2, &odd(2048).iter().map(|b| b | 0x80).collect::<Vec<_>>()), integer(&e)].concat());
    let padded = der(0x30, &[der(2, &[&[0, 0][..], &odd(2048)].concat()), integer(&e)].concat());
    let third = der(0x30, &[integer(&odd(2048)), integer(&e), integer(&[1])].concat());
    for key in [negative, padded, third, der(0x30, &integer(&odd(2048))), rsa(&odd(2048), &e)[1..].to_vec(), vec![]] {
        let words = why(alg, &spki(&rsa_algorithm(), &key));
        assert!(words.starts_with("not the DER of an RSAPublicKey: "), "{words}");
    }
    for len in 0..good.len() {
        let words = why(alg, &good[..len]);
        assert!(words.starts_with("not the DER of ") || len == 0, "{words}");
    }
    let words = why(alg, &[good.as_slice(), &[0]].concat());
    assert!(words.starts_with("not the DER of a SubjectPublicKeyInfo: "), "{words}");
    let odd_bits =
        der(0x30, &[der(0x30, &rsa_algorithm()), der(3, &[&[1], rsa(&odd(2048), &e).as_slice()].concat())].concat());
    assert!(why(alg, &odd_bits).starts_with("not the DER of "));
}

#[test]
fn broken_points() {
    use Algorithm::{EcdsaP256Sha256, EcdsaP384Sha384, Sm2Sm3};
    let table = openssl();
    for (name, alg, curve, size) in [
        ("P-256", EcdsaP256Sha256, P256_OID, 32),
        ("P-384", EcdsaP384Sha384, P384_OID, 48),
        ("SM2", Sm2Sm3, SM2_OID, 32),
    ] {
        let der = bytes(text(entry(&table, name), "public_der"));
        let point = der[der.len() - 2 * size - 1..].to_vec();
        let public = PublicKey::from_spki_der(&der).unwrap();
        let rebuilt = |point: &[u8]| spki(&ec_algorithm(curve), point);
        assert_eq!(rebuilt(&point), der, "the generator of broken keys makes whole ones");
        let compressed = [&[2 + (point[2 * size] & 1)], &point[1..=size]].concat();
        for whole in [&point, &compressed] {
            assert_eq!(PublicKey::from_point(alg, whole).unwrap(), public);
            assert_eq!(PublicKey::from_point_hex(alg, &hex::to_string(whole).to_uppercase()).unwrap(), public);
        }
        let bare = PublicKey::from_point(alg, &point[1..]);
        assert_eq!(bare.is_ok(), name == "SM2", "x and y alone are what SM2 toolkits write");
        assert!(bare.is_err() || bare == Ok(public.clone()));

        let off = format!("{name} point is not on the curve");
        let mut other_y = point.clone();
        *other_y.last_mut().unwrap() ^= 1;
        assert_eq!(why(alg, &rebuilt(&other_y)), off);
        // Coordinates of all ones are not below the prime; x = 0, y = 0 is on none of the curves.
        assert_eq!(why(alg, &rebuilt(&[&[4], vec![0xff; 2 * size].as_slice()].concat())), off);
        assert_eq!(why(alg, &rebuilt(&[&[4], vec![0; 2 * size].as_slice()].concat())), off);
        // About half of all x have no y.
        let without = (0..64u8)
            .map(|i| [&[2][..], &vec![0; size - 1], &[i]].concat())
            .filter(|x| PublicKey::from_point(alg, x).is_err())
            .count();
        assert!((10..54).contains(&without), "{without} of 64");

        assert_eq!(why(alg, &rebuilt(&[0])), format!("{name} point at infinity is not a public key"));
        let encoding = |len: usize, first: &str| {
            format!("{name} point of {len} bytes that begins with {first}: expected 02 or 03 and x, or 04, x and y")
        };
        assert_eq!(why(alg, &rebuilt(&[])), encoding(0, "nothing"));
        assert_eq!(why(alg, &rebuilt(&point[..2 * size])), encoding(2 * size, "0x04"));
        assert_eq!(why(alg, &rebuilt(&[&point[..], &[0]].concat())), encoding(2 * size + 2, "0x04"));
        assert_eq!(why(alg, &rebuilt(&compressed[..size])), encoding(size, &format!("{:#04x}", compressed[0])));
        // Hybrid points (SEC 1's 06 and 07) are nobody's.
        assert_eq!(why(alg, &rebuilt(&[&[6], &point[1..]].concat())), encoding(2 * size + 1, "0x06"));
        assert_eq!(why(alg, &rebuilt(&[&[0], &point[1..]].concat())), encoding(2 * size + 1, "0x00"));
        assert_eq!(PublicKey::from_point_hex(alg, "04zz").unwrap_err().to_string(), "not hexadecimal");
        // The point of one curve under the name of another.
        if size == 32 {
            let (other, words) = if name == "SM2" { (P256_OID, "P-256") } else { (SM2_OID, "SM2") };
            let words = format!("{words} point is not on the curve");
            assert_eq!(why(alg, &spki(&ec_algorithm(other), &point)), words);
        }
        for len in 0..der.len() {
            assert!(PublicKey::from_spki_der(&der[..len]).is_err());
        }
        assert!(PublicKey::from_spki_der(&[der.as_slice(), &[0]].concat()).is_err());
        // Parameters written out rather than named have let attackers choose the generator (CVE-2020-0601).
        let explicit = PublicKey::from_pem(text(entry(&table, name), "explicit_pem")).unwrap_err();
        assert_eq!(
            explicit.to_string(),
            "not the DER of a SubjectPublicKeyInfo: the curve is not named by an object identifier"
        );
    }
    let p521 = PublicKey::from_pem(text(entry(&table, "P-521"), "public_pem")).unwrap_err();
    assert_eq!(
        p521.to_string(),
        "curve 1.3.132.0.35 is not taken (P-256 1.2.840.10045.3.1.7, P-384 1.3.132.0.34 and SM2 1.2.156.10197.1.301 are)"
    );
    let none = PublicKey::from_spki_der(&spki(&bytes("06072a8648ce3d0201"), &[4; 65])).unwrap_err();
    assert!(none.to_string().starts_with("not the DER of a SubjectPublicKeyInfo: the curve"), "{none}");
    let rsa = PublicKey::from_point(Algorithm::RsaPkcs1Sha256, &[4; 65]).unwrap_err();
    assert_eq!(rsa.to_string(), "rsa-pkcs1-sha256 needs an RSA key, this is a point of a curve");
}

#[test]
fn broken_ed25519_keys() {
    let alg = Algorithm::Ed25519;
    let ed = |key: &[u8]| spki(&bytes("06032b6570"), key);
    let encoding = "Ed25519 key is not the canonical encoding of a point on the curve";
    let low = "Ed25519 key is a point of low order";
    for (key, words) in [
        ("0100000000000000000000000000000000000000000000000000000000000000", low),
        ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", low),
        ("0000000000000000000000000000000000000000000000000000000000000000", low),
        ("0000000000000000000000000000000000000000000000000000000000000080", low),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", low),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", low),
        ("0100000000000000000000000000000000000000000000000000000000000080", encoding),
        ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", encoding),
        ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", encoding),
        ("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", encoding),
        ("0200000000000000000000000000000000000000000000000000000000000000", encoding),
    ] {
        assert_eq!(why(alg, &ed(&bytes(key))), words, "{key}");
    }
    assert_eq!(why(alg, &ed(&[9; 31])), "Ed25519 key of 31 bytes, 32 needed");
    assert_eq!(why(alg, &ed(&[9; 33])), "Ed25519 key of 33 bytes, 32 needed");
    let words = why(alg, &spki(&bytes("06032b65700500"), &[9; 32]));
    assert_eq!(words, "not the DER of a SubjectPublicKeyInfo: Ed25519 has parameters, none belong there");
    // X25519 keys look alike and sign nothing.
    assert!(why(alg, &spki(&bytes("06032b656e"), &[9; 32])).starts_with("key algorithm 1.3.101.110 is not taken"));
}

#[test]
fn a_key_of_one_kind_is_no_key_of_another_algorithm() {
    let table = openssl();
    let kinds = ["RSA 2048", "P-256", "P-384", "SM2", "Ed25519"];
    for kind in kinds {
        let public = PublicKey::from_pem(text(entry(&table, kind), "public_pem")).unwrap();
        for alg in Algorithm::ALL {
            let fits = match kind {
                "RSA 2048" => alg.name().starts_with("rsa-"),
                "P-256" => *alg == Algorithm::EcdsaP256Sha256,
                "P-384" => *alg == Algorithm::EcdsaP384Sha384,
                "SM2" => *alg == Algorithm::Sm2Sm3,
                _ => *alg == Algorithm::Ed25519,
            };
            match Key::public(*alg, &public, None) {
                Ok(key) => assert!(fits && key.algorithm() == *alg, "{alg} {kind}"),
                Err(why) => {
                    assert!(!fits && matches!(why, KeyError::Mismatch { .. }), "{alg} {kind} {why}");
                    assert!(why.to_string().starts_with(&format!("{alg} needs a")), "{why}");
                }
            }
            let private = SigningKey::from_pkcs8_pem(*alg, text(entry(&table, kind), "private_pem"), None);
            assert_eq!(private.is_ok(), fits && *alg != Algorithm::RsaPkcs1Sha1, "{alg} {kind}");
        }
    }
    let secret = Key::secret(Algorithm::Sm2Sm3, b"secret").unwrap_err();
    assert_eq!(secret.to_string(), "sm2-sm3 needs an SM2 key, this is a secret");
    assert_eq!(Key::secret(Algorithm::HmacSm3, b"").unwrap_err().to_string(), "the secret is empty");
    let public = PublicKey::from_pem(text(entry(&table, "SM2"), "public_pem")).unwrap();
    let long = Key::public(Algorithm::Sm2Sm3, &public, Some(&[b'a'; 8192])).unwrap_err();
    assert_eq!(long.to_string(), "SM2 user id of 8192 bytes, at most 8191 taken");
    assert!(Key::public(Algorithm::Sm2Sm3, &public, Some(&[b'a'; 8191])).is_ok());
}

#[test]
fn pem_with_the_wrong_label() {
    let table = openssl();
    let entry = entry(&table, "RSA 2048");
    let public = |text: &str| PublicKey::from_pem(text).unwrap_err().to_string();
    assert_eq!(
        public(text(&entry["certificate"], "pem")),
        "PEM label `CERTIFICATE`, `PUBLIC KEY` or `RSA PUBLIC KEY` (a certificate is configured as certificate_pem) needed"
    );
    assert_eq!(
        public(text(entry, "private_pem")),
        "PEM label `PRIVATE KEY`, `PUBLIC KEY` or `RSA PUBLIC KEY` (never hand out a private key) needed"
    );
    assert_eq!(public("MIIBIjANBg=="), "not PEM: no `-----BEGIN …-----` line");
    let good = text(entry, "public_pem");
    assert_eq!(public(&format!("{good}more")), "not PEM: text after the `-----END …-----` line");
    assert_eq!(
        public(&good.replace("BEGIN PUBLIC", "BEGIN RSA PUBLIC").replace("END PUBLIC", "END RSA PUBLIC"))
            .split(": ")
            .next(),
        Some("not the DER of an RSAPublicKey")
    );
    let private =
        |text: &str| SigningKey::from_pkcs8_pem(Algorithm::RsaPkcs1Sha256, text, None).unwrap_err().to_string();
    assert_eq!(
        private(text(entry, "pkcs1_private_pem")),
        "PEM label `RSA PRIVATE KEY`, `PRIVATE KEY` (convert it: openssl pkcs8 -topk8 -nocrypt -in key.pem) needed"
    );
    assert_eq!(
        private(&pem::encode("ENCRYPTED PRIVATE KEY", &[0x30, 0])),
        "PEM label `ENCRYPTED PRIVATE KEY`, `PRIVATE KEY` (decrypt it: openssl pkcs8 -in key.pem) needed"
    );
    assert_eq!(private(good), "PEM label `PUBLIC KEY`, `PRIVATE KEY` needed");
    let small = text(self::entry(&table, "RSA 1024"), "private_pem");
    assert_eq!(private(small), "private key refused: an RSA modulus of 2048 to 8192 bits is needed");
}

#[test]
fn private_keys_that_do_not_hold_together() {
    let table = openssl();
    for (name, alg) in [
        ("RSA 2048", Algorithm::RsaPssSha256),
        ("P-256", Algorithm::EcdsaP256Sha256),
        ("P-384", Algorithm::EcdsaP384Sha384),
        ("SM2", Algorithm::Sm2Sm3),
        ("Ed25519", Algorithm::Ed25519),
    ] {
        let der = pem::only(text(entry(&table, name), "private_pem")).unwrap().der;
        for len in [0, 1, 10, der.len() / 2, der.len() - 1] {
            let why = SigningKey::from_pkcs8_der(alg, &der[..len], None).unwrap_err();
            assert!(why.to_string().starts_with("private key refused: not PKCS#8 of "), "{name} {len}: {why}");
        }
        // The public half, where the file has one, must belong to the private half.
        if name != "Ed25519" && name != "RSA 2048" {
            let mut changed = der.to_vec();
            *changed.last_mut().unwrap() ^= 1;
            assert!(SigningKey::from_pkcs8_der(alg, &changed, None).is_err(), "{name}");
        }
    }
}

#[test]
fn the_one_number_that_is_no_private_key_of_sm2() {
    use sm2::pkcs8::EncodePrivateKey;
    let mut n = bytes("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123");
    for (last, words) in
        [(0x22, Some("private key refused: not PKCS#8 of an SM2 key: its number is n - 1")), (0x21, None)]
    {
        n[31] = last;
        let der = sm2::SecretKey::from_slice(&n).unwrap().to_pkcs8_der().unwrap();
        let why = SigningKey::from_pkcs8_der(Algorithm::Sm2Sm3, der.as_bytes(), None).err();
        assert_eq!(why.map(|w| w.to_string()).as_deref(), words);
    }
}

/// Keys are read from documents that operators paste together: whatever the bytes, the answer is a key or a word.
#[test]
fn no_bytes_upset_the_readers() {
    let table = openssl();
    let mut random = support::Random(0x6b65_7973);
    let mut whole = Vec::new();
    for entry in table["keys"].as_array().unwrap() {
        whole.push(bytes(text(entry, "public_der")));
        whole.push(pem::only(text(&entry["certificate"], "pem")).unwrap().der.to_vec());
        whole.push(pem::only(text(entry, "private_pem")).unwrap().der.to_vec());
    }
    let (mut taken, mut refused) = (0, 0);
    for round in 0..3000 * support::scale() {
        let mut der = whole[round % whole.len()].clone();
        for _ in 0..1 + random.below(3) {
            // Most of the structure is in the first bytes.
            let within = if random.below(2) == 0 { 48.min(der.len()) } else { der.len() };
            let at = random.below(within);
            match random.below(4) {
                0 => der[at] = random.next() as u8,
                1 => der[at] ^= 1 << random.below(8),
                2 => {
                    der.remove(at);
                }
                _ => der.insert(at, random.next() as u8),
            }
        }
        if let Ok(certificate) = Certificate::from_der(&der) {
            assert!(!certificate.serial_decimal().is_empty() && certificate.serial_hex().len() <= 42);
        }
        for alg in [Algorithm::EcdsaP256Sha256, Algorithm::Sm2Sm3, Algorithm::Ed25519, Algorithm::RsaPssSha256] {
            if round % 64 == 0 {
                let _ = SigningKey::from_pkcs8_der(alg, &der, None).map(|key| key.public_key().unwrap());
            }
            let key = PublicKey::from_spki_der(&der).and_then(|public| Key::public(alg, &public, None));
            match key {
                Ok(key) => {
                    taken += 1;
                    assert!(!good(&key, b"message", &der));
                }
                Err(why) => {
                    refused += 1;
                    assert!(why.to_string().len() < 300, "{why}");
                }
            }
        }
    }
    assert!(taken > 0 && refused > taken, "{taken} taken, {refused} refused");
}

#[test]
fn json_web_keys() {
    // RFC 7517, A.1 (P-256, RSA) and RFC 8037, A.2.
    let ec = [
        ("kty", "EC"),
        ("crv", "P-256"),
        ("x", "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"),
        ("y", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"),
        ("use", "enc"),
        ("kid", "1"),
    ];
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn\
             jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q\
             MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap\
             JzKnqDKgw";
    let rsa = [("kty", "RSA"), ("n", n), ("e", "AQAB"), ("alg", "RS256")];
    let ed = [("kty", "OKP"), ("crv", "Ed25519"), ("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")];
    for (members, kind) in [(&ec[..], "a P-256 key"), (&rsa, "an RSA key"), (&ed, "an Ed25519 key")] {
        assert_eq!(PublicKey::from_jwk(members).unwrap().kind(), kind);
        // Every member that matters, left out, spoiled, or there twice.
        for (name, value) in members.iter().filter(|m| !matches!(m.0, "use" | "kid" | "alg")) {
            let with = |value: Option<&str>| -> Result<PublicKey, KeyError> {
                let others = members.iter().copied().filter(|m| m.0 != *name);
                PublicKey::from_jwk(&others.chain(value.map(|v| (*name, v))).collect::<Vec<_>>())
            };
            assert_eq!(with(None).unwrap_err().to_string(), format!("JWK: member `{name}` is missing"));
            assert_eq!(with(Some(value)), PublicKey::from_jwk(members));
            let twice: Vec<_> = members.iter().copied().chain([(*name, *value)]).collect();
            let why = PublicKey::from_jwk(&twice).unwrap_err().to_string();
            assert_eq!(why, format!("JWK: member `{name}` is there twice"));
            if !matches!(*name, "kty" | "crv") {
                for spoiled in [format!("{value}="), value.replace('_', "/") + "+", format!(" {value}")] {
                    let why = with(Some(&spoiled)).unwrap_err().to_string();
                    assert_eq!(why, format!("JWK: member `{name}` is not base64url without padding"));
                }
            }
        }
        let private: Vec<_> = members.iter().copied().chain([("d", "AQ")]).collect();
        let why = PublicKey::from_jwk(&private).unwrap_err().to_string();
        assert_eq!(why, "JWK: member `d` belongs to a private or secret key, a public one is needed");
    }
    let public = PublicKey::from_jwk(&rsa).unwrap();
    assert!(Key::public(Algorithm::RsaPkcs1Sha256, &public, None).is_ok());

    let jwk = |members: &[(&str, &str)]| PublicKey::from_jwk(members).unwrap_err().to_string();
    assert_eq!(
        jwk(&[("kty", "oct"), ("k", "AQ")]),
        "JWK: member `k` belongs to a private or secret key, a public one is needed"
    );
    assert_eq!(jwk(&[("kty", "oct")]), "JWK: key type `oct` is not taken (RSA, EC and OKP are)");
    assert_eq!(jwk(&[("kty", "EC"), ("crv", "P-521")]), "JWK: curve `P-521` is not taken (P-256, P-384 and SM2 are)");
    assert_eq!(jwk(&[("kty", "OKP"), ("crv", "X25519")]), "JWK: curve `X25519` is not taken (Ed25519 is)");
    assert_eq!(
        jwk(&[("kty", "EC"), ("crv", "P-256"), ("x", "AQ"), ("y", "AQ")]),
        "JWK: member `x` is of 1 bytes, 32 needed"
    );
    assert_eq!(
        jwk(&[("kty", "EC"), ("crv", "P-256"), ("x", ec[2].1), ("y", ec[2].1)]),
        "P-256 point is not on the curve"
    );
    let zero = format!("AA{n}");
    assert!(PublicKey::from_jwk(&[("kty", "RSA"), ("n", &zero), ("e", "AQAB")]).is_err());
    assert_eq!(
        jwk(&[("kty", "RSA"), ("n", n), ("e", "AAEAAQ")]),
        "JWK: member `e` is empty or begins with a zero byte"
    );
    // JWK of an SM2 key is what its point says.
    let table = openssl();
    let der = bytes(text(entry(&table, "SM2"), "public_der"));
    let part = |from: usize| base64::to_string(Variant::UrlSafeNoPad, &der[der.len() - from..][..32]);
    let sm2 = PublicKey::from_jwk(&[("kty", "EC"), ("crv", "SM2"), ("x", &part(64)), ("y", &part(32))]).unwrap();
    assert_eq!(sm2, PublicKey::from_spki_der(&der).unwrap());
}
