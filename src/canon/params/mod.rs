//! Shape `params`: all parameters but the signature, sorted by name, joined as `name=value` by `&`.
//!
//! The members of its documents are described in [`super`]. Compiled here into a [`Program`]; [`extract`](Program::extract) reads a
//! request with it, [`write`](Program::write) makes the string.

mod client;
mod document;
mod extract;
pub(in crate::canon) mod media;
mod write;

use super::document::{Field, Place, SignTypes, TimeFormat};
use super::lint::{Cover, Coverage};
use super::names::{FIELDS, Names, Role};
use super::{Caller, NonceMode, NonceScope};
use crate::codec::percent::Encoder;
use crate::codec::percent::Plus;

/// Which sources a method's parameters come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sources {
    pub query: bool,
    pub json: bool,
    pub form: bool,
    /// Flat, as WeChat Pay v2 sends it.
    pub xml: bool,
}

/// For each method where its parameters come from.
type Methods = Vec<(Box<[u8]>, Sources)>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ContentType {
    Check,
    RequireCharset,
    Ignore,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NullText {
    Empty,
    Text,
    Refuse,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Nested {
    Raw,
    Drop,
    Refuse,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encode {
    Off,
    /// The joined string, before the secret is appended.
    String,
    /// The joined string and what follows it.
    Whole,
    /// Each value, before joining.
    Values,
}

/// What to do with values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Values {
    drop_empty: bool,
    null: NullText,
    refuse_bool: bool,
    nested: Nested,
    refuse_spaces: bool,
    /// Refuse names with `&` or `=`, and values that could be read as several parameters, unless they are encoded.
    refuse_delimiters: bool,
}

/// Which algorithms the texts of a field `sign_type` stand for.
#[derive(Debug)]
struct SignType {
    signed: bool,
    values: SignTypes,
}

/// A compiled profile of this shape.
#[derive(Debug)]
pub(super) struct Program {
    methods: Methods,
    content_type: ContentType,
    plus: Plus,
    /// By [`Role`]: app id, key id, timestamp, nonce, signature, sign type; `None` where the profile does not read the field.
    fields: [Option<Field>; FIELDS],
    /// A bit for each [`Role`] of a signed field that is read from the members of a JSON body: none but these are.
    body_fields: u8,
    /// The names of fields that are parameters, of exclusions and of secrets.
    names: Names,
    time: TimeFormat,
    nonce_mode: NonceMode,
    nonce_scope: NonceScope,
    sign_type: Option<SignType>,
    excluded: Vec<String>,
    values: Values,
    encode: Encode,
    encoder: Encoder,
}

impl Program {
    fn field(&self, role: Role) -> Option<&Field> {
        self.fields.get(role as usize)?.as_ref()
    }

    /// Whether a field has that name.
    pub(super) fn reads(&self, name: &[u8]) -> bool {
        self.fields.iter().flatten().any(|field| field.names.iter().any(|known| known.as_bytes() == name))
    }

    fn sources(&self, method: &[u8]) -> Option<Sources> {
        self.methods.iter().find(|(name, _)| **name == *method).map(|(_, sources)| *sources)
    }

    pub(super) fn caller(&self) -> Caller {
        match (self.field(Role::AppId), self.field(Role::KeyId)) {
            (Some(_), _) => Caller::AppId,
            (None, Some(_)) => Caller::KeyId,
            (None, None) => Caller::Unnamed,
        }
    }

    pub(super) fn nonce_mode(&self) -> NonceMode {
        if self.field(Role::Timestamp).is_none() { NonceMode::Arrival } else { self.nonce_mode }
    }

    pub(super) fn nonce_scope(&self) -> NonceScope {
        self.nonce_scope
    }

    /// What the string covers: parameters, whole; never the method, the path and headers.
    pub(super) fn coverage(&self) -> Coverage {
        let cover = |role| match self.field(role) {
            None => Cover::Absent,
            Some(field) if field.place == Place::Header => Cover::Unsigned(field.describe()),
            Some(_) => Cover::Signed,
        };
        let algorithm = match (&self.sign_type, self.field(Role::SignType)) {
            (Some(sign_type), Some(field)) if !sign_type.values.is_empty() => {
                if sign_type.signed && field.place != Place::Header {
                    Cover::Signed
                } else {
                    Cover::Unsigned(field.describe())
                }
            }
            _ => Cover::Absent,
        };
        let reads_json = self.methods.iter().any(|(_, sources)| sources.json);
        Coverage {
            timestamp: cover(Role::Timestamp),
            nonce: cover(Role::Nonce),
            app_id: cover(Role::AppId),
            algorithm,
            // Where the profile admits a single method there is no other to change it to.
            method: self.methods.len() == 1,
            path: false,
            // Where parameters of the query are read they are signed; elsewhere the query may hold nothing.
            query: true,
            loose_digests: Vec::new(),
            body_gap: (reads_json && self.values.nested == Nested::Drop)
                .then_some("JSON objects and arrays are left out of the string to sign"),
            endpoint_scope: self.nonce_scope == NonceScope::Endpoint,
            excluded: self.excluded.clone(),
            movable: self
                .methods
                .iter()
                .any(|(_, s)| [s.query, s.json, s.form, s.xml].iter().filter(|on| **on).count() > 1),
            empty_dropped: self.values.drop_empty,
            ambiguous: !self.values.refuse_delimiters,
        }
    }

    /// The fields and where they are read.
    pub(super) fn places(&self) -> Vec<(String, String)> {
        self.fields.iter().flatten().map(|field| (field.role.name().to_owned(), field.describe())).collect()
    }

    pub(super) fn check_secret(&self, secret: &[u8]) -> Result<(), &'static str> {
        if self.encode == Encode::Whole && !self.encoder.keeps(secret) {
            return Err("the profile percent-encodes the secret with the string; this secret would be changed by that");
        }
        Ok(())
    }
}
