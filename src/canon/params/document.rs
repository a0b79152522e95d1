//! From a profile's document to a [`Program`].

use crate::codec::doc::Object;
use crate::codec::percent::Encoder;
use crate::codec::percent::Plus;
use crate::error::DocumentError;

use super::super::alg::AlgSet;
use super::super::document::{self, AlgTable, Field, FieldDefaults, Place};
use super::super::names::{FIELDS, Names, Role};
use super::{ContentType, Encode, Methods, Nested, NullText, Program, SignType, Sources, Values};

/// RSA-4096 in base64.
const SIGNATURE_LEN: usize = 684;

const DEFAULTS: [FieldDefaults; FIELDS] = [
    FieldDefaults { role: Role::AppId, names: &["partnerId", "appId"], place: Place::Params, max: 32 },
    FieldDefaults { role: Role::KeyId, names: &[], place: Place::Params, max: 64 },
    FieldDefaults { role: Role::Timestamp, names: &["timestamp"], place: Place::Params, max: 64 },
    FieldDefaults { role: Role::Nonce, names: &["nonce", "requestId"], place: Place::Params, max: 32 },
    FieldDefaults { role: Role::Signature, names: &["sign"], place: Place::Query, max: SIGNATURE_LEN },
    FieldDefaults { role: Role::SignType, names: &[], place: Place::Params, max: 64 },
];

/// The object `name` of `parent`, if it is there and not `null`; `Some(None)` where it is `null`.
fn member<'d>(parent: Option<&Object<'d>>, name: &'static str) -> Result<Option<Option<Object<'d>>>, DocumentError> {
    match parent.and_then(|p| p.optional(name)) {
        None => Ok(None),
        Some(node) if node.is_null() => Ok(Some(None)),
        Some(node) => Ok(Some(Some(node.object()?))),
    }
}

fn choice<T: Copy>(
    object: Option<&Object<'_>>,
    name: &'static str,
    choices: &[(&str, T)],
    default: T,
) -> Result<T, DocumentError> {
    object.and_then(|o| o.optional(name)).map_or(Ok(default), |node| node.one_of(choices))
}

fn methods(object: &Object<'_>) -> Result<Methods, DocumentError> {
    let Some(node) = object.optional("methods") else {
        return Ok(vec![
            (b"GET".as_slice().into(), Sources { query: true, ..Sources::default() }),
            (b"POST".as_slice().into(), Sources { query: true, json: true, ..Sources::default() }),
        ]);
    };
    let mut methods: Methods = Vec::new();
    for (name, node) in node.members()? {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            return Err(node.error("expected a method in capitals, such as POST"));
        }
        let mut sources = Sources::default();
        for item in node.array()? {
            let source = match item.str()? {
                "query" => &mut sources.query,
                "json" => &mut sources.json,
                "form" => &mut sources.form,
                "xml" => &mut sources.xml,
                _ => return Err(item.error("expected one of query, json, form, xml")),
            };
            if std::mem::replace(source, true) {
                return Err(item.error("source is there twice"));
            }
        }
        if sources == Sources::default() {
            return Err(node.error("expected at least one source"));
        }
        methods.push((name.as_bytes().into(), sources));
    }
    if methods.is_empty() {
        return Err(node.error("expected at least one method"));
    }
    Ok(methods)
}

fn values(object: Option<&Object<'_>>) -> Result<Values, DocumentError> {
    Ok(Values {
        drop_empty: choice(object, "empty", &[("drop", true), ("keep", false)], true)?,
        null: choice(
            object,
            "null",
            &[("empty", NullText::Empty), ("text", NullText::Text), ("refuse", NullText::Refuse)],
            NullText::Empty,
        )?,
        refuse_bool: choice(object, "bool", &[("text", false), ("refuse", true)], false)?,
        nested: choice(
            object,
            "nested",
            &[("raw", Nested::Raw), ("drop", Nested::Drop), ("refuse", Nested::Refuse)],
            Nested::Raw,
        )?,
        refuse_spaces: choice(object, "spaces", &[("refuse", true), ("keep", false)], true)?,
        refuse_delimiters: choice(object, "delimiters", &[("keep", false), ("refuse", true)], false)?,
    })
}

fn name_list(object: &Object<'_>, name: &'static str, default: &[&str]) -> Result<Vec<String>, DocumentError> {
    match object.optional(name) {
        Some(node) => document::names(&node, true),
        None => Ok(default.iter().map(|n| (*n).to_owned()).collect()),
    }
}

/// Gathers every name that means something, refusing one that means two things.
fn roles(
    at: &Object<'_>,
    fields: &[Option<Field>; FIELDS],
    excluded: &[String],
    secrets: &[String],
) -> Result<Names, DocumentError> {
    let mut entries: Vec<(Box<[u8]>, Role)> = Vec::new();
    let in_params = fields.iter().flatten().filter(|f| f.place != Place::Header);
    let named = in_params
        .flat_map(|f| f.names.iter().map(|n| (n, f.role)))
        .chain(excluded.iter().map(|n| (n, Role::Excluded)))
        .chain(secrets.iter().map(|n| (n, Role::Secret)));
    for (name, role) in named {
        // A secret's name is found whatever its case, so it may not differ from another name by case alone.
        let clash = |(known, other): &(Box<[u8]>, Role)| match (*other, role) {
            (Role::Secret, _) | (_, Role::Secret) => known.eq_ignore_ascii_case(name.as_bytes()),
            _ => **known == *name.as_bytes(),
        };
        if let Some((_, other)) = entries.iter().find(|entry| clash(entry)) {
            return Err(at.error(format!("{name:?} is named for {} and for {}", other.name(), role.name())));
        }
        entries.push((name.as_bytes().into(), role));
    }
    Names::new(entries).ok_or_else(|| at.error("more than 255 names"))
}

/// What [`Program::body_fields`] holds.
fn body_fields(fields: &[Option<Field>; FIELDS]) -> u8 {
    let read = [Role::AppId, Role::KeyId, Role::Timestamp, Role::Nonce].into_iter().filter(|role| {
        let field = fields.get(*role as usize).and_then(Option::as_ref);
        field.is_some_and(|field| matches!(field.place, Place::Params | Place::Body))
    });
    read.fold(0, |bits, role| bits | 1 << role as u8)
}

impl Program {
    /// Reads the members of shape `params` from `object`; suffixes of `algorithms` are encoded where the profile says so.
    pub(in crate::canon) fn compile(
        object: &Object<'_>,
        algorithms: &mut AlgTable,
        admitted: AlgSet,
    ) -> Result<Self, DocumentError> {
        let methods = methods(object)?;
        let content_type = choice(
            Some(object),
            "content_type",
            &[
                ("check", ContentType::Check),
                ("require_charset", ContentType::RequireCharset),
                ("ignore", ContentType::Ignore),
            ],
            ContentType::Check,
        )?;
        if content_type == ContentType::Ignore
            && methods.iter().any(|(_, s)| [s.json, s.form, s.xml].iter().filter(|on| **on).count() > 1)
        {
            return Err(object.error("with \"content_type\": \"ignore\" a method's body is one of json, form, xml"));
        }
        let plus = choice(Some(object), "plus", &[("space", Plus::Space), ("literal", Plus::Literal)], Plus::Space)?;

        let fields_object = object.optional("fields").map(|n| n.object()).transpose()?;
        let in_fields = fields_object.as_ref();
        let mut fields: [Option<Field>; FIELDS] = [const { None }; FIELDS];
        let mut time = document::time_format(None)?;
        let (mut nonce_mode, mut nonce_scope) = document::nonce_rules(None)?;
        let mut sign_type = None;
        for defaults in &DEFAULTS {
            let role = defaults.role;
            let at = match member(in_fields, role.name())? {
                Some(None) if role == Role::Signature => {
                    return Err(object.error("a profile without a signature signs nothing"));
                }
                Some(None) => continue,
                None if defaults.names.is_empty() => continue,
                None => None,
                Some(Some(at)) => Some(at),
            };
            let field = document::field(at.as_ref(), defaults, document::longest(role))?;
            if let (true, Some(at)) = (field.names.is_empty(), &at) {
                return Err(at.error("member \"names\" is missing"));
            }
            match role {
                Role::Timestamp => time = document::time_format(at.as_ref())?,
                Role::Nonce => (nonce_mode, nonce_scope) = document::nonce_rules(at.as_ref())?,
                Role::SignType => {
                    let signed = at.as_ref().and_then(|o| o.optional("signed")).map_or(Ok(true), |n| n.bool())?;
                    let values = match at.as_ref().and_then(|o| o.optional("values")) {
                        Some(node) => document::sign_types(&node, admitted)?,
                        None => Vec::new(),
                    };
                    sign_type = Some(SignType { signed, values });
                }
                _ => {}
            }
            if let Some(at) = at {
                at.finish()?;
            }
            if let Some(slot) = fields.get_mut(role as usize) {
                *slot = Some(field);
            }
        }
        if let Some(object) = fields_object {
            object.finish()?;
        }

        let secrets = name_list(object, "secret_names", &["partnerKey", "appKey"])?;
        let excluded = name_list(object, "exclude", &[])?;
        let names = roles(object, &fields, &excluded, &secrets)?;
        let values_object = object.optional("values").map(|n| n.object()).transpose()?;
        let values = values(values_object.as_ref())?;
        if let Some(object) = values_object {
            object.finish()?;
        }
        let encode = choice(
            Some(object),
            "encode",
            &[("off", Encode::Off), ("string", Encode::String), ("whole", Encode::Whole), ("values", Encode::Values)],
            Encode::Off,
        )?;
        let encoder = choice(
            Some(object),
            "encoder",
            &[("rfc3986", Encoder::Rfc3986), ("form", Encoder::Form)],
            Encoder::Rfc3986,
        )?;
        if encode == Encode::Whole {
            for spec in algorithms.iter_mut().flatten() {
                if let Some(suffix) = &mut spec.suffix {
                    let mut encoded = Vec::new();
                    encoder.append(suffix, &mut encoded);
                    *suffix = encoded.into();
                }
            }
        }
        Ok(Self {
            methods,
            content_type,
            plus,
            body_fields: body_fields(&fields),
            fields,
            names,
            time,
            nonce_mode,
            nonce_scope,
            sign_type,
            excluded,
            values,
            encode,
            encoder,
        })
    }
}
