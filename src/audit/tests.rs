use super::*;
use crate::time::Millis;
use crate::verdict::{Reason, Verdict};

fn key() -> AuditKey {
    AuditKey::new(b"a secret of thirty-two bytes or more").unwrap()
}

fn record(verdict: &Verdict) -> Record<'_> {
    Record { at: Millis(1), trace_id: Some("t"), verdict, duration_us: Some(7), account: None, evidence: None }
}

const FORMS: [Form; 2] = [Form::Ndjson, Form::Binary];

fn open(form: Form, key: &AuditKey, out: &mut Vec<u8>) -> Chain {
    Chain::open_in(form, key, None, Retention::Bank, None, Millis(0), out).unwrap()
}

/// A chain of `count` records, as a log.
fn log(form: Form, count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chain = open(form, &key(), &mut out);
    let verdict = Verdict::of(Reason::Ok);
    for _ in 0..count {
        chain.write(&record(&verdict), &mut out);
    }
    chain.close(Millis(2), &mut out);
    out
}

/// The records of a log, lines without their ends.
fn split(mut log: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((record, rest)) = split_first(log) {
        records.push(record.to_vec());
        log = rest;
    }
    assert!(log.is_empty());
    records
}

fn records(form: Form, count: usize) -> Vec<Vec<u8>> {
    split(&log(form, count))
}

/// The first record that is refused, and why.
fn first_broken<'l>(records: impl IntoIterator<Item = &'l Vec<u8>>) -> Option<(usize, Broken)> {
    let mut verifier = Verifier::new(&key());
    records.into_iter().enumerate().find_map(|(at, line)| verifier.line(line).err().map(|broken| (at, broken)))
}

/// What is said of a log as it is read from a file: its first record that is refused, and whether it ends in a torn one.
fn read(mut log: &[u8]) -> Result<bool, (usize, Broken)> {
    let mut verifier = Verifier::new(&key());
    let mut at = 0;
    while let Some((record, rest)) = split_first(log) {
        verifier.line(record).map_err(|broken| (at, broken))?;
        (at, log) = (at + 1, rest);
    }
    verifier.end(log).map_err(|broken| (at, broken))
}

#[test]
fn every_changed_bit_is_found_in_its_record() {
    for form in FORMS {
        let good = log(form, 3);
        let records = split(&good);
        assert_eq!(records.len(), 5);
        assert_eq!(read(&good), Ok(false));
        let end_of_line = usize::from(form == Form::Ndjson);
        let mut start = 0;
        for (at, record) in records.iter().enumerate() {
            // The line end is one of the bytes; that of the last line as well.
            let end = start + record.len() + end_of_line;
            for bit in 8 * start..8 * end {
                let mut changed = good.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let (found, broken) = read(&changed).expect_err("found");
                assert_eq!(found, at, "{form:?}, bit {}: {broken}", bit - 8 * start);
            }
            start = end;
        }
        assert_eq!(start, good.len());
    }
}

#[test]
fn a_log_that_ends_anywhere_is_torn_and_not_tampered_with() {
    for form in FORMS {
        let good = log(form, 12);
        let mut whole = vec![0];
        let mut rest = good.as_slice();
        while let Some((_, after)) = split_first(rest) {
            whole.push(good.len() - after.len());
            rest = after;
        }
        for end in 0..=good.len() {
            // A line is whole without its end.
            let is_whole = whole.contains(&end) || (form == Form::Ndjson && whole.contains(&(end + 1)));
            assert_eq!(read(&good[..end]), Ok(!is_whole), "{form:?} {end}");
            if end == 0 || is_whole {
                continue;
            }
            // What is torn is the beginning of the record that comes next, and of no other.
            let at = whole.iter().rposition(|start| *start < end).unwrap();
            let torn = &good[whole[at]..end];
            let known = match form {
                Form::Ndjson => torn.windows(6).position(|w| w == b",\"at\":" || w == b",\"chai").is_some(),
                Form::Binary => torn.len() >= 24,
            };
            if at >= 2 && known {
                let again = [&good[..whole[at + 1]], torn].concat();
                let expected = Broken::Missing { expected: at as u64 + 1, found: at as u64 };
                let expected = if at == whole.len() - 2 { Broken::AfterClose } else { expected };
                assert_eq!(read(&again), Err((at + 1, expected)), "{form:?} {end}");
                assert_eq!(read(torn), Err((0, Broken::NotOpened)));
            }
        }
        // Something else than the beginning of a record.
        for end in
            [&b"x"[..], b"\0", b"{\"a\"", b"{\"w\":\"X", b"\xf5\x20", b"\xf5\x10\x05\0\0\0", b"\xf5\x10\x01\0\xfe\xff"]
        {
            assert_eq!(read(&[&good, end].concat()), Err((14, Broken::Form)), "{end:?}");
        }
    }
}

/// A length that was made longer takes the records behind into its own; the one in which that happens is named.
#[test]
fn a_length_that_reaches_over_the_end_is_no_torn_record() {
    let good = log(Form::Binary, 5);
    let mut starts = vec![0];
    starts.extend(split(&good).iter().scan(0, |end, record| {
        *end += record.len();
        Some(*end)
    }));
    for (at, start) in starts[..6].iter().enumerate() {
        let mut changed = good.clone();
        changed[start + 2..start + 4].copy_from_slice(&1000u16.to_le_bytes());
        changed[start + 4..start + 6].copy_from_slice(&(!1000u16).to_le_bytes());
        assert_eq!(read(&changed), Err((at, Broken::Form)));
    }
}

#[test]
fn what_is_missing_moved_doubled_or_put_in_is_found() {
    for form in FORMS {
        let good = records(form, 10);
        for at in 0..good.len() - 1 {
            let mut without = good.clone();
            without.remove(at);
            let broken =
                if at == 0 { Broken::NotOpened } else { Broken::Missing { expected: at as u64, found: at as u64 + 1 } };
            assert_eq!(first_broken(&without), Some((at, broken)));
            let mut swapped = good.clone();
            swapped.swap(at, at + 1);
            assert_eq!(first_broken(&swapped).unwrap().0, at);
            let mut doubled = good.clone();
            doubled.insert(at, good[at].clone());
            assert_eq!(first_broken(&doubled).unwrap().0, at + 1);
        }
        let mut more = good.clone();
        more.push(good[3].clone());
        assert_eq!(first_broken(&more), Some((12, Broken::AfterClose)));
        // Records of a chain under another key are somebody else's.
        let mut out = Vec::new();
        let other = AuditKey::new(b"another secret of thirty-two bytes..").unwrap();
        let _ = open(form, &other, &mut out);
        assert_eq!(Verifier::new(&key()).line(&split(&out)[0]), Err(Broken::Altered));
        // Of a chain in one form nothing goes into one in the other.
        let others = records(if form == Form::Binary { Form::Ndjson } else { Form::Binary }, 10);
        let mut mixed = good.clone();
        mixed[4] = others[4].clone();
        assert_eq!(first_broken(&mixed), Some((4, Broken::NotOpened)));
    }
    assert!(AuditKey::new(b"short").is_err());
    for line in [
        &b""[..],
        b"{}",
        b"\"}",
        b"{\"w\":\"0000000000000000\",\"seq\":00,\"link\":\"00000000000000000000000000000000\"}",
        b"\xf5",
        b"\xf5\x10\x03\0\xfc\xff",
    ] {
        assert_eq!(Verifier::new(&key()).line(line), Err(Broken::Form));
    }
}

#[test]
fn chains_in_both_forms_share_a_log_and_follow_one_another() {
    let mut out = Vec::new();
    let verdict = Verdict::of(Reason::Ok);
    let mut chains = FORMS.map(|form| open(form, &key(), &mut out));
    for turn in 0..20 {
        chains[turn % 3 % 2].write(&record(&verdict), &mut out);
    }
    let [line, frame] = chains;
    assert_eq!((line.form(), frame.form()), (Form::Ndjson, Form::Binary));
    let head = line.close(Millis(1), &mut out);
    let next = Chain::open_in(Form::Binary, &key(), None, Retention::App, Some(head), Millis(2), &mut out).unwrap();
    let next = next.rotate(Millis(3), &mut Vec::new(), &mut Vec::new()).unwrap();
    assert_eq!(next.form(), Form::Binary, "rotation keeps the form");
    assert_eq!(read(&out), Ok(false));
    let _ = frame;
}

#[test]
fn an_open_end_is_no_tampering_and_a_head_shows_what_was_cut_off() {
    for form in FORMS {
        let mut out = Vec::new();
        let mut chain = open(form, &key(), &mut out);
        let verdict = Verdict::of(Reason::Replayed);
        for _ in 0..5 {
            chain.write(&record(&verdict), &mut out);
        }
        let head = chain.head();
        let records = split(&out);
        for cut in 1..=records.len() {
            let mut verifier = Verifier::new(&key());
            for record in &records[..cut] {
                verifier.line(record).unwrap();
            }
            let (found, ending) = verifier.report().chains[0];
            assert_eq!(ending, Ending::Open);
            assert_eq!(found == head, cut == records.len());
        }
    }
}

/// A running hash over padded records takes two for one whose text has the padding in it.
#[test]
fn records_are_not_joined_by_any_bytes() {
    for form in FORMS {
        let good = records(form, 70);
        let link = if form == Form::Ndjson { 43 } else { 16 };
        for at in 1..good.len() - 1 {
            for last in [&b""[..], b",", b"\x80", b"\x80\0\0\0\0\0\0\0", b"\n", b"\",\"link\":\""] {
                let (first, next) = (&good[at], &good[at + 1]);
                let covered = &first[..first.len() - link];
                for first in [covered, first] {
                    let mut one = [first, last, next].concat();
                    if form == Form::Binary {
                        one.truncate(one.len() / 16 * 16);
                        let units = (one.len() / 16) as u16;
                        one[2..4].copy_from_slice(&units.to_le_bytes());
                        one[4..6].copy_from_slice(&(!units).to_le_bytes());
                    }
                    let mut joined = good.clone();
                    joined[at] = one;
                    joined.remove(at + 1);
                    assert_eq!(first_broken(&joined).unwrap().0, at);
                }
            }
        }
    }
}

/// What a record says as a line, and what `show` makes of its frame.
#[test]
fn frames_say_what_lines_say() {
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 20) as usize % below
    };
    let texts = [
        "",
        "t",
        "p10001",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "4bf92f3577b34da6a3ce929d0e0e473",
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "12345678901234567890123456789012",
        "call of 13812345678",
        "6222021234567890123",
        "a\"\\\n\u{1}\u{7f}",
        "张三丰 13812345678",
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
    ];
    let long: Vec<String> = vec!["x".repeat(254), "y7".repeat(128), "6222021234567890123".repeat(40), "é".repeat(3000)];
    let texts: Vec<&str> = texts.into_iter().chain(long.iter().map(String::as_str)).collect();
    let signatures = [vec![], vec![7u8; 64], vec![0xf5; 512]];
    let (mut frames, mut lines) = (Vec::new(), Vec::new());
    let (mut binary, mut json) = (open(Form::Binary, &key(), &mut frames), open(Form::Ndjson, &key(), &mut lines));
    for turn in 0..3000 {
        let mut verdict = Verdict::of(Reason::ALL[turn % Reason::ALL.len()]);
        let mut name = || texts[next(texts.len())];
        verdict.app_id = crate::verdict::Label::from_bytes_or_empty(name().as_bytes());
        verdict.api_id = crate::verdict::Label::from_bytes_or_empty(name().as_bytes());
        verdict.kid = crate::verdict::Label::from_bytes_or_empty(name().as_bytes());
        let (trace, account) = (name(), name());
        if next(3) == 0 {
            verdict.code = crate::verdict::Label::new(["", "0", "9999", "0123456789abcdef"][next(4)]).unwrap();
        }
        let evidence = Evidence { digest: [turn as u8; 32], signature: &signatures[next(3)] };
        let record = Record {
            at: Millis([i64::MIN, -1, 0, 1_700_000_000_000, i64::MAX][next(5)]),
            trace_id: (next(4) > 0).then_some(trace),
            verdict: &verdict,
            duration_us: [None, Some(0), Some(1200), Some(u32::MAX.into()), Some(1 << 32), Some(u64::MAX)][next(6)],
            account: (next(4) > 0).then_some(account),
            evidence: (next(3) == 0).then_some(evidence),
        };
        binary.write(&record, &mut frames);
        json.write(&record, &mut lines);
    }
    binary.close(Millis(9), &mut frames);
    json.close(Millis(9), &mut lines);
    assert_eq!(read(&frames), Ok(false));
    let (frames, lines) = (split(&frames), split(&lines));
    assert_eq!(frames.len(), lines.len());
    for (frame, line) in frames.iter().zip(&lines) {
        let mut shown = Vec::new();
        assert!(show(frame, &mut shown));
        // Members, their order and their spelling, between the place in the chain and the link.
        let content = |line: &[u8]| {
            let line = String::from_utf8(line.to_vec()).unwrap();
            let (_, rest) = line.split_once("\"seq\":").unwrap();
            let (content, _) = rest.rsplit_once(",\"link\":").unwrap();
            content.to_owned()
        };
        assert_eq!(content(&shown), content(line));
        let read: serde_json::Value = serde_json::from_slice(&shown).unwrap();
        assert_eq!(read["form"], "binary");
        let link: String = frame[frame.len() - 16..].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(read["link"], link);
        assert_eq!(Verifier::new(&key()).line(shown.trim_ascii_end()), Err(Broken::Form), "no line of a chain");
        let mut same = Vec::new();
        assert!(show(line, &mut same));
        assert_eq!(same.trim_ascii_end(), line);
    }
    let mut nothing = Vec::new();
    assert!(!show(b"\xf5\x10", &mut nothing) && nothing.is_empty());
}

/// Masks are put on before a record is written, in whichever form.
#[test]
fn no_digits_of_an_account_are_in_a_frame_or_a_line() {
    for form in FORMS {
        let mut out = Vec::new();
        let mut chain = open(form, &key(), &mut out);
        for reason in [Reason::UnknownApp, Reason::UnknownKey] {
            let mut verdict = Verdict::of(reason);
            let claimed = |text| crate::verdict::Label::new(text).unwrap();
            (verdict.app_id, verdict.kid) = (claimed("6222021234567890123"), claimed("13812345678"));
            verdict.api_id = crate::verdict::Label::new("tel 13812345678").unwrap();
            let trace = format!("for 6222 0212 3456 7890 123, {}", "6222021234567890123,".repeat(20));
            for trace_id in ["6222021234567890123", "62220212345678901234567890123456", trace.as_str()] {
                chain.write(
                    &Record { trace_id: Some(trace_id), account: Some("6222021234567890123"), ..record(&verdict) },
                    &mut out,
                );
            }
        }
        for needle in [&b"1234567"[..], b"12345678", b"3456 7890", b"12 3456", b"8123456"] {
            assert_eq!(memchr::memmem::find(&out, needle), None, "{form:?}");
        }
        // Nor as packed digits.
        assert_eq!(memchr::memmem::find(&out, &[0x12, 0x34, 0x56]), None);
        assert_eq!(read(&out), Ok(false));
    }
}

#[test]
#[cfg(feature = "ffi")]
fn a_record_taken_back_is_written_anew() {
    for form in FORMS {
        let mut out = Vec::new();
        let mut chain = open(form, &key(), &mut out);
        let verdict = Verdict::of(Reason::Ok);
        for turn in 0..4 {
            let (before, end) = (chain.head(), out.len());
            chain.write(&record(&verdict), &mut out);
            if turn % 2 == 0 {
                chain.rewind(before);
                out.truncate(end);
            }
        }
        let mut verifier = Verifier::new(&key());
        for record in split(&out) {
            verifier.line(&record).unwrap();
        }
        assert_eq!(verifier.report().chains, [(chain.head(), Ending::Open)]);
    }
}

#[test]
fn files_follow_one_another() {
    for form in FORMS {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut chain = open(form, &key(), &mut first);
        let verdict = Verdict::of(Reason::Ok);
        chain.write(&record(&verdict), &mut first);
        let mut chain = chain.rotate(Millis(1), &mut first, &mut second).unwrap();
        chain.write(&record(&verdict), &mut second);
        let (first, second) = (split(&first), split(&second));
        let all = |files: &[&[Vec<u8>]], partial| {
            let mut verifier = Verifier::new(&key());
            verifier.partial = partial;
            files.iter().copied().flatten().try_for_each(|record| verifier.line(record))
        };
        assert_eq!(all(&[&first, &second], false), Ok(()));
        assert_eq!(all(&[&second], false), Err(Broken::Discontinued));
        assert_eq!(all(&[&second], true), Ok(()));
        // A file before that was cut, even with the key's holder none the wiser at that point.
        assert_eq!(all(&[&first[..2], &second], true), Err(Broken::Discontinued));
    }
}

#[test]
fn personal_data_is_masked() {
    let masked = |kind, text: &str| {
        let mut out = String::new();
        mask(kind, text, &mut out);
        out
    };
    assert_eq!(masked(Masked::Account, "6222020000001234567"), "622202*********4567");
    assert_eq!(masked(Masked::Account, "1234567890123"), "*************", "too short to show ten of it");
    assert_eq!(masked(Masked::Phone, "13812345678"), "138****5678");
    assert_eq!(masked(Masked::Identity, "11010519491231002X"), "1****************X");
    assert_eq!(masked(Masked::Name, "张三丰"), "张**");
    assert_eq!(masked(Masked::Name, "张"), "*");
    let text = |text: &str| {
        let mut out = String::new();
        mask_text(text, &mut out);
        out
    };
    assert_eq!(text("order 20231114-77 ok"), "order 20231114-77 ok");
    assert_eq!(text("to 6222 0200 0000 1234 567."), "to 6222 0************* 567.");
    assert_eq!(text("tel13812345678,"), "tel138****5678,");
    assert_eq!(text("id 11010519491231002X."), "id 1****************X.");
    assert_eq!(text("110105194912310021"), "1****************1");
    assert_eq!(text(""), "");
    assert_eq!(text("é12345678901234é"), "é123456****1234é");
    // What is not looked at needs no mask, whatever stands where.
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut masked = 0;
    for _ in 0..200_000 {
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 33) as usize
        };
        let len = next() % 70;
        let sample: String =
            (0..len).map(|_| "0123456789013-01234567 5013/:9xé".chars().nth(next() % 32).unwrap()).collect();
        let changed = text(&sample) != sample;
        masked += usize::from(changed);
        assert!(mask::needs_mask(&sample) || !changed, "{sample}");
    }
    assert!(masked > 10_000);
    for plain in ["", "4bf92f3577b34da6a3ce929d0e0e4736", "1234567890", "2023111-77", "1234567890 a", "a-b c"] {
        assert!(!mask::needs_mask(plain), "{plain}");
    }
}
