//! Vectors from the standards, through the public API.

use portcullis::alg::{Algorithm, Item, Key, MacInput, PublicKey, SignatureForm, SigningKey, Verifier};
use portcullis::codec::hex;
use portcullis::lanes::Cpu;

fn bytes(text: &str) -> Vec<u8> {
    hex::decode_vec(text.as_bytes()).unwrap()
}

/// Verifies one item with every set of features that this CPU has.
fn good(key: &Key, message: &[u8], signature: &[u8], form: SignatureForm, input: MacInput) -> bool {
    let verdicts: Vec<bool> = Cpu::variants()
        .into_iter()
        .map(|cpu| {
            let mut ok = [true];
            Verifier::new(cpu).verify(&[Item { key, message, signature, form, input }], &mut ok);
            ok[0]
        })
        .collect();
    assert!(verdicts.iter().all(|v| *v == verdicts[0]), "the CPU's features decide: {verdicts:?}");
    verdicts[0]
}

/// As given it is good; with a bit of the signature or of the message changed it is not.
fn only_this(key: &Key, message: &[u8], signature: &[u8], form: SignatureForm, input: MacInput) {
    assert!(good(key, message, signature, form, input));
    for at in [0, signature.len() / 2, signature.len() - 1] {
        let mut changed = signature.to_vec();
        changed[at] ^= 1;
        assert!(!good(key, message, &changed, form, input), "byte {at}");
    }
    assert!(!good(key, &[message, b" "].concat(), signature, form, input));
    assert!(!good(key, message, &signature[1..], form, input));
    assert!(!good(key, message, &[signature, &[0]].concat(), form, input));
    assert!(!good(key, message, b"", form, input));
}

/// The openapi profile: `&partnerKey=` ends the text that is signed, the secret follows.
#[test]
fn md5_with_the_key_appended() {
    let key = Key::secret(Algorithm::Md5, b"k3y").unwrap();
    let message = b"nonce=abc123&partnerId=p10001&timestamp=1700000000&partnerKey=";
    let tag = bytes("2f9ca37c0612118fb1b01b74e6854589");
    only_this(&key, message, &tag, SignatureForm::Either, MacInput::AppendKey);
    // The digest of the message alone, which anyone can make, is good for nothing.
    assert!(!good(&key, &[message.as_slice(), b"k3y"].concat(), &tag, SignatureForm::Either, MacInput::Plain));
    let made = SigningKey::secret(Algorithm::Md5, b"k3y").unwrap();
    assert_eq!(made.sign(message, SignatureForm::Either, MacInput::AppendKey).unwrap(), tag);
    assert!(made.sign(message, SignatureForm::Either, MacInput::Plain).is_err());
}

/// WeChat Pay v2: the text ends in the key, and HMAC is keyed with it as well.
#[test]
fn wechatpay_v2_md5_and_hmac_over_text_and_key() {
    let secret = b"192006250b4c09247ec02edce69f6a2d";
    let message =
        b"appid=wxd930ea5d5a258f4f&body=test&device_info=1000&mch_id=10000100&nonce_str=ibuaiVcKdpRxkhJA&key=";
    for (alg, tag) in [
        (Algorithm::Md5, "9A0A8659F005D6984697E2CA0A9CF3B7"),
        (Algorithm::HmacSha256, "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
    ] {
        let key = Key::secret(alg, secret).unwrap();
        only_this(&key, message, &bytes(tag), SignatureForm::Either, MacInput::AppendKey);
    }
    let key = Key::secret(Algorithm::HmacSha256, secret).unwrap();
    let whole = [message.as_slice(), secret].concat();
    only_this(
        &key,
        &whole,
        &bytes("6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
        SignatureForm::Either,
        MacInput::Plain,
    );
}

/// RFC 2202, 3 (SHA-1) and RFC 4231, 4 (SHA-2), cases 1, 2, 3 and 6.
#[test]
fn hmac_sha() {
    let long = "Test Using Larger Than Block-Size Key - Hash Key First";
    let cases: [(Algorithm, Vec<u8>, Vec<u8>, &str); 15] = [
        (Algorithm::HmacSha1, vec![0x0b; 20], b"Hi There".into(), "b617318655057264e28bc0b6fb378c8ef146be00"),
        (
            Algorithm::HmacSha1,
            b"Jefe".into(),
            b"what do ya want for nothing?".into(),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (Algorithm::HmacSha1, vec![0xaa; 80], long.into(), "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
        (
            Algorithm::HmacSha256,
            vec![0x0b; 20],
            b"Hi There".into(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            Algorithm::HmacSha256,
            b"Jefe".into(),
            b"what do ya want for nothing?".into(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            Algorithm::HmacSha256,
            vec![0xaa; 20],
            vec![0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            Algorithm::HmacSha256,
            vec![0xaa; 131],
            long.into(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            Algorithm::HmacSha384,
            vec![0x0b; 20],
            b"Hi There".into(),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            Algorithm::HmacSha384,
            b"Jefe".into(),
            b"what do ya want for nothing?".into(),
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            Algorithm::HmacSha384,
            vec![0xaa; 20],
            vec![0xdd; 50],
            "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
        ),
        (
            Algorithm::HmacSha384,
            vec![0xaa; 131],
            long.into(),
            "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        ),
        (
            Algorithm::HmacSha512,
            vec![0x0b; 20],
            b"Hi There".into(),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            Algorithm::HmacSha512,
            b"Jefe".into(),
            b"what do ya want for nothing?".into(),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            Algorithm::HmacSha512,
            vec![0xaa; 20],
            vec![0xdd; 50],
            "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
        ),
        (
            Algorithm::HmacSha512,
            vec![0xaa; 131],
            long.into(),
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
    ];
    for (alg, secret, message, tag) in cases {
        let key = Key::secret(alg, &secret).unwrap();
        only_this(&key, &message, &bytes(tag), SignatureForm::Either, MacInput::Plain);
    }
}

/// GM/T 0042 appendix D.3 (the same value comes from OpenSSL 3's `mac -digest SM3`).
#[test]
fn hmac_sm3() {
    let message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopqabcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    let key: Vec<u8> = (1..=32).collect();
    let key = Key::secret(Algorithm::HmacSm3, &key).unwrap();
    let tag = bytes("ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a");
    only_this(&key, message, &tag, SignatureForm::Either, MacInput::Plain);
}

/// RFC 8032, 7.1, tests 1 to 3 and SHA(abc).
#[test]
fn ed25519() {
    for (public, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ] {
        let public = PublicKey::from_raw_ed25519(&bytes(public)).unwrap();
        let key = Key::public(Algorithm::Ed25519, &public, None).unwrap();
        only_this(&key, &bytes(message), &bytes(signature), SignatureForm::Either, MacInput::Plain);
    }
}

/// GB/T 32918.5, A.2: message `message digest`, identifier 1234567812345678.
#[test]
fn sm2() {
    let point = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
    let fixed = bytes(
        "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
    );
    let der = bytes(
        "3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa",
    );
    let public = PublicKey::from_point_hex(Algorithm::Sm2Sm3, point).unwrap();
    let named = Key::public(Algorithm::Sm2Sm3, &public, Some(b"1234567812345678")).unwrap();
    let unnamed = Key::public(Algorithm::Sm2Sm3, &public, None).unwrap();
    for key in [&named, &unnamed] {
        only_this(key, b"message digest", &fixed, SignatureForm::Fixed, MacInput::Plain);
        only_this(key, b"message digest", &der, SignatureForm::Der, MacInput::Plain);
        only_this(key, b"message digest", &fixed, SignatureForm::Either, MacInput::Plain);
        only_this(key, b"message digest", &der, SignatureForm::Either, MacInput::Plain);
        assert!(!good(key, b"message digest", &der, SignatureForm::Fixed, MacInput::Plain));
        assert!(!good(key, b"message digest", &fixed, SignatureForm::Der, MacInput::Plain));
    }
    let other = Key::public(Algorithm::Sm2Sm3, &public, Some(b"ALICE123@YAHOO.COM")).unwrap();
    assert!(!good(&other, b"message digest", &fixed, SignatureForm::Fixed, MacInput::Plain));
}
