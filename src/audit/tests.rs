use super::*;
use crate::time::Millis;
use crate::verdict::{Reason, Verdict};

fn key() -> AuditKey {
    AuditKey::new(b"a secret of thirty-two bytes or more").unwrap()
}

fn record(verdict: &Verdict) -> Record<'_> {
    Record { at: Millis(1), trace_id: Some("t"), verdict, duration_us: Some(7), account: None, evidence: None }
}

/// A chain of `count` records, as lines.
fn lines(count: usize) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut chain = Chain::open(&key(), Retention::Bank, None, Millis(0), &mut out).unwrap();
    let verdict = Verdict::of(Reason::Ok);
    for _ in 0..count {
        chain.write(&record(&verdict), &mut out);
    }
    chain.close(Millis(2), &mut out);
    out.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The first line that is refused, and why.
fn first_broken<'l>(lines: impl IntoIterator<Item = &'l Vec<u8>>) -> Option<(usize, Broken)> {
    let mut verifier = Verifier::new(&key());
    lines.into_iter().enumerate().find_map(|(at, line)| verifier.line(line).err().map(|broken| (at, broken)))
}

#[test]
fn every_changed_bit_is_found_in_its_line() {
    let good = lines(3);
    assert_eq!(first_broken(&good), None);
    for at in 0..good.len() {
        for bit in 0..good[at].len() * 8 {
            let mut changed = good.clone();
            changed[at][bit / 8] ^= 1 << (bit % 8);
            let (found, broken) = first_broken(&changed).expect("found");
            assert_eq!(found, at, "bit {bit}: {broken}");
        }
    }
}

#[test]
fn what_is_missing_moved_doubled_or_put_in_is_found() {
    let good = lines(10);
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
    // Lines of a chain under another key are somebody else's.
    let mut out = Vec::new();
    let other = AuditKey::new(b"another secret of thirty-two bytes..").unwrap();
    let _ = Chain::open(&other, Retention::App, None, Millis(0), &mut out).unwrap();
    assert_eq!(Verifier::new(&key()).line(out.trim_ascii_end()), Err(Broken::Altered));
    assert!(AuditKey::new(b"short").is_err());
    for line in [
        &b""[..],
        b"{}",
        b"\"}",
        b"{\"w\":\"0000000000000000\",\"seq\":00,\"link\":\"00000000000000000000000000000000\"}",
    ] {
        assert_eq!(Verifier::new(&key()).line(line), Err(Broken::Form));
    }
}

#[test]
fn an_open_end_is_no_tampering_and_a_head_shows_what_was_cut_off() {
    let mut out = Vec::new();
    let mut chain = Chain::open(&key(), Retention::App, None, Millis(0), &mut out).unwrap();
    let verdict = Verdict::of(Reason::Replayed);
    for _ in 0..5 {
        chain.write(&record(&verdict), &mut out);
    }
    let head = chain.head();
    let lines: Vec<&[u8]> = out.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    for cut in 1..=lines.len() {
        let mut verifier = Verifier::new(&key());
        for line in &lines[..cut] {
            verifier.line(line).unwrap();
        }
        let (found, ending) = verifier.report().chains[0];
        assert_eq!(ending, Ending::Open);
        assert_eq!(found == head, cut == lines.len());
    }
}

/// A running hash over padded lines takes two lines for one whose text has the padding in it.
#[test]
fn lines_are_not_joined_by_any_bytes() {
    let good = lines(70);
    for at in 1..good.len() - 1 {
        for last in [&b""[..], b",", b"\x80", b"\x80\0\0\0\0\0\0\0", b"\n", b"\",\"link\":\""] {
            let (first, next) = (&good[at], &good[at + 1]);
            let covered = &first[..first.len() - 43];
            for first in [covered, first] {
                let mut joined = good.clone();
                joined[at] = [first, last, next].concat();
                joined.remove(at + 1);
                assert_eq!(first_broken(&joined).unwrap().0, at);
            }
        }
    }
}

#[test]
#[cfg(feature = "ffi")]
fn a_line_taken_back_is_written_anew() {
    let mut out = Vec::new();
    let mut chain = Chain::open(&key(), Retention::Bank, None, Millis(0), &mut out).unwrap();
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
    for line in out.trim_ascii_end().split(|b| *b == b'\n') {
        verifier.line(line).unwrap();
    }
    assert_eq!(verifier.report().chains, [(chain.head(), Ending::Open)]);
}

#[test]
fn files_follow_one_another() {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut chain = Chain::open(&key(), Retention::Bank, None, Millis(0), &mut first).unwrap();
    let verdict = Verdict::of(Reason::Ok);
    chain.write(&record(&verdict), &mut first);
    let mut chain = chain.rotate(Millis(1), &mut first, &mut second).unwrap();
    chain.write(&record(&verdict), &mut second);
    let all = |files: &[&Vec<u8>], partial| {
        let mut verifier = Verifier::new(&key());
        verifier.partial = partial;
        let lines: Vec<&[u8]> =
            files.iter().flat_map(|file| file.split(|b| *b == b'\n')).filter(|l| !l.is_empty()).collect();
        lines.into_iter().try_for_each(|line| verifier.line(line))
    };
    assert_eq!(all(&[&first, &second], false), Ok(()));
    assert_eq!(all(&[&second], false), Err(Broken::Discontinued));
    assert_eq!(all(&[&second], true), Ok(()));
    // A file before that was cut, even with the key's holder none the wiser at that point.
    let cut: Vec<u8> = first.split_inclusive(|b| *b == b'\n').take(2).flatten().copied().collect();
    assert_eq!(all(&[&cut, &second], true), Err(Broken::Discontinued));
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
