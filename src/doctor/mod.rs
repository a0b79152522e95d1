//! Why a request's signature does not verify: what was read from where, the string that should have been signed, and the common mistake
//! that makes the signature fit.
//!
//! For operators, beside the request path: it allocates, and it takes its time. What it prints is masked unless the operator says
//! otherwise, and it never prints a MAC that would be right, unless told to: with one, whoever reads it could send the request.

mod mistakes;
mod show;

pub use show::mask;

use crate::alg::{Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier};
use crate::canon::{self, Alg, Extract, Profile, Scratch};
use crate::codec::{base64, hex};
use crate::hash::sha256;
use crate::keys::{App, Credential, ProfileIndex, Snapshot};
use crate::lanes::Cpu;
use crate::request::Request;
use crate::time::Millis;
use std::fmt::Write;

/// What the operator asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The clock.
    pub now: Millis,
    /// The string that the client says it signed.
    pub client_string: Option<&'a [u8]>,
    /// Show values whole.
    pub unmask: bool,
    /// Show the MAC that would be right.
    pub show_expected: bool,
}

/// Most apps whose keys are tried, when nobody else's fits.
const APPS_MAX: usize = 256;

/// What is known of a request that could be read.
struct Case<'a> {
    snapshot: &'a Snapshot,
    request: &'a Request<'a>,
    index: ProfileIndex,
    profile: &'a Profile,
    options: &'a Options<'a>,
    verifier: Verifier,
}

/// A signature as bytes, in some form.
struct Candidate {
    bytes: Vec<u8>,
    form: SignatureForm,
    /// What is wrong with how it is written, if anything is.
    fix: Option<String>,
}

/// The report, in lines.
#[must_use]
pub fn explain(snapshot: &Snapshot, request: &Request<'_>, options: &Options<'_>) -> String {
    let mut out = String::new();
    let named = request.profile.map(|name| snapshot.profile_named(name));
    let index = match named {
        Some(None) => {
            let _ = writeln!(out, "no profile of that name is in the document, and no app uses it");
            return out;
        }
        Some(Some(index)) => Some(index),
        None => snapshot.profiles().find(|(_, profile)| profile.recognises(request)).map(|(index, _)| index),
    };
    let Some((index, profile)) = index.and_then(|index| Some((index, snapshot.profile(index)?))) else {
        let _ = writeln!(
            out,
            "no profile of the document recognises the request: nothing stands where one reads its signature"
        );
        for (_, profile) in snapshot.profiles() {
            let place = profile.places().into_iter().find(|(name, _)| *name == "signature");
            let _ = writeln!(out, "  {}: {}", profile.name(), place.map(|(_, place)| place).unwrap_or_default());
        }
        return out;
    };
    let _ = writeln!(out, "profile    {}", profile.name());
    if let Err(e) = request.check(snapshot.sizes()) {
        let _ = writeln!(out, "refused    malformed_request: {e}");
        return out;
    }
    let mut scratch = Scratch::new();
    match profile.extract(request, &mut scratch, snapshot.sizes()) {
        Err(refusal) => {
            let _ = writeln!(out, "refused    {refusal}: {}", refusal.reason.meaning());
            if let Some(names) = unsigned_digests(profile, request) {
                let _ = writeln!(
                    out,
                    "found      the digest of the body is missing: with a body, {names} must be sent, and be among what is signed"
                );
            }
            for (name, place) in profile.places() {
                let _ = writeln!(out, "  {name:14} is read from {place}");
            }
        }
        Ok(extract) => {
            let verifier = Verifier::new(Cpu::detect());
            Case { snapshot, request, index, profile, options, verifier }.explain(&extract, &mut out);
        }
    }
    out
}

/// The headers that must be signed where there is a body, and that no header of the request names: what signs a list says there what it signs.
fn unsigned_digests(profile: &Profile, request: &Request<'_>) -> Option<String> {
    let names = profile.signed_with_body();
    let named = |name: &str| {
        request.headers.iter().any(|h| memchr::memmem::find(&h.value.to_ascii_lowercase(), name.as_bytes()).is_some())
    };
    let missing: Vec<String> = names.iter().filter(|name| !named(name)).map(|name| format!("{name:?}")).collect();
    (!request.body.is_empty() && !missing.is_empty()).then(|| missing.join(", "))
}

impl<'a> Case<'a> {
    fn show(&self, text: &[u8]) -> String {
        if self.options.unmask { show::escape(text) } else { show::escape(&show::mask(text)) }
    }

    fn explain(&mut self, extract: &Extract<'_>, out: &mut String) {
        self.fields(extract, out);
        let Some(app) = self.app(extract, out) else { return };
        let fitting: Vec<&Credential> = app
            .credentials
            .iter()
            .filter(|c| extract.kid.is_none_or(|kid| c.answers_to(kid)) && extract.algorithms.has(c.alg))
            .collect();
        let Some(first) = fitting.first() else {
            let _ =
                writeln!(out, "no key     the app has no key of that id and of an algorithm that the profile admits");
            for credential in &app.credentials {
                let _ = writeln!(out, "  has {:?} of {}", credential.kid.as_str(), credential.algorithm());
            }
            let answers = |other: &&App| {
                extract.kid.is_some_and(|kid| other.credentials.iter().any(|c| c.answers_to(kid)))
                    && other.index != app.index
            };
            if let Some(other) = self.snapshot.apps().iter().find(answers) {
                let _ = writeln!(
                    out,
                    "found      the key id is of another app, {}: send the key id of the app that the request names",
                    other.id.as_str()
                );
            }
            if let Some(fix) = self.other_key(extract, app, &[]) {
                let _ = writeln!(out, "found      {fix}");
            }
            return;
        };
        let Some((string, _)) = self.string(extract, self.request, first.alg) else { return };
        self.strings(extract, first.alg, &string, out);
        for credential in &fitting {
            if self.fits(extract, credential) {
                let _ = writeln!(
                    out,
                    "good       the signature is the one of key {:?} ({})",
                    credential.kid.as_str(),
                    credential.algorithm()
                );
                return;
            }
        }
        let _ = writeln!(out, "bad        no key of the app made the signature over this string");
        match self.mistake(extract, app, &fitting) {
            Some(fix) => {
                let _ = writeln!(out, "found      {fix}");
            }
            None => {
                let _ = writeln!(
                    out,
                    "not found  none of the common mistakes makes this signature; ask for the client's string (--client-string)"
                );
            }
        }
        if self.options.show_expected {
            for credential in &fitting {
                if let Some(text) = self.expected(extract, credential) {
                    let _ = writeln!(
                        out,
                        "expected   {text} (key {:?}, {})",
                        credential.kid.as_str(),
                        credential.algorithm()
                    );
                }
            }
        }
    }

    fn fields(&self, extract: &Extract<'_>, out: &mut String) {
        let places = self.profile.places();
        let place = |name: &str| places.iter().find(|(n, _)| *n == name).map_or("", |(_, place)| place.as_str());
        let texts = [("app_id", extract.app_id), ("kid", extract.kid), ("nonce", extract.nonce)];
        for (name, text) in texts {
            if let Some(text) = text {
                let _ = writeln!(out, "{name:10} {} (from {})", show::escape(text), place(name));
            }
        }
        if let Some(at) = extract.timestamp {
            let (clock, off) = (self.snapshot.clock(self.index), at.since(self.options.now));
            let good = clock.check(at, self.options.now).is_ok();
            let _ = write!(out, "timestamp  {} ms, {} ms from now", at.0, off);
            let now = self.options.now.0;
            let near = |ms: i64| (ms - now).abs() < 86_400_000;
            let unit = match at.0 {
                _ if good => "in the window",
                ms if ms.checked_div(1000).is_some_and(near) => {
                    "out of the window: it is in milliseconds, and the profile reads seconds"
                }
                ms if ms.checked_mul(1000).is_some_and(near) => {
                    "out of the window: it is in seconds, and the profile reads milliseconds"
                }
                ms if near(ms) && (ms - now).abs() % 3_600_000 < 60_000 && off.abs() > 1_800_000 => {
                    "out of the window by whole hours: it is in another zone"
                }
                _ => "out of the window",
            };
            let _ = writeln!(out, "; {unit} (from {})", place("timestamp"));
        }
        for (text, _) in extract.signatures() {
            let _ = writeln!(
                out,
                "signature  {} bytes of text: {} (from {})",
                text.len(),
                self.show(text),
                place("signature")
            );
        }
    }

    /// Whose request it is, as the engine decides it.
    fn app(&self, extract: &Extract<'_>, out: &mut String) -> Option<&'a App> {
        let snapshot = self.snapshot;
        let claimed = extract.app_id.or(extract.kid.map_or(self.request.app_id.map(str::as_bytes), |_| None));
        let app = match (claimed, extract.kid) {
            (Some(id), _) => snapshot.app(id),
            (None, Some(kid)) => snapshot.by_kid(self.index, kid).map(|(app, _)| app),
            (None, None) => snapshot.sole_app(self.index),
        };
        match app {
            Some(app) => {
                let _ = writeln!(out, "app        {}", app.id.as_str());
                if !app.allows_profile(self.index) {
                    let _ = writeln!(out, "refused    no_profile: the app may not use this profile");
                }
            }
            None => {
                let _ = writeln!(out, "no app     nobody of the document is named by it");
            }
        }
        app
    }

    fn string(&self, extract: &Extract<'_>, request: &Request<'_>, alg: Alg) -> Option<(Vec<u8>, MacInput)> {
        let mut string = Vec::new();
        let how = self.profile.write_message(extract, request, alg, &mut string)?;
        Some((string, if how.append_secret { MacInput::AppendKey } else { MacInput::Plain }))
    }

    fn strings(&self, extract: &Extract<'_>, alg: Alg, string: &[u8], out: &mut String) {
        let mut canonical = Vec::new();
        let shown = |text: &[u8]| if self.options.unmask { text.to_vec() } else { show::mask(text) };
        if self.profile.write_canonical(extract, self.request, alg, &mut canonical) {
            let _ = writeln!(out, "canonical request, {} bytes\n    {}", canonical.len(), self.show(&canonical));
            out.push_str(&show::dump(&shown(&canonical)));
        }
        let _ = writeln!(
            out,
            "string to sign, {} bytes, SHA-256 {}",
            string.len(),
            hex::to_string(&sha256::digest(string))
        );
        let _ = writeln!(out, "    {}", self.show(string));
        out.push_str(&show::dump(&shown(string)));
        let Some(client) = self.options.client_string else { return };
        // The client's string may be the canonical request, whose difference tells more.
        let ours = if !canonical.is_empty() && client.split(|b| *b == b'\n').count() > 4 { &canonical } else { string };
        match show::first_difference(ours, client) {
            None => {
                let _ = writeln!(
                    out,
                    "the client's string is the same: it signed with another key, or wrote the signature otherwise"
                );
            }
            Some(at) => {
                let line = ours.get(..at).unwrap_or_default().iter().filter(|b| **b == b'\n').count() + 1;
                let _ = writeln!(out, "first difference at byte {at}, line {line}");
                let _ = writeln!(out, "    ours      …{}…", self.show(show::around(ours, at)));
                let _ = writeln!(out, "    client's  …{}…", self.show(show::around(client, at)));
            }
        }
    }

    /// The key that a credential verifies with in this profile.
    fn derived(&self, extract: &Extract<'_>, credential: &Credential) -> Option<Key> {
        let (recipe, secret) = (self.profile.recipe()?, credential.secret()?);
        let (texts, count) = self.profile.scope(extract);
        let key = recipe.derive(secret.expose(), credential.alg, texts.get(..count)?)?;
        Key::secret(credential.algorithm(), &key).ok()
    }

    fn verify(&mut self, key: &Key, message: &[u8], candidate: &Candidate, input: MacInput) -> bool {
        let mut ok = [false];
        let item = Item { key, message, signature: &candidate.bytes, form: candidate.form, input };
        self.verifier.verify(&[item], &mut ok);
        ok == [true]
    }

    fn fits(&mut self, extract: &Extract<'_>, credential: &Credential) -> bool {
        let derived = self.derived(extract, credential);
        let key = derived.as_ref().unwrap_or(&credential.key);
        let Some((string, input)) = self.string(extract, self.request, credential.alg) else { return false };
        let own = self.candidates(extract, credential.alg).into_iter().filter(|c| c.fix.is_none()).collect::<Vec<_>>();
        own.iter().any(|candidate| self.verify(key, &string, candidate, input))
    }

    /// The signatures of the request, read as the profile says and in every other way in which they can be read.
    fn candidates(&self, extract: &Extract<'_>, alg: Alg) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        let form = match self.profile.signature_form(alg) {
            Some(canon::SignatureForm::Der) => SignatureForm::Der,
            Some(canon::SignatureForm::Fixed) => SignatureForm::Fixed,
            _ => SignatureForm::Either,
        };
        for (text, algs) in extract.signatures().filter(|(_, algs)| algs.has(alg)) {
            debug_assert!(algs.has(alg));
            let mut bytes = Vec::new();
            if self.profile.decode_signature(text, alg, &mut bytes).is_ok() {
                found.push(Candidate { bytes: bytes.clone(), form, fix: None });
                if form != SignatureForm::Either {
                    let (is, wanted) = if form == SignatureForm::Der { ("r ‖ s", "DER") } else { ("DER", "r ‖ s") };
                    let fix = format!("the signature is written as {is}: write it as {wanted}");
                    found.push(Candidate { bytes, form: SignatureForm::Either, fix: Some(fix) });
                }
            }
            // Even where it can be read as the profile has it: hexadecimal digits are base64 as well.
            let spaces = text.iter().map(|b| if *b == b' ' { b'+' } else { *b }).collect::<Vec<u8>>();
            let text: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            let digits = hex::decode_vec(&text);
            let own = digits.as_ref().ok().and_then(|bytes| self.profile.encode_signature(alg, bytes));
            let of_case = own.is_some_and(|own| own.as_bytes().eq_ignore_ascii_case(&text));
            let bare: Vec<u8> = text.iter().copied().take_while(|b| *b != b'=').collect();
            let padded = [&bare[..], &b"=="[..(4 - bare.len() % 4) % 4 % 3]].concat();
            for (what, bytes) in [
                (if of_case { "hexadecimal of another case than the profile's" } else { "hexadecimal" }, digits),
                (
                    "base64 of its hexadecimal text",
                    base64::decode_vec(base64::Variant::Standard, &text).and_then(|text| hex::decode_vec(&text)),
                ),
                ("base64", base64::decode_vec(base64::Variant::Standard, &text)),
                (
                    "base64 whose + became spaces on the way: percent-encode it",
                    base64::decode_vec(base64::Variant::Standard, &spaces),
                ),
                ("base64 without its padding", base64::decode_vec(base64::Variant::Standard, &padded)),
                ("base64url", base64::decode_vec(base64::Variant::UrlSafeNoPad, &bare)),
            ] {
                if let Ok(bytes) = bytes
                    && found.iter().all(|candidate| candidate.bytes != bytes)
                {
                    let fix = format!("the signature is written as {what}; the profile takes another form");
                    found.push(Candidate { bytes, form: SignatureForm::Either, fix: Some(fix) });
                }
            }
        }
        found
    }

    /// The first mistake that makes the signature fit.
    fn mistake(&mut self, extract: &Extract<'_>, app: &App, fitting: &[&Credential]) -> Option<String> {
        let request = self.request;
        for credential in fitting {
            let derived = self.derived(extract, credential);
            let key = derived.as_ref().unwrap_or(&credential.key);
            let (string, input) = self.string(extract, request, credential.alg)?;
            let string = &string[..];
            let candidates = self.candidates(extract, credential.alg);
            for candidate in &candidates {
                if self.verify(key, string, candidate, input) {
                    return candidate.fix.clone();
                }
            }
            for candidate in &candidates {
                for guess in self.guesses(extract, credential.alg, string) {
                    if self.verify(key, &guess.string, candidate, input) {
                        return Some(with(guess.fix, candidate));
                    }
                }
                if let Some(fix) = self.secret_mistake(credential, string, candidate) {
                    return Some(with(fix, candidate));
                }
                let ids =
                    [b"1234567812345678", &[][..], app.id.as_str().as_bytes(), credential.kid.as_str().as_bytes()];
                if let Some(what) = key.made_otherwise(string, &candidate.bytes, &ids) {
                    let fix = format!("the signature is {what}; the key is registered for {}", credential.algorithm());
                    return Some(with(fix, candidate));
                }
            }
        }
        self.other_key(extract, app, fitting)
    }

    fn guesses(&self, extract: &Extract<'_>, alg: Alg, string: &[u8]) -> Vec<mistakes::Guess> {
        let mut guesses = Vec::new();
        let mut scratch = Scratch::new();
        for (fix, draft) in mistakes::of_request(self.request) {
            draft.lend(|request| {
                if let Ok(extract) = self.profile.extract(request, &mut scratch, self.snapshot.sizes())
                    && let Some((string, _)) = self.string(&extract, request, alg)
                {
                    guesses.push(mistakes::Guess { fix, string });
                }
            });
        }
        let mut canonical = Vec::new();
        if self.profile.write_canonical(extract, self.request, alg, &mut canonical) {
            guesses.extend(mistakes::of_canonical(self.request, string, &canonical));
        }
        if self.profile.joins_parameters() {
            let suffix = self.profile.secret_suffix(alg).unwrap_or_default();
            let joined = string.strip_suffix(suffix).unwrap_or(string);
            for mut guess in mistakes::of_parameters(self.request, extract.signature, joined) {
                guess.string.extend_from_slice(suffix);
                guesses.push(guess);
            }
        }
        guesses.extend(extract.timestamp.and_then(|at| mistakes::of_moment(string, at.0)));
        guesses.extend(mistakes::of_string(string));
        guesses
    }

    /// The secret appended in another way, left out, or used as it is where a key is derived.
    fn secret_mistake(&mut self, credential: &Credential, string: &[u8], candidate: &Candidate) -> Option<String> {
        let secret = credential.secret()?.expose();
        let suffix = self.profile.secret_suffix(credential.alg);
        let joined = string.strip_suffix(suffix.unwrap_or_default()).unwrap_or(string);
        let plain = credential.algorithm() != Algorithm::Md5;
        if suffix.is_some() && plain && self.verify(&credential.key, joined, candidate, MacInput::Plain) {
            return Some("the secret was not appended to the string: append it as the scheme says".into());
        }
        for text in ["", "&", "&key=", "&partnerKey=", "&secret=", "&appKey=", "key=", "\n"] {
            if suffix == Some(text.as_bytes()) {
                continue;
            }
            let message = [joined, text.as_bytes()].concat();
            if self.verify(&credential.key, &message, candidate, MacInput::AppendKey) {
                return Some(format!("the secret was appended as {text:?} and the secret, which the scheme does not"));
            }
        }
        if self.profile.recipe().is_some() && self.verify(&credential.key, string, candidate, MacInput::Plain) {
            return Some("the secret itself was the key: derive the key from it as the scheme says".into());
        }
        if credential.algorithm() == Algorithm::Md5 {
            let digest = crate::hash::md5::digest(joined);
            if digest == candidate.bytes.as_slice() {
                return Some("the secret is not part of what was hashed: anybody could have made this".into());
            }
            let front = crate::hash::md5::digest(&[secret, joined].concat());
            if front == candidate.bytes.as_slice() {
                return Some("the secret stands in front of the string, not behind it".into());
            }
        }
        None
    }

    /// Another key of the app, or of another app.
    fn other_key(&mut self, extract: &Extract<'_>, app: &App, fitting: &[&Credential]) -> Option<String> {
        let snapshot = self.snapshot;
        let others = snapshot.apps().iter().filter(|other| other.index != app.index).take(APPS_MAX);
        for other in std::iter::once(app).chain(others) {
            for credential in other.credentials.iter().filter(|c| !fitting.iter().any(|f| std::ptr::eq(*f, *c))) {
                let Some((string, input)) = self.string(extract, self.request, credential.alg) else { continue };
                let derived = self.derived(extract, credential);
                let key = derived.as_ref().unwrap_or(&credential.key);
                for candidate in self.candidates(extract, credential.alg) {
                    if self.verify(key, &string, &candidate, input) {
                        let kid = credential.kid.as_str();
                        let fix = if other.index == app.index {
                            format!(
                                "it was signed with another key of the app, {kid:?} of {}: send its key id, or use the right key",
                                credential.algorithm()
                            )
                        } else {
                            format!(
                                "it was signed with a key of another app, {}: the app id or the key is the wrong one",
                                other.id.as_str()
                            )
                        };
                        return Some(with(fix, &candidate));
                    }
                }
            }
        }
        None
    }

    /// The MAC that would be right.
    fn expected(&self, extract: &Extract<'_>, credential: &Credential) -> Option<String> {
        let (string, input) = self.string(extract, self.request, credential.alg)?;
        let secret = credential.secret()?.expose();
        let key = match self.profile.recipe() {
            Some(recipe) => {
                let (texts, count) = self.profile.scope(extract);
                let derived = recipe.derive(secret, credential.alg, texts.get(..count)?)?;
                SigningKey::secret(credential.algorithm(), &derived)
            }
            None => SigningKey::secret(credential.algorithm(), secret),
        };
        let bytes = key.ok()?.sign(&string, SignatureForm::Either, input).ok()?;
        self.profile.encode_signature(credential.alg, &bytes)
    }
}

fn with(fix: String, candidate: &Candidate) -> String {
    match &candidate.fix {
        Some(other) => format!("{fix}; and {other}"),
        None => fix,
    }
}
