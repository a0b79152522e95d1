//! JSON bodies against serde_json, on plausible and hostile documents of many classes, with every backend.

mod documents;

use documents::{CLASSES, Rng, document, oracle, payment};
use portcullis::lanes::Cpu;
use portcullis::request::{Kind, ParamError, Params, Sizes, View};

/// serde_json reads a value of 127 levels and no more, which makes 128 with the outermost object: the same here, to compare refusals as well.
fn sizes() -> Sizes {
    Sizes { depth: 128, ..Sizes::default() }
}

fn times(count: usize) -> usize {
    if std::env::var_os("PORTCULLIS_SLOW").is_some() { count * 40 } else { count }
}

fn members(view: View<'_>) -> Vec<(String, String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (0..view.len()).map(|i| (text(view.name(i)), text(view.value(i)), text(view.raw(i)))).collect()
}

/// Holds what `params` make of `body` against the oracle; says whether the body was taken.
fn agrees(params: &mut Params, body: &[u8], context: &str) -> bool {
    let show = || format!("{context}: {}", String::from_utf8_lossy(body));
    params.clear();
    let parsed = params.parse_json(body, &sizes());
    let expected = oracle(body);
    assert_eq!(parsed.is_ok(), expected.is_some(), "{parsed:?}, {}", show());
    let Some(expected) = expected else {
        assert!(params.is_empty());
        return false;
    };
    let sorted = params.sort(b"", body);
    let view = params.view(b"", body);
    assert_eq!(members(view), expected, "{}", show());
    for (i, (_, _, raw)) in expected.iter().enumerate() {
        let kind = match raw.as_bytes()[0] {
            b'"' => Kind::Text,
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'n' => Kind::Null,
            b't' | b'f' => Kind::Bool,
            _ => Kind::Number,
        };
        assert_eq!(view.kind(i), kind, "{}", show());
    }
    let mut order: Vec<u32> = (0..expected.len() as u32).collect();
    order.sort_by(|&a, &b| expected[a as usize].0.as_bytes().cmp(expected[b as usize].0.as_bytes()));
    assert_eq!(view.sorted(), order, "{}", show());
    let twice = order.windows(2).any(|two| expected[two[0] as usize].0 == expected[two[1] as usize].0);
    assert_eq!(matches!(sorted, Err(ParamError::Duplicate { .. })), twice, "{}", show());
    for (i, (name, _, _)) in expected.iter().enumerate() {
        let first = expected.iter().position(|(other, _, _)| other == name);
        assert_eq!(view.find(name.as_bytes()), first, "{} of {}", i, show());
    }
    !twice
}

#[test]
fn documents_of_every_class_are_read_as_serde_json_reads_them() {
    let mut scratch: Vec<Params> = Cpu::variants().into_iter().map(Params::with_cpu).collect();
    let mut rng = Rng(20);
    let mut taken = 0;
    let count = times(25 * CLASSES.len() * 24);
    for turn in 0..count {
        let class = &CLASSES[turn % CLASSES.len()];
        let body = document(&mut rng, class);
        let verdicts: Vec<bool> = scratch.iter_mut().map(|params| agrees(params, &body, class.0)).collect();
        taken += usize::from(verdicts[0]);
    }
    // Both verdicts are met often enough to mean something.
    assert!(taken > count / 5 && taken < count * 4 / 5, "{taken} of {count} taken");
    println!("{count} documents, {taken} taken");
}

#[test]
fn payments_cut_anywhere_are_refused_and_whole_ones_taken() {
    let mut params = Params::new();
    let mut rng = Rng(21);
    for _ in 0..times(20) {
        let body = payment(&mut rng, 512);
        assert!(agrees(&mut params, &body, "payment"));
        for end in 0..body.len() {
            assert!(!agrees(&mut params, &body[..end], "cut payment"));
        }
    }
}

#[test]
fn every_byte_in_every_place_of_a_small_document() {
    let mut params = Params::new();
    for text in [r#"{"a":"\u00e9\n","b":[1.5e+7,{"c":null}]}"#, "{\"付\":true , \"\":-0}"] {
        for at in 0..text.len() {
            for byte in 0..=255 {
                let mut body = text.as_bytes().to_vec();
                body[at] = byte;
                agrees(&mut params, &body, "one byte changed");
            }
        }
    }
}

#[test]
fn strings_meet_block_borders_everywhere() {
    for cpu in Cpu::variants() {
        let mut params = Params::with_cpu(cpu);
        for before in 0..130 {
            for inside in ["", "\\\"", "\\\\", "\\u4ed8", "\\ud83d\\ude00", "付", "\n", "\\"] {
                for after in [0, 1, 62, 63, 64, 65] {
                    let body = format!("{{\"{}\":\"{inside}{}\"}}", "n".repeat(before), "v".repeat(after));
                    agrees(&mut params, body.as_bytes(), "border");
                }
            }
        }
    }
}

#[test]
fn ten_thousand_members_that_share_long_prefixes_are_sorted() {
    let sizes = Sizes { params: 10_000, ..Sizes::default() };
    for prefix in [0, 3, 8, 64, 300] {
        let names: Vec<String> =
            (0..10_000).map(|i| format!("{}{}", "p".repeat(prefix), (i * 7919) % 10_007)).collect();
        let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":0")).collect();
        let body = format!("{{{}}}", members.join(","));
        for cpu in Cpu::variants() {
            let mut params = Params::with_cpu(cpu);
            params.parse_json(body.as_bytes(), &sizes).unwrap();
            params.sort(b"", body.as_bytes()).unwrap();
            let view = params.view(b"", body.as_bytes());
            assert!(view.sorted().windows(2).all(|two| view.name(two[0] as usize) < view.name(two[1] as usize)));
            assert_eq!(view.sorted().len(), 10_000);
        }
    }
}
