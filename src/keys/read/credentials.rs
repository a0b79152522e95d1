//! The credentials of an app: exactly one source of key material each, prepared here once and for all.

use super::apps::Context;
use super::{Environment, name};
use crate::alg::{Algorithm, Certificate, Key, KeyError, PublicKey, chain};
use crate::canon::Alg;
use crate::codec::base64::{self, Variant};
use crate::codec::doc::{Node, Object};
use crate::codec::{hex, rfc3339};
use crate::error::DocumentError;
use crate::keys::credential::{CertificateFacts, Credential, Secret};
use crate::keys::settings::{KeyStatus, Level};
use crate::time::Millis;
use crate::verdict::{KID_MAX, Label};
use zeroize::Zeroizing;

/// What an app demands of its credentials.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) level: Level,
    pub(super) allow_weak: bool,
}

/// The members that hold key material.
const SOURCES: [&str; 10] = [
    "secret",
    "secret_base64",
    "secret_hex",
    "secret_env",
    "public_key_pem",
    "public_key_base64",
    "public_key_hex",
    "public_key_jwk",
    "certificate_pem",
    "certificate_base64",
];

const STATUSES: [(&str, KeyStatus); 2] = [("active", KeyStatus::Active), ("revoked", KeyStatus::Revoked)];

/// Key material as it was read: a secret, or a public key with what came around it.
enum Material {
    Secret(Zeroizing<Vec<u8>>),
    Public(PublicKey),
    /// A key with a key id of its own.
    Jwk(PublicKey, Option<String>),
    /// The app's certificate, and those between it and its root.
    Certificate(Box<Certificate>, Vec<Certificate>),
}

pub(super) fn read(nodes: &[Node<'_>], rules: Rules, context: &Context<'_>) -> Result<Vec<Credential>, DocumentError> {
    let mut credentials: Vec<Credential> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let credential = one(node, rules, context)?;
        let twice = credential.names().iter().any(|kid| credentials.iter().any(|c| c.answers_to(kid.as_bytes())));
        if twice {
            return Err(node.error(format!(
                "key id \"{}\" belongs to another credential of this app; expected one of its own",
                credential.kid.as_str()
            )));
        }
        credentials.push(credential);
    }
    Ok(credentials)
}

fn one(node: &Node<'_>, rules: Rules, context: &Context<'_>) -> Result<Credential, DocumentError> {
    let object = node.object()?;
    let kid = match object.optional("kid") {
        Some(node) => Some(name(&node, KID_MAX)?),
        None => None,
    };
    let status = object.optional("status").map_or(Ok(KeyStatus::Active), |node| node.one_of(&STATUSES))?;
    let algorithm = algorithm(&object.required("alg")?, status, rules)?;
    let not_before = moment(object.optional("not_before"))?;
    let not_after = moment(object.optional("not_after"))?;
    let user_id_node = object.optional("user_id");
    let user_id = match &user_id_node {
        Some(node) if algorithm != Algorithm::Sm2Sm3 => return Err(node.error("is of use with sm2-sm3 only")),
        Some(node) if node.str()?.is_empty() => return Err(node.error("expected at least one byte")),
        Some(node) => Some(node.str()?.as_bytes()),
        None => None,
    };
    let allow_apis = context.groups.allowed(&object, context.apis)?;
    let (source, member) = source(&object)?;
    object.finish()?;
    let material = material(&source, member, algorithm, context)?;
    let refused = |e: KeyError| source.error(e.to_string());

    let (mut secret, mut certificate, mut own_kid) = (None, None, None);
    let (mut from, mut to) = (Millis(i64::MIN), Millis(i64::MAX));
    // Both rooms take the names of algorithms from the same table of the interface.
    let alg = Alg::from_name(algorithm.name()).ok_or_else(|| node.error("no profile can use this algorithm"))?;
    let key = match material {
        Material::Secret(bytes) => {
            let key = Key::secret(algorithm, &bytes).map_err(refused)?;
            secret = Some(Secret::new(&bytes));
            key
        }
        Material::Public(public) => Key::public(algorithm, &public, user_id).map_err(refused)?,
        Material::Jwk(public, kid) => {
            own_kid = kid;
            Key::public(algorithm, &public, user_id).map_err(refused)?
        }
        Material::Certificate(read, between) => {
            if !read.signs() {
                return Err(source.error(
                    "the certificate's key usage is not signing; expected the signing certificate of the pair",
                ));
            }
            // A certificate is good to the end of its last second (RFC 5280, 4.1.2.5).
            let mut span = (read.not_before(), read.not_after());
            if !context.roots.is_empty() && status == KeyStatus::Active {
                span = chain::follow(&read, &between, context.roots).map_err(refused)?;
            }
            (from, to) = (Millis(span.0), Millis(span.1).plus(999));
            certificate = Some(CertificateFacts {
                serial_hex: read.serial_hex(),
                serial_decimal: read.serial_decimal(),
                sha256_fingerprint: read.sha256_fingerprint(),
            });
            Key::public(algorithm, read.public_key(), user_id).map_err(refused)?
        }
    };
    let bounded_by = |given: Option<(Millis, Node<'_>)>| given.map(|(moment, _)| moment);
    let starts = bounded_by(not_before).map_or(from, |given| given.max(from));
    let (ends, end_node) = match not_after {
        Some((given, node)) => (given.min(to), Some(node)),
        None => (to, None),
    };
    if starts > ends {
        let message =
            "ends before it begins; expected not_before, not_after and the certificate's own dates to overlap";
        return Err(end_node.map_or_else(|| node.error(message), |end| end.error(message)));
    }
    if status == KeyStatus::Active {
        fits(node, algorithm, rules.level, starts, context)?;
    }
    let named = kid.is_some() || own_kid.is_some();
    let kid = match (kid, own_kid, &certificate) {
        (Some(kid), _, _) => Label::from_bytes_or_empty(kid.as_bytes()),
        (None, Some(kid), _) => Label::from_bytes_or_empty(kid.as_bytes()),
        (None, None, Some(facts)) => Label::from_bytes_or_empty(facts.serial_hex.as_bytes()),
        (None, None, None) => Label::EMPTY,
    };
    let allow_apis = allow_apis.map(Vec::into_boxed_slice);
    Ok(Credential {
        kid,
        alg,
        status,
        not_before: starts,
        not_after: ends,
        key,
        allow_apis,
        certificate,
        named,
        secret,
    })
}

/// What the document demands of every key in use.
fn fits(
    node: &Node<'_>,
    algorithm: Algorithm,
    level: Level,
    starts: Millis,
    context: &Context<'_>,
) -> Result<(), DocumentError> {
    let name = algorithm.name();
    if context.demands.gm_only && !matches!(algorithm, Algorithm::Sm2Sm3 | Algorithm::HmacSm3) {
        return Err(node.error(format!("{name} is no national algorithm, and the document says \"gm_only\"")));
    }
    let aged = match level {
        Level::A1 => context.demands.key_max_age_ms.0.or(context.demands.key_max_age_ms.1),
        Level::A2 => context.demands.key_max_age_ms.1,
    };
    if aged.is_some() && starts == Millis(i64::MIN) {
        return Err(node.error("not_before is missing; the age of keys is limited by \"key_max_age_days\""));
    }
    Ok(())
}

/// The algorithm, if the app may have it. A revoked credential verifies nothing: it may be of any.
fn algorithm(node: &Node<'_>, status: KeyStatus, rules: Rules) -> Result<Algorithm, DocumentError> {
    let choices: Vec<(&str, Algorithm)> = Algorithm::ALL.iter().map(|alg| (alg.name(), *alg)).collect();
    let algorithm = node.one_of(&choices)?;
    let name = algorithm.name();
    if status == KeyStatus::Active && algorithm.is_weak() && !rules.allow_weak {
        return Err(node.error(format!("{name} is weak: taken only where the app says \"allow_weak\": true")));
    }
    if status == KeyStatus::Active && algorithm.is_mac() && rules.level == Level::A2 {
        return Err(node.error(format!("{name} is a MAC, level A2 of this app needs a signature with a key pair")));
    }
    Ok(algorithm)
}

fn moment<'d>(node: Option<Node<'d>>) -> Result<Option<(Millis, Node<'d>)>, DocumentError> {
    let Some(node) = node else { return Ok(None) };
    match rfc3339::parse(node.str()?) {
        Some(ms) => Ok(Some((Millis(ms), node))),
        None => Err(node.error("expected a time as RFC 3339 writes it, such as 2026-01-01T00:00:00Z")),
    }
}

/// The one member that holds key material.
fn source<'d>(object: &Object<'d>) -> Result<(Node<'d>, &'static str), DocumentError> {
    let mut found = SOURCES.iter().filter_map(|member| Some((object.optional(member)?, *member)));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some((_, first)), Some((second, _))) => {
            Err(second.error(format!("is there beside {first}; expected one source of the key")))
        }
        (None, _) => Err(object.error(format!("no key; expected one of {}", SOURCES.join(", ")))),
    }
}

fn from_base64(node: &Node<'_>) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    base64::decode_vec(Variant::Standard, node.str()?.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| node.error("expected base64 with + and /, padded, without white space"))
}

fn from_hex(node: &Node<'_>) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    hex::decode_vec(node.str()?.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| node.error("expected pairs of hexadecimal digits"))
}

/// The secret that one of the members `secret`, `secret_base64`, `secret_hex` and `secret_env` holds.
pub(super) fn secret(
    node: &Node<'_>,
    member: &str,
    environment: Environment<'_>,
) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
    match member {
        "secret" => Ok(Zeroizing::new(node.str()?.as_bytes().to_vec())),
        "secret_base64" => from_base64(node),
        "secret_hex" => from_hex(node),
        _ => {
            let variable = name(node, 256)?;
            let value = environment(variable).map(Zeroizing::new);
            value.ok_or_else(|| node.error(format!("environment variable {variable} is not set")))
        }
    }
}

/// Reads the source. Messages name what was expected and never quote the value.
fn material(
    node: &Node<'_>,
    member: &str,
    algorithm: Algorithm,
    context: &Context<'_>,
) -> Result<Material, DocumentError> {
    let environment = context.environment;
    let is_secret = member.starts_with("secret");
    if is_secret != algorithm.is_mac() {
        let needed = if is_secret { "a public key or a certificate" } else { "a secret" };
        return Err(node.error(format!("{} needs {needed}", algorithm.name())));
    }
    let refused = |e: KeyError| node.error(e.to_string());
    Ok(match member {
        "secret" | "secret_base64" | "secret_hex" | "secret_env" => {
            Material::Secret(secret(node, member, environment)?)
        }
        "public_key_pem" => Material::Public(PublicKey::from_pem(node.str()?).map_err(refused)?),
        "public_key_base64" => {
            let bytes = from_base64(node)?;
            // A SubjectPublicKeyInfo of Ed25519 is 44 bytes long, so 32 are the raw key.
            Material::Public(match (algorithm, bytes.len()) {
                (Algorithm::Ed25519, 32) => PublicKey::from_raw_ed25519(&bytes).map_err(refused)?,
                _ => PublicKey::from_spki_der(&bytes).map_err(refused)?,
            })
        }
        "public_key_hex" => {
            let bytes = from_hex(node)?;
            Material::Public(match algorithm {
                Algorithm::Ed25519 => PublicKey::from_raw_ed25519(&bytes).map_err(refused)?,
                _ => PublicKey::from_point(algorithm, &bytes).map_err(refused)?,
            })
        }
        "public_key_jwk" => jwk(node)?,
        // Certificates between the app's and its root follow it, as in TLS; of no use where there are no roots.
        "certificate_pem" if !context.roots.is_empty() => {
            let mut all = Certificate::several_from_pem(node.str()?).map_err(refused)?;
            let own = all.remove(0);
            Material::Certificate(Box::new(own), all)
        }
        "certificate_pem" => {
            Material::Certificate(Box::new(Certificate::from_pem(node.str()?).map_err(refused)?), Vec::new())
        }
        _ => Material::Certificate(Box::new(Certificate::from_der(&from_base64(node)?).map_err(refused)?), Vec::new()),
    })
}

/// Members of a JSON Web Key that say what key it is and what it is for; others (`key_ops`, `x5c`) are passed over.
const JWK_MEMBERS: [&str; 16] =
    ["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "d", "p", "q", "dp", "dq", "qi", "k"];

/// A JSON Web Key (RFC 7517).
fn jwk(node: &Node<'_>) -> Result<Material, DocumentError> {
    let mut members = Vec::new();
    let mut kid = None;
    for (member, value) in node.members()?.iter().filter(|(member, _)| JWK_MEMBERS.contains(member)) {
        let text = value.str()?;
        match *member {
            "kid" => kid = Some(name(value, KID_MAX)?.to_owned()),
            "use" if text != "sig" => return Err(value.error("expected \"sig\": a key for another use signs nothing")),
            _ => {}
        }
        members.push((*member, text));
    }
    let public = PublicKey::from_jwk(&members).map_err(|e| node.error(e.to_string()))?;
    Ok(Material::Jwk(public, kid))
}
