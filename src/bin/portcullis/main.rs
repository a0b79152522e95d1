//! The command line of portcullis.

mod audit;
mod bench;
mod explain;
mod lines;
mod lint;
mod metrics;
mod sign;
mod state;
mod uapi;
mod verify;

use clap::{Parser, Subcommand};
use lines::Lines;
use std::path::Path;
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
    // A region that another process truncates is refused, not died of. Where there can be no handler it is as it would be without.
    let _ = portcullis::shm::survive_truncation();
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
