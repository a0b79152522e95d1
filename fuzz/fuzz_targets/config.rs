//! Configuration documents: an error with a pointer or a snapshot that answers, and the same for the same text.
//!
//! Good seeds are the demonstration's document and the dictionary of members:
//! `cargo +nightly fuzz run config fuzz/corpus/config vectors/demo -- -dict=fuzz/config.dict`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::codec::fault;
use portcullis::error::Error;
use portcullis::keys::{Config, Snapshot, lint, policy};
use portcullis::time::Millis;

fn read(text: &[u8]) -> Result<Snapshot, Error> {
    Config::from_json_with(text, &|name| (name.len() > 3).then(|| b"a secret of the environment".to_vec()))
}

/// Asks a snapshot all that a request would, with pieces of the document as the request.
fn ask(snapshot: &Snapshot, text: &[u8]) {
    for app in snapshot.apps() {
        let id = app.id.as_str().as_bytes();
        let found = snapshot.app(id).expect("an app is found by its id");
        assert_eq!(found.index, app.index);
        for credential in &app.credentials {
            assert!(credential.not_before <= credential.not_after);
            assert_eq!(credential.secret().is_some(), credential.algorithm().is_mac());
            let kid = credential.kid.as_str().as_bytes();
            if !kid.is_empty() {
                assert!(
                    app.credential(kid).is_some_and(|c| c.kid == credential.kid),
                    "a credential is found by its key id"
                );
            }
        }
        for limit in app.limits.before_signature.iter().chain(&app.limits.after_signature) {
            assert!(snapshot.limit(*limit).is_some());
        }
        for profile in &app.profiles {
            let name = snapshot.profile(*profile).expect("a profile that an app uses is there").name();
            assert_eq!(snapshot.profile_named(name), Some(*profile));
            for piece in text.split(|b| *b == b'"') {
                if let Some((holder, credential)) = snapshot.by_kid(*profile, piece) {
                    assert!(holder.allows_profile(*profile) && credential.answers_to(piece));
                }
            }
        }
        let address = Some([203, 0, 113, 7].into());
        for api in snapshot.apis() {
            let verdict = policy::ip_allowed(app, Some(api), address);
            assert!(!api.any_ip || verdict.is_ok());
            assert!(app.allow_ips.is_some() || verdict.is_ok());
        }
        assert_eq!(
            policy::ip_allowed(app, None, address).is_ok(),
            app.allow_ips.as_ref().is_none_or(|list| list.contains([203, 0, 113, 7].into()))
        );
    }
    for piece in text.split(|b| *b == b'"') {
        for method in [b"GET".as_slice(), b"POST"] {
            if let Ok(Some(api)) = snapshot.api_for(method, piece) {
                assert_eq!(snapshot.apis()[api.index.get()].id, api.id);
            }
        }
    }
    for warning in lint(snapshot, Millis(1_767_225_600_000)) {
        assert!(warning.pointer.starts_with('/'));
    }
}

fuzz_target!(|text: &[u8]| {
    match read(text) {
        Ok(snapshot) => {
            assert!(std::str::from_utf8(text).is_ok_and(|text| fault::find(text).is_none()), "taken, but no JSON");
            ask(&snapshot, text);
        }
        Err(Error::Document(e)) => {
            assert!(e.pointer.is_empty() || e.pointer.starts_with('/'), "{e}");
            assert!(!e.message.contains("a secret of the environment"), "{e}");
            assert_eq!(read(text).err(), Some(Error::Document(e)), "not the same twice");
        }
        Err(e) => panic!("another error: {e}"),
    }
});
