//! The client's side: putting fields, digests and the list of signed headers where the profile reads them.

use super::super::client::{Draft, Fill};
use super::super::{Alg, Refusal};
use super::pairs::{self, Marks, PairRules};
use super::write::digest;
use super::{Field, Place, Program};
use crate::codec::percent;

/// The pairs' header of a draft, with the place of its text.
fn header_of(rules: &PairRules, draft: &Draft) -> Option<usize> {
    draft.headers.iter().position(|(name, value)| {
        rules.headers.iter().any(|n| n.eq_ignore_ascii_case(name)) && rules.text(value).is_some()
    })
}

fn add_query(target: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    target.push(if memchr::memchr(b'?', target).is_some() { b'&' } else { b'?' });
    percent::encode(name, target);
    target.push(b'=');
    percent::encode(value, target);
}

impl Program {
    /// Adds a pair to the pairs' header, which is made where there is none.
    fn add_pair(&self, draft: &mut Draft, name: &[u8], value: &[u8]) {
        let Some(rules) = &self.pairs else { return };
        let at = header_of(rules, draft).unwrap_or_else(|| {
            let mut text = rules.schemes.first().map(|(word, _)| word.to_vec()).unwrap_or_default();
            if !text.is_empty() {
                text.push(b' ');
            }
            draft.headers.push((rules.headers.first().map(|n| n.to_vec()).unwrap_or_default(), text));
            draft.headers.len() - 1
        });
        let Some((_, text)) = draft.headers.get_mut(at) else { return };
        if rules.two {
            text.extend_from_slice(value);
            if name == b"id" {
                text.push(b':');
            }
            return;
        }
        if !text.is_empty() && !text.ends_with(b" ") {
            text.push(rules.divider);
        }
        text.extend_from_slice(name);
        text.push(rules.equals);
        if rules.quotes {
            text.push(b'"');
            for byte in value {
                if matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(*byte);
            }
            text.push(b'"');
        } else {
            text.extend_from_slice(value);
        }
    }

    fn has(&self, draft: &Draft, field: &Field) -> bool {
        match &field.place {
            Place::Header(names) => names.iter().any(|n| draft.header(n).is_some()),
            Place::Query(names) | Place::Params(names) => {
                let target = &draft.target;
                let query = memchr::memchr(b'?', target).and_then(|at| target.get(at + 1..)).unwrap_or_default();
                query.split(|b| *b == b'&').any(|pair| {
                    let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
                    names.iter().any(|n| pair.get(..end) == Some(n))
                })
            }
            Place::Body(_) => true,
            Place::Pairs(names) => {
                let Some(rules) = &self.pairs else { return false };
                let Some((_, value)) = header_of(rules, draft).and_then(|at| draft.headers.get(at)) else {
                    return false;
                };
                let Some((text, _)) = rules.text(value) else { return false };
                let mut found = rules.two;
                // Of a malformed text the pairs before the fault count.
                _ = pairs::each(text, (rules.divider, rules.equals), &mut Marks::default(), |pair| {
                    found |= names.iter().any(|n| **n == *pair.name);
                    true
                });
                found
            }
        }
    }

    fn put(&self, draft: &mut Draft, field: &Field, value: &[u8]) -> Result<(), Refusal> {
        let mut text = field.prefix.to_vec();
        text.extend_from_slice(value);
        match &field.place {
            Place::Header(names) => {
                draft.headers.push((names.first().map(|n| n.to_vec()).unwrap_or_default(), text));
            }
            Place::Query(names) | Place::Params(names) => {
                if let Some(name) = names.first() {
                    add_query(&mut draft.target, name, &text);
                }
            }
            Place::Pairs(names) => {
                if let Some(name) = names.first() {
                    self.add_pair(draft, name, &text);
                }
            }
            Place::Body(_) => return Err(Refusal::missing(field.role)),
        }
        Ok(())
    }

    /// What a field is to hold, if the client knows.
    fn wanted(&self, index: usize, field: &Field, alg: Alg, fill: &Fill<'_>) -> Option<Vec<u8>> {
        if let Some(text) = &field.equals {
            return Some(text.to_vec());
        }
        let named = fill.extra.iter().find(|(name, _)| *name == field.name);
        let text = match field.name.as_str() {
            _ if named.is_some() => named.map(|(_, text)| (*text).to_owned()),
            "app_id" => fill.app_id.map(str::to_owned),
            "kid" => fill.kid.or(fill.app_id).map(str::to_owned),
            "timestamp" => fill.timestamp.map(|t| self.time.write(t.0)),
            "nonce" => fill.nonce.map(str::to_owned),
            "sign_type" => {
                let named = self.sign_types.iter().find(|(_, set)| set.has(alg));
                named.map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            }
            _ => match self.day {
                Some(day) if day.field == index => fill.timestamp.map(|t| day.format.write(t.0)),
                _ => None,
            },
        };
        text.map(String::into_bytes)
    }

    pub(in crate::canon) fn fill(&self, draft: &mut Draft, alg: Alg, fill: &Fill<'_>) -> Result<(), Refusal> {
        // Digests before the list, which may have to name them.
        if !draft.body.is_empty() {
            for rule in &self.digests {
                if draft.header(&rule.name).is_none() {
                    let mut text = rule.prefix.to_vec();
                    digest(rule.hash, Some(alg), &draft.body).append(rule.text, &mut text);
                    draft.headers.push((rule.name.to_vec(), text));
                }
            }
        }
        self.name_scheme(draft, alg);
        for (index, field) in self.fields.iter().enumerate() {
            let is_list = self.list.as_ref().is_some_and(|list| list.field == index);
            if index == self.signature || is_list || self.has(draft, field) {
                continue;
            }
            let Some(mut value) = self.wanted(index, field, alg, fill) else { continue };
            if let Some((divider, _, count)) = field.part {
                // The pieces of one text are several fields of one name.
                let mut pieces = vec![Vec::new(); count];
                for (index, other) in self.fields.iter().enumerate().filter(|(_, f)| f.place == field.place) {
                    if let (Some((_, at, _)), Some(text)) = (other.part, self.wanted(index, other, alg, fill))
                        && let Some(piece) = pieces.get_mut(at)
                    {
                        *piece = text;
                    }
                }
                value = pieces.join(&divider);
            }
            self.put(draft, field, &value)?;
        }
        self.fill_list(draft)
    }

    /// Writes the scheme's word for `alg`.
    fn name_scheme(&self, draft: &mut Draft, alg: Alg) {
        let Some(rules) = &self.pairs else { return };
        if let (Some((word, _)), None) = (rules.schemes.iter().find(|(_, set)| set.has(alg)), header_of(rules, draft)) {
            let mut text = word.to_vec();
            text.push(b' ');
            draft.headers.push((rules.headers.first().map(|n| n.to_vec()).unwrap_or_default(), text));
        }
    }

    /// The list: what must be in it and is there, in order.
    fn fill_list(&self, draft: &mut Draft) -> Result<(), Refusal> {
        let Some(rules) = &self.list else { return Ok(()) };
        let Some(field) = self.fields.get(rules.field) else { return Ok(()) };
        if self.has(draft, field) {
            return Ok(());
        }
        let mut names: Vec<Vec<u8>> = rules.must.iter().filter_map(|g| g.first()).map(|n| n.to_vec()).collect();
        if !draft.body.is_empty() {
            names.extend(rules.with_body.iter().map(|n| n.to_vec()));
        }
        for (name, _) in &draft.headers {
            let name = name.to_ascii_lowercase();
            let by_prefix = rules.must_prefix.iter().any(|prefix| name.starts_with(prefix));
            let by_field = self.fields.iter().enumerate().any(|(index, f)| match &f.place {
                Place::Header(names) => self.must_list(index) && names.iter().any(|n| **n == *name),
                _ => false,
            });
            if by_prefix || (rules.fields && by_field) {
                names.push(name);
            }
        }
        names.sort();
        names.dedup();
        let value = names.join(&rules.divider);
        self.put(draft, field, &value)
    }

    pub(in crate::canon) fn place_signature(&self, draft: &mut Draft, alg: Alg, text: &str) -> Result<(), Refusal> {
        let Some(field) = self.fields.get(self.signature) else { return Err(Refusal::missing("signature")) };
        if let Some((name, _)) = self.signature_algs.iter().find(|(_, algs)| algs.has(alg)) {
            self.add_pair(draft, name, text.as_bytes());
            return Ok(());
        }
        self.put(draft, field, text.as_bytes())
    }
}
