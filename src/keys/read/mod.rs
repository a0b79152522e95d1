//! The reader of configuration documents: every section checked, every name resolved, or an error that says where and what was
//! expected. Nothing of a bad document is kept.

mod apis;
mod apps;
mod credentials;
mod limits;
mod rules;
mod settings;
mod tokens;

use super::limits::Limit;
use super::profiles::Profiles;
use super::snapshot::{LimitIndex, LimitLists, Snapshot};
use crate::codec::doc::{Document, Node};
use crate::error::{DocumentError, Error};
use std::collections::HashMap;

/// Reads configuration documents.
pub struct Config;

/// Greatest length of a document: several million apps. Nothing in it can then be counted beyond 32 bits.
const DOCUMENT_MAX: usize = 1 << 30;

/// Looks up an environment variable; `None` where it is not set.
type Environment<'e> = &'e dyn Fn(&str) -> Option<Vec<u8>>;

impl Config {
    /// Reads a document (JSON, UTF-8). `secret_env` members are looked up in the environment of the process, now.
    ///
    /// # Errors
    /// [`Error::Document`]: the JSON pointer of the first thing that is wrong, and what was expected there; never a secret's value.
    pub fn from_json(document: &[u8]) -> Result<Snapshot, Error> {
        Self::from_json_with(document, &|name| std::env::var_os(name).map(|value| value.into_encoded_bytes()))
    }

    /// As [`Config::from_json`], with secrets of the environment from elsewhere.
    ///
    /// # Errors
    /// As [`Config::from_json`].
    pub fn from_json_with(document: &[u8], environment: Environment<'_>) -> Result<Snapshot, Error> {
        if document.len() > DOCUMENT_MAX {
            let message = format!("a document of {} bytes; expected at most {DOCUMENT_MAX}", document.len());
            return Err(DocumentError { pointer: String::new(), message }.into());
        }
        let document = Document::parse(document)?;
        Ok(snapshot(&document.root(), environment)?)
    }
}

fn snapshot(root: &Node<'_>, environment: Environment<'_>) -> Result<Snapshot, DocumentError> {
    let object = root.object()?;
    object.required("version")?.u64_in(1..=1)?;
    let state = settings::state(object.optional("state"))?;
    let clock = settings::clock(object.optional("clock"))?;
    let sizes = settings::sizes(object.optional("sizes"))?;
    let codes = settings::codes(object.optional("codes"))?;
    let demands = rules::demands(&object)?;
    let tokens = tokens::read(object.optional("tokens"), environment)?;
    let mut profiles = Profiles::from_document(object.optional("profiles"))?;
    let limits = limits::read(object.optional("limits"))?;
    let mut names = Names::new(&limits);
    let (apis, paths) = apis::read(object.optional("apis"), &mut names, tokens.as_ref())?;
    let api_indices = apis.iter().map(|api| (api.id.as_str().to_owned(), api.index)).collect();
    let groups = rules::Groups::read(&object, &api_indices)?;
    let roots = rules::roots(&object)?;
    let answers = rules::answers(&object, &codes)?;
    let context = apps::Context { apis: &api_indices, groups: &groups, demands: &demands, roots: &roots, environment };
    let apps = apps::read(object.optional("apps"), &mut names, &mut profiles, &context)?;
    object.finish()?;
    let limits_of_all = names.unused_before_signature();
    let indices = apps::Indices::of(&apps, &profiles)?;
    Ok(Snapshot {
        generation: 0,
        state,
        clock,
        widest: profiles.widest_clock(clock),
        sizes,
        codes,
        answers,
        tokens,
        demands,
        profiles,
        limits: limits.into_boxed_slice(),
        limits_of_all,
        apis: apis.into_boxed_slice(),
        paths,
        apps: apps.into_boxed_slice(),
        app_ids: indices.app_ids,
        kids: indices.kids,
        kid_holders: indices.kid_holders,
        sole_apps: indices.sole_apps,
    })
}

/// The items of a section that may be left out.
fn items<'d>(section: Option<Node<'d>>) -> Result<Vec<Node<'d>>, DocumentError> {
    section.map_or_else(|| Ok(Vec::new()), |node| node.array())
}

/// A name of 1 to `max` bytes without control characters.
fn name<'d>(node: &Node<'d>, max: usize) -> Result<&'d str, DocumentError> {
    let text = node.str()?;
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        return Err(node.error(format!("expected 1 to {max} bytes without control characters")));
    }
    Ok(text)
}

/// Remembers where names were given, so that a second one can point at the first.
#[derive(Default)]
struct Seen<'d>(HashMap<&'d str, String>);

impl<'d> Seen<'d> {
    fn add(&mut self, name: &'d str, node: &Node<'_>) -> Result<(), DocumentError> {
        match self.0.insert(name, node.pointer().to_owned()) {
            Some(first) => Err(node.error(format!("\"{name}\" is there twice, first at {first}"))),
            None => Ok(()),
        }
    }
}

/// The limits by name, and which of them are named by an app or an API.
struct Names<'l> {
    limits: &'l [Limit],
    by_name: HashMap<&'l str, usize>,
    used: Vec<bool>,
}

/// Most limits that one app or one API may name: all of them are taken at every request.
const LIMITS_EACH: usize = 16;

impl<'l> Names<'l> {
    fn new(limits: &'l [Limit]) -> Self {
        let by_name = limits.iter().enumerate().map(|(index, limit)| (limit.name.as_str(), index)).collect();
        Self { limits, by_name, used: vec![false; limits.len()] }
    }

    /// The limits that `list` names.
    fn lists(&mut self, list: Option<Node<'_>>) -> Result<LimitLists, DocumentError> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut seen = Seen::default();
        let Some(list) = list else { return Ok(LimitLists::default()) };
        let nodes = list.array()?;
        if nodes.len() > LIMITS_EACH {
            return Err(list.error(format!("expected at most {LIMITS_EACH} limits")));
        }
        for node in &nodes {
            let name = node.str()?;
            seen.add(name, node)?;
            let found = self.by_name.get(name).and_then(|index| Some((*index, self.limits.get(*index)?)));
            let Some((index, limit)) = found else {
                return Err(node.error(format!("expected the name of a limit in /limits; there is no \"{name}\"")));
            };
            self.used[index] = true;
            let index = LimitIndex(u32::try_from(index).map_err(|_| node.error("too many limits"))?);
            if limit.before_signature { before.push(index) } else { after.push(index) }
        }
        let counts_values =
            |index: &&LimitIndex| self.limits.get(index.get()).is_some_and(|limit| limit.distinct.is_some());
        let distinct = after.iter().find(counts_values).copied();
        Ok(LimitLists { before_signature: before.into(), after_signature: after.into(), distinct })
    }

    /// Limits before the signature that nobody names: those count every request.
    fn unused_before_signature(&self) -> Box<[LimitIndex]> {
        (0_u32..)
            .zip(self.limits.iter().zip(&self.used))
            .filter(|(_, (limit, used))| limit.before_signature && !**used)
            .map(|(index, _)| LimitIndex(index))
            .collect()
    }
}
