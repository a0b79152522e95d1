//! The demonstration: requests made by an independent client, verdicts known by construction, judged by the command line.

use std::process::{Command, Output, Stdio};

fn verify(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["verify", "--config", "vectors/demo/config.json", "--now", "1700000000000"])
        .args(arguments)
        .output()
        .unwrap()
}

fn expected() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/demo/expected.ndjson")).unwrap()
}

#[track_caller]
fn assert_same_lines(got: &[u8], expected: &str) {
    let got = String::from_utf8(got.to_vec()).unwrap();
    for (number, (a, b)) in got.lines().zip(expected.lines()).enumerate() {
        assert_eq!(a, b, "line {}", number + 1);
    }
    assert_eq!(got.lines().count(), expected.lines().count());
}

#[test]
fn verdicts_are_the_expected_ones() {
    let output = verify(&["vectors/demo/requests.ndjson"]);
    assert_same_lines(&output.stdout, &expected());
    assert_eq!(output.status.code(), Some(0));
    let summary = String::from_utf8(output.stderr).unwrap();
    for reason in
        ["ok", "bad_signature", "replayed", "rate_limited", "timestamp_too_old", "timestamp_too_new", "unknown_app"]
    {
        assert!(
            summary.lines().any(|l| l.ends_with(&format!(" {reason}"))),
            "{reason} is not in the summary:\n{summary}"
        );
    }
}

#[test]
fn verdicts_do_not_depend_on_batch_and_threads() {
    for (batch, threads) in [("1", "1"), ("2", "3"), ("7", "2"), ("64", "4"), ("1000", "1"), ("65536", "2")] {
        let output = verify(&["--quiet", "--batch", batch, "--threads", threads, "vectors/demo/requests.ndjson"]);
        assert_same_lines(&output.stdout, &expected());
        assert!(output.stderr.is_empty(), "--quiet: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_backend_gives_the_same_verdicts() {
    for lanes in ["scalar", "avx2", "avx512"] {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("PORTCULLIS_LANES", lanes)
            .args(["verify", "--quiet", "--config", "vectors/demo/config.json", "--now", "1700000000000"])
            .arg("vectors/demo/requests.ndjson")
            .output()
            .unwrap();
        assert_same_lines(&output.stdout, &expected());
    }
}

fn verify_input(input: &[u8]) -> Output {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["verify", "--config", "vectors/demo/config.json", "--now", "1700000000000", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn a_bad_line_is_named_and_the_rest_is_judged() {
    let requests = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/demo/requests.ndjson")).unwrap();
    let first = requests.split(|b| *b == b'\n').next().unwrap();
    let mut input = b"{\"method\":\n\n".to_vec();
    input.extend_from_slice(first);
    input.extend_from_slice(b"\r\n\xff\xfe\nnull");
    let output = verify_input(&input);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<serde_json::Value> = output
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    let reasons: Vec<&str> = lines.iter().map(|l| l["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["malformed_request", "ok", "malformed_request", "malformed_request"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    for named in ["line 1: not JSON", "line 4: not UTF-8", "line 5: expected an object"] {
        assert!(errors.contains(named), "{named} in {errors}");
    }
}

#[test]
fn a_broken_document_loads_nothing_and_is_named() {
    let folder = std::env::temp_dir().join(format!("portcullis-broken-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("config.json");
    for (document, pointer) in [
        ("{", "/: not JSON"),
        (r#"{"version":2,"apps":[]}"#, "/version: "),
        (r#"{"version":1,"apps":[],"extra":1}"#, "/extra: unknown member"),
        (
            r#"{"version":1,"apps":[{"app_id":"a","status":"active","level":"A1","credentials":[{"alg":"md5","secret":"s"}]}]}"#,
            "/apps/0/credentials/0",
        ),
    ] {
        std::fs::write(&config, document).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["verify", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{document}");
        assert!(output.stdout.is_empty());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(pointer), "{document}: {message}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
