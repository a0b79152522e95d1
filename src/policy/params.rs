//! What the parameters of an API must look like (JR/T 0185-2020, 7.2.2: version and format of parameters).
//!
//! Checked on the parameters as they were parsed, each decoded once, before the signature: what has the wrong form is refused cheaply, and the
//! business behind the gateway never sees it. Lengths count bytes of the decoded value.

use crate::request::{Kind, View};
use crate::verdict::Reason;

/// Which type a value has. A query has text only, so a text that reads as a number or a boolean is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// Anything.
    Any,
    /// A string.
    Text,
    /// Digits, with a minus sign or without.
    Integer,
    /// An integer, or digits with a point between them. No exponent: sums of money have none.
    Decimal,
    /// `true` or `false`.
    Bool,
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
}

impl Type {
    /// Names in documents.
    pub const NAMES: [(&str, Type); 7] = [
        ("any", Self::Any),
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("decimal", Self::Decimal),
        ("bool", Self::Bool),
        ("object", Self::Object),
        ("array", Self::Array),
    ];

    fn holds(self, kind: Kind, value: &[u8]) -> bool {
        let scalar = matches!(kind, Kind::Text | Kind::Number);
        match self {
            Self::Any => true,
            Self::Text => kind == Kind::Text,
            Self::Integer => scalar && is_integer(value.strip_prefix(b"-").unwrap_or(value)),
            Self::Decimal => {
                let value = value.strip_prefix(b"-").unwrap_or(value);
                let (whole, rest) = value.split_at(value.iter().position(|b| *b == b'.').unwrap_or(value.len()));
                scalar && is_integer(whole) && rest.strip_prefix(b".").is_none_or(is_digits) && rest != b"."
            }
            Self::Bool => kind == Kind::Bool || (kind == Kind::Text && [&b"true"[..], b"false"].contains(&value)),
            Self::Object => kind == Kind::Object,
            Self::Array => kind == Kind::Array,
        }
    }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Digits without a leading zero, but for 0 itself.
fn is_integer(text: &[u8]) -> bool {
    is_digits(text) && (text.len() == 1 || text.first() != Some(&b'0'))
}

/// Which characters a value has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charset {
    /// Any.
    Any,
    /// 0 to 9.
    Digits,
    /// 0 to 9, A to Z, a to z.
    Alphanumeric,
    /// 0 to 9, A to F, a to f.
    Hex,
    /// Printable ASCII, space included.
    Ascii,
    /// Letters and digits of any script, and - _ . @ space: a name, without what queries and mark-up are made of.
    Name,
}

impl Charset {
    /// Names in documents.
    pub const NAMES: [(&str, Charset); 6] = [
        ("any", Self::Any),
        ("digits", Self::Digits),
        ("alphanumeric", Self::Alphanumeric),
        ("hex", Self::Hex),
        ("ascii", Self::Ascii),
        ("name", Self::Name),
    ];

    fn holds(self, value: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Digits => value.iter().all(u8::is_ascii_digit),
            Self::Alphanumeric => value.iter().all(u8::is_ascii_alphanumeric),
            Self::Hex => value.iter().all(u8::is_ascii_hexdigit),
            Self::Ascii => value.iter().all(|b| (0x20..0x7f).contains(b)),
            Self::Name => std::str::from_utf8(value)
                .is_ok_and(|text| text.chars().all(|c| c.is_alphanumeric() || "-_.@ ".contains(c))),
        }
    }
}

/// The rule of one parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The parameter's name.
    pub name: String,
    /// Whether it must be there, and not be empty or null.
    pub required: bool,
    /// Its type.
    pub kind: Type,
    /// Least length of its value in bytes.
    pub min: usize,
    /// Greatest length of its value in bytes.
    pub max: usize,
    /// Its characters.
    pub charset: Charset,
    /// The values that it may have; any where there are none.
    pub one_of: Vec<String>,
}

impl Rule {
    /// A parameter of that name, of which nothing is asked.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            required: false,
            kind: Type::Any,
            min: 0,
            max: usize::MAX,
            charset: Charset::Any,
            one_of: Vec::new(),
        }
    }

    fn holds(&self, kind: Kind, value: &[u8]) -> bool {
        (self.min..=self.max).contains(&value.len())
            && self.kind.holds(kind, value)
            && self.charset.holds(value)
            && (self.one_of.is_empty() || self.one_of.iter().any(|known| known.as_bytes() == value))
    }
}

/// The rules of an API.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParamRules {
    /// One for each parameter.
    pub rules: Vec<Rule>,
    /// Whether parameters without a rule are refused; those that the signing profile reads need none.
    pub only_known: bool,
}

/// A parameter's value; an empty one and `null` are none.
#[must_use]
pub fn value<'v>(view: &'v View<'_>, name: &str) -> Option<(Kind, &'v [u8])> {
    let at = view.find(name.as_bytes())?;
    let (kind, value) = (view.kind(at), view.value(at));
    (kind != Kind::Null && !value.is_empty()).then_some((kind, value))
}

impl ParamRules {
    /// Checks the parameters in `view`; `of_profile` says which names the signing profile reads itself.
    ///
    /// # Errors
    /// [`Reason::MissingField`], [`Reason::InvalidField`].
    pub fn check(&self, view: &View<'_>, of_profile: impl Fn(&[u8]) -> bool) -> Result<(), Reason> {
        for rule in &self.rules {
            match value(view, &rule.name) {
                Some((kind, value)) if rule.holds(kind, value) => {}
                Some(_) => return Err(Reason::InvalidField),
                None if rule.required => return Err(Reason::MissingField),
                None => {}
            }
        }
        if self.only_known {
            let known = |name: &[u8]| self.rules.iter().any(|rule| rule.name.as_bytes() == name) || of_profile(name);
            if (0..view.len()).any(|at| !known(view.name(at))) {
                return Err(Reason::InvalidField);
            }
        }
        Ok(())
    }
}
