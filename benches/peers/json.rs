//! From a JSON body of 512 bytes and 14 members to the sorted `name=value&…` string, beside what the fastest crates take for it.
//!
//! Ours reads the whole request by the profile `openapi` on top of that: the query with its signature, content type, fields and their
//! rules. The peers do the body alone: members of a JSON object with the texts of numbers and nested values as sent, sorted, joined.

#[path = "../../tests/documents/mod.rs"]
mod documents;
#[path = "../joined.rs"]
mod joined;

use crate::harness::Bench;
use documents::{Rng, payment};
use joined::{push, serde};
use portcullis::canon::{Alg, Profile, Scratch, builtin_document};
use portcullis::codec::doc::Document;
use portcullis::request::{Header, Request, Sizes};
use simd_json::{Buffers, Node, Tape};
use std::hint::black_box;

const COUNT: usize = 2048;

/// simd-json: its tape for names and strings, and its structural indexes for the text of everything else, which the tape does not keep.
struct Simd {
    buffers: Buffers,
    tape: Option<Tape<'static>>,
    /// It writes into its input.
    copy: Vec<u8>,
}

impl Simd {
    fn write(&mut self, body: &[u8], out: &mut Vec<u8>) {
        self.copy.clear();
        self.copy.extend_from_slice(body);
        let mut tape: Tape<'_> = self.tape.take().unwrap().reset();
        simd_json::fill_tape(&mut self.copy, &mut self.buffers, &mut tape).unwrap();
        let Some(Node::Object { len, .. }) = tape.0.first() else { panic!("an object") };
        let indexes = self.buffers.structural_indexes();
        let mut members: Vec<(&str, &[u8])> = Vec::with_capacity(16);
        // Indexes: `{`, then for each member its name, `:`, the value's first byte, what is nested in it, and `,` or `}`.
        let (mut index, mut node) = (1, 1);
        for _ in 0..*len {
            let Node::String(name) = tape.0[node] else { panic!("a name") };
            let start = indexes[index + 2] as usize;
            index += 3;
            node += 1;
            let value = match tape.0[node] {
                Node::String(text) => {
                    node += 1;
                    text.as_bytes()
                }
                Node::Static(_) => {
                    node += 1;
                    body[start..indexes[index] as usize].trim_ascii_end()
                }
                Node::Object { count, .. } | Node::Array { count, .. } => {
                    node += count + 1;
                    let mut depth = 1;
                    while depth > 0 {
                        match body[indexes[index] as usize] {
                            b'{' | b'[' => depth += 1,
                            b'}' | b']' => depth -= 1,
                            _ => {}
                        }
                        index += 1;
                    }
                    &body[start..=indexes[index - 1] as usize]
                }
            };
            members.push((name, value));
            index += 1;
        }
        members.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        assert!(members.windows(2).all(|two| two[0].0 != two[1].0));
        out.clear();
        for (name, value) in members {
            push(out, name.as_bytes(), value);
        }
        self.tape = Some(tape.reset());
    }
}

/// The rows of canonical strings over JSON.
pub fn rows(bench: &Bench) {
    const NAME: &str = "canon-json-512";
    if !bench.wants(NAME) {
        return;
    }
    // The documents' ids are longer than the guide allows.
    let document = builtin_document("openapi").unwrap().replace("\"max\": 32", "\"max\": 64");
    let profile = Profile::from_document(&Document::parse(document.as_bytes()).unwrap().root()).unwrap();
    let alg = Alg::from_name("hmac-sha256").unwrap();
    let mut rng = Rng(7);
    let bodies: Vec<Vec<u8>> = (0..COUNT).map(|_| payment(&mut rng, 512)).collect();
    let target = format!("/pay?sign={}", "0123456789abcdef".repeat(4));
    let headers = [Header { name: b"content-type", value: b"application/json; charset=utf-8" }];
    let (mut scratch, sizes, mut ours, mut theirs) = (Scratch::new(), Sizes::default(), Vec::new(), Vec::new());
    let mut simd = Simd { buffers: Buffers::new(1024), tape: Some(Tape(Vec::new())), copy: Vec::new() };
    let mut write = |body: &[u8], out: &mut Vec<u8>| {
        let request = Request { headers: &headers, ..Request::new(b"POST", target.as_bytes(), body) };
        let extract = profile.extract(&request, &mut scratch, &sizes).unwrap();
        out.clear();
        profile.write_message(&extract, &request, alg, out).unwrap();
    };
    for body in &bodies {
        write(body, &mut ours);
        // `hmac-sha256` of the guide signs no suffix: the strings are the same.
        serde(body, &mut theirs);
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(body));
        simd.write(body, &mut theirs);
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(body));
    }
    let mut each = |out: &mut Vec<u8>| {
        for body in &bodies {
            write(black_box(body), out);
            black_box(&*out);
        }
    };
    let mut out = Vec::new();
    bench.row(
        NAME,
        "serde_json",
        (COUNT, || each(&mut ours)),
        (COUNT, || {
            for body in &bodies {
                serde(black_box(body), &mut out);
                black_box(&out);
            }
        }),
    );
    bench.row(
        NAME,
        "simd-json",
        (COUNT, || each(&mut ours)),
        (COUNT, || {
            for body in &bodies {
                simd.write(black_box(body), &mut out);
                black_box(&out);
            }
        }),
    );
}
