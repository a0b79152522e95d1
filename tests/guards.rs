//! What guards beside signatures and nonces, through the public API: requests in flight, quotas, actions, deny lists, caps. Named after the rows
//! of the requirements that they show (JR/T 0185-2020, 7.3, 10.1.2, 10.2.1).

use md5::{Digest, Md5};
use portcullis::engine::{Engine, Options, Outcome, Subject, Worker};
use portcullis::request::Request;
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use std::fmt::Write as _;
use std::path::PathBuf;

const NOW: i64 = 1_700_000_000_000;

/// A document of two apps, `a` and `b`, with the given members in app `a` and at the top.
fn document(of_a: &str, top: &str) -> String {
    let app = |id: &str, more: &str| {
        format!(
            r#"{{"app_id":"{id}","profiles":["openapi"],"allow_weak":true,"credentials":[{{"kid":"k-{id}","alg":"md5","secret":"k3y"}},
            {{"kid":"l-{id}","alg":"md5","secret":"0ther"}}]{more}}}"#
        )
    };
    format!(r#"{{"version":1{top},"apps":[{},{}]}}"#, app("a", of_a), app("b", ""))
}

fn open(document: &str) -> Engine {
    let options = Options { now: Some(Millis(NOW)), closed_set: true, ..Options::default() };
    Engine::open_with(document.as_bytes(), &options).unwrap()
}

fn refused(document: &str) -> String {
    let options = Options { now: Some(Millis(NOW)), closed_set: true, ..Options::default() };
    Engine::open_with(document.as_bytes(), &options).err().expect("must be refused").to_string()
}

/// A signed target. The nonce names the request.
fn target(app: &str, nonce: u64, secret: &str) -> String {
    let text = format!("nonce=n{nonce}&partnerId={app}&timestamp={}", NOW / 1000);
    let digest = Md5::digest(format!("{text}&partnerKey={secret}"));
    let mut target = format!("/t?{text}&sign=");
    for byte in digest {
        let _ = write!(target, "{byte:02x}");
    }
    target
}

/// Sends requests with nonces that count up.
struct Client {
    worker: Worker,
    nonce: u64,
}

impl Client {
    fn new(engine: &Engine, first: u64) -> Self {
        Self { worker: engine.worker(), nonce: first }
    }

    fn send_as(&mut self, app: &str, secret: &str, ip: &str, at: i64) -> Verdict {
        self.nonce += 1;
        let target = target(app, self.nonce, secret);
        let request = Request {
            client_ip: Some(ip.parse().unwrap()),
            received_at: Some(Millis(at)),
            ..Request::new(b"GET", target.as_bytes(), b"")
        };
        self.worker.verify(&request)
    }

    fn send_at(&mut self, app: &str, at: i64) -> Verdict {
        self.send_as(app, "k3y", "203.0.113.7", at)
    }

    fn send(&mut self, app: &str) -> Reason {
        self.send_at(app, NOW).reason
    }
}

/// Judges the same requests in batches of several sizes, each on a new engine: the verdicts must be alike.
fn same_in_any_batch(document: &str, requests: &[(String, i64)]) -> Vec<Verdict> {
    let requests: Vec<Request<'_>> = requests
        .iter()
        .map(|(target, at)| Request {
            client_ip: Some("203.0.113.7".parse().unwrap()),
            received_at: Some(Millis(*at)),
            ..Request::new(b"GET", target.as_bytes(), b"")
        })
        .collect();
    let mut first: Option<Vec<Verdict>> = None;
    for batch in [1, 2, 7, 64, 1000] {
        let mut worker = open(document).worker();
        let mut verdicts = vec![Verdict::of(Reason::Internal); requests.len()];
        for (requests, verdicts) in requests.chunks(batch).zip(verdicts.chunks_mut(batch)) {
            worker.verify_batch(requests, verdicts);
        }
        for verdict in &mut verdicts {
            verdict.ticket = portcullis::verdict::Ticket::NONE;
        }
        match &first {
            None => first = Some(verdicts),
            Some(first) => assert_eq!(*first, verdicts, "batches of {batch}"),
        }
    }
    first.unwrap()
}

/// A worker keeps hashed keys of limits: apps whose keys fall on one place, and documents in which a number is another app's or limit's, count apart.
#[test]
fn apps_are_counted_apart_however_many_and_whatever_their_numbers() {
    let document = |apps: &[String], limits: [&str; 2]| {
        let limit = |name: &&str| {
            format!(r#"{{"name":"{name}","key":["app"],"rate":3,"per_ms":3600000,"burst":3,"action":"reject"}}"#)
        };
        let app = |id: &String| {
            format!(
                r#"{{"app_id":"{id}","profiles":["openapi"],"allow_weak":true,"limits":["{}"],"credentials":[{{"alg":"md5","secret":"k3y"}}]}}"#,
                limits[0]
            )
        };
        let (limits, apps): (Vec<_>, Vec<_>) = (limits.iter().map(limit).collect(), apps.iter().map(app).collect());
        format!(r#"{{"version":1,"limits":[{}],"apps":[{}]}}"#, limits.join(","), apps.join(","))
    };
    let apps: Vec<String> = (0..1100).map(|n| format!("app{n}")).collect();
    let engine = open(&document(&apps, ["one", "other"]));
    let mut client = Client::new(&engine, 0);
    let mut send = |apps: &[String], expected: Reason| {
        for at in [0, 512, 1024, 1, 513, 7, 583] {
            assert_eq!(client.send(&apps[at]), expected, "{at}");
        }
    };
    send(&apps, Reason::Ok);
    send(&apps, Reason::Ok);
    let mut turned = apps.clone();
    turned.reverse();
    engine.reload(document(&turned, ["one", "other"]).as_bytes()).unwrap();
    send(&apps, Reason::Ok);
    send(&apps, Reason::RateLimited);
    // The same number for the limit and the app, another limit by name.
    engine.reload(document(&apps, ["other", "one"]).as_bytes()).unwrap();
    send(&apps, Reason::Ok);
}

/// An app with a key pair has its nonces looked up before any signature is checked, and what was seen is not checked at all.
#[test]
fn a_replay_is_one_whether_it_is_seen_before_the_signatures_or_after_them() {
    // The generator of P-256, which is a point like any other.
    let pair = r#",{"kid":"p","alg":"ecdsa-p256-sha256","public_key_hex":"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"}"#;
    let secret = r#""secret":"0ther"}"#;
    let document = document("", "").replace(secret, &format!("{secret}{pair}"));
    let (mut requests, mut reasons) = (Vec::new(), Vec::new());
    for n in 0..60 {
        let (app, other) = if n % 3 == 0 { ("b", "a") } else { ("a", "b") };
        let mut ask = |target: String, reason| {
            requests.push((target, NOW));
            reasons.push(reason);
        };
        ask(target(app, n, "k3y"), Reason::Ok);
        if n % 2 == 0 {
            // Twice in a row, and, below, after many others.
            ask(target(app, n, "k3y"), Reason::Replayed);
        }
        if n % 5 == 0 {
            ask(target(app, n, "wrong"), Reason::Replayed);
            ask(target(app, 1000 + n, "wrong"), Reason::BadSignature);
            ask(target(app, 1000 + n, "0ther"), Reason::Ok);
        }
        if n % 7 == 0 {
            ask(target("c", n, "k3y"), Reason::UnknownApp);
            ask(target(other, n, "k3y"), Reason::Ok);
            ask(format!("{}&x=%", target(other, n, "k3y")), Reason::MalformedRequest);
        }
        if n >= 20 {
            ask(target(if (n - 20) % 3 == 0 { "b" } else { "a" }, n - 20, "k3y"), Reason::Replayed);
        }
    }
    let verdicts = same_in_any_batch(&document, &requests);
    let found: Vec<Reason> = verdicts.iter().map(|verdict| verdict.reason).collect();
    assert_eq!(found, reasons);
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("portcullis-guards-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    /// The member `state` with a region here.
    fn state(&self) -> String {
        format!(r#","state":{{"path":"{}","nonces":10000,"birth_rule":"off"}}"#, self.0.join("region").display())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const TWO: &str = r#","limits":[{"name":"two","key":["app"],"concurrency":2}]"#;

#[test]
fn r28_requests_in_flight_are_bounded_until_their_outcome_is_reported() {
    let engine = open(&document(r#","limits":["two"]"#, TWO));
    let mut client = Client::new(&engine, 0);
    let (one, two) = (client.send_at("a", NOW), client.send_at("a", NOW));
    assert_eq!((one.reason, two.reason), (Reason::Ok, Reason::Ok));
    assert_eq!(client.send("a"), Reason::ConcurrencyLimited);
    assert_eq!(client.send("b"), Reason::Ok, "an app without the limit");
    // The end of one makes room for one, however often it is reported, on whatever thread.
    let done: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| engine.done(&one.ticket, Outcome::Success))).collect();
        threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(done, 1);
    assert_eq!(client.send("a"), Reason::Ok);
    assert_eq!(client.send("a"), Reason::ConcurrencyLimited);
    // A nonce given back ends the request too.
    assert!(client.worker.release(&two.ticket));
    assert!(!client.worker.done(&two.ticket, Outcome::Failure), "it has ended");
    assert_eq!(client.send("a"), Reason::Ok);
    assert_eq!(client.send("a"), Reason::ConcurrencyLimited);
    assert!(!engine.done(&Verdict::of(Reason::Ok).ticket, Outcome::Success), "no ticket");
}

#[test]
fn r28_a_refused_request_is_not_in_flight() {
    let engine = open(&document(r#","limits":["two"]"#, TWO));
    let mut client = Client::new(&engine, 0);
    let target = target("a", 77, "k3y");
    let request = Request::new(b"GET", target.as_bytes(), b"");
    let mut verdicts = [Verdict::of(Reason::Internal); 8];
    // One accepted, seven replays: found at the commit, where they have been counted already.
    client.worker.verify_batch(&[request; 8], &mut verdicts);
    assert_eq!(verdicts.iter().filter(|v| v.reason == Reason::Replayed).count(), 7);
    assert_eq!(client.send_as("a", "wrong", "203.0.113.7", NOW).reason, Reason::BadSignature);
    assert_eq!(client.send("a"), Reason::Ok);
    assert_eq!(client.send("a"), Reason::ConcurrencyLimited);
}

#[test]
fn r28_workers_share_the_bound_and_one_that_closes_leaves_nothing_behind() {
    let dir = Dir::new("r28");
    let text = document(r#","limits":["two"]"#, &format!("{TWO}{}", dir.state()));
    let (here, there) = (open(&text), open(&text));
    let (mut one, mut two) = (Client::new(&here, 0), Client::new(&there, 1000));
    assert_eq!((one.send("a"), two.send("a")), (Reason::Ok, Reason::Ok));
    assert_eq!((one.send("a"), two.send("a")), (Reason::ConcurrencyLimited, Reason::ConcurrencyLimited));
    drop(two);
    assert_eq!(one.send("a"), Reason::Ok);
    assert_eq!(one.send("a"), Reason::ConcurrencyLimited);
}

#[test]
fn r28_too_many_concurrency_limits_for_one_request_are_refused_at_load() {
    let limits: Vec<String> = (0..5).map(|n| format!(r#"{{"name":"l{n}","key":["app"],"concurrency":2}}"#)).collect();
    let message =
        refused(&document(r#","limits":["l0","l1","l2","l3","l4"]"#, &format!(r#","limits":[{}]"#, limits.join(","))));
    assert!(
        message.starts_with("/limits:") && message.contains("5 limits") && message.contains("at most 4"),
        "{message}"
    );
    let four = document(r#","limits":["l0","l1","l2","l3"]"#, &format!(r#","limits":[{}]"#, limits.join(",")));
    let mut client = Client::new(&open(&four), 0);
    assert_eq!(
        [client.send("a"), client.send("a"), client.send("a")],
        [Reason::Ok, Reason::Ok, Reason::ConcurrencyLimited]
    );
}

#[test]
fn r30_alert_accepts_and_names_the_limit() {
    let limits = r#","limits":[{"name":"none","key":["app"],"rate":1000,"per_ms":1000},
        {"name":"soft","key":["app"],"rate":1,"per_ms":60000,"action":"alert"},
        {"name":"wide","key":["app"],"concurrency":3,"action":"alert"}]"#;
    let text = document(r#","limits":["none","soft","wide"]"#, limits);
    let engine = open(&text);
    let mut client = Client::new(&engine, 0);
    let first = client.send_at("a", NOW);
    assert_eq!((first.reason, first.alert), (Reason::Ok, None));
    let second = client.send_at("a", NOW);
    assert_eq!((second.reason, second.alert), (Reason::Ok, Some(1)), "the limit's place in the document");
    let later = client.send_at("a", NOW + 60_000);
    assert_eq!((later.reason, later.alert), (Reason::Ok, None), "the rate's time has come again");
    let fourth = client.send_at("a", NOW + 120_000);
    assert_eq!((fourth.reason, fourth.alert), (Reason::Ok, Some(2)), "four in flight, all counted");
    assert!(engine.done(&first.ticket, Outcome::Success) && engine.done(&second.ticket, Outcome::Success));
    assert_eq!(client.send_at("a", NOW + 180_000).alert, None);
    assert_eq!(client.send_at("b", NOW).alert, None);
    // A refusal is no alert.
    let bad = client.send_as("a", "wrong", "203.0.113.7", NOW + 180_000);
    assert_eq!((bad.reason, bad.alert), (Reason::BadSignature, None));
    let requests: Vec<_> = (0..40).map(|n| (target("a", n, "k3y"), NOW)).collect();
    let verdicts = same_in_any_batch(&text, &requests);
    assert!(verdicts[0].alert.is_none() && verdicts[1..].iter().all(|v| v.ok() && v.alert == Some(1)));
}

#[test]
fn r30_suspend_refuses_everything_under_the_key_for_its_time_in_every_process() {
    let dir = Dir::new("r30");
    let limits =
        r#","limits":[{"name":"hard","key":["app"],"rate":2,"per_ms":1000,"action":"suspend","suspend_ms":60000}]"#;
    let text = document(r#","limits":["hard"]"#, &format!("{limits}{}", dir.state()));
    let (here, there) = (open(&text), open(&text));
    let (mut one, mut two) = (Client::new(&here, 0), Client::new(&there, 1000));
    assert_eq!([one.send("a"), one.send("a")], [Reason::Ok; 2]);
    let exceeded = one.send_at("a", NOW);
    assert_eq!(
        (exceeded.reason, exceeded.retry_after_ms),
        (Reason::RateLimited, 60_000),
        "the limit's own reason, once"
    );
    let suspended = two.send_at("a", NOW + 10_000);
    assert_eq!((suspended.reason, suspended.retry_after_ms), (Reason::Suspended, 50_000));
    let last = two.send_at("a", NOW + 59_999);
    assert_eq!((last.reason, last.retry_after_ms), (Reason::Suspended, 1), "to the millisecond");
    assert_eq!(one.send_at("a", NOW + 60_000).reason, Reason::Ok);
    assert_eq!(one.send_at("b", NOW).reason, Reason::Ok);
}

#[test]
fn r30_reject_and_suspend_answer_alike_in_any_batch() {
    let limits = r#","limits":[{"name":"hard","key":["app"],"rate":3,"per_ms":1000,"action":"suspend","suspend_ms":500},
        {"name":"gate","key":["client_ip"],"rate":9,"per_ms":1000,"before_signature":true,"action":"suspend","suspend_ms":300},
        {"name":"two","key":["app"],"concurrency":8}]"#;
    let text = document(r#","limits":["hard","two"]"#, limits);
    let requests: Vec<_> = (0..300u64)
        .map(|n| {
            let secret = if n % 11 == 0 { "wrong" } else { "k3y" };
            (target(if n % 3 == 0 { "b" } else { "a" }, n / 5 * 4, secret), NOW + i64::try_from(n).unwrap() * 17)
        })
        .collect();
    let verdicts = same_in_any_batch(&text, &requests);
    for reason in [
        Reason::Ok,
        Reason::RateLimited,
        Reason::Suspended,
        Reason::Replayed,
        Reason::BadSignature,
        Reason::ConcurrencyLimited,
    ] {
        assert!(verdicts.iter().any(|v| v.reason == reason), "{reason} is not among them");
    }
}

#[test]
fn r31_a_limit_is_changed_while_it_is_in_force() {
    let dir = Dir::new("r31");
    let limits = r#","limits":[{"name":"rate","key":["app"],"rate":100,"per_ms":1000},{"name":"two","key":["app"],"concurrency":100}]"#;
    let text = document(r#","limits":["rate","two"]"#, &format!("{limits}{}", dir.state()));
    let (here, there) = (open(&text), open(&text));
    let mut client = Client::new(&there, 0);
    let passed = |client: &mut Client, at: i64| {
        (0..120)
            .filter(|_| {
                let verdict = client.send_at("a", at);
                client.worker.done(&verdict.ticket, Outcome::Success);
                verdict.ok()
            })
            .count()
    };
    assert_eq!(passed(&mut client, NOW), 100);
    here.override_limit("rate", 100, 60_000).unwrap();
    assert_eq!(passed(&mut client, NOW + 10_000), 10, "a tenth, in the other process");
    here.override_limit("rate", 0, 60_000).unwrap();
    assert_eq!(passed(&mut client, NOW + 20_000), 0);
    here.override_limit("rate", 1000, 0).unwrap();
    assert_eq!(passed(&mut client, NOW + 30_000), 100, "taken back");
    here.override_limit("rate", 100, 60_000).unwrap();
    assert_eq!(passed(&mut client, NOW + 60_000), 100, "its time is over");
    here.override_limit("two", 20, 300_000).unwrap();
    let verdicts: Vec<_> = (0..3).map(|_| client.send_at("a", NOW + 70_000).reason).collect();
    assert_eq!(verdicts, [Reason::Ok, Reason::Ok, Reason::ConcurrencyLimited]);
    let unknown = here.override_limit("nothing", 1, 1).unwrap_err().to_string();
    assert!(unknown.contains("no limit \"nothing\""), "{unknown}");
}

#[test]
fn r32_deny_lists_are_shared_immediate_and_come_first() {
    let dir = Dir::new("r32");
    let text = document("", &dir.state());
    let (here, there) = (open(&text), open(&text));
    let mut client = Client::new(&there, 0);
    assert_eq!(client.send("a"), Reason::Ok);
    here.deny(Subject::App("a"), 60_000).unwrap();
    assert!(there.is_denied(Subject::App("a")) && !there.is_denied(Subject::App("b")));
    assert_eq!((client.send("a"), client.send("b")), (Reason::Blacklisted, Reason::Ok));
    assert_eq!(client.send_as("a", "wrong", "203.0.113.7", NOW).reason, Reason::Blacklisted, "before the signature");
    assert_eq!(client.send_at("a", NOW + 60_001).reason, Reason::Ok, "for its time");
    here.allow(Subject::App("a")).unwrap();
    assert_eq!(client.send("a"), Reason::Ok);

    let address: std::net::IpAddr = "198.51.100.9".parse().unwrap();
    here.deny(Subject::Address(address), i64::MAX).unwrap();
    assert_eq!(client.send_as("a", "k3y", "198.51.100.9", NOW).reason, Reason::Blacklisted);
    assert_eq!(client.send_as("a", "k3y", "::ffff:198.51.100.9", NOW).reason, Reason::Blacklisted, "mapped");
    assert_eq!(client.send_as("a", "k3y", "198.51.100.10", NOW).reason, Reason::Ok);
    // Before anything is read: not even a request's form is looked at.
    let garbage = Request { client_ip: Some(address), ..Request::new(b"", b"\xff", b"") };
    assert_eq!(client.worker.verify(&garbage).reason, Reason::Blacklisted);

    here.deny(Subject::Key { app: "a", kid: "k-a" }, i64::MAX).unwrap();
    assert_eq!(client.send("a"), Reason::Blacklisted);
    assert_eq!(client.send_as("a", "0ther", "203.0.113.7", NOW).reason, Reason::Ok, "its other key");
    assert_eq!(client.send_as("a", "wrong", "203.0.113.7", NOW).reason, Reason::BadSignature);
    // Kept over restarts.
    drop((here, there));
    let mut client = Client::new(&open(&text), 5000);
    assert_eq!(client.send("a"), Reason::Blacklisted);
}

#[test]
fn r32_a_denied_request_takes_no_nonce() {
    let engine = open(&document("", ""));
    let mut worker = engine.worker();
    let target = target("a", 1, "k3y");
    let request = Request::new(b"GET", target.as_bytes(), b"");
    engine.deny(Subject::Key { app: "a", kid: "k-a" }, 1000).unwrap();
    assert_eq!(worker.verify(&request).reason, Reason::Blacklisted);
    engine.allow(Subject::Key { app: "a", kid: "k-a" }).unwrap();
    assert_eq!(worker.verify(&request).reason, Reason::Ok);
    assert_eq!(worker.verify(&request).reason, Reason::Replayed);
}

#[test]
fn r35_an_app_that_fills_its_share_of_the_nonces_leaves_others_untouched() {
    let text = document(r#","nonces":50"#, r#","state":{"nonces":1000}"#);
    let engine = open(&text);
    let mut client = Client::new(&engine, 0);
    let reasons: Vec<_> = (0..80).map(|_| client.send("a")).collect();
    assert!(
        reasons[..50].iter().all(|r| *r == Reason::Ok) && reasons[50..].iter().all(|r| *r == Reason::NonceStoreFull)
    );
    assert_eq!((0..900).filter(|_| client.send("b") == Reason::Ok).count(), 900);
    // What was admitted is still known.
    let again = target("a", 1, "k3y");
    assert_eq!(client.worker.verify(&Request::new(b"GET", again.as_bytes(), b"")).reason, Reason::Replayed);
    let message = refused(&document(r#","nonces":50"#, r#","state":{"capped_apps":0}"#));
    assert!(message.starts_with("/state/capped_apps:"), "{message}");
}

const DAY: i64 = 86_400_000;

#[test]
fn r29_quotas_count_by_the_calendar_and_say_when_they_begin_anew() {
    let limits = r#","limits":[{"name":"day","key":["app"],"quota":5,"window":"day","utc_offset_minutes":480},
        {"name":"second","key":["client_ip","path"],"quota":3,"window_ms":1000}]"#;
    let text = document(r#","limits":["day","second"]"#, limits);
    let mut client = Client::new(&open(&text), 0);
    // 06:13:20 of the next day in UTC+8, so 63,999 s and more before the end of the day there.
    let end = (NOW + 8 * 3_600_000) / DAY * DAY + DAY - 8 * 3_600_000;
    let reasons: Vec<_> = (0..4).map(|_| client.send_at("a", NOW)).collect();
    assert!(reasons[..3].iter().all(Verdict::ok));
    assert_eq!((reasons[3].reason, reasons[3].retry_after_ms), (Reason::RateLimited, 1000), "the second is over then");
    assert!(client.send_at("a", NOW + 1000).ok() && client.send_at("a", NOW + 1999).ok());
    let sixth = client.send_at("a", NOW + 2000);
    assert_eq!((sixth.reason, sixth.retry_after_ms), (Reason::RateLimited, (end - NOW - 2000) as u64));
    assert!(client.send_at("b", NOW + 2000).ok());
    let requests: Vec<_> = (0..60).map(|n| (target("a", n, "k3y"), NOW + n as i64 * 100)).collect();
    let verdicts = same_in_any_batch(&text, &requests);
    assert_eq!(verdicts.iter().filter(|v| v.ok()).count(), 5);
    // A refusal by the second limit gives back what the first took: three a second pass until the day's five are used.
    assert!(verdicts[10].ok() && verdicts[11].ok() && !verdicts[12].ok(), "two of the next second");
}

#[test]
fn r29_what_is_wrong_with_a_limit_is_named_by_its_place() {
    for (limit, pointer, message) in [
        (r#"{"name":"x","key":["app"],"quota":5}"#, "/limits/0/quota", "window"),
        (r#"{"name":"x","key":["app"],"quota":0,"window":"day"}"#, "/limits/0/quota", "from 1"),
        (r#"{"name":"x","key":["app"],"quota":5,"window":"year"}"#, "/limits/0/window", "day"),
        (
            r#"{"name":"x","key":["app"],"quota":5,"window":"day","window_ms":1}"#,
            "/limits/0/window_ms",
            "one of the two",
        ),
        (r#"{"name":"x","key":["app"],"quota":20000,"window_ms":1}"#, "/limits/0/quota", "16384"),
        (
            r#"{"name":"x","key":["app"],"quota":5,"window":"day","rate":1,"per_ms":1}"#,
            "/limits/0/quota",
            "one of the two",
        ),
        (r#"{"name":"x","key":["app"],"rate":1,"per_ms":1,"window":"day"}"#, "/limits/0/window", "beside"),
        (
            r#"{"name":"x","key":["app"],"quota":5,"window":"day","utc_offset_minutes":900}"#,
            "/limits/0/utc_offset_minutes",
            "840",
        ),
        (r#"{"name":"x","key":["app"],"distinct":5,"window":"day"}"#, "/limits/0", "of"),
        (r#"{"name":"x","key":["app"],"distinct":5,"of":"m"}"#, "/limits/0/distinct", "window"),
        (r#"{"name":"x","key":["app"],"rate":5,"per_ms":1,"of":"m"}"#, "/limits/0/of", "distinct"),
        (
            r#"{"name":"x","key":["path"],"distinct":5,"of":"m","window":"day","before_signature":true}"#,
            "/limits/0/before_signature",
            "after",
        ),
        (r#"{"name":"x","key":["app"]}"#, "/limits/0", "quota"),
    ] {
        let text = refused(&document("", &format!(r#","limits":[{limit}]"#)));
        assert!(text.starts_with(&format!("{pointer}:")) && text.contains(message), "{limit}: {text}");
    }
    for (breaker, pointer) in [
        ("{}", "/apis/0/breaker"),
        (r#"{"failures":0}"#, "/apis/0/breaker/failures"),
        (r#"{"failures":101}"#, "/apis/0/breaker/failures"),
        (r#"{"failures":50,"probes":0}"#, "/apis/0/breaker/probes"),
        (r#"{"failures":50,"odd":1}"#, "/apis/0/breaker/odd"),
    ] {
        let api =
            format!(r#","apis":[{{"api_id":"pay","method":"GET","path":"/t","level":"A1","breaker":{breaker}}}]"#);
        let text = refused(&document("", &api));
        assert!(text.starts_with(pointer), "{breaker}: {text}");
    }
}

#[test]
fn r33_a_service_that_keeps_failing_is_left_alone_and_probed() {
    let dir = Dir::new("r33");
    let apis = r#","apis":[{"api_id":"pay","method":"GET","path":"/t","level":"A1",
        "breaker":{"failures":50,"least":4,"window_ms":10000,"open_ms":5000}}]"#;
    let text = document(r#","allow_apis":["pay"]"#, &format!("{apis}{}", dir.state()));
    let at = |now: i64| {
        let options = Options { now: Some(Millis(now)), closed_set: true, ..Options::default() };
        Engine::open_with(text.as_bytes(), &options).unwrap()
    };
    let (here, later, last) = (at(NOW), at(NOW + 5_000), at(NOW + 10_001));
    let mut client = Client::new(&here, 0);
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Success] {
        let verdict = client.send_at("a", NOW);
        assert!(verdict.ok() && here.done(&verdict.ticket, outcome) && !here.done(&verdict.ticket, outcome));
    }
    let (unreported, fourth) = (client.send_at("a", NOW), client.send_at("a", NOW));
    assert!(here.done(&fourth.ticket, Outcome::Failure));
    let open = client.send_at("a", NOW);
    assert_eq!((open.reason, open.retry_after_ms), (Reason::CircuitOpen, 5_000));
    let mut elsewhere = Client::new(&later, 1000);
    assert_eq!(elsewhere.send_at("a", NOW + 4_999).reason, Reason::CircuitOpen, "in every process");
    // The same signed request may come again: it took no nonce.
    let again = target("a", client.nonce, "k3y");
    let request = Request { received_at: Some(Millis(NOW + 5_000)), ..Request::new(b"GET", again.as_bytes(), b"") };
    let probe = elsewhere.worker.verify(&request);
    assert!(probe.ok());
    assert_eq!(elsewhere.send_at("a", NOW + 5_000).reason, Reason::CircuitOpen, "one probe at a time");
    assert!(here.done(&unreported.ticket, Outcome::Success), "of a time gone by");
    assert_eq!(elsewhere.send_at("a", NOW + 5_000).reason, Reason::CircuitOpen);
    assert!(later.done(&probe.ticket, Outcome::Failure));
    let open = elsewhere.send_at("a", NOW + 5_001);
    assert_eq!((open.reason, open.retry_after_ms), (Reason::CircuitOpen, 4_999), "the probe failed");
    let mut third = Client::new(&last, 2000);
    let probe = third.send_at("a", NOW + 10_001);
    // A probe that reached nothing leaves its place to another.
    assert!(probe.ok() && third.worker.release(&probe.ticket));
    let probe = third.send_at("a", NOW + 10_001);
    assert!(probe.ok() && last.done(&probe.ticket, Outcome::Success));
    assert!((0..10).all(|_| third.send_at("a", NOW + 10_001).ok()), "closed");
}

#[test]
fn r34_unauthorised_and_impersonated_use_is_counted_by_app_and_by_address() {
    let dir = Dir::new("r34");
    let text = document("", &dir.state());
    let (here, there) = (open(&text), open(&text));
    let mut client = Client::new(&here, 0);
    let address: std::net::IpAddr = "198.51.100.9".parse().unwrap();
    for _ in 0..3 {
        client.send_as("a", "wrong", "198.51.100.9", NOW);
    }
    client.send_as("b", "wrong", "203.0.113.7", NOW);
    client.send_as("nobody", "wrong", "198.51.100.9", NOW);
    let again = target("a", 900, "k3y");
    for _ in 0..5 {
        let request = Request { client_ip: Some(address), ..Request::new(b"GET", again.as_bytes(), b"") };
        let _ = client.worker.verify(&request);
    }
    // Read in the other process. Order: unknown app, bad signature, replay, algorithm.
    assert_eq!(there.anomalies(Subject::App("a")).by_kind, [0, 3, 4, 0]);
    assert_eq!(there.anomalies(Subject::App("b")).by_kind, [0, 1, 0, 0]);
    assert_eq!(there.anomalies(Subject::Address(address)).by_kind, [1, 3, 4, 0]);
    assert_eq!(there.anomalies(Subject::App("nobody")).by_kind, [0; 4], "names of no app are not kept");
    assert_eq!(there.anomaly_totals(), [1, 4, 4, 0]);
    // An algorithm that the app does not have: its only keys are revoked or of another.
    let text = text
        .replace(r#""alg":"md5","secret":"k3y"}"#, r#""alg":"md5","secret":"k3y","not_after":"2020-01-01T00:00:00Z"}"#);
    let text = text.replace(r#""alg":"md5","secret":"0ther"}"#, r#""alg":"md5","secret":"0ther","status":"revoked"}"#);
    here.reload(text.as_bytes()).unwrap();
    assert_eq!(client.send("a"), Reason::KeyExpired, "an operator's matter, not an anomaly");
    assert_eq!(there.anomaly_totals(), [1, 4, 4, 0]);
    here.reload(text.replace("\"allow_weak\":true,", "").as_bytes()).unwrap_err();
}

#[test]
fn r39_distinct_objects_are_bounded_and_known_ones_may_be_asked_for_again() {
    let limits = r#","limits":[{"name":"phones","key":["app"],"distinct":50,"of":"mobile","window":"day"}]"#;
    let text = document(r#","limits":["phones"]"#, limits);
    let ask = |app: &str, phone: u64, nonce: u64| {
        let text = format!("mobile={phone}&nonce=n{nonce}&partnerId={app}&timestamp={}", NOW / 1000);
        let digest = Md5::digest(format!("{text}&partnerKey=k3y"));
        digest.iter().fold(format!("/t?{text}&sign="), |mut target, byte| {
            let _ = write!(target, "{byte:02x}");
            target
        })
    };
    let mut worker = open(&text).worker();
    let mut send = |app: &str, phone: u64, nonce: u64, at: i64| {
        let target = ask(app, phone, nonce);
        worker.verify(&Request { received_at: Some(Millis(at)), ..Request::new(b"GET", target.as_bytes(), b"") })
    };
    let passed: Vec<u64> = (0..500).filter(|phone| send("a", *phone, *phone, NOW).ok()).collect();
    // Stated error: 3.1 % of the estimate; of 450 that are new, few share a register that is taken.
    assert!((45..=85).contains(&passed.len()), "{}", passed.len());
    assert!(passed.iter().all(|phone| send("a", *phone, 1000 + phone, NOW).ok()), "known ones");
    let end = (NOW / DAY * DAY + DAY - NOW) as u64;
    let refused = (0..500).map(|phone| send("a", 9000 + phone, 5000 + phone, NOW)).find(|v| !v.ok()).unwrap();
    assert_eq!((refused.reason, refused.retry_after_ms), (Reason::RateLimited, end));
    assert!(send("b", 9999, 1, NOW).ok(), "an app without the limit");
}
