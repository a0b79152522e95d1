//! The order of checks. It is part of the security argument, so it stands in one place.
//!
//! | stage | check | refused as |
//! |---|---|---|
//! | gate | the client's address on a deny list | `blacklisted` |
//! | gate | shape and size | `malformed_request` |
//! | gate | limits before the signature: of all requests, of the API | `rate_limited`, `suspended` |
//! | prepare | a profile that fits, and its fields | `no_profile`, `missing_*`, `invalid_field`, `duplicate_field`, `malformed_request` |
//! | prepare, commit | the app, or its key, on a deny list | `blacklisted` |
//! | prepare | the app and its status | `unknown_app`, `app_suspended`, `app_exited` |
//! | prepare | the app may use the profile | `no_profile` |
//! | prepare | the client's address | `ip_not_allowed` |
//! | prepare | the API: known, method, served, permitted | `api_not_allowed`, `method_not_allowed`, `api_retired` |
//! | prepare | the channel: version of TLS, certificate of the client | `level_too_low` |
//! | prepare | the parameters: rules of the API, consent, switched off | `missing_field`, `invalid_field`, `api_not_allowed` |
//! | prepare | a key for it, of the right level and strength, valid now | `unknown_key`, `key_expired`, `key_revoked`, `level_too_low`, `weak_algorithm` |
//! | prepare | the timestamp | `timestamp_too_old`, `timestamp_too_new` |
//! | prepare, commit | seen before (a look, nothing taken) | `replayed` |
//! | prepare | **the signature** | `bad_signature` |
//! | commit | the access token, where the API needs one | `token_invalid`, `token_expired`, `token_revoked` |
//! | commit | limits, all or nothing | `rate_limited`, `concurrency_limited`, `suspended` |
//! | commit | the user's grant and the one-time token, reserved | `idempotency_used`, `missing_field`, `token_invalid`, `token_expired`, `token_revoked` |
//! | commit | the circuit breaker of the API | `circuit_open` |
//! | commit | the nonce: **the point of acceptance** | `replayed`, `nonce_store_full`, `timestamp_too_old` |
//!
//! A request whose signature fails takes no nonce and nothing of an app's limits; one that is limited keeps its nonce, so that it may come
//! again; a replay that is found only at the commit gives back what its limits and its one-time token took.

use super::batch::{Claimed, Slot, Stand, Work};
use super::derived::{At as DerivedAt, Derived};
use super::guard::{self, Hands};
use super::memory::{Admitted, Memory};
use super::tokens::Reserved;
use super::{rules, tokens};
use crate::alg::{Key, MacInput, SignatureForm};
use crate::canon::{self, Alg, Extract, Profile, Refusal};
use crate::keys::{Api, App, Demands, KeyPart, Limit, LimitIndex, ProfileIndex, Snapshot, policy};
use crate::lanes::prefetch_of;
use crate::request::Request;
use crate::time::Millis;
use crate::token::Read;
use crate::verdict::{APP_ID_MAX, KID_MAX, Reason, Verdict};
use std::ops::Range;

/// Why a request goes no further.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub reason: Reason,
    pub retry_after_ms: u64,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after_ms: 0 }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        refusal.reason.into()
    }
}

/// Where preparation writes what the signature stage reads.
pub(super) struct Facts<'b> {
    pub works: &'b mut Vec<Work>,
    pub bytes: &'b mut Vec<u8>,
    pub derived: &'b mut Derived,
    /// What a verdict or the commit will need of requests' own texts, one after the other.
    pub texts: &'b mut Vec<u8>,
}

impl Facts<'_> {
    /// Keeps a text: where it stands then.
    fn keep(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        start..self.texts.len()
    }

    /// Keeps a name of at most `most` bytes; of a longer one nothing, since no verdict can hold it.
    fn keep_name(&mut self, name: &[u8], most: usize) -> Range<usize> {
        if name.len() <= most { self.keep(name) } else { 0..0 }
    }
}

/// Stage 1.
pub(super) fn gate(
    snapshot: &Snapshot,
    memory: &Memory,
    request: &Request<'_>,
    slot: &mut Slot,
    hands: &mut Hands,
) -> Result<(), Refused> {
    let Hands { hold, taken } = hands;
    memory.guard.check_address(request.client_ip, slot.now)?;
    request.check(snapshot.sizes()).map_err(|_| Reason::MalformedRequest)?;
    let found = snapshot.api_for(request.method, request.path());
    slot.api = found.map(|api| api.map(|api| api.index));
    let api = found.ok().flatten();
    let of_api = api.map_or(&[][..], |api| &api.limits.before_signature);
    if of_api.is_empty() && snapshot.limits_of_all().is_empty() {
        return Ok(());
    }
    let parts = Parts { app: None, kid: &[], api, request, object: None };
    let lists = [snapshot.limits_of_all(), of_api];
    taken.take_all(snapshot, memory, &lists, &parts, slot.now, hold)?;
    slot.alert = taken.alert;
    Ok(())
}

/// Stage 2, up to the signature.
pub(super) fn prepare(
    snapshot: &Snapshot,
    memory: &Memory,
    request: &Request<'_>,
    slot: &mut Slot,
    facts: &mut Facts<'_>,
    scratch: &mut canon::Scratch,
) -> Result<(), Refused> {
    if let Some(name) = request.profile {
        let index = snapshot.profile_named(name).ok_or(Reason::NoProfile)?;
        return by_profile(snapshot, memory, request, slot, facts, scratch, index);
    }
    // A single profile is the one, whether it recognises the request or says what is missing.
    let mut profiles = snapshot.profiles();
    if let (Some((index, _)), None) = (profiles.next(), profiles.next()) {
        return by_profile(snapshot, memory, request, slot, facts, scratch, index);
    }
    // The first profile that recognises the request and that its app allows.
    let mut outcome = None;
    for (index, profile) in snapshot.profiles() {
        if profile.recognises(request) {
            match by_profile(snapshot, memory, request, slot, facts, scratch, index) {
                Err(refused) if refused.reason == Reason::NoProfile => outcome = Some(refused),
                other => return other,
            }
        }
    }
    if let Some(refused) = outcome {
        return Err(refused);
    }
    // None recognises it: the first one says what is missing.
    match snapshot.profiles().next() {
        Some((index, _)) => by_profile(snapshot, memory, request, slot, facts, scratch, index),
        None => Err(Reason::NoProfile.into()),
    }
}

fn by_profile(
    snapshot: &Snapshot,
    memory: &Memory,
    request: &Request<'_>,
    slot: &mut Slot,
    facts: &mut Facts<'_>,
    scratch: &mut canon::Scratch,
    index: ProfileIndex,
) -> Result<(), Refused> {
    let profile = snapshot.profile(index).ok_or(Reason::NoProfile)?;
    let extract = profile.extract(request, scratch, snapshot.sizes())?;
    let app = whose(snapshot, request, index, &extract, slot, facts)?;
    if let Some(credential) = app.credentials.first() {
        // Among thousands of apps this one's key is not near.
        prefetch_of(credential);
    }
    memory.guard.check_caller(app, extract.kid, slot.now)?;
    policy::app_status(app)?;
    if !app.allows_profile(index) {
        return Err(Reason::NoProfile.into());
    }
    slot.app = Some(app.index);
    let api = slot.api.ok().flatten().and_then(|api| snapshot.apis().get(api.get()));
    policy::ip_allowed(app, api, request.client_ip)?;
    slot.api?;
    policy::api_served(api)?;
    policy::api_allowed(snapshot, app, api)?;
    let peer = policy::peer_certificate(app, request, slot.now);
    policy::channel(snapshot.demands(), api, request, peer)?;
    if let Some(user) = rules::check(memory, profile, app, api, &extract, slot.now)? {
        slot.user = facts.keep(user);
    }
    let at = At { demands: snapshot.demands(), peer, now: slot.now };
    let signer = first_signer(app, api, &extract, &at)?;
    if let Some(limit) = app.limits.distinct.or(api.and_then(|api| api.limits.distinct)) {
        slot.object = memory.guard.object(snapshot.limit(limit), &extract);
    }
    if let Some(timestamp) = extract.timestamp {
        snapshot.clock(index).check(timestamp, slot.now)?;
    }
    if extract.expires_at.is_some_and(|end| slot.now > end) {
        return Err(Reason::TimestampTooOld.into());
    }
    let mode = snapshot.nonce_mode(index);
    // Without a signed timestamp the time of arrival decides where a message is kept.
    let timestamp = extract.timestamp.unwrap_or(slot.now);
    let key = |nonce| memory.nonce_key(app, nonce, timestamp, profile, mode, request);
    let nonce = extract.nonce.map(key);
    let message = write_works(snapshot, app, api, (index, profile), request, &extract, &at, signer, facts);
    // The look spares a signature; a MAC costs less than the look's way to memory, and the commit looks in any case.
    let spare = app.credentials.iter().any(|credential| !credential.algorithm().is_mac());
    slot.look = spare || nonce.is_none();
    // Without a nonce the message itself must not come twice.
    let nonce = nonce.or_else(|| Some(key(facts.bytes.get(message).unwrap_or_default())));
    slot.nonce = nonce;
    Ok(())
}

/// The app that a request comes from: by the app id that it carries; else by its key id; else by what the gateway says; else the only one.
fn whose<'s>(
    snapshot: &'s Snapshot,
    request: &Request<'_>,
    profile: ProfileIndex,
    extract: &Extract<'_>,
    slot: &mut Slot,
    facts: &mut Facts<'_>,
) -> Result<&'s App, Refused> {
    if let Some(kid) = extract.kid {
        slot.kid = facts.keep_name(kid, KID_MAX);
    }
    let claimed = extract.app_id.or(match extract.kid {
        None => request.app_id.map(str::as_bytes),
        Some(_) => None,
    });
    let app = match (claimed, extract.kid) {
        (Some(id), _) => snapshot.app(id).ok_or_else(|| {
            slot.claimed = Claimed::Unknown(facts.keep_name(id, APP_ID_MAX));
            Reason::UnknownApp
        })?,
        (None, Some(kid)) => snapshot.by_kid(profile, kid).ok_or(Reason::UnknownKey)?.0,
        (None, None) => snapshot.sole_app(profile).ok_or(Reason::UnknownApp)?,
    };
    slot.claimed = Claimed::App(app.index);
    Ok(app)
}

/// The circumstances of a request that its keys depend on.
struct At<'d> {
    demands: &'d Demands,
    /// Whether the connection has a certificate that the app has registered.
    peer: bool,
    now: Millis,
}

/// Whether the credential at `index` of `app` may have signed this request; if not, why.
fn may_sign(app: &App, api: Option<&Api>, extract: &Extract<'_>, at: &At<'_>, index: usize) -> Result<Alg, Reason> {
    let credential = app.credentials.get(index).ok_or(Reason::UnknownKey)?;
    if extract.kid.is_some_and(|kid| !credential.answers_to(kid)) {
        return Err(Reason::UnknownKey);
    }
    if !extract.algorithms.has(credential.alg) {
        return Err(Reason::UnknownKey);
    }
    policy::strength(app, credential.algorithm())?;
    policy::level(app, api, credential.algorithm())?;
    policy::behind(app, credential, at.peer)?;
    policy::key_allowed(credential, api)?;
    policy::key_age(at.demands, app, api, credential, at.now)?;
    credential.valid_at(at.now)?;
    Ok(credential.alg)
}

/// The first credential that may have signed this request. If none, the reason of the one that came closest.
fn first_signer(app: &App, api: Option<&Api>, extract: &Extract<'_>, at: &At<'_>) -> Result<(usize, Alg), Refused> {
    let closeness = |reason: Reason| match reason {
        Reason::UnknownKey => 0,
        Reason::WeakAlgorithm => 1,
        Reason::LevelTooLow => 2,
        Reason::KeyRevoked => 3,
        _ => 4,
    };
    let mut closest = Reason::UnknownKey;
    for index in 0..app.credentials.len() {
        match may_sign(app, api, extract, at, index) {
            Ok(alg) => return Ok((index, alg)),
            Err(reason) if closeness(reason) > closeness(closest) => closest = reason,
            Err(_) => {}
        }
    }
    Err(closest.into())
}

/// The key that the profile derives from a credential's secret; `Ok(None)` where the credential's own key is used, `Err` where no key can
/// be derived from it.
fn derive(
    snapshot: &Snapshot,
    app: &App,
    (number, profile): (ProfileIndex, &Profile),
    extract: &Extract<'_>,
    (index, alg): (usize, Alg),
    derived: &mut Derived,
) -> Result<Option<DerivedAt>, ()> {
    let Some(recipe) = profile.recipe() else { return Ok(None) };
    let credential = app.credentials.get(index).ok_or(())?;
    let Some(secret) = credential.secret() else { return Ok(None) };
    let (texts, count) = profile.scope(extract);
    let scope = texts.get(..count).unwrap_or_default();
    let numbers = [snapshot.generation(), app.index.get() as u64, index as u64, number.get() as u64];
    let at = derived.find(numbers, scope, || {
        Key::secret(credential.algorithm(), &recipe.derive(secret.expose(), alg, scope)?).ok()
    });
    at.map(Some).ok_or(())
}

/// Writes down every signature to check: one for each credential that may have signed, of which `signer` is the first, and each signature
/// that the request carries. Keys of one algorithm sign the same string, so it is written once. Returns where the last string stands.
#[allow(clippy::too_many_arguments)]
fn write_works(
    snapshot: &Snapshot,
    app: &App,
    api: Option<&Api>,
    (number, profile): (ProfileIndex, &Profile),
    request: &Request<'_>,
    extract: &Extract<'_>,
    at: &At<'_>,
    signer: (usize, Alg),
    facts: &mut Facts<'_>,
) -> Range<usize> {
    let mut written: Option<(Alg, Range<usize>)> = None;
    let mut message = 0..0;
    for index in signer.0..app.credentials.len() {
        let alg = if index == signer.0 { Ok(signer.1) } else { may_sign(app, api, extract, at, index) };
        let Ok(alg) = alg else { continue };
        let Ok(derived) = derive(snapshot, app, (number, profile), extract, (index, alg), facts.derived) else {
            continue;
        };
        if let Some((_, same)) = written.as_ref().filter(|(same, _)| *same == alg) {
            for place in same.clone() {
                let Some(work) = facts.works.get(place) else { continue };
                let (message, signature) = (work.message.clone(), work.signature.clone());
                let work = Work { credential: index, derived, message, signature, ..*work };
                facts.works.push(work);
            }
            continue;
        }
        let first = facts.works.len();
        for (text, algs) in extract.signatures() {
            let start = facts.bytes.len();
            if !algs.has(alg) || profile.decode_signature(text, alg, facts.bytes).is_err() {
                // No signature of this algorithm: the other keys may fit.
                facts.bytes.truncate(start);
                continue;
            }
            facts.works.push(Work {
                app: app.index,
                credential: index,
                derived,
                message: 0..0,
                signature: start..facts.bytes.len(),
                form: SignatureForm::Either,
                input: MacInput::Plain,
            });
        }
        let last = facts.works.len();
        if first == last {
            continue;
        }
        let start = facts.bytes.len();
        let Some(how) = profile.write_message(extract, request, alg, facts.bytes) else {
            facts.works.truncate(first);
            continue;
        };
        message = start..facts.bytes.len();
        let form = match how.form {
            canon::SignatureForm::Der => SignatureForm::Der,
            canon::SignatureForm::Fixed => SignatureForm::Fixed,
            canon::SignatureForm::Either => SignatureForm::Either,
        };
        let input = if how.append_secret { MacInput::AppendKey } else { MacInput::Plain };
        for work in facts.works.iter_mut().skip(first) {
            (work.message, work.form, work.input) = (message.clone(), form, input);
        }
        written = Some((alg, first..last));
    }
    message
}

/// Stage 3. `verified`: which credential of the app verified the signature; `token`: what its access token says; `user`: whom a call with a grant is for.
/// What an accepted request took goes into its `verdict`: its nonce with what it holds, and its one-time token.
#[allow(clippy::too_many_arguments)]
pub(super) fn commit(
    snapshot: &Snapshot,
    memory: &Memory,
    request: &Request<'_>,
    slot: &mut Slot,
    verified: Option<usize>,
    token: Read,
    user: &[u8],
    hands: &mut Hands,
    verdict: &mut Verdict,
) -> Result<(), Refused> {
    let Hands { hold, taken } = hands;
    let nonce = slot.nonce.as_ref().ok_or(Reason::Internal)?;
    let app = slot.app.and_then(|app| snapshot.apps().get(app.get())).ok_or(Reason::Internal)?;
    let Some(verified) = verified else {
        // The look of stage 2, taken again at this request's turn: the same answer whatever came before it in the batch.
        let seen = slot.stand == Stand::Seen || memory.seen(nonce);
        return Err(if seen { Reason::Replayed } else { Reason::BadSignature }.into());
    };
    let api = slot.api.ok().flatten().and_then(|api| snapshot.apis().get(api.get()));
    let kid = app.credentials.get(verified).map_or(&[][..], |c| c.kid.as_bytes());
    let parts = Parts { app: Some(app), kid, api, request, object: slot.object };
    let of_api = api.map_or(&[][..], |api| &api.limits.after_signature);
    let lists: [&[LimitIndex]; 3] = [&app.limits.before_signature, of_api, &app.limits.after_signature];
    // A replay is a replay, also where a limit would have refused it: the same answer as the look of stage 2 would have given.
    if memory.seen(nonce) {
        return Err(Reason::Replayed.into());
    }
    memory.guard.check_caller(app, Some(parts.kid), slot.now)?;
    tokens::check(snapshot, memory, request, app, api, token, slot.now)?;
    taken.take_all(snapshot, memory, &lists, &parts, slot.now, hold)?;
    let mut reserved = Reserved::NOTHING;
    if let Err(refused) = tokens::reserve(snapshot, memory, request, app, api, user, slot.now, &mut reserved) {
        taken.give_back(snapshot, memory, &lists, &parts, slot.now, hold);
        return Err(refused);
    }
    let refused = match taken.begin(memory, api, slot.now, hold) {
        Err(refused) => refused,
        Ok(token) => match memory.admit(nonce, app, token, slot.now) {
            Admitted::Fresh(ticket) => {
                slot.alert = slot.alert.or(taken.alert);
                tokens::accepted(memory, &reserved);
                (verdict.ticket, verdict.one_time) = (ticket, reserved.one_time);
                return Ok(());
            }
            Admitted::Refused(reason) => {
                taken.forget(memory, token, slot.now);
                reason.into()
            }
        },
    };
    tokens::give_back(memory, &reserved);
    taken.give_back(snapshot, memory, &lists, &parts, slot.now, hold);
    Err(refused)
}

/// What the keys of limits are made of.
pub(super) struct Parts<'p> {
    pub app: Option<&'p App>,
    pub kid: &'p [u8],
    pub api: Option<&'p Api>,
    pub request: &'p Request<'p>,
    /// What it asks for, hashed, where a limit counts distinct ones.
    pub object: Option<u64>,
}

impl Parts<'_> {
    /// Lends the key of `limit`: `kind` (left out where it is empty), its name, and the bytes of every part, in one fixed order. A part that
    /// the request does not have is empty.
    #[inline]
    pub fn with_key<T>(&self, kind: &[u8], limit: &Limit, lend: impl FnOnce(&[&[u8]]) -> T) -> T {
        let (name, mut bytes) = (limit.name.as_bytes(), [0; 16]);
        let ip: &[u8] = match self.request.client_ip {
            Some(ip) if limit.key.has(KeyPart::ClientIp) => guard::address_bytes(ip, &mut bytes),
            _ => &[],
        };
        if let ([], Some(part)) = (kind, limit.key.only()) {
            // As most limits count: no list is made.
            return lend(&[name, self.part(part, ip)]);
        }
        let mut key: [&[u8]; 2 + KeyPart::NAMES.len()] = [&[]; 2 + KeyPart::NAMES.len()];
        (key[0], key[1]) = (kind, name);
        let mut count = 2;
        for (place, part) in key[2..].iter_mut().zip(limit.key.iter()) {
            *place = self.part(part, ip);
            count += 1;
        }
        lend(&key[usize::from(kind.is_empty())..count])
    }

    /// The bytes of one part; `ip` are those of the address.
    #[inline]
    fn part<'b>(&'b self, part: KeyPart, ip: &'b [u8]) -> &'b [u8] {
        match part {
            KeyPart::App => self.app.map_or(&[], |app| app.id.as_bytes()),
            KeyPart::ClientIp => ip,
            KeyPart::Path => self.request.path(),
            KeyPart::Method => self.request.method,
            KeyPart::Api => self.api.map_or(&[], |api| api.id.as_bytes()),
            KeyPart::Kid => self.kid,
        }
    }
}
