//! `portcullis bench`: a quick table of what this machine does.
//!
//! A look, not a measurement to quote: the peers and their ratios are in `cargo bench --bench peers`.

use crate::{End, Failure};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use portcullis::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier};
use portcullis::lanes::Cpu;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Measure this machine: nanoseconds a verification, alone and in batches, on one core.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  portcullis bench\n  portcullis bench --json rsa\n\n\
    PORTCULLIS_LANES=scalar|avx2|avx512 holds the lanes down to a lower backend.")]
pub struct Arguments {
    /// One line of JSON a row
    #[arg(long)]
    json: bool,
    /// Items in a batch
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    batch: u32,
    /// Only rows with this in their name
    filter: Option<String>,
}

/// Bytes of the signed strings.
const MESSAGE: usize = 300;

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let cpu = Cpu::detect();
    if !arguments.json {
        println!("{:?}, messages of {MESSAGE} bytes, batches of {}", cpu, arguments.batch);
        println!("{:<22} {:>12} {:>12} {:>14}", "algorithm", "one, ns", "batch, ns", "batch, /s/core");
    }
    for algorithm in Algorithm::ALL {
        if arguments.filter.as_ref().is_some_and(|part| !algorithm.name().contains(part.as_str())) {
            continue;
        }
        if *algorithm == Algorithm::RsaPkcs1Sha1 {
            // Its signatures are no longer made, so there is nothing to verify here; it costs what rsa-pkcs1-sha256 does.
            continue;
        }
        let (one, batch) = row(*algorithm, arguments.batch as usize, cpu)?;
        if arguments.json {
            println!(
                "{{\"name\":\"{}\",\"one_ns\":{one:.1},\"batch_ns\":{batch:.1},\"batch\":{}}}",
                algorithm.name(),
                arguments.batch
            );
        } else {
            println!("{:<22} {one:>12.0} {batch:>12.0} {:>14.0}", algorithm.name(), 1e9 / batch);
        }
    }
    Ok(End::Done)
}

fn row(algorithm: Algorithm, batch: usize, cpu: Cpu) -> Result<(f64, f64), Failure> {
    let (signing, key) = keys(algorithm)?;
    let input = if algorithm == Algorithm::Md5 { MacInput::AppendKey } else { MacInput::Plain };
    let messages: Vec<Vec<u8>> = (0..batch).map(|n| (0..MESSAGE).map(|at| (at * 7 + n * 13) as u8).collect()).collect();
    let signatures: Vec<Vec<u8>> = messages
        .iter()
        .map(|m| signing.sign(m, SignatureForm::Der, input))
        .collect::<Result<_, _>>()
        .map_err(|e| format!("{}: {e}", algorithm.name()))?;
    let items: Vec<Item<'_>> = messages
        .iter()
        .zip(&signatures)
        .map(|(message, signature)| Item { key: &key, message, signature, form: SignatureForm::Der, input })
        .collect();
    let mut verifier = Verifier::new(cpu);
    let mut good = vec![false; items.len()];
    // Twice, so that what is built on a key's second use is there.
    for _ in 0..2 {
        verifier.verify(&items, &mut good);
        if !good.iter().all(|g| *g) {
            return Err(format!("{}: a good signature was refused", algorithm.name()));
        }
    }
    let batch_ns = median(|| verifier.verify(black_box(&items), &mut good)) / items.len() as f64;
    let one_ns = median(|| {
        for (item, good) in items.iter().zip(good.iter_mut()) {
            verifier.verify(black_box(std::slice::from_ref(item)), std::slice::from_mut(good));
        }
    }) / items.len() as f64;
    Ok((one_ns, batch_ns))
}

/// The median time of a call in nanoseconds, over about 0.2 s.
fn median(mut call: impl FnMut()) -> f64 {
    let mut times = Vec::new();
    let started = Instant::now();
    while times.len() < 5 || started.elapsed() < Duration::from_millis(200) && times.len() < 10_000 {
        let one = Instant::now();
        call();
        times.push(one.elapsed().as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn keys(algorithm: Algorithm) -> Result<(SigningKey, Key), Failure> {
    let failed = |_| format!("{}: no key could be made", algorithm.name());
    if algorithm.is_mac() {
        let secret = [0x5a; 32];
        let signing = SigningKey::secret(algorithm, &secret).map_err(|e| e.to_string())?;
        return Ok((signing, Key::secret(algorithm, &secret).map_err(|e| e.to_string())?));
    }
    let random = aws_lc_rs::rand::SystemRandom::new();
    let der: Vec<u8> = match algorithm {
        Algorithm::EcdsaP256Sha256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(failed)?.as_ref().to_vec()
        }
        Algorithm::EcdsaP384Sha384 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).map_err(failed)?.as_ref().to_vec()
        }
        Algorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random).map_err(failed)?.as_ref().to_vec(),
        Algorithm::Sm2Sm3 => {
            // PKCS#8 (RFC 5958) of an SM2 private key: id-ecPublicKey with the curve 1.2.156.10197.1.301, then the scalar.
            let mut der = portcullis::codec::hex::decode_vec(
                b"3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420",
            )
            .map_err(|_| "hex")?;
            let mut scalar = [0u8; 32];
            aws_lc_rs::rand::fill(&mut scalar[1..]).map_err(failed)?;
            der.extend_from_slice(&scalar);
            der
        }
        _ => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
            der.as_ref().to_vec()
        }
    };
    let signing = SigningKey::from_pkcs8_der(algorithm, &der, None).map_err(|e| e.to_string())?;
    let public = signing.public_key().ok_or("no public half")?;
    let key = Key::public(algorithm, &public, None).map_err(|e| e.to_string())?;
    Ok((signing, key))
}
