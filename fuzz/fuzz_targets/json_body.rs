//! JSON bodies: every backend gives the same, and what serde_json and simd-json give.
#![no_main]

#[path = "../../tests/documents/mod.rs"]
mod documents;

use documents::oracle;
use libfuzzer_sys::fuzz_target;
use portcullis::lanes::Cpu;
use portcullis::request::{ParamError, Params, Sizes};
use simd_json::Node;
use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<Params>> = RefCell::new(Cpu::variants().into_iter().map(Params::with_cpu).collect());
}

/// Name, decoded value and value as sent.
type Members = Vec<(String, String, String)>;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what was taken is UTF-8")
}

fn members(params: &mut Params, body: &[u8], sizes: &Sizes) -> Result<Members, ParamError> {
    params.clear();
    params.parse_json(body, sizes)?;
    let view = params.view(b"", body);
    let members: Members =
        (0..view.len()).map(|i| (text(view.name(i)), text(view.value(i)), text(view.raw(i)))).collect();
    // The order, and whether a name is there twice.
    let mut order: Vec<u32> = (0..members.len() as u32).collect();
    order.sort_by(|&a, &b| members[a as usize].0.as_bytes().cmp(members[b as usize].0.as_bytes()));
    let twice = order.windows(2).any(|two| members[two[0] as usize].0 == members[two[1] as usize].0);
    assert_eq!(params.sort(b"", body).is_err(), twice);
    assert_eq!(params.view(b"", body).sorted(), order);
    Ok(members)
}

/// Names and text values, as simd-json decodes them; nothing where it refuses.
fn simd_json_members(body: &[u8]) -> Option<Vec<(String, Option<String>)>> {
    let mut copy = body.to_vec();
    let tape = simd_json::to_tape(&mut copy).ok()?;
    let Some(&Node::Object { len, .. }) = tape.0.first() else { return None };
    let mut at = 1;
    let mut members = Vec::new();
    for _ in 0..len {
        let Node::String(name) = tape.0[at] else { panic!("a name is a string") };
        let (value, nodes) = match tape.0[at + 1] {
            Node::String(value) => (Some(value.to_owned()), 1),
            Node::Object { count, .. } | Node::Array { count, .. } => (None, count + 1),
            Node::Static(_) => (None, 1),
        };
        members.push((name.to_owned(), value));
        at += 1 + nodes;
    }
    Some(members)
}

fuzz_target!(|body: &[u8]| {
    let sizes = Sizes { depth: 128, params: 1 << 20, ..Sizes::default() };
    SCRATCH.with_borrow_mut(|scratch| {
        let results: Vec<_> = scratch.iter_mut().map(|params| members(params, body, &sizes)).collect();
        assert!(results.windows(2).all(|two| two[0] == two[1]), "backends differ: {results:?}");
        let ours = &results[0];
        assert_eq!(ours.as_ref().ok(), oracle(body).as_ref(), "serde_json differs");
        // simd-json refuses some numbers that it cannot hold, so it may refuse more; what it takes, we take.
        if let Some(theirs) = simd_json_members(body) {
            match ours {
                Ok(ours) => {
                    let ours = ours
                        .iter()
                        .map(|(name, value, raw)| (name.clone(), raw.starts_with('"').then(|| value.clone())));
                    assert_eq!(ours.collect::<Vec<_>>(), theirs, "simd-json differs");
                }
                Err(ParamError::TooDeep { .. }) => {}
                Err(error) => panic!("simd-json takes what we refuse: {error}"),
            }
        }
    });
});
