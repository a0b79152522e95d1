//! Requests stream: memory does not grow with their number. `PORTCULLIS_SLOW=1` streams a million.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Peak resident memory of `verify` in KiB while `count` requests go through it.
fn peak(count: usize) -> u64 {
    let root = env!("CARGO_MANIFEST_DIR");
    let requests = std::fs::read(format!("{root}/vectors/demo/requests.ndjson")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(root)
        .args(["verify", "--quiet", "--threads", "2", "--config", "vectors/demo/config.json", "--now", "1700000000000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let lines: Vec<&[u8]> = requests.split_inclusive(|b| *b == b'\n').collect();
        for line in lines.iter().cycle().take(count) {
            stdin.write_all(line).unwrap();
        }
    });
    let (mut seen, mut peak) = (0, 0);
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        assert!(line.unwrap().starts_with("{\"id\":\""));
        seen += 1;
        // The last readings come while the last verdicts are still on their way to us.
        if seen % 1000 == 0 {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let high = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
            peak = peak.max(high.map_or(0, |kib| kib.parse().unwrap()));
        }
    }
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(seen, count);
    peak
}

#[test]
fn memory_stays_as_it_is_while_requests_stream() {
    let slow = std::env::var_os("PORTCULLIS_SLOW").is_some();
    let few = peak(20_000);
    let many = peak(if slow { 1_000_000 } else { 200_000 });
    assert!(few > 1_000, "the reading of /proc works: {few} KiB");
    // Each request is 450 bytes and more, a verdict 250: kept, 180,000 more of them would take 120 MiB at least. What is allowed is for large pages,
    // which the kernel puts in the place of small ones when it finds the time (20 MiB were seen, on a loaded machine).
    assert!(many <= few + (64 << 10), "{few} KiB for 20,000 requests, {many} KiB for many more");
}
