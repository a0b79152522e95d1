//! Rows 21 to 25 and 61: the access record and its chain.

use crate::support::*;
use portcullis::audit::{
    AuditKey, Broken, Chain, Ending, Evidence, Form, Head, Masked, Record, Retention, Verifier, mask, mask_text, show,
    split_first,
};
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

const KEY: &str = "a secret for the audit chain of 32 bytes";

fn key() -> AuditKey {
    AuditKey::new(KEY.as_bytes()).unwrap()
}

fn record(verdict: &Verdict) -> Record<'_> {
    Record { at: Millis(NOW), trace_id: None, verdict, duration_us: None, account: None, evidence: None }
}

fn open(form: Form, out: &mut Vec<u8>) -> Chain {
    Chain::open_in(form, &key(), None, Retention::Bank, None, Millis(NOW), out).unwrap()
}

/// One record, read as JSON: the line, and the frame as it is shown, which say the same.
fn written(record: &Record<'_>) -> Value {
    let [line, frame] = [Form::Ndjson, Form::Binary].map(|form| {
        let mut out = Vec::new();
        let mut chain = open(form, &mut out);
        out.clear();
        chain.write(record, &mut out);
        let (one, rest) = split_first(&out).unwrap();
        assert!(rest.is_empty());
        let mut shown = Vec::new();
        assert!(show(one, &mut shown));
        assert!(shown.ends_with(b"}\n"));
        serde_json::from_slice::<Value>(&shown).unwrap()
    });
    let mut same = frame.as_object().unwrap().clone();
    assert_eq!(same.remove("form"), Some(json!("binary")));
    for (member, value) in line.as_object().unwrap() {
        let found = same.remove(member);
        assert!(found.as_ref() == Some(value) || ["w", "link"].contains(&member.as_str()), "{member}: {found:?}");
    }
    assert!(same.is_empty(), "{same:?}");
    line
}

/// Runs `portcullis audit verify` over the files.
fn verify(files: &[&std::path::Path]) -> (Option<i32>, String) {
    audit("verify", files)
}

fn audit(command: &str, files: &[&std::path::Path]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["audit", command])
        .args(files)
        .env("PORTCULLIS_AUDIT_KEY", KEY)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// `audit::Chain` writes for each verdict one record, a line of JSON or a frame with the same content, with serial number, App_ID, API_ID, duration, time and result.
#[test]
fn r21_a_record_has_serial_number_app_api_duration_time_and_result() {
    let document = crate::parties::two_levels();
    let mut worker = engine(&document).worker();
    let client = Client::new("p1");
    let accepted = client.call("/a1", None).verdict(&mut worker);
    let refused = client.call("/a2", None).verdict(&mut worker);
    let mut out = Vec::new();
    let mut chain = Chain::open(&key(), Retention::Bank, None, Millis(NOW), &mut out).unwrap();
    chain.write(&Record { duration_us: Some(1234), ..record(&accepted) }, &mut out);
    chain.write(&record(&refused), &mut out);
    let lines: Vec<Value> =
        out.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let (first, second) = (&lines[1], &lines[2]);
    assert_eq!((&first["seq"], &second["seq"]), (&json!(1), &json!(2)));
    assert_eq!(first["w"], second["w"]);
    assert_eq!((&first["app"], &first["api"], &first["kid"]), (&json!("p1"), &json!(A1_API), &json!("k1")));
    assert_eq!((&first["at"], &first["us"]), (&json!(NOW), &json!(1234)));
    assert_eq!((&first["reason"], &first["code"]), (&json!("ok"), &json!("0000")));
    assert_eq!((&second["reason"], &second["code"]), (&json!("level_too_low"), &json!("9997")));
    // What a client can put into a record stays inside its string.
    let mut odd = Verdict::of(Reason::UnknownApp);
    odd.app_id = portcullis::verdict::Label::new("x\",\"seq\":9,\n\"y").unwrap();
    assert_eq!(written(&record(&odd))["app"], "x\",\"seq\":9,\n\"y");
}

#[test]
fn a_frame_is_half_a_line() {
    let mut verdict = Verdict::of(Reason::Ok);
    verdict.app_id = portcullis::verdict::Label::new("p10001").unwrap();
    verdict.api_id = portcullis::verdict::Label::new("OP1023450201000100000100").unwrap();
    verdict.kid = portcullis::verdict::Label::new("2026").unwrap();
    let whole = Record {
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        duration_us: Some(1200),
        account: Some("6222021234567890123"),
        ..record(&verdict)
    };
    let [line, frame] = [Form::Ndjson, Form::Binary].map(|form| {
        let mut out = Vec::new();
        let mut chain = open(form, &mut out);
        out.clear();
        chain.write(&whole, &mut out);
        out.len()
    });
    assert_eq!((line, frame), (268, 128));
}

/// The account of a record keeps its first six and last four digits; what looks like an account, an identity or a telephone in any other text is
/// masked as well; addresses, names and bodies are not written at all.
#[test]
fn r22_no_personal_data_is_written() {
    let mut verdict = Verdict::of(Reason::Ok);
    verdict.app_id = portcullis::verdict::Label::new("p1").unwrap();
    let line = written(&Record {
        account: Some("6222020000001234567"),
        trace_id: Some("call of 13812345678 for 11010519491231002X from 6222 0200 0000 1234 567"),
        ..record(&verdict)
    });
    assert_eq!(line["account"], "622202*********4567");
    assert_eq!(line["trace"], "call of 138****5678 for 1****************X from 6222 0************* 567");
    assert_eq!(written(&Record { account: Some("12345"), ..record(&verdict) })["account"], "*****");
    // By rule, for what a gateway writes itself: accounts and cards, telephones, names, identity numbers.
    for (kind, text, expected) in [
        (Masked::Account, "6222020000001234567", "622202*********4567"),
        (Masked::Account, "4111111111111111", "411111******1111"),
        (Masked::Phone, "13812345678", "138****5678"),
        (Masked::Name, "张三丰", "张**"),
        (Masked::Name, "Li Lei", "L*****"),
        (Masked::Identity, "11010519491231002X", "1****************X"),
    ] {
        let mut masked = String::new();
        mask(kind, text, &mut masked);
        assert_eq!(masked, expected);
    }
    // By detector, wherever it stands, also in a name that a stranger claims.
    let mut masked = String::new();
    mask_text("card 4111-1111-1111-1111, id 110105194912310021, tel 13912345678, order 20231114", &mut masked);
    assert_eq!(masked, "card 4111-1*********1111, id 1****************1, tel 139****5678, order 20231114");
    let mut stranger = Verdict::of(Reason::UnknownApp);
    stranger.app_id = portcullis::verdict::Label::new("13812345678").unwrap();
    assert_eq!(written(&record(&stranger))["app"], "138****5678");
    let members: Vec<&String> = line.as_object().unwrap().keys().collect();
    let known = ["w", "seq", "at", "app", "api", "kid", "reason", "code", "trace", "account", "link"];
    assert!(members.iter().all(|member| known.contains(&member.as_str())), "{members:?}");
}

/// A log of `count` records over two files, each with its closing record.
fn log(dir: &Dir, form: Form, count: usize) -> [std::path::PathBuf; 2] {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let verdict = Verdict::of(Reason::Ok);
    let mut chain = open(form, &mut first);
    for _ in 0..count / 2 {
        chain.write(&record(&verdict), &mut first);
    }
    let mut chain = chain.rotate(Millis(NOW), &mut first, &mut second).unwrap();
    for _ in count / 2..count {
        chain.write(&record(&verdict), &mut second);
    }
    chain.close(Millis(NOW), &mut second);
    let files = [dir.0.join("1"), dir.0.join("2")];
    std::fs::write(&files[0], first).unwrap();
    std::fs::write(&files[1], second).unwrap();
    files
}

/// The records of a log, lines with their ends.
fn records(log: &[u8]) -> Vec<&[u8]> {
    let (mut all, mut rest) = (Vec::new(), log);
    while let Some((_, after)) = split_first(rest) {
        all.push(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    assert!(rest.is_empty());
    all
}

/// Every record carries a keyed link over the one before: `portcullis audit verify` names the first that was altered, deleted, doubled, moved or cut off,
/// over rotated files and in either form, which it recognises.
#[test]
fn r23_the_first_record_that_was_tampered_with_is_named() {
    for form in [Form::Ndjson, Form::Binary] {
        names_the_first(form);
    }
}

fn names_the_first(form: Form) {
    let dir = Dir::new("r23");
    let count = if form == Form::Ndjson { 100_000 } else { 20_000 };
    let [one, two] = log(&dir, form, count);
    let (code, said) = verify(&[&one, &two]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with(&format!("{} records in 2 chains are good; 0 chains end openly", count + 4)), "{said}");
    let good = std::fs::read(&two).unwrap();
    let starts: Vec<usize> = std::iter::once(0)
        .chain(records(&good).iter().scan(0, |end, record| {
            *end += record.len();
            Some(*end)
        }))
        .collect();
    let line = |n: usize| starts[n]..starts[n + 1];
    let mut random = crate::keys::Random(7);
    for turn in 0..16 {
        let at = 1 + random.below(starts.len() - 4);
        let mut bad = good.clone();
        let (what, expected) = match turn % 5 {
            0 => {
                let range = line(at);
                bad[range.start + random.below(range.len())] ^= 1 << random.below(8);
                ("altered", at)
            }
            1 => {
                bad.drain(line(at));
                ("deleted", at)
            }
            2 => {
                let copy = good[line(at)].to_vec();
                bad.splice(starts[at + 1]..starts[at + 1], copy);
                ("doubled", at + 1)
            }
            3 => {
                let swapped = [&good[line(at + 1)], &good[line(at)]].concat();
                bad.splice(starts[at]..starts[at + 2], swapped);
                ("moved", at)
            }
            _ => {
                bad.drain(..starts[at]);
                ("beginning cut off", 0)
            }
        };
        std::fs::write(&two, &bad).unwrap();
        let (code, said) = verify(&[&one, &two]);
        // A changed bit may make a line end of its own: then the first part is the line that is named.
        assert_eq!(code, Some(1), "{what} at {at}: {said}");
        assert!(said.starts_with(&format!("{}:{}: ", two.display(), expected + 1)), "{what} at {at}: {said}");
    }
    // The end cut off: the chain is not closed, and the file after it does not go on.
    let first = std::fs::read(&one).unwrap();
    let cut = first.len() - records(&first).last().unwrap().len();
    std::fs::write(&one, &first[..cut]).unwrap();
    std::fs::write(&two, &good).unwrap();
    let (code, said) = verify(&[&one, &two]);
    assert_eq!(code, Some(1));
    assert!(said.contains("2:1: the file that it goes on from is missing or was cut short"), "{said}");
    // Without the key nothing can be put in.
    let wrong = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["audit", "verify", two.to_str().unwrap()])
        .env("PORTCULLIS_AUDIT_KEY", KEY.to_uppercase())
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
}

/// The first record of a log that is refused, and why.
fn first_refused(verifier: &mut Verifier, log: &[u8]) -> Option<(usize, Broken)> {
    let (mut at, mut rest) = (0, log);
    while let Some((record, after)) = split_first(rest) {
        if let Err(broken) = verifier.line(record) {
            return Some((at, broken));
        }
        (at, rest) = (at + 1, after);
    }
    Some((at, verifier.end(rest).err()?))
}

/// Every one of 100,000 records is changed in a bit (in every one of its bits with `PORTCULLIS_SLOW=1`), taken out, doubled, exchanged with its neighbour, joined with it, put in from elsewhere and cut off, before and after: each time
/// its own line is the first that is refused; the end cut off is told by the closing line that is not there, and by the head that was kept elsewhere.
#[test]
fn r23_any_change_of_a_log_of_100_000_records_is_found_in_its_line() {
    any_change_is_found(Form::Ndjson);
}

/// The same for 100,000 records in the binary form.
#[test]
fn r23_any_change_of_a_log_of_100_000_binary_records_is_found_in_its_record() {
    any_change_is_found(Form::Binary);
}

fn any_change_is_found(form: Form) {
    let count = 100_000;
    let mut log = Vec::new();
    let mut chain = open(form, &mut log);
    let verdict = Verdict::of(Reason::Ok);
    for turn in 0..count {
        chain.write(&Record { duration_us: Some(turn), ..record(&verdict) }, &mut log);
    }
    let end = chain.close(Millis(NOW), &mut log);
    assert_eq!(first_refused(&mut Verifier::new(&key()), &log), None);
    let records = records(&log);
    assert_eq!(records.len() as u64, end.lines);
    // A record that is refused changes nothing in a verifier. So what it says of a changed log is what it says of the first changed record after the good ones before.
    let refuses = |verifier: &mut Verifier, changed: &[u8]| {
        let (at, broken) = first_refused(verifier, changed).expect("found");
        assert_eq!(at, 0, "{broken}: {}", String::from_utf8_lossy(changed));
        broken
    };
    // Where the link begins, counted from the end of the record.
    let link = if form == Form::Ndjson { 44 } else { 16 };
    let renumbered = |next: &[u8], at: usize| match form {
        Form::Ndjson => {
            let text = String::from_utf8(next.to_vec()).unwrap();
            text.replacen(&format!(":{},", at + 1), &format!(":{at},"), 1).into_bytes()
        }
        Form::Binary => [&next[..16], &(at as u64).to_le_bytes(), &next[24..]].concat(),
    };
    // Two frames as one, of their length.
    let one = |mut joined: Vec<u8>| {
        if form == Form::Binary {
            joined.truncate(joined.len() / 16 * 16);
            let units = (joined.len() / 16) as u16;
            joined[2..4].copy_from_slice(&units.to_le_bytes());
            joined[4..6].copy_from_slice(&(!units).to_le_bytes());
        }
        joined
    };
    let threads = 4;
    let tried: usize = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (records, refuses) = (&records, &refuses);
                scope.spawn(move || {
                    let mut random = crate::keys::Random(2300 + thread as u64);
                    let mut verifier = Verifier::new(&key());
                    let (mut tried, mut bad) = (0, Vec::new());
                    for (at, record) in records.iter().enumerate() {
                        let expected = at as u64;
                        let next = records.get(at + 1).copied().unwrap_or_default();
                        if at % threads == thread {
                            // One bit; every bit of 200 records, of all with PORTCULLIS_SLOW. The line end is one of the bytes: the next line is then part of this one.
                            let every = crate::keys::scale() > 1 || at % 2_000 == thread;
                            let first = if every { 0 } else { random.below(8 * record.len()) };
                            for bit in (first..8 * record.len()).take(if every { usize::MAX } else { 1 }) {
                                bad.clear();
                                bad.extend_from_slice(record);
                                bad[bit / 8] ^= 1 << (bit % 8);
                                bad.extend_from_slice(next);
                                refuses(&mut verifier, &bad);
                                tried += 1;
                            }
                            let cut = &record[..1 + random.below(record.len() - 2)];
                            if next.is_empty() {
                                // Cut off in its middle: that is no tampering, but an open end.
                                assert_eq!(verifier.end(cut), Ok(true));
                            } else {
                                // Taken out, or moved behind the next: the next comes in its place.
                                let broken = refuses(&mut verifier, next);
                                if at == 0 {
                                    assert_eq!(broken, Broken::NotOpened);
                                } else {
                                    assert_eq!(broken, Broken::Missing { expected, found: expected + 1 });
                                }
                                // The same with its number put right.
                                let renumbered = renumbered(next, at);
                                assert_ne!(next, renumbered);
                                refuses(&mut verifier, &renumbered);
                                // Two made one: the line end and all between them taken out, or the end of the first alone.
                                let joined = &record[..record.len() - link];
                                refuses(&mut verifier, &one([joined, next].concat()));
                                refuses(&mut verifier, &one([joined, b"\x80", next].concat()));
                                refuses(&mut verifier, &one([record.trim_ascii_end(), next].concat()));
                                // Cut off in its middle, and the log goes on.
                                refuses(&mut verifier, &[cut, next].concat());
                                tried += 6;
                            }
                            // Everything before it cut off.
                            if at > 0 {
                                assert_eq!(refuses(&mut Verifier::new(&key()), record), Broken::NotOpened);
                                tried += 1;
                            }
                        }
                        verifier.line(split_first(record).unwrap().0).unwrap();
                        if at % threads == thread {
                            let (head, ending) = verifier.report().chains[0];
                            if next.is_empty() {
                                assert_eq!((head, ending), (end, Ending::Closed));
                                assert_eq!(refuses(&mut verifier, record), Broken::AfterClose);
                            } else {
                                // Cut off after it.
                                assert_eq!((head.lines, ending), (expected + 1, Ending::Open));
                                assert_ne!(head, end);
                                let found = Broken::Missing { expected: expected + 1, found: expected };
                                assert_eq!(refuses(&mut verifier, record), found, "doubled");
                                if at > 0 {
                                    // An older one put in once more.
                                    refuses(&mut verifier, records[random.below(at)]);
                                }
                                tried += 3;
                            }
                        }
                    }
                    tried
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(tried > 10 * count as usize, "{tried}");
}

/// `Chain::seal` puts a signature over all lines so far into the log, by any algorithm, national ones with SM3: who does not have the secret of the links checks the
/// log by a public key, and who has that secret cannot change what was sealed.
#[test]
fn r23_seals_are_checked_without_the_secret_of_the_links() {
    for form in [Form::Ndjson, Form::Binary] {
        seals(form);
    }
}

fn seals(form: Form) {
    use portcullis::alg::{Algorithm, Key};
    for alg in
        [Algorithm::Sm2Sm3, Algorithm::Ed25519, Algorithm::RsaPkcs1Sha256, Algorithm::HmacSm3, Algorithm::HmacSha256]
    {
        let (signer, credential_of_it) = credential(alg);
        let public = || match signer.public_key() {
            Some(public) => Key::public(alg, &public, None).unwrap(),
            None => Key::secret(alg, SECRET.as_bytes()).unwrap(),
        };
        let make = |amount: u64| {
            let mut out = Vec::new();
            let mut chain =
                Chain::open_in(form, &key(), Some(alg), Retention::Bank, None, Millis(NOW), &mut out).unwrap();
            let verdict = Verdict::of(Reason::Ok);
            for turn in 0..20 {
                chain.write(&Record { duration_us: Some(amount), ..record(&verdict) }, &mut out);
                if turn % 8 == 7 {
                    chain.seal(&signer, Millis(NOW), &mut out).unwrap();
                }
            }
            (out, chain.head())
        };
        let (log, head) = make(1);
        let lines: Vec<&[u8]> = records(&log).iter().map(|record| split_first(record).unwrap().0).collect();
        for mut verifier in
            [Verifier::by_seals(public()), Verifier::new(&key()).with_seals(public()), Verifier::new(&key())]
        {
            for line in &lines {
                verifier.line(line).unwrap();
            }
            assert_eq!(verifier.report().chains, [(head, Ending::Open)]);
        }
        let by_seals = |lines: &[Vec<u8>]| {
            let mut verifier = Verifier::by_seals(public());
            let broken = lines.iter().enumerate().find_map(|(at, line)| Some((at, verifier.line(line).err()?)));
            (broken, verifier.sealed(head.chain))
        };
        let owned: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
        // Line 0 opens, 9 and 18 are seals, 19 to 22 come after the last.
        assert_eq!(by_seals(&owned), (None, 19), "{alg}");
        if let Some(pem) = credential_of_it["public_key_pem"].as_str() {
            // The same on the command line, where nobody has the secret of the links.
            let dir = Dir::new("r23-seals");
            let files = [dir.0.join("key.pem"), dir.0.join("log")];
            let run = |log: &[u8]| {
                std::fs::write(&files[0], pem).unwrap();
                std::fs::write(&files[1], log).unwrap();
                let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
                    .args(["audit", "verify", "--seal-alg", alg.name(), "--seal-key"])
                    .args(&files)
                    .env_remove("PORTCULLIS_AUDIT_KEY")
                    .output()
                    .unwrap();
                (output.status.code(), String::from_utf8(output.stdout).unwrap())
            };
            let (code, said) = run(&log);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("23 lines, 19 of them sealed, open"), "{said}");
            // The duration of the first record.
            let mut bad = log.clone();
            let duration = match form {
                Form::Ndjson => log.windows(7).position(|window| window == b"\"us\":1,").unwrap() + 5,
                Form::Binary => lines[0].len() + 32,
            };
            bad[duration] += 1;
            let (code, said) = run(&bad);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("log:10: a seal that does not fit the lines before it"), "{said}");
        }
        for at in [0, 1, 5, 8, 9, 10, 17, 18] {
            let mut bad = owned.clone();
            // In the link's name of a line; in the time of a frame, whose link nobody can check here.
            let place = if form == Form::Ndjson { bad[at].len() - 40 } else { 30 };
            bad[at][place] ^= 1;
            let (broken, _) = by_seals(&bad);
            let (found, _) = broken.unwrap_or_else(|| panic!("{alg}: line {at}"));
            let seal = if at <= 9 { 9 } else { 18 };
            assert!(found == at || found == seal, "{alg}: line {at} found at {found}");
        }
        let mut without = owned.clone();
        without.remove(5);
        assert_eq!(by_seals(&without).0, Some((5, Broken::Missing { expected: 5, found: 6 })));
        // The holder of the links' secret writes the log anew, and cannot seal it: the seals of the first log do not fit.
        let (other, _) = make(2);
        let forged: Vec<Vec<u8>> =
            records(&other).iter().map(|record| split_first(record).unwrap().0.to_vec()).collect();
        let (another, _) = credential(alg);
        if let Some(public) = another.public_key() {
            let mut verifier = Verifier::new(&key()).with_seals(Key::public(alg, &public, None).unwrap());
            let broken = forged.iter().enumerate().find_map(|(at, line)| Some((at, verifier.line(line).err()?)));
            assert_eq!(broken, Some((9, Broken::Seal)), "another's seals");
        }
    }
    let mut out = Vec::new();
    let (signer, _) = credential(Algorithm::Ed25519);
    let mut chain = open(form, &mut out);
    assert!(chain.seal(&signer, Millis(NOW), &mut out).is_err(), "not opened for seals");
    for weak in [Algorithm::Md5, Algorithm::RsaPkcs1Sha1] {
        let opened = Chain::open_in(form, &key(), Some(weak), Retention::Bank, None, Millis(NOW), &mut out);
        assert!(opened.is_err(), "{weak}");
        assert!(Chain::open_sealed(&key(), weak, Retention::Bank, None, Millis(NOW), &mut out).is_err(), "{weak}");
    }
}

const ROLE: &str = "PORTCULLIS_RULES_WRITER";
const BINARY: &str = "PORTCULLIS_RULES_BINARY";

/// What a worker that is killed does; nothing unless it was started as one.
#[test]
fn a_writer() {
    use std::io::Write;
    let Ok(path) = std::env::var(ROLE) else { return };
    let mut file = std::fs::File::create(path).unwrap();
    let mut out = Vec::new();
    let form = if std::env::var_os(BINARY).is_some() { Form::Binary } else { Form::Ndjson };
    let mut chain = open(form, &mut out);
    let verdict = Verdict::of(Reason::Ok);
    loop {
        file.write_all(&out).unwrap();
        out.clear();
        for _ in 0..100 {
            chain.write(&record(&verdict), &mut out);
        }
    }
}

/// A worker that is killed leaves an open end, perhaps a torn record: the verifier says so, and does not call it tampering.
#[test]
fn r23_the_log_of_a_killed_worker_is_good_up_to_its_open_end() {
    for form in [Form::Ndjson, Form::Binary] {
        let dir = Dir::new("r23-kill");
        let path = dir.0.join("log");
        let mut writer = Command::new(std::env::current_exe().unwrap());
        writer.args(["audit::a_writer", "--exact"]).env(ROLE, &path).stdout(Stdio::null());
        if form == Form::Binary {
            writer.env(BINARY, "1");
        }
        let mut writer = writer.spawn().unwrap();
        while std::fs::metadata(&path).map_or(0, |meta| meta.len()) < 100_000 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let (code, said) = verify(&[&path]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("1 chains end openly"), "{said}");
        let mut torn = std::fs::read(&path).unwrap();
        let mut rest = torn.as_slice();
        let mut whole = 0;
        while let Some((_, after)) = split_first(rest) {
            whole = torn.len() - after.len();
            rest = after;
        }
        torn.truncate(whole - 20);
        std::fs::write(&path, &torn).unwrap();
        let (code, said) = verify(&[&path]);
        assert_eq!(code, Some(0));
        assert!(said.contains("a torn record at the end"), "{said}");
        let (code, said) = audit("show", &[&path]);
        assert_eq!(code, Some(0));
        let first: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        assert_eq!((&first["chain"], &first["seq"]), (&json!("open"), &json!(0)));
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.len() > 300);
        for (at, line) in lines.iter().enumerate().skip(1) {
            let record: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&record["seq"], &record["reason"]), (&json!(at), &json!("ok")));
        }
    }
}

/// The line that opens a chain says until when its records must be kept: 184 days on the app's side, 366 on the bank's, or as many as are given.
#[test]
fn r24_records_say_how_long_they_are_kept() {
    for (retention, days) in [(Retention::App, 184), (Retention::Bank, 366), (Retention::Days(1825), 1825)] {
        let mut out = Vec::new();
        let _ = Chain::open(&key(), retention, None, Millis(NOW), &mut out).unwrap();
        let line: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(line["keep_until"], json!(NOW + days * 86_400_000));
        assert_eq!(line["chain"], "open");
    }
}

/// `Worker::evidence` gives the digest of what was signed, and the signature; with the key's id they stand in the record, under its link.
#[test]
fn r25_a_record_can_hold_the_evidence_of_what_was_signed() {
    use portcullis::alg::Algorithm;
    let (signing, public) = credential(Algorithm::Sm2Sm3);
    let document = with(&document(), "/apps/0/credentials", json!([with(&public, "/kid", json!("sm2-1"))]));
    let mut worker = engine(&document).worker();
    let call = Client::with_key("p1", Algorithm::Sm2Sm3, signing).call("/pay", Some(json!({ "amount": "1" })));
    let verdict = call.verdict(&mut worker);
    assert_eq!(verdict.reason, Reason::Ok);
    let mut signature = Vec::new();
    let evidence: Evidence<'_> = call.lend(NOW, |request| worker.evidence(request, &verdict, &mut signature)).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &call.text);
    assert_eq!(evidence.digest, digest.as_ref());
    let line = written(&Record { evidence: Some(evidence), ..record(&verdict) });
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((&line["signed_sha256"], &line["kid"]), (&json!(hex), &json!("sm2-1")));
    let target = String::from_utf8(call.draft.target.clone()).unwrap();
    let sent = target.split("sign=").nth(1).unwrap().replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    assert_eq!(line["signature"], json!(sent));
    let refused = Verdict::of(Reason::BadSignature);
    assert!(call.lend(NOW, |request| worker.evidence(request, &refused, &mut signature).is_none()));
}

/// The gateway's trace number comes with the request (`trace_id`) and goes into the record, so that request, verdict and answer are found together.
#[test]
fn r61_a_record_carries_the_trace_number() {
    let verdict = Verdict::of(Reason::Ok);
    assert_eq!(written(&Record { trace_id: Some("req-7f3a"), ..record(&verdict) })["trace"], "req-7f3a");
    // As W3C's Trace Context writes it: what looks like a telephone's number in one of eight of them is none.
    let number = "4bf92f3577b34da6a13812345678def1";
    assert_eq!(written(&Record { trace_id: Some(number), ..record(&verdict) })["trace"], number);
    assert_eq!(
        written(&Record { trace_id: Some("13812345678"), ..record(&verdict) })["trace"],
        "138****5678",
        "no trace number"
    );
    assert_eq!(written(&record(&verdict)).get("trace"), None);
    let mut line = br#"{"method":"GET","target":"/","trace_id":"req-7f3a"}"#.to_vec();
    let mut parser = portcullis::ndjson::Parser::new();
    assert_eq!(parser.parse(&mut line).unwrap().request().trace_id, Some("req-7f3a"));
    let mut out = Vec::new();
    let chain = Chain::open(&key(), Retention::App, None, Millis(NOW), &mut out).unwrap();
    let head: Head = chain.head();
    assert_eq!(head.lines, 1, "where the chain stands can be kept elsewhere");
}
