//! The snapshot: all that a document says, checked, resolved to indices and ready to be asked by a request.

use super::credential::Credential;
use super::ids::Ids;
use super::ips::IpSet;
use super::limits::Limit;
use super::paths::{Match, Paths};
use super::profiles::Profiles;
use super::settings::{Answers, ApiState, AppStatus, Clock, Codes, Level, NonceMode, State};
use crate::bucket::BreakerRule;
use crate::canon::{self, Profile};
use crate::policy::Require;
use crate::policy::params::ParamRules;
use crate::request::{Sizes, TlsVersion};
use crate::token;
use crate::verdict::{API_ID_MAX, APP_ID_MAX, CODE_MAX, Label, Reason};
use std::fmt;

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub(super) u32);

        impl $name {
            /// The number: dense from 0, in the order of the document; good for this snapshot only.
            #[must_use]
            pub const fn get(self) -> usize {
                self.0 as usize
            }
        }
    )* };
}

indices! {
    /// An app of a snapshot.
    AppIndex;
    /// An API of a snapshot.
    ApiIndex;
    /// A limit of a snapshot.
    LimitIndex;
    /// A profile of a snapshot.
    ProfileIndex;
}

/// The limits that an app or an API names, apart by when they are counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LimitLists {
    /// Counted before the signature is checked.
    pub before_signature: Box<[LimitIndex]>,
    /// Counted after it.
    pub after_signature: Box<[LimitIndex]>,
    /// The first of those that counts distinct values.
    pub distinct: Option<LimitIndex>,
}

/// An app.
pub struct App {
    /// Which one.
    pub index: AppIndex,
    /// Its id.
    pub id: Label<APP_ID_MAX>,
    /// Where it stands.
    pub status: AppStatus,
    /// The level that its credentials must reach, whatever the API.
    pub level: Level,
    /// Whether it may use MD5 and SHA-1.
    pub allow_weak: bool,
    /// The profiles that it may use, in the order of the document.
    pub profiles: Box<[ProfileIndex]>,
    /// Its credentials, in the order of the document.
    pub credentials: Box<[Credential]>,
    /// The addresses that it may call from; `None` is any.
    pub allow_ips: Option<IpSet>,
    /// The APIs that it may call, sorted; `None` where it has no list.
    pub(super) allow_apis: Option<Box<[ApiIndex]>>,
    /// What must stand behind its requests, where not just any credential will do.
    pub require: Option<Require>,
    /// SHA-256 of certificates that its connections may have, besides those of its credentials.
    pub peer_certificates: Box<[[u8; 32]]>,
    /// Its limits.
    pub limits: LimitLists,
    /// The most of its nonces that may be live at once; `None` where it has no cap.
    pub nonces: Option<u64>,
}

impl App {
    /// Whether it may use `profile`.
    #[must_use]
    pub fn allows_profile(&self, profile: ProfileIndex) -> bool {
        self.profiles.contains(&profile)
    }

    /// Its credential that answers to `kid`.
    #[must_use]
    pub fn credential(&self, kid: &[u8]) -> Option<&Credential> {
        self.credentials.iter().find(|c| c.answers_to(kid))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("level", &self.level)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// An API.
#[derive(Clone, Debug)]
pub struct Api {
    /// Which one.
    pub index: ApiIndex,
    /// Its id.
    pub id: Label<API_ID_MAX>,
    /// The level that a credential must reach.
    pub level: Level,
    /// Whether it is still served.
    pub state: ApiState,
    /// What tokens a call must carry.
    pub tokens: ApiTokens,
    /// What it asks of its parameters.
    pub rules: Option<Box<ApiRules>>,
    /// Whether the connection must have a certificate that the app has registered.
    pub peer_certificate: bool,
    /// Whether an app's list of addresses is not asked: the call for a token (open-API guide, 2.2).
    pub any_ip: bool,
    /// Its limits.
    pub limits: LimitLists,
    /// When the service behind it is left alone, where it has a circuit breaker.
    pub breaker: Option<BreakerRule>,
}

/// What an API asks of its parameters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApiRules {
    /// Their forms.
    pub params: ParamRules,
    /// The user's consent (JR/T 0185-2020, 9.3.2).
    pub consent: Option<Consent>,
    /// The parameter that names the user, who may have switched the service off (9.3.2).
    pub user: Option<String>,
}

/// The parameters that hold a consent; signed like all others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consent {
    /// Its reference.
    pub param: String,
    /// When it ends, in seconds since 1970.
    pub until: String,
}

/// What a document asks of every request and key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Demands {
    /// The least version of TLS.
    pub tls_min: Option<TlsVersion>,
    /// Whether only SM2 and SM3 may be used.
    pub gm_only: bool,
    /// Whether lists of addresses may hold public ones only (open-API guide, 2.2).
    pub public_ips: bool,
    /// Milliseconds that a key may be in use, for level A1 and for A2 (JR/T 0185-2020, 7.3.4).
    pub key_max_age_ms: (Option<i64>, Option<i64>),
}

/// What tokens a call of an API must carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ApiTokens {
    /// An access token.
    pub access: bool,
    /// How old it may be, in milliseconds, where that is less than its life (JR/T 0185-2020, 9.2.1b3).
    pub max_age_ms: Option<i64>,
    /// A one-time token.
    pub one_time: OneTime,
    /// A grant for the user (JR/T 0185-2020, 9.3.2).
    pub grant: bool,
}

/// Whether a call carries a one-time token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OneTime {
    /// Not looked at.
    #[default]
    Off,
    /// Used up where there is one.
    Optional,
    /// Must be there.
    Required,
}

/// The section `tokens`.
#[derive(Debug)]
pub struct Tokens {
    /// Keys, lives, headers.
    pub policy: token::Policy,
    /// What the state region is made for.
    pub sizes: token::Sizes,
}

/// All that a document says. Immutable; share it in an `Arc`.
pub struct Snapshot {
    pub(super) generation: u64,
    pub(super) state: State,
    pub(super) clock: Clock,
    /// The widest windows of any profile: what the region must be laid out for.
    pub(super) widest: Clock,
    pub(super) sizes: Sizes,
    pub(super) codes: Codes,
    pub(super) answers: Option<Answers>,
    pub(super) tokens: Option<Tokens>,
    pub(super) demands: Demands,
    pub(super) profiles: Profiles,
    pub(super) limits: Box<[Limit]>,
    /// Limits before the signature that no app and no API names.
    pub(super) limits_of_all: Box<[LimitIndex]>,
    pub(super) apis: Box<[Api]>,
    pub(super) paths: Paths,
    pub(super) apps: Box<[App]>,
    pub(super) app_ids: Ids,
    /// Key ids of apps by profile, for profiles whose requests carry nothing else.
    pub(super) kids: Ids,
    pub(super) kid_holders: Box<[(AppIndex, u32)]>,
    /// For each profile the only app that allows it, if there is just one.
    pub(super) sole_apps: Box<[Option<AppIndex>]>,
}

impl Snapshot {
    /// How many documents came into force before, plus one; 0 for a snapshot that never was in force.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The shared state region.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The windows of timestamps in `profile`: its own, else the document's.
    #[must_use]
    pub fn clock(&self, profile: ProfileIndex) -> Clock {
        self.profiles.clock(profile, self.clock)
    }

    /// The widest windows, on either side, of the document and of any profile: the nonces must be kept this long.
    #[must_use]
    pub fn widest_clock(&self) -> Clock {
        self.widest
    }

    /// Which messages of `profile` count as one: what the profile says; where that is the strict default, what the document says.
    #[must_use]
    pub fn nonce_mode(&self, profile: ProfileIndex) -> canon::NonceMode {
        match self.profiles.get(profile).map(Profile::nonce_mode) {
            Some(canon::NonceMode::Strict) if self.state.nonce_mode == NonceMode::Message => canon::NonceMode::Message,
            Some(mode) => mode,
            None => canon::NonceMode::Strict,
        }
    }

    /// The bounds of requests.
    #[must_use]
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The return code of `reason`.
    #[must_use]
    pub fn code(&self, reason: Reason) -> Label<CODE_MAX> {
        self.codes.get(reason)
    }

    /// The body of an answer with that reason, as the document's `answers` has it; `None` without that section.
    #[must_use]
    pub fn answer(&self, reason: Reason) -> Option<&[u8]> {
        self.answers.as_ref().map(|answers| answers.get(reason))
    }

    /// What the document asks of every request and key.
    #[must_use]
    pub fn demands(&self) -> &Demands {
        &self.demands
    }

    /// Access tokens and one-time tokens, where the document has them.
    #[must_use]
    pub fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// The app of that id. Allocates nothing; its cost is bounded whatever the bytes are.
    #[must_use]
    pub fn app(&self, id: &[u8]) -> Option<&App> {
        self.apps.get(self.app_ids.get(0, id)? as usize)
    }

    /// All apps, by index.
    #[must_use]
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// The app and the credential that answer to `kid` in `profile`: for profiles whose requests carry a key id and no app id.
    #[must_use]
    pub fn by_kid(&self, profile: ProfileIndex, kid: &[u8]) -> Option<(&App, &Credential)> {
        let (app, credential) = self.kid_holders.get(self.kids.get(profile.0, kid)? as usize)?;
        let app = self.apps.get(app.get())?;
        Some((app, app.credentials.get(*credential as usize)?))
    }

    /// The only app that allows `profile`: for profiles whose requests carry neither app id nor key id.
    #[must_use]
    pub fn sole_app(&self, profile: ProfileIndex) -> Option<&App> {
        let index = self.sole_apps.get(profile.get()).copied().flatten()?;
        self.apps.get(index.get())
    }

    /// The compiled profile.
    #[must_use]
    pub fn profile(&self, index: ProfileIndex) -> Option<&Profile> {
        self.profiles.get(index)
    }

    /// The profile of that name, if the document defines it or some app uses it.
    #[must_use]
    pub fn profile_named(&self, name: &str) -> Option<ProfileIndex> {
        self.profiles.named(name)
    }

    /// All profiles that the document defines or some app uses, by index.
    pub fn profiles(&self) -> impl ExactSizeIterator<Item = (ProfileIndex, &Profile)> {
        self.profiles.iter()
    }

    /// How many profiles the document defines itself: those come first.
    pub(super) fn defined_profiles(&self) -> usize {
        self.profiles.defined()
    }

    /// The API that `method` and `path` call (as on the wire, without the query); `None` where the document lists no APIs.
    ///
    /// # Errors
    /// [`Reason::ApiNotAllowed`] where no API has the path, [`Reason::MethodNotAllowed`] where one has it with another method.
    pub fn api_for(&self, method: &[u8], path: &[u8]) -> Result<Option<&Api>, Reason> {
        if self.apis.is_empty() {
            return Ok(None);
        }
        match self.paths.find(method, path) {
            Match::Api(index) => Ok(self.apis.get(index as usize)),
            Match::OtherMethod => Err(Reason::MethodNotAllowed),
            Match::Unknown => Err(Reason::ApiNotAllowed),
        }
    }

    /// All APIs, by index.
    #[must_use]
    pub fn apis(&self) -> &[Api] {
        &self.apis
    }

    /// All limits, by index.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The limit of that index.
    #[must_use]
    pub fn limit(&self, index: LimitIndex) -> Option<&Limit> {
        self.limits.get(index.get())
    }

    /// Limits that are counted for every request before anything else: those with `before_signature` that no app and no API names.
    #[must_use]
    pub fn limits_of_all(&self) -> &[LimitIndex] {
        &self.limits_of_all
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("generation", &self.generation)
            .field("state", &self.state)
            .field("clock", &self.clock)
            .field("profiles", &self.profiles().map(|(_, p)| p.name().to_owned()).collect::<Vec<_>>())
            .field("apps", &self.apps.len())
            .field("apis", &self.apis.len())
            .field("limits", &self.limits.len())
            .finish_non_exhaustive()
    }
}
