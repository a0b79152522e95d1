//! `portcullis bench`: what this machine does, one row an algorithm, beside the library that verifies one signature at a time.
//!
//! Ours alone, ours in batches and the library take turns, so that a noisy machine is noisy for all three; medians. Whole requests, nonces and
//! rates beside their peers are in `cargo bench --bench peers`.

mod page;
mod peer;

use crate::{End, Failure};
use peer::Made;
use portcullis::alg::{Algorithm, Item, MacInput, SignatureForm, Verifier};
use portcullis::lanes::Cpu;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Measure this machine: nanoseconds a verification on one core, alone, in batches, and by the library that does one at a time.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  portcullis bench\n  portcullis bench --html bench.html\n  portcullis bench --json rsa\n\n\
    PORTCULLIS_LANES=scalar|avx2|avx512 holds the lanes down to a lower backend."
)]
pub struct Arguments {
    /// One line of JSON a row
    #[arg(long)]
    json: bool,
    /// Write a page with bar charts as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Items in a batch
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    batch: u32,
    /// Only rows with this in their name
    filter: Option<String>,
}

/// Bytes of the signed strings.
const MESSAGE: usize = 300;
/// How long each of the three is measured for a row.
const EACH: Duration = Duration::from_millis(150);

/// What was measured of an algorithm, in nanoseconds a verification.
struct Row {
    name: &'static str,
    one: f64,
    batch: f64,
    /// The library's name, and what it takes.
    library: &'static str,
    alone: f64,
}

impl Row {
    /// How many of ours in batches the library's one takes the time of.
    fn ratio(&self) -> f64 {
        self.alone / self.batch
    }
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let cpu = Cpu::detect();
    let size = arguments.batch as usize;
    if !arguments.json {
        println!("{} lanes, messages of {MESSAGE} bytes, batches of {size}", cpu.backend().name());
        println!(
            "{:<22} {:>11} {:>11} {:>14}   {:<12} {:>11} {:>8}",
            "algorithm", "one, ns", "batch, ns", "batch, /s/core", "library", "one, ns", "ratio"
        );
    }
    let mut rows = Vec::new();
    for algorithm in Algorithm::ALL {
        if arguments.filter.as_ref().is_some_and(|part| !algorithm.name().contains(part.as_str())) {
            continue;
        }
        if *algorithm == Algorithm::RsaPkcs1Sha1 {
            // Its signatures are no longer made, so there is nothing to verify here; it costs what rsa-pkcs1-sha256 does.
            continue;
        }
        let row = row(*algorithm, size, cpu)?;
        if arguments.json {
            println!(
                "{{\"name\":\"{}\",\"one_ns\":{:.1},\"batch_ns\":{:.1},\"batch\":{size},\"peer\":\"{}\",\"peer_ns\":{:.1},\"ratio\":{:.2}}}",
                row.name,
                row.one,
                row.batch,
                row.library,
                row.alone,
                row.ratio()
            );
        } else {
            println!(
                "{:<22} {:>11.0} {:>11.0} {:>14.0}   {:<12} {:>11.0} {:>7.1}x",
                row.name,
                row.one,
                row.batch,
                1e9 / row.batch,
                row.library,
                row.alone,
                row.ratio()
            );
        }
        rows.push(row);
    }
    if let Some(path) = &arguments.html {
        let about = format!("{} lanes, messages of {MESSAGE} bytes, batches of {size}, one core", cpu.backend().name());
        let page = page::write(&rows, &about)?;
        std::fs::write(path, page).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(End::Done)
}

fn row(algorithm: Algorithm, size: usize, cpu: Cpu) -> Result<Row, Failure> {
    let Made { signing, key, library, alone } = peer::make(algorithm)?;
    let input = if algorithm == Algorithm::Md5 { MacInput::AppendKey } else { MacInput::Plain };
    let messages: Vec<Vec<u8>> = (0..size).map(|n| (0..MESSAGE).map(|at| (at * 7 + n * 13) as u8).collect()).collect();
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
    if !items.iter().all(|item| alone(item.message, item.signature)) {
        return Err(format!("{}: {library} refused a good signature", algorithm.name()));
    }
    let (mut ones, mut batches, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    let started = Instant::now();
    while batches.len() < 5 || started.elapsed() < 3 * EACH && batches.len() < 10_000 {
        batches.push(time(|| verifier.verify(black_box(&items), &mut good)));
        ones.push(time(|| {
            for (item, good) in items.iter().zip(good.iter_mut()) {
                verifier.verify(black_box(std::slice::from_ref(item)), std::slice::from_mut(good));
            }
        }));
        peers.push(time(|| {
            for item in &items {
                black_box(alone(black_box(item.message), item.signature));
            }
        }));
    }
    let each = |times: &mut Vec<f64>| median(times) / items.len() as f64;
    let (one, batch, alone) = (each(&mut ones), each(&mut batches), each(&mut peers));
    Ok(Row { name: algorithm.name(), one, batch, library, alone })
}

/// Nanoseconds of a call.
fn time(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_nanos() as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
