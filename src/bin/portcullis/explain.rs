//! `portcullis explain`: the doctor for signatures that do not verify.

use crate::{End, Failure, Lines, read_file};
use portcullis::doctor::{self, Options};
use portcullis::keys::Config;
use portcullis::ndjson::Parser;
use portcullis::time::Millis;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Say why requests do not verify: what was read, the string to sign, and the mistake that makes the signature fit.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  portcullis explain --config vectors/demo/config.json --client-string what-i-signed.txt request.ndjson\n\n\
    Values are masked unless --unmask is given; a MAC that would be right is shown with --show-expected only. State is not looked at: \
    replays and limits are not explained."
)]
pub struct Arguments {
    /// The configuration document (JSON)
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The clock, in milliseconds since 1970, for lines without received_at_ms [default: the wall clock]
    #[arg(long, value_name = "MS")]
    now: Option<i64>,
    /// The string that the client says it signed, byte for byte
    #[arg(long, value_name = "FILE")]
    client_string: Option<PathBuf>,
    /// Show values whole
    #[arg(long)]
    unmask: bool,
    /// Show the MAC that would be right: whoever reads it can send the request
    #[arg(long)]
    show_expected: bool,
    /// The requests; `-` or nothing for standard input
    file: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let document = read_file(&arguments.config)?;
    let snapshot = Config::from_json(&document).map_err(|e| format!("{}: {e}", arguments.config.display()))?;
    let client = arguments.client_string.as_deref().map(read_file).transpose()?;
    let mut lines = Lines::open(arguments.file.as_ref())?;
    let (mut parser, mut out) = (Parser::new(), io::stdout().lock());
    let mut end = End::Done;
    let wall = || {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
    };
    while let Some(mut line) = lines.next().map_err(|e| format!("reading: {e}"))? {
        if line.is_blank() {
            continue;
        }
        let (number, whole) = (line.number, line.whole);
        let parsed = parser.parse(&mut line.text);
        let Ok(parsed) = parsed
            .as_ref()
            .map_err(ToString::to_string)
            .and_then(|line| if whole { Ok(line) } else { Err("longer than 64 MiB".to_owned()) })
            .inspect_err(|e| eprintln!("portcullis: line {number}: {e}"))
        else {
            end = End::BadInput;
            continue;
        };
        let request = parsed.request();
        let options = Options {
            now: request.received_at.unwrap_or_else(|| Millis(arguments.now.unwrap_or_else(wall))),
            client_string: client.as_deref(),
            unmask: arguments.unmask,
            show_expected: arguments.show_expected,
        };
        let report = doctor::explain(&snapshot, &request, &options);
        write!(out, "request    line {number}\n{report}\n").map_err(|e| format!("writing: {e}"))?;
    }
    Ok(end)
}
