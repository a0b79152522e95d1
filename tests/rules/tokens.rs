//! Rows 13, 14 and 55 to 58: access tokens and one-time tokens.

use crate::support::*;
use portcullis::engine::Engine;
use portcullis::time::Millis;
use portcullis::token::{Check, Checker, Grant, Scope};
use portcullis::verdict::Reason;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A document with tokens: `/token` is free, `/pay` needs an access token, `/transfer` a one-time token besides.
fn document() -> Value {
    let tokens = json!({ "keys": [ { "number": 0, "secret": "a secret for tokens, 32 bytes or more" } ] });
    let api =
        |id: u32, path: &str| json!({ "api_id": format!("api-{id}"), "method": "*", "path": path, "level": "A1" });
    let mut pay = api(2, "/pay");
    pay["token"] = json!(true);
    let mut fresh = api(3, "/fresh");
    fresh["token"] = json!(true);
    fresh["token_max_age_s"] = json!(60);
    let mut transfer = api(4, "/transfer");
    transfer["token"] = json!(true);
    transfer["one_time"] = json!("required");
    let mut optional = api(5, "/optional");
    optional["one_time"] = json!("optional");
    let all = json!(["api-1", "api-2", "api-3", "api-4", "api-5"]);
    let mut apps = [app("p1"), app("p2")];
    for app in &mut apps {
        app["allow_apis"] = all.clone();
    }
    json!({ "version": 1, "tokens": tokens, "apis": [api(1, "/token"), pay, fresh, transfer, optional], "apps": apps })
}

fn token(engine: &Engine, app: &str) -> String {
    engine.issue_token(app, None).unwrap().token.as_str().to_owned()
}

fn pay_at(engine: &Engine, app: &str, path: &str, token: Option<&str>, at: i64) -> Reason {
    let call = Client::new(app).call_as("GET", path, None, at, &nonce());
    let call = match token {
        Some(token) => call.header("Authorization", token),
        None => call,
    };
    call.verdict_at(&mut engine.worker(), at).reason
}

fn pay(engine: &Engine, app: &str, token: Option<&str>) -> Reason {
    pay_at(engine, app, "/pay", token, NOW)
}

/// `tokens.life_s` under the cap `tokens.max_life_s` (a day at the very most); an API asks for younger tokens with `token_max_age_s`.
#[test]
fn r13_a_token_lives_no_longer_than_the_document_and_the_api_allow() {
    let engine = engine(&document());
    let issued = engine.issue_token("p1", Some(1_000_000)).unwrap();
    assert_eq!(issued.expires_in_s, 7200, "the cap");
    let long = issued.token.as_str();
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(long), NOW + 7_199_999), Reason::Ok);
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(long), NOW + 7_200_000), Reason::TokenExpired);
    assert_eq!(pay_at(&engine, "p1", "/fresh", Some(long), NOW + 59_999), Reason::Ok);
    assert_eq!(pay_at(&engine, "p1", "/fresh", Some(long), NOW + 60_000), Reason::TokenExpired);
    // A lower cap counts for tokens that are out already.
    engine.reload(with(&document(), "/tokens/max_life_s", json!(10)).to_string().as_bytes()).unwrap();
    assert_eq!(engine.issue_token("p1", None).unwrap().expires_in_s, 10);
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(long), NOW + 10_000), Reason::TokenExpired);
    let e = refused(&with(&document(), "/tokens/max_life_s", json!(86_401)));
    assert_eq!(e.pointer, "/tokens/max_life_s");
    let e = refused(&with(&document(), "/tokens/life_s", json!(7201)));
    assert_eq!(e.pointer, "/tokens/life_s");
}

/// Revocation by token, by app, and of all up to a moment; in shared memory, so that every process refuses at its next check.
#[test]
fn r14_tokens_are_dropped_at_once_in_every_process() {
    let dir = Dir::new("r14");
    let document = with(&document(), "/state", json!({ "path": dir.0.join("region"), "birth_rule": "off" }));
    // Two engines over one region: what one process revokes, another refuses.
    let (here, there) = (engine(&document), engine(&document));
    let (one, two, other) = (token(&here, "p1"), token(&there, "p1"), token(&there, "p2"));
    for (app, token) in [("p1", &one), ("p1", &two), ("p2", &other)] {
        assert_eq!(pay(&here, app, Some(token)), Reason::Ok);
        assert_eq!(pay(&there, app, Some(token)), Reason::Ok);
    }
    here.revoke_token("p1", one.as_bytes()).unwrap();
    assert_eq!(pay(&there, "p1", Some(&one)), Reason::TokenRevoked);
    assert_eq!(pay(&there, "p1", Some(&two)), Reason::Ok);
    assert_eq!(here.revoke_token("p2", two.as_bytes()), Err(Reason::TokenInvalid), "another app's token");

    here.revoke_tokens_of("p1", None).unwrap();
    assert_eq!(pay(&there, "p1", Some(&two)), Reason::TokenRevoked);
    assert_eq!(pay(&there, "p2", Some(&other)), Reason::Ok);

    here.revoke_all_tokens(Some(Millis(NOW - 1))).unwrap();
    assert_eq!(pay(&there, "p2", Some(&other)), Reason::Ok, "issued later");
    here.revoke_all_tokens(None).unwrap();
    assert_eq!(pay(&there, "p2", Some(&other)), Reason::TokenRevoked);
    assert_eq!(pay(&here, "p2", Some(&token(&there, "p2"))), Reason::Ok, "a token of afterwards");
}

/// The header `Authorization` (or `tokens.header`), after the signature and before limits; `token_invalid`, code 9991, where it is missing or wrong.
#[test]
fn r55_a_call_carries_its_access_token_in_the_authorization_header() {
    let engine = engine(&document());
    let good = token(&engine, "p1");
    assert_eq!(pay(&engine, "p1", Some(&good)), Reason::Ok);
    assert_eq!(pay_at(&engine, "p1", "/token", None, NOW), Reason::Ok, "an API that needs none");
    for wrong in [None, Some(""), Some("x"), Some(&*token(&engine, "p2")), Some(&*format!("Bearer {good}"))] {
        assert_eq!(pay(&engine, "p1", wrong), Reason::TokenInvalid, "{wrong:?}");
    }
    let call = Client::new("p1").call("/pay", None).header("authorization", &good).header("Authorization", &good);
    assert_eq!(call.verdict(&mut engine.worker()).reason, Reason::DuplicateField);
    let call = Client::new("p1").call("/pay", None);
    let verdict = call.verdict(&mut engine.worker());
    assert_eq!((verdict.reason, verdict.code.as_str()), (Reason::TokenInvalid, "9991"));
    // Refused for its token, the call took no nonce: with the token it is good.
    let again = call.header("Authorization", &good);
    assert_eq!(again.verdict(&mut engine.worker()).reason, Reason::Ok);
    // The signature comes first: a stranger learns nothing about tokens.
    let forged = Client::with_secret("p1", portcullis::alg::Algorithm::HmacSha256, "wrong").call("/pay", None);
    assert_eq!(forged.verdict(&mut engine.worker()).reason, Reason::BadSignature);

    let bearer = with(&with(&document(), "/tokens/bearer", json!(true)), "/tokens/required", json!("all"));
    let engine = engine_at(&bearer, NOW).unwrap();
    let good = token(&engine, "p1");
    assert_eq!(pay(&engine, "p1", Some(&format!("Bearer {good}"))), Reason::Ok);
    assert_eq!(pay(&engine, "p1", Some(&good)), Reason::TokenInvalid);
    assert_eq!(pay_at(&engine, "p1", "/token", None, NOW), Reason::TokenInvalid, "all APIs that do not say otherwise");
}

/// The tokens of a batch are checked side by side, with the answers that each would get alone; so does `Engine::check_tokens`.
#[test]
fn r55_tokens_of_a_batch_get_the_answers_that_they_get_alone() {
    let (alone, together) = (engine(&document()), engine(&document()));
    let mut tokens = Vec::new();
    for turn in 0..60 {
        let own = token(&alone, "p1");
        tokens.push(match turn % 6 {
            0 => None,
            1 => Some(token(&alone, "p2")),
            2 => {
                for engine in [&alone, &together] {
                    engine.revoke_token("p1", own.as_bytes()).unwrap();
                }
                Some(own)
            }
            3 => Some(own.to_ascii_uppercase()),
            _ => Some(own),
        });
    }
    let calls: Vec<Call> = tokens
        .iter()
        .enumerate()
        .map(|(turn, token)| {
            let path = ["/pay?a=1", "/token?a=1", "/fresh?a=1"][turn % 3];
            let call = Client::new("p1").call(path, None);
            let call = if turn % 11 == 10 { call.target(|t| t.replace("a=1", "a=2")) } else { call };
            match token {
                Some(token) => call.header("Authorization", token),
                None => call,
            }
        })
        .collect();
    let one_by_one: Vec<Reason> = calls.iter().map(|call| call.verdict(&mut alone.worker()).reason).collect();
    for reason in [Reason::Ok, Reason::TokenInvalid, Reason::TokenRevoked, Reason::BadSignature] {
        assert!(one_by_one.contains(&reason), "{reason}");
    }
    let mut verdicts = vec![portcullis::verdict::Verdict::of(Reason::Internal); calls.len()];
    lend_all(&calls, &mut |requests| together.worker().verify_batch(requests, &mut verdicts));
    assert_eq!(verdicts.iter().map(|verdict| verdict.reason).collect::<Vec<_>>(), one_by_one);

    let checks: Vec<Check<'_>> = tokens
        .iter()
        .map(|token| Check { app: b"p1", token: token.as_deref().unwrap_or("").as_bytes(), max_age_ms: None })
        .collect();
    let mut answers = vec![Ok(()); checks.len()];
    let mut checker = Checker::new();
    together.check_tokens(&checks, &mut checker, &mut answers);
    for (check, answer) in checks.iter().zip(answers) {
        assert_eq!(answer, alone.check_token("p1", check.token));
    }
    let mut answers = [Ok(()); 3];
    engine(&crate::support::document()).check_tokens(&checks[..2], &mut checker, &mut answers);
    assert_eq!(answers, [Err(Reason::Internal), Err(Reason::Internal), Ok(())], "a document without tokens");
}

/// Lends the requests of all calls together.
fn lend_all(calls: &[Call], judge: &mut dyn FnMut(&[portcullis::request::Request<'_>])) {
    fn rest<'r>(
        calls: &[Call],
        requests: &mut Vec<portcullis::request::Request<'r>>,
        judge: &mut dyn FnMut(&[portcullis::request::Request<'_>]),
    ) {
        match calls.split_first() {
            None => judge(requests),
            Some((call, calls)) => call.lend(NOW, |request| {
                let mut requests = requests.clone();
                requests.push(*request);
                rest(calls, &mut requests, judge);
            }),
        }
    }
    rest(calls, &mut Vec::new(), judge);
}

/// Claims and a MAC in 40 characters: any process with the key checks them, without a store; 3,600 seconds unless the document says otherwise.
#[test]
fn r56_a_token_has_forty_characters_and_an_hour_by_default() {
    let engine = engine(&document());
    let issued = engine.issue_token("p1", None).unwrap();
    assert_eq!((issued.token.as_str().len(), issued.expires_in_s), (40, 3600));
    assert!(issued.token.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(issued.token.as_str()), NOW + 3_599_999), Reason::Ok);
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(issued.token.as_str()), NOW + 3_600_000), Reason::TokenExpired);
    // Another engine, with memory of its own and the same key.
    let other = engine_at(&document(), NOW).unwrap();
    assert_eq!(other.check_token("p1", issued.token.as_str().as_bytes()), Ok(()));
    let mut changed = issued.token.as_str().to_owned();
    changed.replace_range(7..8, if &changed[7..8] == "A" { "B" } else { "A" });
    assert_eq!(other.check_token("p1", changed.as_bytes()), Err(Reason::TokenInvalid));
    // The text's other number, 7200, is a setting.
    let two_hours = engine_at(&with(&document(), "/tokens/life_s", json!(7200)), NOW).unwrap();
    assert_eq!(two_hours.issue_token("p1", None).unwrap().expires_in_s, 7200);
    let e = refused(&with(&document(), "/tokens/keys/0/secret", json!("short")));
    assert_eq!(e.pointer, "/tokens/keys/0/secret");
    assert!(!e.message.contains("short,"));
}

/// A refresh raises the app's generation in shared memory; tokens of the one before are good for `tokens.overlap_s`, 300 by default.
#[test]
fn r57_after_a_refresh_old_and_new_are_both_good_for_five_minutes() {
    let engine = engine(&document());
    let old = token(&engine, "p1");
    let other = token(&engine, "p2");
    let new = engine.refresh_token("p1", None).unwrap().token;
    for at in [NOW, NOW + 299_999] {
        assert_eq!(pay_at(&engine, "p1", "/pay", Some(&old), at), Reason::Ok);
        assert_eq!(pay_at(&engine, "p1", "/pay", Some(new.as_str()), at), Reason::Ok);
    }
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(&old), NOW + 300_000), Reason::TokenExpired);
    assert_eq!(pay_at(&engine, "p1", "/pay", Some(new.as_str()), NOW + 300_000), Reason::Ok);
    assert_eq!(pay_at(&engine, "p2", "/pay", Some(&other), NOW + 300_000), Reason::Ok, "another app's");
}

/// `Engine::issue_grant` binds an authorisation to app, API and user, in a token with a MAC: once (used up atomically, by one of any number of calls),
/// until a moment, or for the contract; `Engine::revoke_grant` takes it back.
#[test]
fn r16_an_authorisation_is_good_once_for_a_time_or_for_the_contract() {
    let engine = engine(&document());
    let scope = Scope { app: "p1", api: "api-2", user: "u1" };
    let issue = |grant: Grant| engine.issue_grant(&scope, grant).unwrap();
    let hour = 3_600_000;
    let at = |ms: i64| engine_at(&document(), NOW + ms).unwrap();

    let once = issue(Grant::Once);
    assert_eq!(engine.use_grant(&scope, once.as_str().as_bytes()), Ok(()));
    assert_eq!(engine.use_grant(&scope, once.as_str().as_bytes()), Err(Reason::IdempotencyUsed));
    let once = issue(Grant::Once);
    let wins: usize = std::thread::scope(|threads| {
        let racers: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| usize::from(engine.use_grant(&scope, once.as_str().as_bytes()).is_ok())))
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);

    let until = issue(Grant::Until(Millis(NOW + 10 * hour)));
    for (ms, expected) in [(0, Ok(())), (10 * hour - 1, Ok(())), (10 * hour, Err(Reason::TokenExpired))] {
        assert_eq!(at(ms).use_grant(&scope, until.as_str().as_bytes()), expected, "{ms}");
    }
    let contract = issue(Grant::Contract);
    assert_eq!(at(1000 * 24 * hour).use_grant(&scope, contract.as_str().as_bytes()), Ok(()));
    for _ in 0..3 {
        assert_eq!(engine.use_grant(&scope, contract.as_str().as_bytes()), Ok(()));
    }
    engine.revoke_grant(&scope, contract.as_str().as_bytes()).unwrap();
    assert_eq!(engine.use_grant(&scope, contract.as_str().as_bytes()), Err(Reason::TokenRevoked));

    for other in [
        Scope { app: "p2", ..scope },
        Scope { api: "api-3", ..scope },
        Scope { user: "u2", ..scope },
        Scope { app: "p1a", api: "pi-2", user: "u1" },
    ] {
        assert_eq!(engine.use_grant(&other, until.as_str().as_bytes()), Err(Reason::TokenInvalid), "{other:?}");
    }
    let access = token(&engine, "p1");
    assert_eq!(engine.use_grant(&scope, access.as_bytes()), Err(Reason::TokenInvalid));
    assert!(engine.issue_grant(&scope, Grant::Until(Millis(NOW))).is_err());
    assert!(engine.issue_grant(&Scope { user: "a\0b", ..scope }, Grant::Once).is_err());
    assert!(engine.issue_grant(&Scope { user: &"u".repeat(257), ..scope }, Grant::Once).is_err());
    assert!(engine.issue_grant(&Scope { user: &"u".repeat(256), ..scope }, Grant::Once).is_ok());
}

/// `apis[].grant`: a call carries a grant for its user (`user`) in the header `Authorization-Grant`; one that is good once is reserved as the last step before
/// acceptance, used with it, and given back where the call is refused after all.
#[test]
fn r16_a_call_uses_its_grant_as_it_is_accepted() {
    let mut document = document();
    document["apis"][3]["grant"] = json!(true);
    document["apis"][3]["user"] = json!("user");
    let engine = engine(&document);
    let api = "api-4";
    let grant = |kind: Grant| {
        let scope = Scope { app: "p1", api, user: "u1" };
        engine.issue_grant(&scope, kind).unwrap().as_str().to_owned()
    };
    let fetch = || engine.issue_one_time_token("p1").unwrap().token.as_str().to_owned();
    let call = |app: &str, user: Option<&str>, grant: Option<&str>, once: &str| {
        let body = user.map_or(json!({ "amount": "1" }), |user| json!({ "amount": "1", "user": user }));
        let mut call = Client::new(app).call("/transfer", Some(body)).header("Authorization", &token(&engine, app));
        call = call.header("Idempotency-Token", once);
        if let Some(grant) = grant {
            call = call.header("Authorization-Grant", grant);
        }
        call
    };
    let judge = |call: &Call| call.verdict(&mut engine.worker()).reason;
    let once = grant(Grant::Once);
    for (app, user, sent, expected) in [
        ("p1", Some("u1"), None, Reason::TokenInvalid),
        ("p1", Some("u1"), Some("nonsense"), Reason::TokenInvalid),
        ("p1", Some("u2"), Some(&*once), Reason::TokenInvalid),
        ("p2", Some("u1"), Some(&*once), Reason::TokenInvalid),
        ("p1", None, Some(&*once), Reason::MissingField),
    ] {
        let once = engine.issue_one_time_token(app).unwrap().token;
        assert_eq!(judge(&call(app, user, sent, once.as_str())), expected, "{app} {user:?} {sent:?}");
    }
    // Refused after the grant was reserved (its one-time token is none): the grant is good still.
    assert_eq!(judge(&call("p1", Some("u1"), Some(&once), "nonsense")), Reason::TokenInvalid);
    let forged = call("p1", Some("u1"), Some(&once), &fetch()).body(|b| b.replace("\"1\"", "\"2\""));
    assert_eq!(judge(&forged), Reason::BadSignature);
    let accepted = call("p1", Some("u1"), Some(&once), &fetch());
    assert_eq!(judge(&accepted), Reason::Ok);
    assert_eq!(judge(&accepted), Reason::Replayed, "a replay takes nothing");
    assert_eq!(judge(&call("p1", Some("u1"), Some(&once), &fetch())), Reason::IdempotencyUsed);
    let twice = call("p1", Some("u1"), Some(&once), &fetch()).header("authorization-grant", &once);
    assert_eq!(judge(&twice), Reason::DuplicateField);

    // Of calls at the same time with one grant one is accepted.
    let once = grant(Grant::Once);
    let calls: Vec<Call> = (0..4).map(|_| call("p1", Some("u1"), Some(&once), &fetch())).collect();
    let wins: usize = std::thread::scope(|threads| {
        let race = |call: Call| threads.spawn(move || usize::from(judge(&call) == Reason::Ok));
        let racers: Vec<_> = calls.into_iter().map(race).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);

    for kind in [Grant::Until(Millis(NOW + 7_200_000)), Grant::Contract] {
        let long = grant(kind);
        for _ in 0..3 {
            assert_eq!(judge(&call("p1", Some("u1"), Some(&long), &fetch())), Reason::Ok);
        }
        engine.revoke_grant(&Scope { app: "p1", api, user: "u1" }, long.as_bytes()).unwrap();
        assert_eq!(judge(&call("p1", Some("u1"), Some(&long), &fetch())), Reason::TokenRevoked);
    }
    document["apis"][3].as_object_mut().unwrap().remove("user");
    assert_eq!(refused(&document).pointer, "/apis/3/grant");
}

fn transfer(engine: &Engine, app: &str, path: &str, once: Option<&str>) -> portcullis::verdict::Verdict {
    let call = Client::new(app).call(path, Some(json!({ "amount": "1" })));
    let call = call.header("Authorization", &token(engine, app));
    let call = match once {
        Some(once) => call.header("Idempotency-Token", once),
        None => call,
    };
    call.verdict(&mut engine.worker())
}

/// `apis[].one_time`: the engine reserves the token as the last step before acceptance; the gateway commits after success or releases; a
/// reservation whose worker died ends with its lease. Bound to the app by its MAC.
#[test]
fn r58_a_one_time_token_is_used_once_by_the_app_that_fetched_it() {
    let engine = engine(&document());
    let fetch = |app: &str| engine.issue_one_time_token(app).unwrap().token.as_str().to_owned();
    let once = fetch("p1");
    let first = transfer(&engine, "p1", "/transfer", Some(&once));
    assert_eq!(first.reason, Reason::Ok);
    let second = transfer(&engine, "p1", "/transfer", Some(&once));
    assert_eq!(second.reason, Reason::IdempotencyUsed, "while the first is under way");
    assert!(second.retry_after_ms > 0);
    // "Deleted after success": the business failed, the token is good again; then it succeeds.
    assert!(engine.release_one_time_token(&first.one_time));
    let third = transfer(&engine, "p1", "/transfer", Some(&once));
    assert_eq!(third.reason, Reason::Ok);
    assert!(engine.commit_one_time_token(&third.one_time));
    assert!(!engine.release_one_time_token(&third.one_time));
    let fourth = transfer(&engine, "p1", "/transfer", Some(&once));
    assert_eq!((fourth.reason, fourth.retry_after_ms), (Reason::IdempotencyUsed, 0));

    assert_eq!(transfer(&engine, "p2", "/transfer", Some(&fetch("p1"))).reason, Reason::TokenInvalid, "another app's");
    assert_eq!(transfer(&engine, "p1", "/transfer", Some("nonsense")).reason, Reason::TokenInvalid);
    assert_eq!(transfer(&engine, "p1", "/transfer", None).reason, Reason::MissingField);
    assert_eq!(transfer(&engine, "p1", "/optional", None).reason, Reason::Ok);
    assert_eq!(transfer(&engine, "p1", "/optional", Some(&once)).reason, Reason::IdempotencyUsed);
    let access = token(&engine, "p1");
    assert_eq!(transfer(&engine, "p1", "/transfer", Some(&access)).reason, Reason::TokenInvalid, "an access token");

    // A call that is refused for another reason leaves its token alone.
    let once = fetch("p1");
    let call = Client::new("p1").call("/optional", Some(json!({ "amount": "1" }))).header("Idempotency-Token", &once);
    assert_eq!(
        call.clone().body(|body| body.replace("\"1\"", "\"2\"")).verdict(&mut engine.worker()).reason,
        Reason::BadSignature
    );
    let accepted = call.verdict(&mut engine.worker());
    assert_eq!(accepted.reason, Reason::Ok);
    assert!(engine.release_one_time_token(&accepted.one_time));
    assert_eq!(call.verdict(&mut engine.worker()).reason, Reason::Replayed, "a replay takes no token");
    assert_eq!(transfer(&engine, "p1", "/optional", Some(&once)).reason, Reason::Ok);
}

const ROLE: &str = "PORTCULLIS_RULES_ROLE";

fn shared(dir: &std::path::Path) -> Value {
    let document = with(&document(), "/state", json!({ "path": dir.join("region"), "birth_rule": "off" }));
    with(&document, "/tokens/one_time", json!({ "lease_s": 2, "life_s": 600 }))
}

/// What the processes of the race do. A test like any other to the harness; it does nothing unless it was started as a racer.
#[test]
fn a_racer() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (job, dir) = role.split_once(' ').unwrap();
    let dir = std::path::Path::new(dir);
    let engine = Engine::open(shared(dir).to_string().as_bytes()).unwrap();
    let tokens = std::fs::read_to_string(dir.join("tokens")).unwrap();
    match job {
        "use" => {
            while !dir.join("go").exists() {
                std::thread::yield_now();
            }
            let mut won = String::new();
            for token in tokens.lines() {
                if let Ok(ticket) = engine.reserve_one_time_token("p1", token.as_bytes()) {
                    assert!(engine.commit_one_time_token(&ticket));
                    won.push_str(token);
                    won.push('\n');
                }
            }
            std::fs::write(dir.join(format!("won-{}", std::process::id())), won).unwrap();
        }
        "die" => {
            for token in tokens.lines() {
                engine.reserve_one_time_token("p1", token.as_bytes()).unwrap();
            }
            std::fs::write(dir.join("reserved"), "").unwrap();
            std::thread::sleep(Duration::from_secs(60));
        }
        other => panic!("{other}"),
    }
}

fn racer(job: &str, dir: &Dir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["tokens::a_racer", "--exact"])
        .env(ROLE, format!("{job} {}", dir.0.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(path: &std::path::Path) {
    for _ in 0..12_000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} did not come", path.display());
}

/// One word of shared memory decides, by compare-and-swap: four processes, each token won by exactly one of them.
#[test]
fn r58_processes_that_race_with_a_one_time_token_use_it_once() {
    let dir = Dir::new("r58-race");
    let engine = Engine::open(shared(&dir.0).to_string().as_bytes()).unwrap();
    let count = 2000 * crate::keys::scale();
    let tokens: Vec<String> =
        (0..count).map(|_| engine.issue_one_time_token("p1").unwrap().token.as_str().to_owned()).collect();
    std::fs::write(dir.0.join("tokens"), tokens.join("\n")).unwrap();
    let racers: Vec<Child> = (0..4).map(|_| racer("use", &dir)).collect();
    std::fs::write(dir.0.join("go"), "").unwrap();
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    let mut won: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&dir.0).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("won-") {
            won.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    let (mut expected, mut got) = (tokens, won);
    expected.sort();
    got.sort();
    assert!(expected == got, "{} tokens, {} uses", expected.len(), got.len());
}

/// A worker that is killed between reservation and commit holds the token for its lease, and no longer.
#[test]
fn r58_a_reservation_of_a_killed_worker_ends_with_its_lease() {
    let dir = Dir::new("r58-kill");
    let engine = Engine::open(shared(&dir.0).to_string().as_bytes()).unwrap();
    let token = engine.issue_one_time_token("p1").unwrap().token;
    std::fs::write(dir.0.join("tokens"), token.as_str()).unwrap();
    let mut worker = racer("die", &dir);
    wait_for(&dir.0.join("reserved"));
    worker.kill().unwrap();
    worker.wait().unwrap();
    let reserve = || engine.reserve_one_time_token("p1", token.as_str().as_bytes());
    let mut tries = 0;
    let ticket = loop {
        match reserve() {
            Ok(ticket) => break ticket,
            Err(held) => {
                assert_eq!(held.reason, Reason::IdempotencyUsed);
                assert!((1..=2001).contains(&held.retry_after_ms));
                std::thread::sleep(Duration::from_millis(held.retry_after_ms));
            }
        }
        tries += 1;
        assert!(tries < 10);
    };
    assert!(engine.commit_one_time_token(&ticket));
    assert_eq!(reserve().unwrap_err().retry_after_ms, 0);
}
