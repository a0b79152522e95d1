//! What a document that is good may still have wrong with it: entries that can never be used, keys that are about to end, doors left
//! ajar on purpose. Nothing here is an error; an operator reads it before a document goes into force.

use super::Credential;
use super::policy;
use super::settings::{AppStatus, KeyStatus, Level};
use super::snapshot::{App, Snapshot};
use crate::time::Millis;

/// A place in the document and what an operator may want to know about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// RFC 6901 pointer.
    pub pointer: String,
    /// What is there. Never holds a secret's value.
    pub message: String,
}

/// Days before a credential ends from which on it is told.
const SOON_DAYS: i64 = 30;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Secrets shorter than this are guessed sooner than the MAC is broken (128 bits).
const SECRET_MIN: usize = 16;

/// Looks through `snapshot` as of `now`, in the order of the document's sections.
#[must_use]
pub fn lint(snapshot: &Snapshot, now: Millis) -> Vec<Warning> {
    let mut lint = Lint { snapshot, now, warnings: Vec::new() };
    lint.state();
    lint.profiles();
    lint.limits();
    for app in snapshot.apps() {
        lint.app(app);
    }
    lint.warnings
}

struct Lint<'s> {
    snapshot: &'s Snapshot,
    now: Millis,
    warnings: Vec<Warning>,
}

impl Lint<'_> {
    fn say(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Warning { pointer: pointer.into(), message: message.into() });
    }

    fn state(&mut self) {
        let state = self.snapshot.state();
        if !state.birth_rule {
            self.say(
                "/state/birth_rule",
                "off: requests that were accepted before a restart may be accepted once more after it",
            );
        }
        if state.mode & 0o006 != 0 {
            self.say("/state/mode", "others may read or write the state: anybody on this machine can tamper with it");
        }
    }

    fn profiles(&mut self) {
        let defined = self.snapshot.defined_profiles();
        for (index, profile) in self.snapshot.profiles() {
            let used = self.snapshot.apps().iter().any(|app| app.allows_profile(index));
            if index.get() >= defined {
                continue;
            }
            let pointer = format!("/profiles/{}", index.get());
            if !used {
                self.say(&pointer, format!("no app uses profile \"{}\"", profile.name()));
            }
            for finding in profile.lint() {
                self.say(format!("{pointer}/legacy_unsafe"), format!("{}: {}", finding.hole, finding.sentence));
            }
        }
    }

    fn limits(&mut self) {
        let apis = self.snapshot.apis().iter().map(|api| &api.limits);
        let lists: Vec<_> = self.snapshot.apps().iter().map(|app| &app.limits).chain(apis).collect();
        for (number, limit) in self.snapshot.limits().iter().enumerate() {
            let named = lists.iter().any(|list| list.after_signature.iter().any(|index| index.get() == number));
            if !named && !limit.before_signature {
                self.say(
                    format!("/limits/{number}"),
                    format!("no app and no API names limit \"{}\": it limits nothing", limit.name),
                );
            }
        }
    }

    fn app(&mut self, app: &App) {
        if app.status != AppStatus::Active {
            return;
        }
        let here = format!("/apps/{}", app.index.get());
        if app.profiles.is_empty() {
            self.say(&here, "without profiles: none of its requests is accepted");
        }
        if app.allow_ips.as_ref().is_some_and(super::IpSet::is_empty) {
            self.say(format!("{here}/allow_ips"), "an empty list lets no address in");
        }
        self.apis(app, &here);
        self.profiles_of(app, &here);
        let weak = app.credentials.iter().any(|c| c.status == KeyStatus::Active && c.algorithm().is_weak());
        if app.allow_weak {
            let message = if weak { "MD5 or SHA-1 is in use" } else { "no active credential needs it" };
            self.say(format!("{here}/allow_weak"), message);
        }
        for (number, credential) in app.credentials.iter().enumerate() {
            if credential.status == KeyStatus::Revoked {
                continue;
            }
            let at = format!("{here}/credentials/{number}");
            let left = credential.not_after.since(self.now);
            if left < 0 {
                self.say(&at, "has ended");
            } else if self.now < credential.not_before {
                self.say(&at, "has not begun yet");
            } else if left < SOON_DAYS * DAY_MS {
                self.say(&at, format!("ends in {} days", left / DAY_MS));
            }
            self.age(app, credential, &at);
            if let Some(secret) = credential.secret()
                && secret.expose().len() < SECRET_MIN
            {
                self.say(&at, format!("the secret is shorter than {SECRET_MIN} bytes"));
            }
        }
    }

    /// Keys that are, or soon will be, in use for longer than they may be (JR/T 0185-2020, 7.3.4).
    fn age(&mut self, app: &App, credential: &Credential, at: &str) {
        let demands = self.snapshot.demands();
        for (level, greatest) in [(Level::A1, demands.key_max_age_ms.0), (Level::A2, demands.key_max_age_ms.1)] {
            let of_use = app.level <= level && policy::level_of(credential.algorithm()) >= level;
            let Some(greatest) = greatest.filter(|_| of_use) else { continue };
            let left = greatest - self.now.since(credential.not_before);
            if left < 0 {
                self.say(at, format!("is older than keys may be at level {level:?}: renew it"));
            } else if left < SOON_DAYS * DAY_MS {
                self.say(
                    at,
                    format!("reaches the greatest age of keys at level {level:?} in {} days: renew it", left / DAY_MS),
                );
            }
        }
    }

    fn apis(&mut self, app: &App, here: &str) {
        let reachable: Vec<_> = self
            .snapshot
            .apis()
            .iter()
            .filter(|api| policy::api_allowed(self.snapshot, app, Some(api)).is_ok())
            .collect();
        if !self.snapshot.apis().is_empty() && reachable.is_empty() {
            self.say(here, "allow_apis names no API of this document: none of its requests is accepted");
        }
        let signs = app.credentials.iter().any(|c| c.status == KeyStatus::Active && !c.algorithm().is_mac());
        if let Some(api) = reachable.iter().find(|api| api.level == Level::A2)
            && !signs
        {
            let message =
                format!("\"{}\" is of level A2, and no active credential of this app is a key pair", api.id.as_str());
            self.say(format!("{here}/allow_apis"), message);
        }
    }

    fn profiles_of(&mut self, app: &App, here: &str) {
        for (number, index) in app.profiles.iter().enumerate() {
            let Some(profile) = self.snapshot.profile(*index) else { continue };
            let fits = app.credentials.iter().any(|c| c.status == KeyStatus::Active && profile.admits(c.alg));
            if !fits {
                let message =
                    format!("no active credential is of an algorithm that profile \"{}\" admits", profile.name());
                self.say(format!("{here}/profiles/{number}"), message);
            }
        }
    }
}
