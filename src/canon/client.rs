//! The client's side of a profile: filling in what a request must carry, the string to sign, and the signature's place.
//!
//! For signing tools and tests; it allocates as it likes. The string is made by the code that verifies.

use crate::request::{Header, Request, Sizes};
use crate::time::Millis;

use super::{Alg, Answer, Extract, Message, Profile, Refusal, Scratch, Shape};

/// A request in the making, or a response ([`Draft::answering`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Draft {
    /// The method.
    pub method: Vec<u8>,
    /// Path and query as they will be sent.
    pub target: Vec<u8>,
    /// Names and values of header lines.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// `http` or `https`, if known.
    pub scheme: Option<Vec<u8>>,
    /// Host and port, if known.
    pub authority: Option<Vec<u8>>,
    /// Of a response: what it answers. Its own are then headers and body.
    pub answers: Option<Box<Answered>>,
}

/// What a response answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answered {
    /// The status of the response, 100 to 599.
    pub status: u16,
    /// The request that it answers.
    pub request: Draft,
}

/// What to fill in where a request does not have it yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fill<'a> {
    /// The app id.
    pub app_id: Option<&'a str>,
    /// The key id, where the profile reads one.
    pub kid: Option<&'a str>,
    /// The time of signing.
    pub timestamp: Option<Millis>,
    /// The nonce.
    pub nonce: Option<&'a str>,
    /// Other fields of the profile by name, such as a region.
    pub extra: &'a [(&'a str, &'a str)],
}

impl Draft {
    /// A copy of `request`.
    #[must_use]
    pub fn of(request: &Request<'_>) -> Self {
        Self {
            method: request.method.to_vec(),
            target: request.target.to_vec(),
            headers: request.headers.iter().map(|h| (h.name.to_vec(), h.value.to_vec())).collect(),
            body: request.body.to_vec(),
            scheme: request.scheme.map(<[u8]>::to_vec),
            authority: request.authority.map(<[u8]>::to_vec),
            answers: None,
        }
    }

    /// The response with that status, the headers and the body of `own`, to `request`.
    #[must_use]
    pub fn answering(status: u16, own: &Request<'_>, request: &Request<'_>) -> Self {
        let answered = Answered { status, request: Self::of(request) };
        Self { answers: Some(Box::new(answered)), ..Self::of(own) }
    }

    /// Lends the draft as a request.
    pub fn lend<T>(&self, use_it: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(name, value)| Header { name, value }).collect();
        use_it(&Request {
            headers: &headers,
            scheme: self.scheme.as_deref(),
            authority: self.authority.as_deref(),
            ..Request::new(&self.method, &self.target, &self.body)
        })
    }

    /// The value of the header `name`, if there is one.
    #[must_use]
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}

impl Profile {
    /// Adds to `draft` what the profile reads and the draft lacks: app id, key id, timestamp, nonce, the name of `alg` where the profile
    /// has one for it, and the content type of a body. What is there stays.
    ///
    /// # Errors
    /// As [`Profile::extract`], for a draft that cannot be read.
    pub fn fill(&self, draft: &mut Draft, alg: Alg, fill: &Fill<'_>) -> Result<(), Refusal> {
        match &self.shape {
            Shape::Params(program) => program.fill(draft, alg, fill),
            Shape::Template(program) => program.fill(draft, alg, fill),
            Shape::Structured(program) => program.fill(draft, alg, fill),
            Shape::Jose(program) => program.fill(draft, alg, fill),
        }
    }

    /// Appends the string to sign of the unsigned `draft` to `out`; where the [`Message`] says so, the secret's bytes follow it.
    ///
    /// # Errors
    /// As [`Profile::extract`]; `duplicate_field` where the draft has a signature already, `weak_algorithm` where the profile does not
    /// admit `alg` or the draft names another, `invalid_field` for a response where the profile signs a path and is not of the
    /// shape `structured-fields`.
    pub fn sign_string(&self, draft: &Draft, alg: Alg, out: &mut Vec<u8>) -> Result<Message, Refusal> {
        let refused = Refusal::new(crate::verdict::Reason::WeakAlgorithm, "alg");
        self.unsigned(draft, |request, extract| {
            if !extract.algorithms.has(alg) {
                return Err(refused);
            }
            self.write_message(extract, request, alg, out).ok_or(refused)
        })?
    }

    /// Hands over the texts of the unsigned `draft` that a derived key depends on, for [`super::Recipe::derive`].
    ///
    /// # Errors
    /// As [`Profile::extract`].
    pub fn sign_scope<T>(&self, draft: &Draft, use_it: impl FnOnce(&[&[u8]]) -> T) -> Result<T, Refusal> {
        self.unsigned(draft, |_, extract| {
            let (texts, count) = self.scope(extract);
            use_it(texts.get(..count).unwrap_or_default())
        })
    }

    fn unsigned<T>(&self, draft: &Draft, look: impl FnOnce(&Request<'_>, &Extract<'_>) -> T) -> Result<T, Refusal> {
        let mut scratch = Scratch::new();
        draft.lend(|request| {
            if let Some(answered) = &draft.answers {
                if let Shape::Structured(program) = &self.shape {
                    return answered.request.lend(|asked| {
                        let answer = Answer {
                            status: answered.status,
                            headers: request.headers,
                            body: request.body,
                            trailers: &[],
                            request: asked,
                        };
                        let extract =
                            program.extract_answer(&answer, &mut scratch, &Sizes::default(), self.admitted, false)?;
                        Ok(look(request, &extract))
                    });
                }
                // A response has no path: what signs one signs requests.
                if self.coverage().path {
                    return Err(Refusal::invalid("profile"));
                }
            } else {
                self.check_scheme(request)?;
            }
            let extract = match &self.shape {
                Shape::Params(program) => {
                    program.extract(request, &mut scratch, &Sizes::default(), self.admitted, false)?
                }
                Shape::Template(program) => {
                    program.extract(request, &mut scratch, &Sizes::default(), self.admitted, false)?
                }
                Shape::Structured(program) => {
                    program.extract(request, &mut scratch, &Sizes::default(), self.admitted, false)?
                }
                Shape::Jose(program) => {
                    program.extract(request, &mut scratch, &Sizes::default(), self.admitted, false)?
                }
            };
            Ok(look(request, &extract))
        })
    }

    /// Puts the bytes of a signature by `alg` into `draft`, in the text form and at the place that the profile says.
    ///
    /// # Errors
    /// `weak_algorithm` where the profile does not admit `alg`; `invalid_field` for a response where the place is a query; as
    /// [`Profile::extract`] for a draft that cannot be read.
    pub fn place_signature(&self, draft: &mut Draft, alg: Alg, signature: &[u8]) -> Result<(), Refusal> {
        let spec = self.spec(alg).ok_or(Refusal::new(crate::verdict::Reason::WeakAlgorithm, "alg"))?;
        let text = spec.text.encode(signature);
        match &self.shape {
            Shape::Params(program) => program.place_signature(draft, &text),
            Shape::Template(program) => program.place_signature(draft, alg, &text),
            Shape::Structured(program) => program.place_signature(draft, &text),
            Shape::Jose(program) => program.place_signature(draft, &text),
        }?;
        // A response has no query that it could be in.
        match draft.answers {
            Some(_) if memchr::memchr(b'?', &draft.target).is_some() => Err(Refusal::invalid("profile")),
            _ => Ok(()),
        }
    }
}
