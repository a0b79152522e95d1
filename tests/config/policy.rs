//! The checks that are pure functions of a snapshot and facts of a request.

use super::*;
use portcullis::alg::Algorithm;
use portcullis::keys::policy;
use portcullis::time::Millis;
use portcullis::verdict::Reason;
use std::net::IpAddr;

#[test]
fn r07_the_state_of_an_app_has_its_own_reason() {
    let s = read(&whole()).unwrap();
    let status = |id: &str| policy::app_status(s.app(id.as_bytes()).unwrap());
    assert_eq!(status("p10001"), Ok(()));
    assert_eq!(status("p10002"), Err(Reason::AppSuspended));
    assert_eq!(status("付款"), Err(Reason::AppExited));
}

#[test]
fn r46_addresses_are_held_against_the_list() {
    let s = read(&whole()).unwrap();
    let allowed = |id: &str, ip: Option<&str>| {
        policy::ip_allowed(s.app(id.as_bytes()).unwrap(), None, ip.map(|ip| ip.parse::<IpAddr>().unwrap())).is_ok()
    };
    for ip in ["203.0.113.0", "203.0.113.255", "198.51.100.7", "2001:db8:ffff::1", "::ffff:203.0.113.9"] {
        assert!(allowed("p10001", Some(ip)), "{ip}");
    }
    for ip in ["203.0.114.0", "198.51.100.6", "2001:db9::", "::ffff:203.0.112.9", "::1"] {
        assert!(!allowed("p10001", Some(ip)), "{ip}");
    }
    assert!(!allowed("p10001", None), "a list, and nothing to hold against it");
    assert!(!allowed("p10002", Some("203.0.113.1")), "an empty list lets nobody in");
    assert!(allowed("bare", Some("203.0.113.1")) && allowed("bare", None), "no list lets everybody in");
}

#[test]
fn r15_an_app_calls_what_its_list_names_and_nothing_else() {
    let s = read(&whole()).unwrap();
    let judge = |id: &str, method: &str, path: &str| {
        let api = s.api_for(method.as_bytes(), path.as_bytes())?;
        policy::api_allowed(&s, s.app(id.as_bytes()).unwrap(), api)?;
        policy::api_served(api)?;
        Ok(api.map(|api| api.id.as_str().to_owned()))
    };
    assert_eq!(judge("p10001", "GET", "/accounts/7/balance"), Ok(Some("balance".to_owned())));
    assert_eq!(judge("p10001", "POST", "/pay/v1/transfer"), Ok(Some("OP1023450202000100001000".to_owned())));
    assert_eq!(judge("p10001", "GET", "/pay/v1/transfer"), Err(Reason::MethodNotAllowed));
    assert_eq!(judge("p10001", "GET", "/admin"), Err(Reason::ApiNotAllowed));
    assert_eq!(judge("p10001", "POST", "/pay/../admin"), Err(Reason::ApiNotAllowed));
    assert_eq!(judge("p10001", "GET", "/v0/x"), Err(Reason::ApiNotAllowed), "not on the app's list");
    assert_eq!(judge("p10002", "GET", "/accounts/7/balance"), Err(Reason::ApiNotAllowed), "an empty list");
    assert_eq!(
        judge("bare", "GET", "/accounts/7/balance"),
        Err(Reason::ApiNotAllowed),
        "no list, and the document has APIs"
    );
}

#[test]
fn r37_a_retired_api_says_so() {
    let mut document = whole();
    document["apps"][0]["allow_apis"] = json!(["old"]);
    let s = read(&document).unwrap();
    let api = s.api_for(b"PATCH", b"/v0/x").unwrap();
    assert_eq!(policy::api_allowed(&s, s.app(b"p10001").unwrap(), api), Ok(()));
    assert_eq!(policy::api_served(api), Err(Reason::ApiRetired));
    assert_eq!(policy::api_served(None), Ok(()));
}

#[test]
fn without_apis_an_app_without_a_list_calls_anything() {
    let s = read(&json!({ "version": 1, "apps": [{ "app_id": "a" }, { "app_id": "b", "allow_apis": [] }] })).unwrap();
    let api = s.api_for(b"GET", b"/any/../thing").unwrap();
    assert!(api.is_none());
    assert_eq!(policy::api_allowed(&s, s.app(b"a").unwrap(), api), Ok(()));
    assert_eq!(
        policy::api_allowed(&s, s.app(b"b").unwrap(), api),
        Err(Reason::ApiNotAllowed),
        "an empty list is a list"
    );
}

#[test]
fn r03_levels_ask_for_signatures() {
    let s = read(&whole()).unwrap();
    let (a1, a2) = (s.app(b"p10001").unwrap(), s.app(b"p10002").unwrap());
    let pay = s.api_for(b"POST", b"/pay/x").unwrap();
    let balance = s.api_for(b"GET", b"/accounts/7/balance").unwrap();
    for algorithm in Algorithm::ALL {
        let on_a2 = if algorithm.is_mac() { Err(Reason::LevelTooLow) } else { Ok(()) };
        assert_eq!(policy::level(a1, None, *algorithm), Ok(()));
        assert_eq!(policy::level(a1, balance, *algorithm), Ok(()));
        assert_eq!(policy::level(a1, pay, *algorithm), on_a2, "{}", algorithm.name());
        assert_eq!(policy::level(a2, None, *algorithm), on_a2);
        assert_eq!(policy::level(a2, balance, *algorithm), on_a2, "the higher of the two counts");
        assert_eq!(policy::level(a2, pay, *algorithm), on_a2);
    }
}

#[test]
fn weak_algorithms_need_the_apps_word() {
    let s = read(&whole()).unwrap();
    for algorithm in Algorithm::ALL {
        assert_eq!(policy::strength(s.app(b"p10001").unwrap(), *algorithm), Ok(()));
        let without = if algorithm.is_weak() { Err(Reason::WeakAlgorithm) } else { Ok(()) };
        assert_eq!(policy::strength(s.app(b"bare").unwrap(), *algorithm), without, "{}", algorithm.name());
    }
}

#[test]
fn r10_keys_count_between_their_dates_and_overlap() {
    let document = json!({ "version": 1, "apps": [{ "app_id": "a", "credentials": [
        { "kid": "old", "alg": "hmac-sha256", "secret": "1", "not_after": "2026-03-01T00:00:00Z" },
        { "kid": "new", "alg": "hmac-sha256", "secret": "2", "not_before": "2026-02-01T00:00:00Z" },
        { "kid": "gone", "alg": "hmac-sha256", "secret": "3", "status": "revoked", "not_after": "2026-01-01T00:00:00Z" } ] }] });
    let s = read(&document).unwrap();
    let app = s.app(b"a").unwrap();
    let at = |kid: &str, now: i64| app.credential(kid.as_bytes()).unwrap().valid_at(Millis(now));
    let (february, march) = (1_769_904_000_000, 1_772_323_200_000);
    assert_eq!(at("old", i64::MIN), Ok(()));
    assert_eq!((at("old", march), at("old", march + 1)), (Ok(()), Err(Reason::KeyExpired)));
    assert_eq!((at("new", february - 1), at("new", february)), (Err(Reason::KeyExpired), Ok(())));
    assert_eq!(at("new", i64::MAX), Ok(()));
    assert!((february..=march).step_by(86_400_000).all(|now| at("old", now).is_ok() && at("new", now).is_ok()));
    assert_eq!(at("gone", 0), Err(Reason::KeyRevoked), "revoked goes before expired");
}
