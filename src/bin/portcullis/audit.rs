//! `portcullis audit verify`: the first record of an audit log that was tampered with. `portcullis audit show`: records as lines.

use crate::{End, Failure, read_file};
use portcullis::alg::{Algorithm, Key, PublicKey};
use portcullis::audit::{AuditKey, Broken, Ending, Verifier, show, split_first};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Work with audit logs.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Verify(VerifyArguments),
    Show(ShowArguments),
}

/// Print the records of audit logs as lines of JSON, whichever form they are in. Nothing is checked: that is `audit verify`.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  portcullis audit show access.log | grep '\"reason\":\"replayed\"'")]
struct ShowArguments {
    /// The log
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Check audit logs: name the first record that was altered, deleted, put in, moved or cut off.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  PORTCULLIS_AUDIT_KEY=… portcullis audit verify access-1.ndjson access-2.ndjson\n\n\
    Records are lines of JSON or binary ones, as each says itself. Files of one log are given in the order of their rotation. Exit code 0 when every record is good, 1 when one is not, 2 when a file \
    cannot be read. A chain that was not closed ends openly: its worker still writes, or was killed; that is no tampering."
)]
struct VerifyArguments {
    /// The environment variable with the secret of the chain
    #[arg(long, value_name = "NAME", default_value = "PORTCULLIS_AUDIT_KEY")]
    key_env: String,
    /// A file with the secret of the chain, instead
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Check seals by this public key in PEM, too; without a secret of the chain, by these alone
    #[arg(long, value_name = "FILE", requires = "seal_alg")]
    seal_key: Option<PathBuf>,
    /// The algorithm of the seals, such as sm2-sm3 or ed25519
    #[arg(long, value_name = "NAME")]
    seal_alg: Option<String>,
    /// The first file goes on from files that are kept elsewhere
    #[arg(long)]
    partial: bool,
    /// The log
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// The key of the seals.
fn seals(arguments: &VerifyArguments) -> Result<Option<Key>, Failure> {
    let (Some(file), Some(name)) = (&arguments.seal_key, &arguments.seal_alg) else { return Ok(None) };
    let algorithm = Algorithm::from_name(name).ok_or_else(|| format!("there is no algorithm {name}"))?;
    let text = String::from_utf8(read_file(file)?).map_err(|_| format!("{}: not PEM", file.display()))?;
    let public = PublicKey::from_pem(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(Some(Key::public(algorithm, &public, None).map_err(|e| format!("{}: {e}", file.display()))?))
}

/// Reads a log: calls `whole` for each record with its number from 1, then `end` with what is left and its number. Either says whether to go on.
fn records(
    path: &Path,
    mut whole: impl FnMut(&[u8], u64) -> Result<bool, Failure>,
    end: impl FnOnce(&[u8], u64) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    const CHUNK: usize = 1 << 20;
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = std::fs::File::open(path).map_err(fail)?;
    let (mut log, mut number) = (Vec::new(), 1);
    loop {
        // As much again as is held: a record of any length is looked through twice, not again for every piece of it.
        if (&mut file).take(CHUNK.max(log.len()) as u64).read_to_end(&mut log).map_err(fail)? == 0 {
            return end(&log, number);
        }
        let mut rest = log.as_slice();
        while let Some((record, after)) = split_first(rest) {
            if !whole(record, number)? {
                return Ok(false);
            }
            (rest, number) = (after, number + 1);
        }
        let taken = log.len() - rest.len();
        log.drain(..taken);
    }
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    match &arguments.command {
        Command::Verify(arguments) => verify(arguments),
        Command::Show(arguments) => print(arguments),
    }
}

fn print(arguments: &ShowArguments) -> Result<End, Failure> {
    let mut out = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut line = Vec::new();
    for path in &arguments.files {
        let write = |record: &[u8], number: u64| {
            line.clear();
            if !show(record, &mut line) {
                return Err(format!("{}:{number}: not a record of this version", path.display()));
            }
            // Whoever reads may stop to: that is no failure.
            Ok(out.write_all(&line).is_ok())
        };
        let end = |rest: &[u8], number| {
            if !rest.is_empty() {
                eprintln!("{}:{number}: a torn record at the end: its writer was stopped", path.display());
            }
            Ok(true)
        };
        if !records(path, write, end)? {
            break;
        }
    }
    let _ = out.flush();
    Ok(End::Done)
}

fn verify(arguments: &VerifyArguments) -> Result<End, Failure> {
    let secret = match &arguments.key_file {
        Some(file) => {
            let bytes = Zeroizing::new(read_file(file)?);
            Some(Zeroizing::new(bytes.strip_suffix(b"\n").unwrap_or(&bytes).to_vec()))
        }
        None => std::env::var_os(&arguments.key_env).map(|value| Zeroizing::new(value.into_encoded_bytes())),
    };
    let key = secret.map(|secret| AuditKey::new(&secret).map_err(|e| e.to_string())).transpose()?;
    let mut verifier = match (key, seals(arguments)?) {
        (Some(key), None) => Verifier::new(&key),
        (Some(key), Some(seals)) => Verifier::new(&key).with_seals(seals),
        (None, Some(seals)) => Verifier::by_seals(seals),
        (None, None) => {
            let message = format!(
                "environment variable {} is not set, and there is neither --key-file nor --seal-key",
                arguments.key_env
            );
            return Err(message);
        }
    };
    verifier.partial = arguments.partial;
    let mut torn = false;
    for path in &arguments.files {
        let verifier = std::cell::RefCell::new(&mut verifier);
        let good = |checked: Result<(), Broken>, number: u64| {
            if let Err(broken) = checked {
                println!("{}:{number}: {broken}", path.display());
            }
            Ok(checked.is_ok())
        };
        let end = |rest: &[u8], number| {
            let ended = verifier.borrow_mut().end(rest);
            if ended == Ok(true) {
                torn = true;
                println!("{}:{number}: a torn record at the end: its writer was stopped", path.display());
            }
            good(ended.map(drop), number)
        };
        if !records(path, |record, number| good(verifier.borrow_mut().line(record), number), end)? {
            return Ok(End::Findings);
        }
    }
    let report = verifier.report();
    let open = report.chains.iter().filter(|(_, ending)| *ending == Ending::Open).count();
    let ends = if torn { ", the last record torn" } else { "" };
    println!("{} records in {} chains are good; {open} chains end openly{ends}", report.lines, report.chains.len());
    for (head, ending) in &report.chains {
        let link: String = head.link.iter().map(|byte| format!("{byte:02x}")).collect();
        let ending = if *ending == Ending::Open { "open" } else { "closed" };
        let sealed = match arguments.seal_key {
            Some(_) => format!(", {} of them sealed", verifier.sealed(head.chain)),
            None => String::new(),
        };
        println!("chain {:016x}: {} lines{sealed}, {ending}, last link {link}", head.chain, head.lines);
    }
    Ok(End::Done)
}
