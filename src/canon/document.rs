//! Reading what profiles of every shape have in common out of their documents.

use crate::codec::doc::{Node, Object};
use crate::codec::hex;
use crate::error::DocumentError;
use crate::hash::{sha256, sm3};
use crate::verdict::{APP_ID_MAX, KID_MAX};

use super::alg::{ALGS, Alg, AlgSet, Class};
use super::names::{NAME_MAX, Role};
use super::signature::TextForm;
use super::{NonceMode, NonceScope, SignatureForm};

/// Greatest window of a profile's clock: ten years, so that sums of moments and windows never come near the ends of 64 bits.
const WINDOW_MAX: u64 = 10 * 366 * 86_400_000;
/// Greatest length that a document may allow a nonce.
const NONCE_MAX: u64 = 1024;
/// Longest signature text that a document may allow: room for RSA-16384 in hexadecimal.
const SIGNATURE_MAX: u64 = 4096;

/// Where a field is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Among the parameters, wherever they come from.
    Params,
    /// Among the query's parameters only.
    Query,
    /// Among the body's parameters only.
    Body,
    /// The one header of that name.
    Header,
}

/// A field: its names, the place it is read, and its lengths in bytes.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub role: Role,
    pub names: Vec<String>,
    pub place: Place,
    pub min: usize,
    pub max: usize,
}

impl Field {
    /// How findings call the place: ``header `X-Time` ``.
    pub(super) fn describe(&self) -> String {
        let place = match self.place {
            Place::Params => "parameter",
            Place::Query => "query parameter",
            Place::Body => "body parameter",
            Place::Header => "header",
        };
        format!("{place} `{}`", self.names.join("` or `"))
    }
}

/// What a document that says nothing of a field gets.
pub(super) struct FieldDefaults {
    pub role: Role,
    pub names: &'static [&'static str],
    pub place: Place,
    pub max: usize,
}

/// How timestamps are written.
pub(super) use crate::codec::civil::Format as TimeFormat;

/// One algorithm of a profile.
#[derive(Clone, Debug)]
pub(super) struct AlgSpec {
    pub text: TextForm,
    pub form: SignatureForm,
    /// The text between the string and the secret, where the secret follows the string; `None` where it does not.
    pub suffix: Option<Box<[u8]>>,
    /// The algorithm signs the digest's text in place of the string.
    pub prehash: Option<Prehash>,
}

/// What is signed in place of the string: the lower-case hexadecimal text of its digest (UnionPay).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Prehash {
    Sha256,
    Sm3,
}

impl Prehash {
    /// The text that stands for `text`.
    pub(super) fn digest(self, text: &[u8]) -> [u8; 64] {
        let digest = match self {
            Self::Sha256 => sha256::digest(text),
            Self::Sm3 => sm3::digest(text),
        };
        let mut out = [0; 64];
        // 32 bytes are 64 digits.
        let _ = hex::encode_lower(&digest, &mut out);
        out
    }
}

/// The algorithms of a profile, by [`Alg::index`].
pub(super) type AlgTable = [Option<AlgSpec>; ALGS];

/// Past and future window of a profile's own clock, in milliseconds.
pub(super) type Windows = (Option<i64>, Option<i64>);

pub(super) fn clock(object: &Object<'_>) -> Result<Windows, DocumentError> {
    let Some(node) = object.optional("clock") else { return Ok((None, None)) };
    let clock = node.object()?;
    let window = |name| -> Result<Option<i64>, DocumentError> {
        clock.optional(name).map(|n| n.u64_in(0..=WINDOW_MAX).map(|ms| ms as i64)).transpose()
    };
    let windows = (window("past_window_ms")?, window("future_window_ms")?);
    clock.finish()?;
    Ok(windows)
}

/// A name that a parameter or header can have: visible ASCII or anything above it, without spaces and the marks of a query.
pub(super) fn field_name(node: &Node<'_>) -> Result<String, DocumentError> {
    let name = node.str()?;
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(node.error(format!("expected a name of 1 to {NAME_MAX} bytes")));
    }
    if name.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'&' || b == b'=') {
        return Err(node.error("expected a name without spaces, control characters, & and ="));
    }
    Ok(name.to_owned())
}

/// The names in the array `node`: at least one unless `or_none`, no two alike.
pub(super) fn names(node: &Node<'_>, or_none: bool) -> Result<Vec<String>, DocumentError> {
    let mut names = Vec::new();
    for item in node.array()? {
        let name = field_name(&item)?;
        if names.contains(&name) {
            return Err(item.error("name is there twice"));
        }
        names.push(name);
    }
    if names.is_empty() && !or_none {
        return Err(node.error("expected at least one name"));
    }
    Ok(names)
}

/// The members that every field has: `names`, `in`, `min`, `max`.
pub(super) fn field(
    field: Option<&Object<'_>>,
    defaults: &FieldDefaults,
    longest: usize,
) -> Result<Field, DocumentError> {
    let mut out = Field {
        role: defaults.role,
        names: defaults.names.iter().map(|n| (*n).to_owned()).collect(),
        place: defaults.place,
        min: 1,
        max: defaults.max,
    };
    let Some(object) = field else { return Ok(out) };
    if let Some(node) = object.optional("names") {
        out.names = names(&node, false)?;
    }
    if let Some(node) = object.optional("in") {
        out.place = node.one_of(&[
            ("params", Place::Params),
            ("query", Place::Query),
            ("body", Place::Body),
            ("header", Place::Header),
        ])?;
        if out.place == Place::Header
            && let Some(name) = out.names.iter().find(|n| !is_token(n.as_bytes()))
        {
            return Err(node.error(format!("{name:?} cannot be a header's name (RFC 9110, 5.1)")));
        }
    }
    if let Some(node) = object.optional("max") {
        out.max = node.u64_in(1..=longest as u64)? as usize;
    }
    if let Some(node) = object.optional("min") {
        out.min = node.u64_in(1..=out.max as u64)? as usize;
    }
    if out.min > out.max {
        return Err(object.error("min lies above max"));
    }
    Ok(out)
}

/// A token of RFC 9110, 5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The longest value that each field may be allowed.
pub(super) fn longest(role: Role) -> usize {
    match role {
        Role::AppId => APP_ID_MAX,
        Role::KeyId => KID_MAX,
        Role::Nonce => NONCE_MAX as usize,
        Role::Signature => SIGNATURE_MAX as usize,
        Role::Timestamp | Role::SignType | Role::Excluded | Role::Secret => 64,
    }
}

/// `format` of a timestamp, and for those that name no zone of their own its `zone` (`+08:00`).
pub(super) fn time_format(object: Option<&Object<'_>>) -> Result<TimeFormat, DocumentError> {
    let Some(object) = object else { return Ok(TimeFormat::UnixSeconds) };
    let format = match object.optional("format") {
        Some(node) => node.one_of(&[
            ("unix-seconds", TimeFormat::UnixSeconds),
            ("unix-milliseconds", TimeFormat::UnixMillis),
            ("rfc1123", TimeFormat::Rfc1123),
            ("iso8601-basic", TimeFormat::Iso8601Basic),
            ("iso8601", TimeFormat::Iso8601),
            ("yyyy-MM-dd HH:mm:ss", TimeFormat::DateTime { east: 0 }),
            ("yyyyMMddHHmmss", TimeFormat::Compact { east: 0 }),
        ])?,
        None => TimeFormat::UnixSeconds,
    };
    let zone = object.optional("zone").map(|node| zone(&node)).transpose()?;
    match (format, zone) {
        (TimeFormat::DateTime { .. }, Some(east)) => Ok(TimeFormat::DateTime { east }),
        (TimeFormat::Compact { .. }, Some(east)) => Ok(TimeFormat::Compact { east }),
        (TimeFormat::DateTime { .. } | TimeFormat::Compact { .. }, None) => {
            Err(object.error("expected \"zone\", such as \"+08:00\": the format names none"))
        }
        (_, Some(_)) => Err(object.error("\"zone\" is of use with formats that name none only")),
        (_, None) => Ok(format),
    }
}

/// Minutes east of UTC, from `+08:00` or `Z`.
fn zone(node: &Node<'_>) -> Result<i16, DocumentError> {
    let wrong = || node.error("expected a zone such as +08:00, or Z");
    let (sign, h, m) = match node.str()?.as_bytes() {
        b"Z" => return Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => {
            let two = |a: u8, b: u8| i16::from(a - b'0') * 10 + i16::from(b - b'0');
            (*sign, two(*h1, *h2), two(*m1, *m2))
        }
        _ => return Err(wrong()),
    };
    if h > 14 || m > 59 {
        return Err(wrong());
    }
    Ok(if sign == b'-' { -(h * 60 + m) } else { h * 60 + m })
}

/// `mode` and `scope` of a nonce.
pub(super) fn nonce_rules(object: Option<&Object<'_>>) -> Result<(NonceMode, NonceScope), DocumentError> {
    let mode = match object.and_then(|o| o.optional("mode")) {
        Some(node) => node.one_of(&[("strict", NonceMode::Strict), ("message", NonceMode::Message)])?,
        None => NonceMode::Strict,
    };
    let scope = match object.and_then(|o| o.optional("scope")) {
        Some(node) => node.one_of(&[("app", NonceScope::App), ("endpoint", NonceScope::Endpoint)])?,
        None => NonceScope::App,
    };
    Ok((mode, scope))
}

/// The member `algorithms`: an object from name to how its signatures are written.
pub(super) fn algorithms(node: &Node<'_>) -> Result<AlgTable, DocumentError> {
    let mut table: AlgTable = [const { None }; ALGS];
    for (name, node) in node.members()? {
        let alg = Alg::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Alg::all().map(Alg::name).collect();
            node.error(format!("no such algorithm; known: {}", known.join(", ")))
        })?;
        let object = node.object()?;
        let text = object.required("signature")?.one_of(TextForm::NAMES)?;
        let form = match object.optional("form") {
            None => SignatureForm::Either,
            Some(node) if alg.class() == Class::Curve => node.one_of(&[
                ("der", SignatureForm::Der),
                ("fixed", SignatureForm::Fixed),
                ("either", SignatureForm::Either),
            ])?,
            Some(node) => return Err(node.error("only ECDSA and SM2 signatures have two forms")),
        };
        let suffix = match object.optional("secret_suffix") {
            None => None,
            Some(node) if matches!(alg.class(), Class::Mac(_)) => Some(node.str()?.as_bytes().into()),
            Some(node) => return Err(node.error("a key pair has no secret to append")),
        };
        if alg == Alg::MD5 && suffix.is_none() {
            return Err(object.error(
                "md5 needs \"secret_suffix\", the text before the secret (\"\" for the secret alone): \
                 without the secret everybody can sign",
            ));
        }
        let prehash = match object.optional("prehash") {
            None => None,
            Some(node) => Some(node.one_of(&[("sha256-hex", Prehash::Sha256), ("sm3-hex", Prehash::Sm3)])?),
        };
        object.finish()?;
        if let Some(slot) = table.get_mut(alg.index()) {
            *slot = Some(AlgSpec { text, form, suffix, prehash });
        }
    }
    if table.iter().all(Option::is_none) {
        return Err(node.error("expected at least one algorithm"));
    }
    Ok(table)
}

pub(super) fn admitted(table: &AlgTable) -> AlgSet {
    Alg::all().filter(|a| table[a.index()].is_some()).fold(AlgSet::EMPTY, AlgSet::with)
}

/// For each text of a field `sign_type` the algorithms that it may mean.
pub(super) type SignTypes = Vec<(Box<[u8]>, AlgSet)>;

/// The member `sign_type`'s `values`: from the text that a request sends to the algorithms that it may mean.
pub(super) fn sign_types(node: &Node<'_>, admitted: AlgSet) -> Result<SignTypes, DocumentError> {
    let mut types = Vec::new();
    for (text, node) in node.members()? {
        let mut set = AlgSet::EMPTY;
        for item in node.array()? {
            let alg = Alg::from_name(item.str()?).filter(|a| admitted.has(*a));
            set = set.with(alg.ok_or_else(|| item.error("expected an algorithm that this profile admits"))?);
        }
        if set.is_empty() || text.is_empty() {
            return Err(node.error("expected a text and at least one algorithm"));
        }
        types.push((text.as_bytes().into(), set));
    }
    Ok(types)
}
