//! Signing profiles: documents that say how a scheme's string to sign is made, compiled once into a flat program.
//!
//! A profile is **data**. Built-in profiles ([`builtin`]) and users' own are the same kind of document and go through the same compiler
//! and the same linter; nothing in a built-in one is out of a user's reach. Per request a profile does three things, none of which
//! allocates in steady state or can panic:
//!
//! 1. [`Profile::extract`] reads the request: who it says it is, when, its nonce, its signature. Every refusal has its [`Reason`].
//! 2. [`Profile::write_message`] appends the string to sign to a buffer, in one pass.
//! 3. [`Profile::decode_signature`] turns the signature's text into bytes, strictly.
//!
//! The client's side of the same profile is in [`client`].
//!
//! # Profile documents
//!
//! Members that every shape has:
//!
//! | member | values (**default**) | meaning |
//! |---|---|---|
//! | `name` | text, required | 1 to 64 of `a-z 0-9 - _ .` |
//! | `shape` | `params`, `lines`, `canonical-request`, `header-list`, `structured-fields`, `jose`, required | which engine reads the rest of the document |
//! | `about` | text | for people |
//! | `legacy_unsafe` | array of names (**none**) | the holes ([`HOLES`]) that this profile has and its user accepts; one that it does not have is an error |
//! | `level` | `A1` \| `A2` (**`A1`**) | `A2`: for interfaces that want digital signatures (JR/T 0185-2020, 7.2.2); the linter then refuses MACs |
//! | `require_scheme` | `any` \| `https` (**`any`**) | `https`: refuse a request whose scheme the gateway gives as anything else, or does not give |
//! | `clock` | `{"past_window_ms", "future_window_ms"}` | this profile's windows in place of the configuration's |
//! | `algorithms` | object, required | see below |
//!
//! `algorithms` has a member for each algorithm that the profile admits (the names of configuration documents), with
//! `signature`: `hex` (either case) | `hex-lower` | `hex-upper` | `base64` | `base64url`;
//! `form` for ECDSA and SM2: `der` | `fixed` (r ‖ s) | **`either`**;
//! `secret_suffix` for MACs: the text that goes between the string and the secret, where the scheme appends the secret to the string
//! (`""` for the secret alone; left out, the secret is not appended; `md5` cannot do without);
//! `prehash`: `sha256-hex` | `sm3-hex`: the algorithm signs the lower-case hexadecimal text of the string's digest (UnionPay).
//!
//! ## Shape `params`: sorted `name=value` pairs
//!
//! | member | values (**default**) | meaning |
//! |---|---|---|
//! | `methods` | object (**`{"GET": ["query"], "POST": ["query", "json"]}`**) | for each method the sources of its parameters: `query`, `json`, `form`, `xml` (one element of elements of text; more than one: hole `unsigned_source`); other methods are `method_not_allowed`; a body that no source of its method reads, and without `query` anything in the query but fields that are `in` it, are `invalid_field` |
//! | `content_type` | **`check`** \| `require_charset` \| `ignore` | `check`: a body's type must be the one of its source, and its `charset`, if given, UTF-8; `require_charset`: it must be given; `ignore`: not looked at |
//! | `plus` | **`space`** \| `literal` | what a `+` in a query or form means |
//! | `fields` | object | `app_id`, `kid`, `timestamp`, `nonce`, `signature`, `sign_type`; see below |
//! | `secret_names` | names (**`["partnerKey", "appKey"]`**) | parameters that must never be sent, whatever their case: `invalid_field` |
//! | `exclude` | names (**none**) | parameters left out of the string: files, byte strings (hole `unsigned_parameter`) |
//! | `values.empty` | **`drop`** \| `keep` | parameters with an empty value; dropped, they can be added by anybody (hole `unsigned_empty`) |
//! | `values.null` | **`empty`** \| `text` \| `refuse` | JSON `null`: an empty value, the text `null`, or `invalid_field` |
//! | `values.bool` | **`text`** \| `refuse` | JSON `true` and `false` |
//! | `values.nested` | **`raw`** \| `drop` \| `refuse` | JSON objects and arrays: their bytes as sent, or left out (hole `unsigned_body`) |
//! | `values.spaces` | **`refuse`** \| `keep` | a name or value with a space (U+0020) at either end: `invalid_field`; never trimmed |
//! | `values.delimiters` | **`keep`** \| `refuse` | `refuse`: names with `&` or `=`, and values (unless `encode` is `values`) in which an `&` is followed by a `=`, which could be read as other parameters; kept, they are the hole `ambiguous_join` |
//! | `encode` | **`off`** \| `string` \| `whole` \| `values` | percent-encode the joined string before the secret is appended, or with it (secrets must then need no encoding), or each value before joining |
//! | `encoder` | **`rfc3986`** \| `form` | see [`Encoder`](crate::codec::percent::Encoder) |
//!
//! A field of `fields` is `null` (not read: for `app_id`, `kid`, `timestamp`, `nonce`, `sign_type`) or an object with
//! `names` (alternatives; two of them in one request are `duplicate_field`), `in` (`params` | `query` | `body` | `header`), `min` and
//! `max` (bytes, decoded). Defaults:
//!
//! | field | names | in | max | more |
//! |---|---|---|---|---|
//! | `app_id` | `partnerId`, `appId` | `params` | 32 (64 at most) | required |
//! | `kid` | not read | `params` | 64 | optional |
//! | `timestamp` | `timestamp` | `params` | – | required; `format`: **`unix-seconds`** \| `unix-milliseconds`, digits only |
//! | `nonce` | `nonce`, `requestId` | `params` | 32 | required; `mode`: **`strict`** \| `message`; `scope`: **`app`** \| `endpoint` |
//! | `signature` | `sign` | `query` | 684 (RSA-4096 in base64) | required, never part of the string |
//! | `sign_type` | not read | `params` | 64 | optional; `signed`: **true** \| false; `values`: object from text to algorithms, which narrows the keys tried |
//!
//! ## Shapes `lines`, `canonical-request` and `header-list`: segments
//!
//! | member | values (**default**) | meaning |
//! |---|---|---|
//! | `methods` | names (**any**) | other methods are `method_not_allowed` |
//! | `plus` | `space` \| **`literal`** | what a `+` in a query means, where parameters are read |
//! | `auth` | object | pairs in a header: `header` (names, **`Authorization`**), `schemes` (words before them; an object from word to algorithms narrows the keys), `divider` (**`,`**), `equals` (**`=`**), `form` (**`pairs`** \| `id:signature`), `quotes` (what a client writes), `query` (`{"prefix", "scheme"}`: the same pairs as query parameters) |
//! | `fields` | object, required | `app_id`, `kid`, `timestamp`, `nonce`, `signature`, `sign_type`, `expires` (seconds; it only narrows the window), `signed_headers`, and any others that segments or keys use |
//! | `signed_headers` | object | rules of the list in the field of that name: `divider` (**`;`**), `default` (names, where there is no list), `must` (names, or lists of which one must be there), `must_prefix`, `with_body`, `fields` (**`must`** \| `may`: headers that fields are read from) |
//! | `digests` | array | headers with a digest of the body: `header`, `hash`, `as` (`hex` \| **`base64`**), `prefix`, `required` (**`with-body`** \| `never`); a wrong one is `bad_digest` |
//! | `payload` | object | `headers` (name to `sha256` \| `sm3` \| `of-algorithm`, or several of them), `unsigned` (a text that stands for no digest; hole `unsigned_body`), `presigned` (the same, in a query) |
//! | `key` | object | the key made from the secret: `strip`, `decode` (`base64`), `prefix`, `suffix`, `chain` (fields and `{"text"}`; each an HMAC under the one before) |
//! | `canonical` | segments | of `canonical-request`: what the string holds the digest of |
//! | `string` | segments, required | the string to sign |
//!
//! A field has `in` (`auth` \| `header` \| `query` \| `body` \| `params`, which is query or body), `name` (one or several; for a signature also an object from name to algorithms),
//! `prefix`, `part`, `of` and `divider` (one piece of several), `query` (the parameter in place of a header, where the pairs are in the
//! query), `equals`, `required` (a nonce that need not be there is the hole `no_nonce`), `min`, `max`; `format` (`unix-seconds`, `unix-milliseconds`, `rfc1123`, `iso8601`, `iso8601-basic`,
//! `yyyy-MM-dd HH:mm:ss`, `yyyyMMddHHmmss`) and `zone`; `mode` and `scope`; `values`; `day` (must be the timestamp's); `many`.
//!
//! Segments are an array, joined by line ends, or `{"segments", "join", "end"}`. A segment is `method`, `target` (as sent), `path`, `query`,
//! `body`, `authority`, `scheme`, `params` (of query and form, encoded and sorted), `auth-before-signature`, `signed_headers`, `payload`, the
//! name of a field, or an object: `{"text"}`, `{"method": "lower"}`, `{"path": raw | decoded | normalised | reencoded | reencoded-slash}`,
//! `{"query": raw | encoded | decoded-order | raw-sorted}`, `{"resource": {"path", "query"}}`, `{"header", "absent": refuse | empty | skip}`,
//! `{"headers_from": prefix}`, `{"headers": {"separator", "absent", "collapse", "lower", "names": lower | as-sent, "join", "end",
//! "specials"}}`, `{"digest": {"of": body | canonical, "hash": md5 | sha256 | sha512 | sm3 | of-algorithm, "as"}}`, `{"encode": segments}`,
//! `{"group": segments}`.
//!
//! ## Shapes `structured-fields` and `jose`
//!
//! | shape | member | values (**default**) |
//! |---|---|---|
//! | `structured-fields` (RFC 9421) | `label` | which signature (**the only one**) |
//! | | `must` | components, or lists of which one must be covered |
//! | | `with_body` | components that must be covered with a body (**`["content-digest"]`**, which is held against it) |
//! | | `answer_must` | of a response, as `must`: `@status`, fields, and components of its request, such as `@method;req` (**none**) |
//! | | `nonce`, `tag` | **`optional`** \| `required`; the only tag taken |
//! | | `structured` | from a field to `item` \| `list` \| `dictionary`, for `sf`, beside the registered ones |
//! | `jose` (RFC 7515, 7797, 7519) | `form`, `header`, `scheme` | `detached` \| `compact`; where it stands |
//! | | `crit`, `require_crit` | critical members that are understood; whether they must be there |
//! | | `fields` | `app_id`, `timestamp`, `nonce`, `expires`, `not_before`: names of members |
//! | | `expect` | from a member to the texts that it may have |
//!
//! # Decisions
//!
//! - A signature whose text is not of the profile's form is `bad_signature`, not `invalid_field`: an app may hold keys of several
//!   algorithms, and a text that fits none of them is a signature that none of them verifies. One that is too long is `invalid_field`.
//! - Lengths count bytes.
//! - A name in both query and body is `duplicate_field`, whatever its value: upstreams differ in which of the two they take.
//! - Two alternatives of a field in one request (`partnerId` and `appId`) are `duplicate_field`: we would judge by one, and the
//!   application might act on the other.

mod alg;
mod builtin;
pub mod client;
mod document;
mod extract;
mod jose;
mod key;
mod lint;
mod names;
mod params;
mod signature;
mod structured;
mod template;

pub use alg::{Alg, AlgSet, Class};
pub use builtin::{builtin, builtin_document, builtin_names};
pub use extract::{Extract, Refusal, Scratch};
pub use key::Recipe;
pub use lint::{Finding, HOLES};
pub use structured::Answer;

use crate::codec::doc::{Node, Object};
use crate::error::DocumentError;
use crate::request::{Request, Sizes};
use crate::verdict::Reason;
use document::AlgTable;

/// How the nonces of a profile are kept (state.md's modes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceMode {
    /// A nonce does not repeat, whatever the timestamp beside it.
    Strict,
    /// The same nonce under another signed timestamp is another message.
    Message,
    /// No timestamp is read: kept by time of arrival.
    Arrival,
}

/// Within what a nonce must not repeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceScope {
    /// The app.
    App,
    /// The app, the method and the path. Of no use where those are not signed: one request is then good once at every path.
    Endpoint,
}

/// By what a request of a profile says whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// An app id; a key id beside it is of that app.
    AppId,
    /// A key id alone: whose it is must follow from the configuration.
    KeyId,
    /// Neither.
    Unnamed,
}

/// Which forms of an ECDSA or SM2 signature are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureForm {
    /// DER, strict.
    Der,
    /// r ‖ s, each of the length of the group's order.
    Fixed,
    /// Either.
    Either,
}

/// What follows from the profile for one algorithm, told with the string to sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Whether the secret's bytes follow the string (`MacInput::AppendKey` of room `alg`).
    pub append_secret: bool,
    /// Which signature forms are taken; only ECDSA and SM2 look at it.
    pub form: SignatureForm,
}

/// A compiled profile: immutable, shared by all threads.
#[derive(Debug)]
pub struct Profile {
    name: String,
    about: String,
    legacy_unsafe: Vec<String>,
    level_a2: bool,
    https_only: bool,
    windows: document::Windows,
    algorithms: AlgTable,
    admitted: AlgSet,
    shape: Shape,
}

/// Reads a shape's members of a document.
type Compiler = fn(&Object<'_>, &mut AlgTable, AlgSet) -> Result<Shape, DocumentError>;

/// The shapes by the name that documents use.
const SHAPES: &[(&str, Compiler)] = &[
    ("params", |object, algorithms, admitted| {
        params::Program::compile(object, algorithms, admitted).map(Shape::Params)
    }),
    ("lines", |object, _, admitted| template(object, admitted, template::Kind::Lines)),
    ("canonical-request", |object, _, admitted| template(object, admitted, template::Kind::CanonicalRequest)),
    ("header-list", |object, _, admitted| template(object, admitted, template::Kind::HeaderList)),
    ("structured-fields", |object, _, _| structured::Program::compile(object).map(Shape::Structured)),
    ("jose", |object, _, _| jose::Program::compile(object).map(Shape::Jose)),
];

fn template(object: &Object<'_>, admitted: AlgSet, kind: template::Kind) -> Result<Shape, DocumentError> {
    template::Program::compile(object, admitted, kind).map(|program| Shape::Template(Box::new(program)))
}

/// The engines; each reads its own members of the document and is driven by what it compiled from them.
#[derive(Debug)]
// The larger one is the one on the hottest path, and there are few of them.
#[allow(clippy::large_enum_variant)]
enum Shape {
    Params(params::Program),
    Template(Box<template::Program>),
    Structured(structured::Program),
    Jose(jose::Program),
}

impl Profile {
    /// Compiles the profile in `node` and lints it.
    ///
    /// # Errors
    /// A member that is missing, unknown, or not of its type, by its JSON pointer; a hole that `legacy_unsafe` does not name, or a
    /// name there that is no hole of this profile.
    pub fn from_document(node: &Node<'_>) -> Result<Self, DocumentError> {
        let profile = Self::compile(node)?;
        let findings = profile.lint();
        let open: Vec<String> =
            findings.iter().filter(|f| !f.accepted).map(|f| format!("{} ({})", f.hole, f.sentence)).collect();
        if !open.is_empty() {
            return Err(node.error(format!(
                "unsafe profile: {}. Close the hole, or accept it by name in \"legacy_unsafe\"",
                open.join("; ")
            )));
        }
        if let Some(name) = profile.legacy_unsafe.iter().find(|n| !findings.iter().any(|f| f.hole == **n)) {
            let pointer = format!("{}/legacy_unsafe", node.pointer());
            return Err(DocumentError { pointer, message: format!("this profile has no hole {name:?}: leave it out") });
        }
        Ok(profile)
    }

    /// Compiles the profile in `node` whatever its holes: for the linter, which wants to name them all.
    ///
    /// # Errors
    /// A member that is missing, unknown, or not of its type, by its JSON pointer.
    pub fn compile(node: &Node<'_>) -> Result<Self, DocumentError> {
        let object = node.object()?;
        let name_node = object.required("name")?;
        let name = name_node.str()?.to_owned();
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
            return Err(name_node.error("expected 1 to 64 of a-z 0-9 - _ ."));
        }
        let about = object.optional("about").map(|n| n.str()).transpose()?.unwrap_or_default().to_owned();
        let mut legacy_unsafe: Vec<String> = Vec::new();
        if let Some(list) = object.optional("legacy_unsafe") {
            for item in list.array()? {
                let hole = item.str()?;
                if !HOLES.iter().any(|(known, _)| *known == hole) {
                    let known: Vec<&str> = HOLES.iter().map(|(name, _)| *name).collect();
                    return Err(item.error(format!("no such hole; known: {}", known.join(", "))));
                }
                if legacy_unsafe.iter().any(|h| h == hole) {
                    return Err(item.error("hole is there twice"));
                }
                legacy_unsafe.push(hole.to_owned());
            }
        }
        let flag = |name, choices: [(&str, bool); 2]| match object.optional(name) {
            Some(node) => node.one_of(&choices),
            None => Ok(false),
        };
        let level_a2 = flag("level", [("A1", false), ("A2", true)])?;
        let https_only = flag("require_scheme", [("any", false), ("https", true)])?;
        let windows = document::clock(&object)?;
        let mut algorithms = document::algorithms(&object.required("algorithms")?)?;
        let admitted = document::admitted(&algorithms);
        let compile = object.required("shape")?.one_of(SHAPES)?;
        let shape = compile(&object, &mut algorithms, admitted)?;
        object.finish()?;
        Ok(Self { name, about, legacy_unsafe, level_a2, https_only, windows, algorithms, admitted, shape })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the document says of itself; may be empty.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The holes of this profile, those that its document accepts by name included.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        lint::findings(&self.coverage(), self.admitted, self.level_a2, &self.legacy_unsafe)
    }

    fn coverage(&self) -> lint::Coverage {
        match &self.shape {
            Shape::Params(program) => program.coverage(),
            Shape::Template(program) => program.coverage(),
            Shape::Structured(program) => program.coverage(),
            Shape::Jose(program) => program.coverage(),
        }
    }

    /// How far back a timestamp may lie, in milliseconds, where this profile says so itself.
    #[must_use]
    pub fn past_window(&self) -> Option<i64> {
        self.windows.0
    }

    /// How far ahead a timestamp may lie, in milliseconds, where this profile says so itself.
    #[must_use]
    pub fn future_window(&self) -> Option<i64> {
        self.windows.1
    }

    /// By what its requests say whose they are.
    #[must_use]
    pub fn caller(&self) -> Caller {
        match &self.shape {
            Shape::Params(program) => program.caller(),
            Shape::Template(program) => program.caller(),
            Shape::Structured(program) => program.caller(),
            Shape::Jose(program) => program.caller(),
        }
    }

    /// How its nonces are kept.
    #[must_use]
    pub fn nonce_mode(&self) -> NonceMode {
        match &self.shape {
            Shape::Params(program) => program.nonce_mode(),
            Shape::Template(program) => program.nonce_mode(),
            Shape::Structured(program) => program.nonce_mode(),
            Shape::Jose(program) => program.nonce_mode(),
        }
    }

    /// Within what its nonces must not repeat.
    #[must_use]
    pub fn nonce_scope(&self) -> NonceScope {
        match &self.shape {
            Shape::Params(program) => program.nonce_scope(),
            Shape::Template(program) => program.nonce_scope(),
            Shape::Structured(program) => program.nonce_scope(),
            Shape::Jose(program) => program.nonce_scope(),
        }
    }

    /// Whether it is for interfaces of level A2 only.
    #[must_use]
    pub fn level_a2(&self) -> bool {
        self.level_a2
    }

    /// The algorithms that it admits.
    #[must_use]
    pub fn algorithms(&self) -> AlgSet {
        self.admitted
    }

    /// Whether it admits `alg`.
    #[must_use]
    pub fn admits(&self, alg: Alg) -> bool {
        self.admitted.has(alg)
    }

    /// Whether it reads a parameter of that name itself: a field of the scheme, which rules of parameters need not name.
    #[must_use]
    pub fn reads(&self, name: &[u8]) -> bool {
        match &self.shape {
            Shape::Params(program) => program.reads(name),
            _ => false,
        }
    }

    /// Whether `secret` can be used with `alg` under this profile: to be asked when keys are loaded.
    ///
    /// # Errors
    /// What is wrong with the secret, without any of it: where `encode` is `whole`, a secret that percent-encoding would change.
    pub fn check_secret(&self, alg: Alg, secret: &[u8]) -> Result<(), &'static str> {
        match &self.shape {
            Shape::Params(program) => match self.spec(alg) {
                Some(spec) if spec.suffix.is_some() => program.check_secret(secret),
                _ => Ok(()),
            },
            Shape::Template(program) => match program.recipe() {
                Some(recipe) => recipe.check(secret),
                None => Ok(()),
            },
            Shape::Structured(_) | Shape::Jose(_) => Ok(()),
        }
    }

    /// How keys of this profile's MACs are derived from the secret; `None` where the secret is the key.
    #[must_use]
    pub fn recipe(&self) -> Option<&Recipe> {
        match &self.shape {
            Shape::Params(_) | Shape::Structured(_) | Shape::Jose(_) => None,
            Shape::Template(program) => program.recipe(),
        }
    }

    /// The texts of a request that a derived key depends on: at most four, and how many.
    #[must_use]
    pub fn scope<'r>(&self, extract: &Extract<'r>) -> ([&'r [u8]; 4], usize) {
        match (&self.shape, &extract.rest) {
            (Shape::Template(program), extract::Rest::Template(facts)) => program.scope(facts),
            _ => ([&[]; 4], 0),
        }
    }

    fn spec(&self, alg: Alg) -> Option<&document::AlgSpec> {
        self.algorithms.get(alg.index())?.as_ref()
    }

    /// A cheap look whether the request could be one of this profile: whether it has something by the signature's name in the
    /// signature's place. Reads no more than the target and the names of headers; finds no name that is percent-encoded or stands in a
    /// body.
    #[must_use]
    pub fn recognises(&self, request: &Request<'_>) -> bool {
        match &self.shape {
            Shape::Params(program) => program.recognises(request),
            Shape::Template(program) => program.recognises(request),
            Shape::Structured(program) => program.recognises(request),
            Shape::Jose(program) => program.recognises(request),
        }
    }

    /// Reads `request`.
    ///
    /// # Errors
    /// `malformed_request` (grammar, encoding, sizes), `method_not_allowed`, `missing_signature`, `missing_field` (absent or empty),
    /// `invalid_field`, `duplicate_field`.
    pub fn extract<'r>(
        &self,
        request: &Request<'r>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
    ) -> Result<Extract<'r>, Refusal> {
        self.check_scheme(request)?;
        match &self.shape {
            Shape::Params(program) => program.extract(request, scratch, sizes, self.admitted, true),
            Shape::Template(program) => program.extract(request, scratch, sizes, self.admitted, true),
            Shape::Structured(program) => program.extract(request, scratch, sizes, self.admitted, true),
            Shape::Jose(program) => program.extract(request, scratch, sizes, self.admitted, true),
        }
    }

    fn check_scheme(&self, request: &Request<'_>) -> Result<(), Refusal> {
        match request.scheme {
            _ if !self.https_only => Ok(()),
            Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => Ok(()),
            Some(_) => Err(Refusal::invalid("scheme")),
            None => Err(Refusal::missing("scheme")),
        }
    }

    /// Reads a response as [`extract`](Self::extract) reads a request, for profiles of the shape `structured-fields` (RFC 9421, 2.4); what
    /// [`write_message`](Self::write_message) then appends is the signature base of the response.
    ///
    /// # Errors
    /// As for a request; every response where the profile is of another shape.
    pub fn extract_answer<'r>(
        &self,
        answer: &Answer<'_>,
        scratch: &'r mut Scratch,
        sizes: &Sizes,
    ) -> Result<Extract<'r>, Refusal> {
        match &self.shape {
            Shape::Structured(program) => program.extract_answer(answer, scratch, sizes, self.admitted, true),
            _ => Err(Refusal::invalid("profile")),
        }
    }

    /// Appends the string to sign to `out`: what was extracted from `request` as `alg` signs it, with everything that stands before the
    /// secret where the secret follows. `None`, and nothing appended, where the profile does not admit `alg`.
    pub fn write_message(
        &self,
        extract: &Extract<'_>,
        request: &Request<'_>,
        alg: Alg,
        out: &mut Vec<u8>,
    ) -> Option<Message> {
        let spec = self.spec(alg)?;
        let start = out.len();
        match (&self.shape, &extract.rest) {
            (Shape::Params(_) | Shape::Structured(_) | Shape::Jose(_), extract::Rest::Params { text }) => {
                out.extend_from_slice(text)
            }
            (Shape::Template(program), extract::Rest::Template(facts)) => program.write(facts, request, alg, out),
            // What another profile read.
            _ => return None,
        }
        if let Some(prehash) = spec.prehash {
            let digest = prehash.digest(out.get(start..).unwrap_or_default());
            out.truncate(start);
            out.extend_from_slice(&digest);
        }
        out.extend_from_slice(spec.suffix.as_deref().unwrap_or_default());
        Some(Message { append_secret: spec.suffix.is_some(), form: spec.form })
    }

    /// From where each field is read, for people: the names that documents use, and a place such as ``header `X-Date` ``.
    #[must_use]
    pub fn places(&self) -> Vec<(String, String)> {
        match &self.shape {
            Shape::Params(program) => program.places(),
            Shape::Template(program) => program.places(),
            Shape::Structured(program) => program.places(),
            Shape::Jose(program) => program.places(),
        }
    }

    /// What a request must name as signed where it has a body: the headers with its digest, in lower case. Empty for shapes that sign bodies
    /// themselves.
    #[must_use]
    pub fn signed_with_body(&self) -> Vec<String> {
        match &self.shape {
            Shape::Template(program) => program.signed_with_body(),
            Shape::Structured(program) => program.signed_with_body(),
            Shape::Params(_) | Shape::Jose(_) => Vec::new(),
        }
    }

    /// Whether the string is made of sorted parameters.
    #[must_use]
    pub fn joins_parameters(&self) -> bool {
        matches!(self.shape, Shape::Params(_))
    }

    /// Which forms of an ECDSA or SM2 signature are taken; `None` where the profile does not admit `alg`.
    #[must_use]
    pub fn signature_form(&self, alg: Alg) -> Option<SignatureForm> {
        self.spec(alg).map(|spec| spec.form)
    }

    /// The text between the string and the secret, where the secret follows the string.
    #[must_use]
    pub fn secret_suffix(&self, alg: Alg) -> Option<&[u8]> {
        self.spec(alg)?.suffix.as_deref()
    }

    /// The text of a signature's bytes, as the profile writes them; `None` where it does not admit `alg`.
    #[must_use]
    pub fn encode_signature(&self, alg: Alg, bytes: &[u8]) -> Option<String> {
        Some(self.spec(alg)?.text.encode(bytes))
    }

    /// Appends the canonical request, of which the string to sign holds a digest, to `out`; `false` where the shape has none. For people
    /// who look for a difference.
    pub fn write_canonical(&self, extract: &Extract<'_>, request: &Request<'_>, alg: Alg, out: &mut Vec<u8>) -> bool {
        match (&self.shape, &extract.rest) {
            (Shape::Template(program), extract::Rest::Template(facts)) => {
                program.write_canonical(facts, request, alg, out)
            }
            _ => false,
        }
    }

    /// Appends the bytes that the signature `text` stands for to `out`.
    ///
    /// # Errors
    /// [`Reason::BadSignature`], with `out` as it was, where the text is not of the form that the profile gives `alg`: hexadecimal or
    /// base64, strict and canonical; for MACs and Ed25519 also where it is not of the one length that they have.
    pub fn decode_signature(&self, text: &[u8], alg: Alg, out: &mut Vec<u8>) -> Result<(), Reason> {
        match self.spec(alg) {
            Some(spec) if spec.text.decode(text, alg, out) => Ok(()),
            _ => Err(Reason::BadSignature),
        }
    }
}
