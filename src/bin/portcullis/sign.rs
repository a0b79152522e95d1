//! `portcullis sign`: the client's side, for tests and vectors.

use crate::{End, Failure, Lines, read_file};
use portcullis::canon::client::Draft;
use portcullis::engine::{Signer, SignerOptions};
use portcullis::keys::Config;
use portcullis::ndjson::{Parser, write_string};
use portcullis::time::Millis;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sign requests as an app would: one JSON object a line in, the same with its signature out.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '{\"method\":\"GET\",\"target\":\"/account/v1/balance\"}' | \
    portcullis sign --config vectors/demo/config.json --app p10001 --profile openapi\n\n\
    App id, timestamp and nonce are filled in where the request has none. MACs use the secret of the document; key pairs need --key. \
    With --answers the lines are responses: their headers and body are signed, with --status and the request where the profile says so (rfc9421); \
    their method and target count for nothing.")]
pub struct Arguments {
    /// The configuration document (JSON)
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Whose request it is
    #[arg(long, value_name = "APP_ID")]
    app: String,
    /// The profile to sign by
    #[arg(long, value_name = "NAME")]
    profile: String,
    /// The credential, where the app has several [default: the first that the profile admits]
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// The private key of a key pair, PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A field of the profile that the document does not have, such as region=us-east-1; may be given several times
    #[arg(long = "set", value_name = "NAME=TEXT")]
    set: Vec<String>,
    /// The time of signing, in milliseconds since 1970 [default: the wall clock]
    #[arg(long, value_name = "MS")]
    now: Option<i64>,
    /// Sign responses: the requests that the lines answer, one a line, in turn
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// The status of the responses
    #[arg(long, value_name = "STATUS", default_value_t = 200, requires = "answers")]
    status: u16,
    /// The requests; `-` or nothing for standard input
    file: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let document = read_file(&arguments.config)?;
    let snapshot = Config::from_json(&document).map_err(|e| format!("{}: {e}", arguments.config.display()))?;
    let pem = arguments.key.as_ref().map(|file| read_file(file).map(zeroize::Zeroizing::new)).transpose()?;
    let pem = pem.as_ref().map(|pem| std::str::from_utf8(pem).map_err(|_| "--key: not PEM")).transpose()?;
    let extra: Option<Vec<_>> = arguments.set.iter().map(|pair| pair.split_once('=')).collect();
    let options = SignerOptions {
        profile: &arguments.profile,
        app_id: &arguments.app,
        kid: arguments.kid.as_deref(),
        private_key_pem: pem,
        extra: &extra.ok_or("--set: expected NAME=TEXT")?,
        ..SignerOptions::default()
    };
    let signer = Signer::new(Arc::new(snapshot), &options).map_err(|e| e.to_string())?;
    let mut lines = Lines::open(arguments.file.as_ref())?;
    let mut answered = arguments.answers.as_ref().map(|file| Lines::open(Some(file))).transpose()?;
    let mut asked = Parser::new();
    let (mut parser, mut out) = (Parser::new(), io::stdout().lock());
    let mut end = End::Done;
    while let Some(mut line) = lines.next().map_err(|e| format!("reading: {e}"))? {
        if line.is_blank() {
            continue;
        }
        let (number, whole) = (line.number, line.whole);
        let mut request = match &mut answered {
            Some(lines) => {
                Some(lines.next().map_err(|e| format!("--answers: {e}"))?.ok_or("--answers: too few lines")?)
            }
            None => None,
        };
        let request = match &mut request {
            Some(line) => {
                Some(asked.parse(&mut line.text).map_err(|e| format!("--answers, line {}: {e}", line.number))?)
            }
            None => None,
        };
        let signed = match parser.parse(&mut line.text) {
            Ok(_) if !whole => Err("longer than 64 MiB".to_owned()),
            Ok(own) => sign(&signer, arguments, &own, request.as_ref()),
            Err(e) => Err(e.to_string()),
        };
        match signed {
            Ok(text) => out.write_all(&text).map_err(|e| format!("writing: {e}"))?,
            Err(e) => {
                eprintln!("portcullis: line {number}: {e}");
                end = End::BadInput;
            }
        }
    }
    out.flush().map_err(|e| format!("writing: {e}"))?;
    Ok(end)
}

/// One request, or one response to `answered`, as a line, signed.
fn sign(
    signer: &Signer,
    arguments: &Arguments,
    line: &portcullis::ndjson::Line<'_>,
    answered: Option<&portcullis::ndjson::Line<'_>>,
) -> Result<Vec<u8>, Failure> {
    let request = line.request();
    let wall = || {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
    };
    let at = request.received_at.unwrap_or_else(|| Millis(arguments.now.unwrap_or_else(wall)));
    let mut draft = match answered {
        Some(answered) => Draft::answering(arguments.status, &request, &answered.request()),
        None => Draft::of(&request),
    };
    signer.sign(&mut draft, at, None).map_err(|e| e.to_string())?;
    Ok(write_line(line, &draft))
}

/// The draft as a line: what the command line reads.
fn write_line(line: &portcullis::ndjson::Line<'_>, draft: &Draft) -> Vec<u8> {
    let request = line.request();
    let mut out = b"{".to_vec();
    let member = |name: &str, out: &mut Vec<u8>| {
        if out.len() > 1 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
    };
    let text = |name: &str, value: &[u8], out: &mut Vec<u8>| {
        member(name, out);
        write_string(&String::from_utf8_lossy(value), out);
    };
    if let Some(id) = &line.id {
        text("id", id.as_bytes(), &mut out);
    }
    if let Some(at) = request.received_at {
        member("received_at_ms", &mut out);
        out.extend_from_slice(at.0.to_string().as_bytes());
    }
    if let Some(ip) = request.client_ip {
        text("client_ip", ip.to_string().as_bytes(), &mut out);
    }
    text("method", &draft.method, &mut out);
    text("target", &draft.target, &mut out);
    if !draft.headers.is_empty() {
        member("headers", &mut out);
        for (index, (name, value)) in draft.headers.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"[[" } else { b",[" });
            write_string(&String::from_utf8_lossy(name), &mut out);
            out.push(b',');
            write_string(&String::from_utf8_lossy(value), &mut out);
            out.push(b']');
        }
        out.push(b']');
    }
    if !draft.body.is_empty() {
        if let Ok(body) = std::str::from_utf8(&draft.body) {
            text("body", body.as_bytes(), &mut out);
        } else {
            text(
                "body_base64",
                portcullis::codec::base64::to_string(portcullis::codec::base64::Variant::Standard, &draft.body)
                    .as_bytes(),
                &mut out,
            );
        }
    }
    for (name, value) in [("scheme", request.scheme), ("authority", request.authority)] {
        if let Some(value) = value {
            text(name, value, &mut out);
        }
    }
    for (name, value) in [("profile", request.profile), ("app_id", request.app_id)] {
        if let Some(value) = value {
            text(name, value.as_bytes(), &mut out);
        }
    }
    out.extend_from_slice(b"}\n");
    out
}
