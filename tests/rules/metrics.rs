//! Row 36: counters in shared memory.

use crate::support::*;
use portcullis::engine::Outcome;
use portcullis::metrics::Metrics;
use portcullis::verdict::Reason;
use serde_json::json;
use std::process::Command;

/// Verdicts by reason, outcomes and a histogram of durations, counted in shared memory without a lock; `portcullis metrics STATE` and
/// `Engine::metrics` give them as Prometheus reads them.
#[test]
fn r36_duration_volume_and_success_are_counted_over_all_workers() {
    let dir = Dir::new("r36");
    let path = dir.0.join("region");
    let document = with(&document(), "/state", json!({ "path": path, "birth_rule": "off" }));
    let (one, two) = (engine(&document), engine(&document));
    let client = Client::new("p1");
    for engine in [&one, &two] {
        let mut worker = engine.worker();
        for turn in 0..10 {
            let call = client.call("/pay?a=1", None);
            let verdict = call.verdict(&mut worker);
            assert_eq!(verdict.reason, Reason::Ok);
            assert!(
                worker.done(&verdict.ticket, if turn == 0 { Outcome::Failure } else { Outcome::Success }) || turn < 10
            );
            worker.observe(1 << turn);
            if turn < 3 {
                assert_eq!(call.verdict(&mut worker).reason, Reason::Replayed);
            }
        }
        let forged = client.call("/pay?a=1", None).target(|t| t.replace("a=1", "a=2"));
        assert_eq!(forged.verdict(&mut worker).reason, Reason::BadSignature);
    }
    let read = Metrics::of_file(&path).unwrap();
    for (reason, count) in [(Reason::Ok, 20), (Reason::Replayed, 6), (Reason::BadSignature, 2), (Reason::Internal, 0)] {
        assert_eq!(read.verdicts(reason), count, "{reason}");
        assert_eq!(one.metrics().verdicts(reason), count, "{reason}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("metrics").arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "portcullis_verdicts_total{reason=\"ok\"} 20",
        "portcullis_verdicts_total{reason=\"replayed\"} 6",
        "portcullis_duration_seconds_bucket{le=\"0.000001\"} 2",
        "portcullis_duration_seconds_bucket{le=\"0.000002\"} 4",
        "portcullis_duration_seconds_bucket{le=\"0.000512\"} 20",
        "portcullis_duration_seconds_bucket{le=\"+Inf\"} 20",
        "portcullis_duration_seconds_sum 0.002046",
        "portcullis_duration_seconds_count 20",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let none = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("metrics").arg(dir.0.join("none")).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}
