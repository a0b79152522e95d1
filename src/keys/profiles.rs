//! The seam to room `canon`: the profiles that a document defines, and those built in that its apps use, each compiled once and known by
//! an index.

use super::credential::Credential;
use super::settings::Clock;
use super::snapshot::ProfileIndex;
use crate::canon::{Caller, Profile, builtin, builtin_names};
use crate::codec::doc::Node;
use crate::error::DocumentError;
use std::collections::HashMap;
use std::sync::Arc;

/// The profiles of a snapshot.
#[derive(Default)]
pub(super) struct Profiles {
    list: Vec<Arc<Profile>>,
    names: HashMap<String, ProfileIndex>,
    /// How many of them, from the front, the document defines.
    defined: usize,
}

impl Profiles {
    /// Compiles the profiles of the section `profiles`.
    pub(super) fn from_document(section: Option<Node<'_>>) -> Result<Self, DocumentError> {
        let mut profiles = Self::default();
        let Some(section) = section else { return Ok(profiles) };
        for (at, node) in section.array()?.iter().enumerate() {
            let profile = Profile::from_document(node)?;
            let name = profile.name().to_owned();
            let refused = |message: String| DocumentError { pointer: format!("{}/name", node.pointer()), message };
            if builtin_names().contains(&name.as_str()) {
                return Err(refused(format!("\"{name}\" is a built-in profile; expected a name of its own")));
            }
            if let Some(first) = profiles.names.get(&name) {
                let first = first.get();
                return Err(refused(format!("\"{name}\" is there twice, first at /profiles/{first}/name")));
            }
            debug_assert_eq!(at, profiles.list.len());
            profiles.add(name, Arc::new(profile), node)?;
        }
        profiles.defined = profiles.list.len();
        Ok(profiles)
    }

    pub(super) fn defined(&self) -> usize {
        self.defined
    }

    fn add(&mut self, name: String, profile: Arc<Profile>, node: &Node<'_>) -> Result<ProfileIndex, DocumentError> {
        let index = ProfileIndex(u32::try_from(self.list.len()).map_err(|_| node.error("too many profiles"))?);
        self.list.push(profile);
        self.names.insert(name, index);
        Ok(index)
    }

    /// The profile that an app names: one of the document, or a built-in one.
    pub(super) fn resolve(&mut self, node: &Node<'_>) -> Result<ProfileIndex, DocumentError> {
        let name = node.str()?;
        if let Some(index) = self.names.get(name) {
            return Ok(*index);
        }
        match builtin(name) {
            Some(profile) => self.add(name.to_owned(), profile, node),
            None => Err(node.error(format!(
                "expected the name of a profile in /profiles or of a built-in one ({}); there is no \"{name}\"",
                builtin_names().join(", ")
            ))),
        }
    }

    /// Asks the profiles of an app whether they can work with its secrets.
    pub(super) fn check_credentials(
        &self,
        allowed: &[ProfileIndex],
        credentials: &[Credential],
        nodes: &[Node<'_>],
    ) -> Result<(), DocumentError> {
        for (credential, node) in credentials.iter().zip(nodes) {
            let Some(secret) = credential.secret() else { continue };
            for profile in allowed.iter().filter_map(|index| self.get(*index)) {
                profile
                    .check_secret(credential.alg, secret.expose())
                    .map_err(|message| node.error(format!("profile \"{}\": {message}", profile.name())))?;
            }
        }
        Ok(())
    }

    /// Whether the profile admits the credential's algorithm.
    pub(super) fn admits(&self, index: ProfileIndex, credential: &Credential) -> bool {
        self.get(index).is_some_and(|profile| profile.admits(credential.alg))
    }

    /// Whether requests of the profile tell apps apart by key id and nothing else.
    pub(super) fn by_key_id_alone(&self, index: ProfileIndex) -> bool {
        self.get(index).is_some_and(|profile| profile.caller() == Caller::KeyId)
    }

    /// The windows of timestamps in the profile: its own, else `clock`.
    pub(super) fn clock(&self, index: ProfileIndex, clock: Clock) -> Clock {
        let profile = self.get(index);
        Clock {
            past_window_ms: profile.and_then(Profile::past_window).unwrap_or(clock.past_window_ms),
            future_window_ms: profile.and_then(Profile::future_window).unwrap_or(clock.future_window_ms),
        }
    }

    /// The widest windows on either side of `clock` and of all profiles.
    pub(super) fn widest_clock(&self, clock: Clock) -> Clock {
        self.iter().fold(clock, |widest, (index, _)| widest.or_wider(self.clock(index, clock)))
    }

    pub(super) fn get(&self, index: ProfileIndex) -> Option<&Profile> {
        self.list.get(index.get()).map(Arc::as_ref)
    }

    pub(super) fn named(&self, name: &str) -> Option<ProfileIndex> {
        self.names.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (ProfileIndex, &Profile)> {
        self.list.iter().enumerate().map(|(at, profile)| (ProfileIndex(at as u32), profile.as_ref()))
    }
}
