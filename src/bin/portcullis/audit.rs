//! `portcullis audit verify`: the first record of an audit log that was tampered with.

use crate::{End, Failure, read_file};
use portcullis::alg::{Algorithm, Key, PublicKey};
use portcullis::audit::{AuditKey, Ending, Verifier};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
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
}

/// Check audit logs: name the first record that was altered, deleted, put in, moved or cut off.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  PORTCULLIS_AUDIT_KEY=… portcullis audit verify access-1.ndjson access-2.ndjson\n\n\
    Files of one log are given in the order of their rotation. Exit code 0 when every record is good, 1 when one is not, 2 when a file \
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

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let Command::Verify(arguments) = &arguments.command;
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
    for (index, path) in arguments.files.iter().enumerate() {
        let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let (mut line, mut number) = (Vec::new(), 0u64);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(|e| format!("{}: {e}", path.display()))? == 0 {
                break;
            }
            number += 1;
            let whole = line.strip_suffix(b"\n");
            // Only the very end may be torn: a worker was killed while it wrote.
            if whole.is_none() && index + 1 == arguments.files.len() && verifier.line(&line).is_err() {
                torn = true;
                println!("{}:{number}: a torn record at the end: its writer was stopped", path.display());
                continue;
            }
            if let Some(Err(broken)) = whole.map(|line| verifier.line(line)) {
                println!("{}:{number}: {broken}", path.display());
                return Ok(End::Findings);
            }
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
