//! The six shapes against straightforward implementations, as the fuzz targets hold them, on texts made of what each has a meaning for.

#[path = "documents/mod.rs"]
mod documents;
#[path = "../fuzz/harness.rs"]
mod harness;
#[path = "../fuzz/shapes.rs"]
mod shapes;
#[path = "canon/straight.rs"]
mod straight;

use documents::Rng;
use harness::Words;

/// Of texts that are all refused nothing would be learned: at least one in eight must be taken.
fn try_all(seed: u64, (words, judge): (Words, fn(&str) -> bool)) {
    let rounds = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 1_000_000 } else { 20_000 };
    let (mut rng, mut taken) = (Rng(seed), 0);
    for _ in 0..rounds {
        let mut text = String::new();
        for (line, known) in words.iter().enumerate() {
            if line > 0 {
                text.push('\n');
            }
            // Now and then a word of another line.
            let any = words[rng.below(words.len())];
            for _ in 0..rng.below(4) {
                let known = if rng.below(64) == 0 { any } else { known };
                text += known[rng.below(known.len())];
            }
        }
        taken += usize::from(judge(&text));
    }
    println!("{taken} of {rounds} texts taken");
    assert!(taken * 8 > rounds, "{taken} of {rounds} texts taken");
}

#[test]
fn lines_agree() {
    try_all(1, shapes::LINES);
}

#[test]
fn canonical_requests_agree() {
    try_all(2, shapes::CANONICAL_REQUEST);
}

#[test]
fn lists_of_headers_agree() {
    try_all(3, shapes::HEADER_LIST);
}

#[test]
fn structured_fields_agree() {
    try_all(4, shapes::STRUCTURED_FIELDS);
}

#[test]
fn jws_agree() {
    try_all(5, shapes::JOSE);
}

#[test]
fn xml_agrees() {
    try_all(6, shapes::XML);
}
