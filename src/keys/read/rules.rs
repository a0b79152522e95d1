//! What a document says about who may call what beyond lists of names: roles and parties, the channel, the age of keys, and what an API asks
//! of its parameters.

use super::{Seen, name};
use crate::alg::Certificate;
use crate::codec::doc::{Node, Object};
use crate::codec::hex;
use crate::error::DocumentError;
use crate::keys::settings::{Answers, AppStatus, Codes, Level};
use crate::keys::snapshot::{ApiIndex, ApiRules, Consent, Demands};
use crate::policy::params::{Charset, ParamRules, Rule, Type};
use crate::policy::uapi;
use crate::request::TlsVersion;
use crate::verdict::Reason;
use std::collections::HashMap;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The members `tls_min`, `allow_ips_public`, `gm_only` and `key_max_age_days`.
pub(super) fn demands(object: &Object<'_>) -> Result<Demands, DocumentError> {
    let mut demands = Demands::default();
    if let Some(node) = object.optional("tls_min") {
        let versions = [
            ("1.0", TlsVersion::V1_0),
            ("1.1", TlsVersion::V1_1),
            ("1.2", TlsVersion::V1_2),
            ("1.3", TlsVersion::V1_3),
        ];
        demands.tls_min = Some(node.one_of(&versions)?);
    }
    if let Some(node) = object.optional("allow_ips_public") {
        demands.public_ips = node.bool()?;
    }
    if let Some(node) = object.optional("gm_only") {
        demands.gm_only = node.bool()?;
    }
    if let Some(node) = object.optional("key_max_age_days") {
        let ages = node.object()?;
        for (level, slot) in [("A1", &mut demands.key_max_age_ms.0), ("A2", &mut demands.key_max_age_ms.1)] {
            if let Some(node) = ages.optional(level) {
                *slot = Some(node.u64_in(1..=36_500)? as i64 * DAY_MS);
            }
        }
        ages.finish()?;
    }
    Ok(demands)
}

/// The certificates that chains must end at; none where chains are not followed.
pub(super) fn roots(object: &Object<'_>) -> Result<Vec<Certificate>, DocumentError> {
    let Some(list) = object.optional("certificate_roots") else { return Ok(Vec::new()) };
    let mut roots = Vec::new();
    for node in list.array()? {
        roots.extend(Certificate::several_from_pem(node.str()?).map_err(|e| node.error(e.to_string()))?);
    }
    // No root at all would mean that chains are not looked at.
    if roots.is_empty() { Err(list.error("expected at least one certificate")) } else { Ok(roots) }
}

/// The bodies of answers: `answers`, with a form and texts of the document's own.
pub(super) fn answers(object: &Object<'_>, codes: &Codes) -> Result<Option<Answers>, DocumentError> {
    let Some(section) = object.optional("answers") else { return Ok(None) };
    let section = section.object()?;
    section.required("form")?.one_of(&[("code-msg-data", ())])?;
    let mut answers = Answers::of(codes);
    if let Some(messages) = section.optional("messages") {
        for (name, node) in messages.members()? {
            let Some(reason) = Reason::from_name(name) else { return Err(node.error("no such reason")) };
            answers.set(reason, codes, super::name(&node, 200)?);
        }
    }
    section.finish()?;
    Ok(Some(answers))
}

/// A U_API_ID must be a good one, and of the API's level (JR/T 0185-2020, B.3.4). Other names are the document's own.
pub(super) fn api_id(node: &Node<'_>, id: &str, level: Level) -> Result<(), DocumentError> {
    if id.len() != uapi::LEN || !id.starts_with("OP") {
        return Ok(());
    }
    let read = uapi::UApiId::parse(id).map_err(|e| node.error(e.to_string()))?;
    let (says, digits) = match read.kind {
        uapi::Type::A1 => (Level::A1, "01"),
        uapi::Type::A2 => (Level::A2, "02"),
    };
    if says == level {
        return Ok(());
    }
    Err(node.error(format!("its type {digits} says level {says:?}, the API says {level:?} (JR/T 0185-2020, B.3.4)")))
}

/// What an API asks of its parameters; `None` where it asks nothing.
pub(super) fn of_api(object: &Object<'_>) -> Result<Option<Box<ApiRules>>, DocumentError> {
    let mut rules = ApiRules::default();
    let mut any = false;
    if let Some(node) = object.optional("params") {
        rules.params = params(&node)?;
        any = true;
    }
    if let Some(node) = object.optional("consent") {
        let consent = node.object()?;
        let param = name(&consent.required("param")?, 64)?.to_owned();
        let until = name(&consent.required("until")?, 64)?.to_owned();
        consent.finish()?;
        rules.consent = Some(Consent { param, until });
        any = true;
    }
    if let Some(node) = object.optional("user") {
        rules.user = Some(name(&node, 64)?.to_owned());
        any = true;
    }
    Ok(any.then(|| Box::new(rules)))
}

fn params(node: &Node<'_>) -> Result<ParamRules, DocumentError> {
    let object = node.object()?;
    let mut read = ParamRules::default();
    let mut seen = Seen::default();
    if let Some(list) = object.optional("rules") {
        let nodes = list.array()?;
        if nodes.len() > 256 {
            return Err(list.error("expected at most 256 rules"));
        }
        for node in nodes {
            read.rules.push(rule(&node, &mut seen)?);
        }
    }
    if let Some(node) = object.optional("unknown") {
        read.only_known = node.one_of(&[("allow", false), ("refuse", true)])?;
    }
    object.finish()?;
    Ok(read)
}

fn rule<'d>(node: &Node<'d>, seen: &mut Seen<'d>) -> Result<Rule, DocumentError> {
    let object = node.object()?;
    let name_node = object.required("name")?;
    let mut rule = Rule::new(name(&name_node, 256)?);
    seen.add(name_node.str()?, &name_node)?;
    if let Some(node) = object.optional("required") {
        rule.required = node.bool()?;
    }
    if let Some(node) = object.optional("type") {
        rule.kind = node.one_of(&Type::NAMES)?;
    }
    if let Some(node) = object.optional("charset") {
        rule.charset = node.one_of(&Charset::NAMES)?;
    }
    for (name, slot) in [("min", &mut rule.min), ("max", &mut rule.max)] {
        if let Some(node) = object.optional(name) {
            *slot = usize::try_from(node.u64_in(0..=1 << 24)?).map_err(|_| node.error("expected a smaller number"))?;
        }
    }
    if rule.min > rule.max {
        return Err(object.error("min is above max"));
    }
    if let Some(node) = object.optional("one_of") {
        rule.one_of = node.strings()?.into_iter().map(str::to_owned).collect();
        if rule.one_of.is_empty() {
            return Err(node.error("expected at least one value"));
        }
    }
    object.finish()?;
    Ok(rule)
}

/// Names of APIs, resolved, sorted, each once.
pub(super) fn api_list(list: &Node<'_>, apis: &HashMap<String, ApiIndex>) -> Result<Vec<ApiIndex>, DocumentError> {
    let mut found = Vec::new();
    let mut seen = Seen::default();
    for node in list.array()? {
        let id = node.str()?;
        seen.add(id, &node)?;
        match apis.get(id) {
            Some(index) => found.push(*index),
            None => return Err(node.error(format!("expected the api_id of an API in /apis; there is no \"{id}\""))),
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A party that runs apps: the institution that the contract is with.
pub(super) struct Party {
    pub status: AppStatus,
    pub allow_apis: Option<Vec<ApiIndex>>,
}

/// The roles and parties of a document.
#[derive(Default)]
pub(super) struct Groups {
    roles: HashMap<String, Vec<ApiIndex>>,
    parties: HashMap<String, Party>,
}

impl Groups {
    pub fn read(object: &Object<'_>, apis: &HashMap<String, ApiIndex>) -> Result<Self, DocumentError> {
        let mut groups = Self::default();
        for node in super::items(object.optional("roles"))? {
            let role = node.object()?;
            let name_node = role.required("name")?;
            let name = name(&name_node, 64)?;
            let list = api_list(&role.required("allow_apis")?, apis)?;
            role.finish()?;
            if groups.roles.insert(name.to_owned(), list).is_some() {
                return Err(name_node.error(format!("role \"{name}\" is there twice")));
            }
        }
        for node in super::items(object.optional("parties"))? {
            let party = node.object()?;
            let id_node = party.required("party_id")?;
            let id = name(&id_node, 64)?;
            let status = match party.optional("status") {
                Some(node) => node.one_of(&super::apps::STATUSES)?,
                None => AppStatus::Active,
            };
            let allow_apis = party.optional("allow_apis").map(|list| api_list(&list, apis)).transpose()?;
            party.finish()?;
            if groups.parties.insert(id.to_owned(), Party { status, allow_apis }).is_some() {
                return Err(id_node.error(format!("party \"{id}\" is there twice")));
            }
        }
        Ok(groups)
    }

    /// The APIs that `roles` and `allow_apis` of an app or a credential give it together; `None` where it has neither.
    pub fn allowed(
        &self,
        object: &Object<'_>,
        apis: &HashMap<String, ApiIndex>,
    ) -> Result<Option<Vec<ApiIndex>>, DocumentError> {
        let mut found = object.optional("allow_apis").map(|list| api_list(&list, apis)).transpose()?;
        if let Some(list) = object.optional("roles") {
            let mut seen = Seen::default();
            for node in list.array()? {
                let role = node.str()?;
                seen.add(role, &node)?;
                let gives = self.roles.get(role).ok_or_else(|| {
                    node.error(format!("expected the name of a role in /roles; there is no \"{role}\""))
                })?;
                found.get_or_insert_default().extend_from_slice(gives);
            }
            let found = found.get_or_insert_default();
            found.sort_unstable();
            found.dedup();
        }
        Ok(found)
    }

    /// The party that an app names.
    pub fn party(&self, object: &Object<'_>) -> Result<Option<&Party>, DocumentError> {
        let Some(node) = object.optional("party") else { return Ok(None) };
        let id = node.str()?;
        let found = self.parties.get(id);
        found.map(Some).ok_or_else(|| node.error(format!("expected a party_id in /parties; there is no \"{id}\"")))
    }
}

/// SHA-256 fingerprints in hexadecimal.
pub(super) fn fingerprints(object: &Object<'_>) -> Result<Vec<[u8; 32]>, DocumentError> {
    let mut found = Vec::new();
    for node in super::items(object.optional("peer_certificates"))? {
        let bytes = hex::decode_vec(node.str()?.as_bytes()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        found.push(bytes.ok_or_else(|| node.error("expected a SHA-256 fingerprint, 64 hexadecimal digits"))?);
    }
    Ok(found)
}
