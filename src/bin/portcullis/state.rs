//! `portcullis state` and `portcullis inspect`: state regions from outside.

use crate::{End, Failure, read_file};
use portcullis::engine::state;
use portcullis::keys::Config;
use portcullis::time::Millis;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Look into a state region, or make a larger one of it.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Inspect(InspectArguments),
    Migrate(MigrateArguments),
}

/// Show what a state region holds: sizes, live nonces by generation, refusals, who draws attention.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  portcullis inspect /dev/shm/portcullis\n\n\
    Changes nothing; the gateways may go on. Exit code 2 where the file is no region, is damaged, or cannot be opened.")]
pub struct InspectArguments {
    /// The region's file
    state: PathBuf,
    /// The moment to look at, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS")]
    now: Option<i64>,
}

/// Make a larger region of an old one, with everything that the old one holds: no nonce that it has admitted is admitted again.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  portcullis state migrate /dev/shm/portcullis /dev/shm/portcullis-2 --nonces 4000000\n\n\
    Stop the gateways first: what they admit in OLD afterwards is not in NEW. Then give NEW and the printed numbers in the document, and start \
    them again. A table grows by whole multiples, so the numbers may be larger than asked for. Windows cannot change."
)]
pub struct MigrateArguments {
    /// The region's file
    old: PathBuf,
    /// A path where nothing is yet, on the same kind of file system
    new: PathBuf,
    /// How many nonces must fit at once [default: as in OLD]
    #[arg(long, value_name = "N")]
    nonces: Option<u64>,
    /// How many keys of rates must fit at once [default: as in OLD]
    #[arg(long, value_name = "N")]
    limit_keys: Option<u64>,
    /// Take both numbers from a configuration document
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["nonces", "limit_keys"])]
    config: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    match &arguments.command {
        Command::Inspect(arguments) => inspect(arguments),
        Command::Migrate(arguments) => migrate(arguments),
    }
}

pub fn inspect(arguments: &InspectArguments) -> Result<End, Failure> {
    let now = arguments.now.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    });
    let inspection = state::inspect(&arguments.state, Millis(now)).map_err(|e| e.to_string())?;
    print!("{inspection}");
    Ok(End::Done)
}

fn sizes_of(document: &Path) -> Result<(Option<u64>, Option<u64>), Failure> {
    let text = read_file(document)?;
    let snapshot = Config::from_json(&text).map_err(|e| format!("{}: {e}", document.display()))?;
    Ok((Some(snapshot.state().nonces), Some(snapshot.state().limit_keys)))
}

fn migrate(arguments: &MigrateArguments) -> Result<End, Failure> {
    let (nonces, limit_keys) = match &arguments.config {
        Some(document) => sizes_of(document)?,
        None => (arguments.nonces, arguments.limit_keys),
    };
    let made = state::migrate(&arguments.old, &arguments.new, nonces, limit_keys).map_err(|e| e.to_string())?;
    println!("{} holds all that {} held. The document must now say:", arguments.new.display(), arguments.old.display());
    println!("  \"state\": {{ \"nonces\": {}, \"limit_keys\": {}, … }}", made.nonces, made.limit_keys);
    Ok(End::Done)
}
