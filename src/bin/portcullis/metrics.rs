//! `portcullis metrics`: what the gateways of a state region have counted.

use crate::{End, Failure};
use portcullis::metrics::Metrics;
use std::path::PathBuf;

/// Show the counters of a state region in the text format of Prometheus.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  portcullis metrics /dev/shm/portcullis\n\n\
    Changes nothing; the gateways may go on. Exit code 2 where the file is no region, or cannot be opened.")]
pub struct Arguments {
    /// The region's file
    state: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let mut text = String::new();
    Metrics::of_file(&arguments.state).map_err(|e| e.to_string())?.write_prometheus(&mut text);
    print!("{text}");
    Ok(End::Done)
}
