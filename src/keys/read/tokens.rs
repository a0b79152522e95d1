//! The section `tokens`, and what APIs say about tokens.

use super::credentials::secret;
use super::{Environment, name};
use crate::codec::doc::{Node, Object};
use crate::error::DocumentError;
use crate::keys::snapshot::{ApiTokens, OneTime, Tokens};
use crate::token::{OneTimePolicy, Policy, PolicyError, Sizes};
use zeroize::Zeroizing;

const SECRETS: [&str; 4] = ["secret", "secret_base64", "secret_hex", "secret_env"];

pub(super) fn read(section: Option<Node<'_>>, environment: Environment<'_>) -> Result<Option<Tokens>, DocumentError> {
    let Some(section) = section else { return Ok(None) };
    let object = section.object()?;
    let mut policy = keys(&object.required("keys")?, environment)?;
    let seconds = |name, max: u32| match object.optional(name) {
        Some(node) => number(&node, 1..=max.into()).map(Some),
        None => Ok(None),
    };
    if let Some(max) = seconds("max_life_s", Policy::LIFE_MAX_S)? {
        policy.max_life_s = max;
    }
    policy.life_s = seconds("life_s", policy.max_life_s)?.unwrap_or(policy.life_s.min(policy.max_life_s));
    if let Some(overlap) = seconds("overlap_s", Policy::LIFE_MAX_S)? {
        policy.overlap_ms = u64::from(overlap) * 1000;
    }
    if let Some(node) = object.optional("header") {
        policy.header = header(&node)?;
    }
    if let Some(node) = object.optional("grant_header") {
        policy.grant_header = header(&node)?;
    }
    policy.bearer = object.optional("bearer").map_or(Ok(false), |node| node.bool())?;
    policy.required = match object.optional("required") {
        Some(node) => node.one_of(&[("listed", false), ("all", true)])?,
        None => false,
    };
    let mut sizes = Sizes::default();
    for (name, slot) in [("apps", &mut sizes.apps), ("revocations", &mut sizes.revocations)] {
        if let Some(node) = object.optional(name) {
            *slot = node.u64_in(1..=1 << 32)?;
        }
    }
    if let Some(node) = object.optional("one_time") {
        one_time(&node, &mut policy.one_time, &mut sizes)?;
    }
    object.finish()?;
    sizes.one_time_life_s = policy.one_time.life_s;
    Ok(Some(Tokens { policy, sizes }))
}

fn number(node: &Node<'_>, range: std::ops::RangeInclusive<u64>) -> Result<u32, DocumentError> {
    u32::try_from(node.u64_in(range)?).map_err(|_| node.error("expected a smaller number"))
}

/// The keys, each with its number and one source of its secret.
fn keys(list: &Node<'_>, environment: Environment<'_>) -> Result<Policy, DocumentError> {
    let mut read: Vec<(u8, Zeroizing<Vec<u8>>)> = Vec::new();
    for node in list.array()? {
        let object = node.object()?;
        let number_node = object.required("number")?;
        let number = number_node.u64_in(0..=15)? as u8;
        if read.iter().any(|(other, _)| *other == number) {
            return Err(number_node.error(PolicyError::KeyNumber.to_string()));
        }
        let mut found = SECRETS.iter().filter_map(|member| Some((object.optional(member)?, *member)));
        let (source, member) = match (found.next(), found.next()) {
            (Some(one), None) => one,
            _ => return Err(object.error(format!("expected one of {}", SECRETS.join(", ")))),
        };
        drop(found);
        object.finish()?;
        let secret = secret(&source, member, environment)?;
        if secret.len() < crate::token::SECRET_MIN {
            return Err(source.error(PolicyError::ShortSecret.to_string()));
        }
        read.push((number, secret));
    }
    let keys: Vec<(u8, &[u8])> = read.iter().map(|(number, secret)| (*number, secret.as_slice())).collect();
    Policy::new(&keys).map_err(|e| list.error(e.to_string()))
}

/// The name of a header, in lower case.
fn header(node: &Node<'_>) -> Result<String, DocumentError> {
    let text = name(node, 64)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.bytes().all(token) { Ok(text.to_ascii_lowercase()) } else { Err(node.error("expected a header's name")) }
}

fn one_time(node: &Node<'_>, policy: &mut OneTimePolicy, sizes: &mut Sizes) -> Result<(), DocumentError> {
    let object = node.object()?;
    if let Some(node) = object.optional("header") {
        policy.header = header(&node)?;
    }
    if let Some(node) = object.optional("life_s") {
        policy.life_s = number(&node, 1..=Policy::ONE_TIME_MAX_S.into())?;
    }
    if let Some(node) = object.optional("lease_s") {
        policy.lease_ms = node.u64_in(1..=Policy::ONE_TIME_MAX_S.into())? * 1000;
    }
    if let Some(node) = object.optional("capacity") {
        sizes.one_time = node.u64_in(1..=1 << 32)?;
    }
    object.finish()
}

/// What an API says. `user`: whether it names the parameter with the user.
pub(super) fn of_api(object: &Object<'_>, tokens: Option<&Tokens>, user: bool) -> Result<ApiTokens, DocumentError> {
    let mut rule = ApiTokens { access: tokens.is_some_and(|tokens| tokens.policy.required), ..ApiTokens::default() };
    let needed = |node: &Node<'_>| match tokens {
        Some(_) => Ok(()),
        None => Err(node.error("the document has no section \"tokens\"")),
    };
    if let Some(node) = object.optional("token") {
        needed(&node)?;
        rule.access = node.bool()?;
    }
    if let Some(node) = object.optional("token_max_age_s") {
        needed(&node)?;
        if !rule.access {
            return Err(node.error("is of use where the API asks for a token"));
        }
        rule.max_age_ms = Some(i64::from(number(&node, 1..=Policy::LIFE_MAX_S.into())?) * 1000);
    }
    if let Some(node) = object.optional("one_time") {
        let choices = [("off", OneTime::Off), ("optional", OneTime::Optional), ("required", OneTime::Required)];
        needed(&node)?;
        rule.one_time = node.one_of(&choices)?;
    }
    if let Some(node) = object.optional("grant") {
        needed(&node)?;
        rule.grant = node.bool()?;
        if rule.grant && !user {
            return Err(
                node.error("a grant is for a user; expected \"user\", the parameter that names the user, beside it")
            );
        }
    }
    Ok(rule)
}
