//! `portcullis sign`: the client's side, for tests and vectors.

use crate::{End, Failure, Lines, read_file};
use portcullis::alg::{Algorithm, MacInput, SignatureForm, SigningKey};
use portcullis::canon::client::{Draft, Fill};
use portcullis::canon::{self, Alg};
use portcullis::keys::{App, Config, Credential, Snapshot};
use portcullis::ndjson::{Parser, write_string};
use portcullis::time::Millis;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sign requests as an app would: one JSON object a line in, the same with its signature out.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '{\"method\":\"GET\",\"target\":\"/account/v1/balance\"}' | \
    portcullis sign --config vectors/demo/config.json --app p10001 --profile openapi\n\n\
    App id, timestamp and nonce are filled in where the request has none. MACs use the secret of the document; key pairs need --key.")]
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
    /// The requests; `-` or nothing for standard input
    file: Option<PathBuf>,
}

/// What signs: a key, or a secret from which the profile derives one for each request.
enum Keys<'p> {
    Fixed(Box<SigningKey>),
    Derived(&'p canon::Recipe, &'p [u8], Algorithm),
}

struct Signer<'p> {
    profile: &'p canon::Profile,
    alg: Alg,
    key: Keys<'p>,
    set: Vec<(&'p str, &'p str)>,
    app: String,
    kid: Option<String>,
}

fn signer<'p>(
    arguments: &'p Arguments,
    snapshot: &'p Snapshot,
    profile: &'p canon::Profile,
) -> Result<Signer<'p>, Failure> {
    let app =
        snapshot.app(arguments.app.as_bytes()).ok_or_else(|| format!("no app {:?} in the document", arguments.app))?;
    let credential = credential(arguments, app, profile)?;
    let algorithm = credential.algorithm();
    let kid = (!credential.kid.is_empty()).then(|| credential.kid.as_str().to_owned());
    let secret = credential.secret().map(|secret| secret.expose());
    let key = match (&arguments.key, secret) {
        (Some(file), None) => {
            let pem = zeroize::Zeroizing::new(read_file(file)?);
            let text = std::str::from_utf8(&pem).map_err(|_| format!("{}: not PEM", file.display()))?;
            let key = SigningKey::from_pkcs8_pem(algorithm, text, None);
            Keys::Fixed(Box::new(key.map_err(|e| format!("{}: {e}", file.display()))?))
        }
        (None, Some(secret)) => match profile.recipe() {
            Some(recipe) => Keys::Derived(recipe, secret, algorithm),
            None => Keys::Fixed(Box::new(SigningKey::secret(algorithm, secret).map_err(|e| e.to_string())?)),
        },
        (None, None) => return Err(format!("{} needs the private key: --key FILE", algorithm.name())),
        (Some(_), Some(_)) => {
            return Err(format!("{} signs with the document's secret, not with --key", algorithm.name()));
        }
    };
    let alg = Alg::from_name(algorithm.name()).ok_or("the algorithm is not known to profiles")?;
    let set: Option<Vec<_>> = arguments.set.iter().map(|pair| pair.split_once('=')).collect();
    let set = set.ok_or("--set: expected NAME=TEXT")?;
    Ok(Signer { profile, alg, key, set, app: arguments.app.clone(), kid })
}

/// The credential to sign with.
fn credential<'a>(arguments: &Arguments, app: &'a App, profile: &canon::Profile) -> Result<&'a Credential, Failure> {
    let admitted = |a: Algorithm| Alg::from_name(a.name()).is_some_and(|a| profile.admits(a));
    let chosen = app.credentials.iter().find(|c| match &arguments.kid {
        Some(kid) => c.answers_to(kid.as_bytes()),
        None => admitted(c.algorithm()),
    });
    let chosen = chosen
        .ok_or_else(|| format!("app {:?} has no such credential for profile {:?}", arguments.app, profile.name()))?;
    if !admitted(chosen.algorithm()) {
        return Err(format!("profile {:?} does not admit {}", profile.name(), chosen.algorithm().name()));
    }
    Ok(chosen)
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let document = read_file(&arguments.config)?;
    let snapshot = Config::from_json(&document).map_err(|e| format!("{}: {e}", arguments.config.display()))?;
    // The document's own profile of that name, or the built-in one, so that a client may sign by what its app does not use yet.
    let builtin = canon::builtin(&arguments.profile);
    let profile = snapshot.profile_named(&arguments.profile).and_then(|index| snapshot.profile(index));
    let profile = profile.or(builtin.as_deref()).ok_or_else(|| format!("no profile {:?}", arguments.profile))?;
    let signer = signer(arguments, &snapshot, profile)?;
    let mut lines = Lines::open(arguments.file.as_ref())?;
    let (mut parser, mut out) = (Parser::new(), io::stdout().lock());
    let mut end = End::Done;
    while let Some(mut line) = lines.next().map_err(|e| format!("reading: {e}"))? {
        if line.is_blank() {
            continue;
        }
        let (number, whole) = (line.number, line.whole);
        let signed = match parser.parse(&mut line.text) {
            Ok(_) if !whole => Err("longer than 64 MiB".to_owned()),
            Ok(request) => sign(&signer, arguments.now, &request).map_err(|e| e.clone()),
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

fn random_nonce() -> Result<String, Failure> {
    let mut bytes = [0u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system has no randomness")?;
    let mut text = [0u8; 32];
    portcullis::codec::hex::encode_lower(&bytes, &mut text).map_err(|_| "hex")?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// One request as a line, signed.
fn sign(signer: &Signer<'_>, now: Option<i64>, line: &portcullis::ndjson::Line<'_>) -> Result<Vec<u8>, Failure> {
    let request = line.request();
    let wall = || {
        i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
    };
    let at = request.received_at.unwrap_or_else(|| Millis(now.unwrap_or_else(wall)));
    let nonce = random_nonce()?;
    let mut draft = Draft::of(&request);
    let fill = Fill {
        app_id: Some(&signer.app),
        kid: signer.kid.as_deref(),
        timestamp: Some(at),
        nonce: Some(&nonce),
        extra: &signer.set,
    };
    signer.profile.fill(&mut draft, signer.alg, &fill).map_err(|e| e.to_string())?;
    let mut text = Vec::new();
    let how = signer.profile.sign_string(&draft, signer.alg, &mut text).map_err(|e| e.to_string())?;
    let form = match how.form {
        canon::SignatureForm::Fixed => SignatureForm::Fixed,
        canon::SignatureForm::Der | canon::SignatureForm::Either => SignatureForm::Der,
    };
    let input = if how.append_secret { MacInput::AppendKey } else { MacInput::Plain };
    let signature = match &signer.key {
        Keys::Fixed(key) => key.sign(&text, form, input),
        Keys::Derived(recipe, secret, algorithm) => {
            let key = signer.profile.sign_scope(&draft, |scope| recipe.derive(secret, signer.alg, scope));
            let key = key.map_err(|e| e.to_string())?.ok_or("no key can be derived from the secret")?;
            SigningKey::secret(*algorithm, &key).and_then(|key| key.sign(&text, form, input))
        }
    };
    let signature = signature.map_err(|e| e.to_string())?;
    signer.profile.place_signature(&mut draft, signer.alg, &signature).map_err(|e| e.to_string())?;
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
