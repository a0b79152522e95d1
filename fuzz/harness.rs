//! What the targets of the signing schemes share: a request out of the fuzzer's text, judged by a profile and by the straightforward one.
#![allow(dead_code)] // Each target takes its part.

use crate::straight::Sent;
use portcullis::canon::{Alg, Profile, Scratch, builtin};
use portcullis::request::{Header, Request, Sizes};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// The first `N` lines of the text; those that are not there are empty. The last one is what remains.
pub fn pieces<const N: usize>(text: &str) -> [&str; N] {
    let mut lines = text.splitn(N, '\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}

/// The text, or what stands for none.
pub fn or(text: &str, other: &str) -> String {
    if text.is_empty() { other } else { text }.to_owned()
}

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}

/// What the profile takes, the straightforward one takes, and for the same string to sign. Whether it was taken.
pub fn judge(name: &str, alg: &str, sent: &Sent, straight: impl FnOnce(&Sent) -> Option<String>) -> bool {
    judge_by(&builtin(name).expect("built in"), alg, sent, straight)
}

pub fn judge_by(profile: &Profile, alg: &str, sent: &Sent, straight: impl FnOnce(&Sent) -> Option<String>) -> bool {
    let headers: Vec<Header> =
        sent.headers.iter().map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() }).collect();
    let request = Request {
        headers: &headers,
        scheme: Some(b"https"),
        ..Request::new(sent.method.as_bytes(), sent.target.as_bytes(), sent.body.as_bytes())
    };
    let sizes = Sizes::default();
    if request.check(&sizes).is_err() {
        return false;
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let Ok(extract) = profile.extract(&request, scratch, &sizes) else { return false };
        let (mut out, mut signature) = (Vec::new(), Vec::new());
        let alg = Alg::from_name(alg).expect("an algorithm");
        let written = profile.write_message(&extract, &request, alg, &mut out);
        for (text, _) in extract.signatures() {
            _ = profile.decode_signature(text, alg, &mut signature);
        }
        if written.is_some() {
            let expected = straight(sent).expect("taken, but not by the straightforward one");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
        written.is_some()
    })
}

/// For each line of a target's text the words that have a meaning there.
pub type Words = &'static [&'static [&'static str]];

/// The fuzzer's bytes as a text: those above ASCII are words of their line, the rest stands for itself.
pub fn words(bytes: &[u8], of: Words) -> String {
    let (mut text, mut line) = (String::new(), 0);
    for byte in bytes {
        match *byte {
            byte @ 0x80.. => {
                let known = of.get(line).or(of.last()).copied().unwrap_or_default();
                text += known.get(usize::from(byte & 0x7f) % known.len().max(1)).copied().unwrap_or_default();
            }
            byte => {
                text.push(char::from(byte));
                line += usize::from(byte == b'\n');
            }
        }
    }
    text
}

/// A target's turn. How many inputs were taken is said on standard error where `FUZZ_SHARE` asks for it.
pub fn target(bytes: &[u8], (of, judge): (Words, fn(&str) -> bool)) {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    static ALL: AtomicU64 = AtomicU64::new(0);
    let taken = TAKEN.fetch_add(u64::from(judge(&words(bytes, of))), Relaxed);
    let all = ALL.fetch_add(1, Relaxed) + 1;
    if all.is_multiple_of(1 << 18) && std::env::var_os("FUZZ_SHARE").is_some() {
        eprintln!("{taken} of {all} inputs taken");
    }
}
