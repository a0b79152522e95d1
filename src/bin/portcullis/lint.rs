//! `portcullis lint` and `portcullis profiles`.

use crate::{End, Failure, read_file};
use portcullis::canon::{Profile, builtin, builtin_document, builtin_names};
use portcullis::codec::doc::Document;
use portcullis::keys::Config;
use std::path::PathBuf;

/// Check a configuration document and the profiles in it; say every weakness in a sentence.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  portcullis lint vectors/demo/config.json\n\n\
    Exit code 0 when there is nothing to say, 1 when there are findings, 2 when the document cannot be read or is refused.")]
pub struct Arguments {
    /// The configuration document (JSON)
    config: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let name = arguments.config.display();
    let text = read_file(&arguments.config)?;
    let mut findings = 0;
    // The user's own profiles first, one by one, so that each shows all its holes at once.
    let document = Document::parse(&text).map_err(|e| format!("{name}: {e}"))?;
    let root = document.root().object().map_err(|e| format!("{name}: {e}"))?;
    if let Some(profiles) = root.optional("profiles") {
        for node in profiles.array().map_err(|e| format!("{name}: {e}"))? {
            let profile = Profile::compile(&node).map_err(|e| format!("{name}: {e}"))?;
            for finding in profile.lint() {
                let accepted = if finding.accepted { " (accepted by legacy_unsafe)" } else { "" };
                println!("{name}: {}: {}{accepted}: {}", node.pointer(), finding.hole, finding.sentence);
                findings += usize::from(!finding.accepted);
            }
        }
    }
    if findings > 0 {
        return Ok(End::Findings);
    }
    Config::from_json(&text).map_err(|e| format!("{name}: {e}"))?;
    Ok(End::Done)
}

/// List the built-in profiles, or print one as the document it is.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  portcullis profiles openapi")]
pub struct ProfilesArguments {
    /// The profile to print
    name: Option<String>,
}

pub fn profiles(arguments: &ProfilesArguments) -> Result<End, Failure> {
    match &arguments.name {
        None => {
            for name in builtin_names() {
                let about = builtin(name).map(|p| p.about().to_owned()).unwrap_or_default();
                println!("{name:24} {about}");
            }
        }
        Some(name) => {
            let document = builtin_document(name).ok_or_else(|| format!("no built-in profile {name:?}"))?;
            println!("{}", document.trim_end());
        }
    }
    Ok(End::Done)
}
