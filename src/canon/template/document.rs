//! From a document to a [`Program`].

use super::super::alg::AlgSet;
use super::super::document::{self, field_name, is_token};
use super::super::key::{Link, Recipe};
use super::super::{NonceMode, NonceScope};
use super::pairs::PairRules;
use super::segments::Compiler;
use super::{
    Day, DigestHeader, DigestText, Field, Hash, ListRules, Payload, Place, Program, QueryMode, Segment, Segments,
};
use crate::codec::civil::DayFormat;
use crate::codec::doc::{Node, Object};
use crate::codec::percent::Plus;
use crate::error::DocumentError;
use crate::verdict::{APP_ID_MAX, KID_MAX};

/// Which of the three shapes a document has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::canon) enum Kind {
    Lines,
    CanonicalRequest,
    HeaderList,
}

pub(super) const HASHES: &[(&str, Hash)] = &[
    ("md5", Hash::Md5),
    ("sha256", Hash::Sha256),
    ("sha512", Hash::Sha512),
    ("sm3", Hash::Sm3),
    ("of-algorithm", Hash::OfAlgorithm),
];
pub(super) const TEXTS: &[(&str, DigestText)] = &[("hex", DigestText::Hex), ("base64", DigestText::Base64)];

pub(super) type Names = Vec<Box<[u8]>>;

pub(super) fn bytes(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

pub(super) fn text_of(object: &Object<'_>, name: &'static str, default: &str) -> Result<Box<[u8]>, DocumentError> {
    Ok(bytes(object.optional(name).map_or(Ok(default), |node| node.str())?))
}

pub(super) fn choice<T: Copy>(
    object: &Object<'_>,
    name: &'static str,
    choices: &[(&str, T)],
    default: T,
) -> Result<T, DocumentError> {
    object.optional(name).map_or(Ok(default), |node| node.one_of(choices))
}

fn byte(object: &Object<'_>, name: &'static str, default: u8) -> Result<u8, DocumentError> {
    match object.optional(name) {
        None => Ok(default),
        Some(node) => match node.str()?.as_bytes() {
            [byte] if !byte.is_ascii_control() && *byte != b'"' => Ok(*byte),
            _ => Err(node.error("expected one character")),
        },
    }
}

/// One name or a list of them.
pub(super) fn name_list(node: &Node<'_>, header: bool) -> Result<Names, DocumentError> {
    let nodes = if node.is_str() { vec![node.clone()] } else { node.array()? };
    let mut names: Names = Vec::new();
    for node in &nodes {
        let name = field_name(node)?;
        if header && !is_token(name.strip_prefix('@').unwrap_or(&name).as_bytes()) {
            return Err(node.error("expected a header's name (RFC 9110, 5.1)"));
        }
        if names.iter().any(|n| n.eq_ignore_ascii_case(name.as_bytes())) {
            return Err(node.error("name is there twice"));
        }
        names.push(bytes(&name));
    }
    if names.is_empty() {
        return Err(node.error("expected at least one name"));
    }
    Ok(names)
}

pub(super) fn lower(names: Names) -> Names {
    names.into_iter().map(|name| name.to_ascii_lowercase().into()).collect()
}

fn pair_rules(node: &Node<'_>, admitted: AlgSet) -> Result<PairRules, DocumentError> {
    let object = node.object()?;
    let headers = match object.optional("header") {
        Some(node) => name_list(&node, true)?,
        None => vec![bytes("authorization")],
    };
    let (mut schemes, mut narrows) = (Vec::new(), false);
    match object.optional("schemes") {
        None => {}
        Some(node) if node.is_object() => {
            narrows = true;
            schemes = document::sign_types(&node, admitted)?;
        }
        Some(node) => schemes = name_list(&node, true)?.into_iter().map(|name| (name, admitted)).collect(),
    }
    if let Some((word, _)) = schemes.iter().find(|(word, _)| !is_token(word)) {
        return Err(node.error(format!("{:?} is no scheme's name (RFC 9110, 11.1)", String::from_utf8_lossy(word))));
    }
    let query = match object.optional("query") {
        None => None,
        Some(node) => {
            let query = node.object()?;
            let pair = (text_of(&query, "prefix", "")?, bytes(&field_name(&query.required("scheme")?)?));
            query.finish()?;
            if schemes.is_empty() {
                return Err(node.error("expected \"schemes\" beside it"));
            }
            Some(pair)
        }
    };
    let rules = PairRules {
        headers,
        schemes,
        narrows,
        divider: byte(&object, "divider", b',')?,
        equals: byte(&object, "equals", b'=')?,
        two: choice(&object, "form", &[("pairs", false), ("id:signature", true)], false)?,
        quotes: object.optional("quotes").map_or(Ok(false), |node| node.bool())?,
        query,
    };
    object.finish()?;
    if rules.divider == rules.equals {
        return Err(node.error("\"divider\" and \"equals\" are the same"));
    }
    Ok(rules)
}

/// What a role has where the document does not say.
fn defaults(name: &str) -> (&'static str, bool, usize, usize) {
    // What refusals call it, whether it is required, its greatest length, and the greatest that a document may allow.
    match name {
        "app_id" => ("app_id", true, APP_ID_MAX, APP_ID_MAX),
        "kid" => ("kid", true, KID_MAX, KID_MAX),
        "timestamp" => ("timestamp", true, 64, 64),
        "nonce" => ("nonce", true, 128, 1024),
        "signature" => ("signature", true, 1024, 4096),
        "sign_type" => ("sign_type", false, 64, 64),
        "expires" => ("expires", false, 16, 16),
        "signed_headers" => ("signed_headers", false, 4096, 16_384),
        // Also a whole member of a body, such as the answer inside Alipay's.
        _ => ("field", true, 128, 16 << 20),
    }
}

/// What is read of a field beside the field.
struct Parsed {
    field: Field,
    day: Option<DayFormat>,
    algs: Vec<(Box<[u8]>, AlgSet)>,
    many: usize,
}

fn field(name: &str, object: &Object<'_>, admitted: AlgSet, pairs: bool) -> Result<Parsed, DocumentError> {
    let (role, required, max, longest) = defaults(name);
    let named = object.required("name")?;
    let (names, algs) = if named.is_object() && name == "signature" {
        let algs = document::sign_types(&named, admitted)?;
        (algs.iter().map(|(name, _)| name.clone()).collect(), algs)
    } else {
        (name_list(&named, false)?, Vec::new())
    };
    let place = match object.required("in")?.str()? {
        "auth" if pairs => Place::Pairs(names),
        "auth" => return Err(object.error("\"in\": \"auth\" needs the member \"auth\" of the profile")),
        "header" => Place::Header(lower(names)),
        "query" => Place::Query(names),
        "body" => Place::Body(names),
        "params" => Place::Params(names),
        _ => return Err(object.error("\"in\": expected one of auth, header, query, body, params")),
    };
    if let Place::Header(names) = &place
        && !names.iter().all(|n| is_token(n))
    {
        return Err(named.error("expected a header's name (RFC 9110, 5.1)"));
    }
    let part = match object.optional("part") {
        None => None,
        Some(node) => {
            let of = object.required("of")?.u64_in(2..=16)? as usize;
            Some((byte(object, "divider", b'/')?, node.u64_in(0..=of as u64 - 1)? as usize, of))
        }
    };
    let query = object.optional("query").map(|node| Ok(bytes(&field_name(&node)?))).transpose()?;
    let required = match object.optional("required") {
        None => required,
        Some(node) if ["timestamp", "signature", "app_id"].contains(&name) => {
            return Err(node.error("a field that a request is judged by is always required"));
        }
        Some(node) => node.bool()?,
    };
    let day = match object.optional("day") {
        None => None,
        Some(node) => Some(node.one_of(&[("yyyyMMdd", DayFormat::Basic), ("yyyy-MM-dd", DayFormat::Extended)])?),
    };
    let many = match object.optional("many") {
        Some(node) if name == "signature" => node.u64_in(1..=16)? as usize,
        Some(node) => return Err(node.error("only a signature may be there more than once")),
        None => 1,
    };
    let max = object.optional("max").map_or(Ok(max), |node| node.u64_in(1..=longest as u64).map(|n| n as usize))?;
    let min = object.optional("min").map_or(Ok(1), |node| node.u64_in(1..=max as u64).map(|n| n as usize))?;
    let prefix = text_of(object, "prefix", "")?;
    let equals = object.optional("equals").map(|node| node.str().map(bytes)).transpose()?;
    let ends = Vec::new();
    let field = Field { role, name: name.to_owned(), place, query, prefix, part, equals, ends, required, min, max };
    Ok(Parsed { field, day, algs, many })
}

fn list_rules(node: &Node<'_>, field: usize) -> Result<ListRules, DocumentError> {
    let object = node.object()?;
    let names = |name| -> Result<Names, DocumentError> {
        match object.optional(name) {
            Some(node) => Ok(lower(name_list(&node, true)?)),
            None => Ok(Vec::new()),
        }
    };
    let mut must = Vec::new();
    if let Some(node) = object.optional("must") {
        for group in node.array()? {
            must.push(lower(name_list(&group, true)?));
        }
    }
    let rules = ListRules {
        field,
        divider: byte(&object, "divider", b';')?,
        default: names("default")?,
        must,
        must_prefix: names("must_prefix")?,
        with_body: names("with_body")?,
        fields: choice(&object, "fields", &[("must", true), ("may", false)], true)?,
    };
    object.finish()?;
    Ok(rules)
}

fn digest_headers(node: &Node<'_>) -> Result<Vec<DigestHeader>, DocumentError> {
    let mut digests = Vec::new();
    for node in node.array()? {
        let object = node.object()?;
        let Some(name) = lower(name_list(&object.required("header")?, true)?).into_iter().next() else { continue };
        let hash = object.required("hash")?.one_of(HASHES)?;
        if hash == Hash::OfAlgorithm {
            return Err(node.error("expected the name of a hash"));
        }
        let text = choice(&object, "as", TEXTS, DigestText::Base64)?;
        let prefix = text_of(&object, "prefix", "")?;
        let required = choice(&object, "required", &[("with-body", true), ("never", false)], true)?;
        object.finish()?;
        digests.push(DigestHeader { name, hash, text, prefix, required });
    }
    Ok(digests)
}

fn payload(node: &Node<'_>) -> Result<Payload, DocumentError> {
    let object = node.object()?;
    let mut headers = Vec::new();
    for (name, node) in object.required("headers")?.members()? {
        if !is_token(name.as_bytes()) {
            return Err(node.error("expected a header's name (RFC 9110, 5.1)"));
        }
        let nodes = if node.is_str() { vec![node] } else { node.array()? };
        let hash = |node: &Node<'_>| {
            node.one_of(&[("sha256", Hash::Sha256), ("sm3", Hash::Sm3), ("of-algorithm", Hash::OfAlgorithm)])
        };
        headers.push((bytes(&name.to_ascii_lowercase()), nodes.iter().map(hash).collect::<Result<_, _>>()?));
    }
    let optional = |name| object.optional(name).map(|node| node.str().map(bytes)).transpose();
    let payload = Payload { headers, unsigned: optional("unsigned")?, presigned: optional("presigned")? };
    object.finish()?;
    Ok(payload)
}

/// The recipe of derived keys, and the fields of its scope.
fn recipe(node: &Node<'_>, fields: &[Field]) -> Result<(Recipe, Vec<usize>), DocumentError> {
    let object = node.object()?;
    let mut scope = Vec::new();
    let mut chain = Vec::new();
    if let Some(node) = object.optional("chain") {
        for link in node.array()? {
            if link.is_object() {
                let text = link.object()?;
                chain.push(Link::Text(text_of(&text, "text", "")?));
                text.finish()?;
                continue;
            }
            let name = link.str()?;
            let index = fields.iter().position(|f| f.name == name && f.required);
            let index = index.ok_or_else(|| link.error("expected a required field of this profile, or a text"))?;
            chain.push(Link::Scope(scope.len()));
            scope.push(index);
        }
    }
    if scope.len() > 4 {
        return Err(node.error("expected at most four fields"));
    }
    let recipe = Recipe {
        strip: text_of(&object, "strip", "")?,
        base64: choice(&object, "decode", &[("none", false), ("base64", true)], false)?,
        prefix: text_of(&object, "prefix", "")?,
        suffix: text_of(&object, "suffix", "")?,
        chain,
    };
    object.finish()?;
    Ok((recipe, scope))
}

impl Program {
    /// Reads the members of the three shapes from `object`.
    pub(in crate::canon) fn compile(object: &Object<'_>, admitted: AlgSet, kind: Kind) -> Result<Self, DocumentError> {
        let mut methods: Names = Vec::new();
        if let Some(node) = object.optional("methods") {
            methods = name_list(&node, true)?;
        }
        let plus = choice(object, "plus", &[("space", Plus::Space), ("literal", Plus::Literal)], Plus::Literal)?;
        let pairs = object.optional("auth").map(|node| pair_rules(&node, admitted)).transpose()?;

        let mut program = Self {
            methods,
            plus,
            pairs,
            fields: Vec::new(),
            pair_names: Vec::new(),
            plain_pairs: 0,
            app_id: None,
            kid: None,
            timestamp: None,
            nonce: None,
            sign_type: None,
            expires: None,
            signature: 0,
            signature_algs: Vec::new(),
            signatures: 1,
            time: document::time_format(None)?,
            nonce_mode: NonceMode::Strict,
            nonce_scope: NonceScope::App,
            sign_types: Vec::new(),
            day: None,
            list: None,
            digests: Vec::new(),
            payload: None,
            canonical: None,
            string: Segments::default(),
            checks_segments: false,
            recipe: None,
            scope: Vec::new(),
            reads_query: false,
            reads_body: false,
            upload: None,
            order: None,
            sorts_headers: false,
        };
        program.read_fields(&object.required("fields")?, admitted)?;
        let list_at = program.fields.iter().position(|f| f.name == "signed_headers");
        program.list = match (object.optional("signed_headers"), list_at) {
            (Some(node), Some(field)) => Some(list_rules(&node, field)?),
            (None, None) => None,
            (Some(node), None) => return Err(node.error("needs the field \"signed_headers\"")),
            (None, Some(_)) => return Err(object.error("the field \"signed_headers\" needs the member of that name")),
        };
        if let Some(node) = object.optional("digests") {
            program.digests = digest_headers(&node)?;
        }
        program.payload = object.optional("payload").map(|node| payload(&node)).transpose()?;
        let canonical = object.optional("canonical");
        let compiler = |has_canonical| Compiler {
            fields: &program.fields,
            has_list: program.list.is_some(),
            has_payload: program.payload.is_some(),
            has_canonical,
            pairs: program.pairs.is_some(),
        };
        let in_canonical = canonical.as_ref().map(|node| compiler(false).segments(node, "\n")).transpose()?;
        let string = compiler(canonical.is_some()).segments(&object.required("string")?, "\n")?;
        program.canonical = in_canonical;
        program.string = string;
        program.note_segments();
        if let Some(node) = object.optional("key") {
            let (recipe, scope) = recipe(&node, &program.fields)?;
            (program.recipe, program.scope) = (Some(recipe), scope);
        }
        program.finish(object, kind)?;
        Ok(program)
    }

    fn read_fields(&mut self, node: &Node<'_>, admitted: AlgSet) -> Result<(), DocumentError> {
        let mut signature = None;
        for (name, node) in node.members()? {
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            if name.is_empty() || name.len() > 32 || !name.bytes().all(good) {
                return Err(node.error("expected a field's name of 1 to 32 of a-z 0-9 _"));
            }
            if node.is_null() {
                continue;
            }
            let object = node.object()?;
            let parsed = field(name, &object, admitted, self.pairs.is_some())?;
            let index = self.fields.len();
            match name {
                "app_id" => self.app_id = Some(index),
                "kid" => self.kid = Some(index),
                "timestamp" => {
                    self.timestamp = Some(index);
                    self.time = document::time_format(Some(&object))?;
                }
                "nonce" => {
                    self.nonce = Some(index);
                    (self.nonce_mode, self.nonce_scope) = document::nonce_rules(Some(&object))?;
                }
                "sign_type" => {
                    self.sign_type = Some(index);
                    if let Some(node) = object.optional("values") {
                        self.sign_types = document::sign_types(&node, admitted)?;
                    }
                }
                "expires" => self.expires = Some(index),
                "signature" => {
                    signature = Some(index);
                    (self.signature_algs, self.signatures) = (parsed.algs, parsed.many);
                }
                _ => {}
            }
            if let Some(format) = parsed.day
                && self.day.replace(Day { field: index, format }).is_some()
            {
                return Err(node.error("another field is the day already"));
            }
            object.finish()?;
            self.fields.push(parsed.field);
        }
        self.signature =
            signature.ok_or_else(|| node.error("a profile without a field \"signature\" signs nothing"))?;
        if self.day.is_some() && self.timestamp.is_none() {
            return Err(node.error("a day needs a timestamp that it is the day of"));
        }
        Ok(())
    }

    /// What needs the whole program.
    fn finish(&mut self, object: &Object<'_>, kind: Kind) -> Result<(), DocumentError> {
        let reachable = self.canonical_is_signed();
        if self.canonical.is_some() && !reachable {
            return Err(object.error("\"canonical\" is in no digest of \"string\""));
        }
        match kind {
            Kind::CanonicalRequest if self.canonical.is_none() => {
                return Err(object.error("member \"canonical\" is missing"));
            }
            Kind::HeaderList if self.list.is_none() => {
                return Err(object.error("member \"signed_headers\" is missing"));
            }
            Kind::Lines if self.canonical.is_some() || self.list.is_some() => {
                return Err(object.error("\"canonical\" and \"signed_headers\" belong to other shapes"));
            }
            _ => {}
        }
        let places = |query: bool| {
            self.fields.iter().any(|f| match &f.place {
                Place::Query(_) => query,
                Place::Body(_) => !query,
                Place::Params(_) => true,
                _ => query && f.query.is_some(),
            })
        };
        let sorted = self.any_segment(|s| {
            matches!(s, Segment::Query(mode) | Segment::Resource(_, mode) if *mode != QueryMode::Raw)
                || matches!(s, Segment::Params)
        });
        self.reads_query = places(true) || sorted || self.pairs.as_ref().is_some_and(|p| p.query.is_some());
        self.reads_body = places(false) || self.any_segment(|s| matches!(s, Segment::Params));
        self.checks_segments = self.canonical.iter().chain([&self.string]).flat_map(|s| &s.list).any(|segment| {
            matches!(segment, Segment::Header { .. } | Segment::Path(_) | Segment::Resource(..) | Segment::Authority)
        });
        for (index, field) in self.fields.iter().enumerate().take(64) {
            let Place::Pairs(names) = &field.place else { continue };
            if index != self.signature && field.prefix.is_empty() && field.part.is_none() {
                self.plain_pairs |= 1 << index;
            }
            for name in names {
                match self.pair_names.iter_mut().find(|(known, _)| known == name) {
                    Some((_, fields)) => *fields |= 1 << index,
                    None => self.pair_names.push((name.clone(), 1 << index)),
                }
            }
        }
        Ok(())
    }
}
