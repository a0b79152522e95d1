//! The command line of portcullis.

mod audit;
mod bench;
mod explain;
mod lint;
mod metrics;
mod sign;
mod state;
mod uapi;
mod verify;

use clap::{Parser, Subcommand};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[cfg(not(feature = "mimalloc"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Signed requests in, verdicts out.
#[derive(Parser)]
#[command(version, about, propagate_version = true, max_term_width = 120)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Arguments),
    Sign(sign::Arguments),
    Explain(explain::Arguments),
    Lint(lint::Arguments),
    Profiles(lint::ProfilesArguments),
    Uapi(uapi::Arguments),
    Audit(audit::Arguments),
    Metrics(metrics::Arguments),
    Bench(bench::Arguments),
    Inspect(state::InspectArguments),
    State(state::Arguments),
}

/// What a command ends with.
enum End {
    /// Everything was done.
    Done,
    /// Done, and there is something to report by the exit code 1.
    Findings,
    /// Some input was bad: named on the way, the rest was done.
    BadInput,
}

/// A message for the person at the terminal; exit code 2.
type Failure = String;

fn main() -> ExitCode {
    let end = match Arguments::parse().command {
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Profiles(arguments) => lint::profiles(&arguments),
        Command::Metrics(arguments) => metrics::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Uapi(arguments) => uapi::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Inspect(arguments) => state::inspect(&arguments),
        Command::State(arguments) => state::run(&arguments),
    };
    match end {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Findings) => ExitCode::from(1),
        Ok(End::BadInput) => ExitCode::from(2),
        Err(message) => {
            eprintln!("portcullis: {message}");
            ExitCode::from(2)
        }
    }
}

/// Reads a whole file of set-up material; a message names the file.
fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// The lines of a file, or of standard input for `-`.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    /// Bytes in the whole file, where that is known.
    total: Option<u64>,
    number: u64,
}

/// Longest line taken; a body of 16 MiB fits, escaped.
const LINE_MAX: u64 = 64 << 20;

impl Lines {
    fn open(path: Option<&PathBuf>) -> Result<Self, Failure> {
        let (reader, total): (Box<dyn BufRead + Send>, _) = match path {
            Some(path) if path.as_os_str() != "-" => {
                let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
                let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len());
                (Box::new(BufReader::with_capacity(1 << 20, file)), total)
            }
            _ => (Box::new(BufReader::with_capacity(1 << 20, io::stdin())), None),
        };
        Ok(Self { reader, total, number: 0 })
    }

    /// Reads the next line into `line`, without its end. `Ok(None)` at the end of the input, else the line's number and whether it was whole:
    /// of a line longer than 64 MiB the rest is skipped.
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Option<(u64, bool)>> {
        line.clear();
        if (&mut self.reader).take(LINE_MAX).read_until(b'\n', line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut whole = true;
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        } else if line.len() as u64 == LINE_MAX {
            whole = false;
            line.clear();
            loop {
                let seen = self.reader.fill_buf()?;
                let Some(end) = seen.iter().position(|b| *b == b'\n') else {
                    let len = seen.len();
                    if len == 0 {
                        break;
                    }
                    self.reader.consume(len);
                    continue;
                };
                self.reader.consume(end + 1);
                break;
            }
        }
        Ok(Some((self.number, whole)))
    }
}
