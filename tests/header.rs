//! `include/portcullis.h` is what the source says: made anew and compared. `PORTCULLIS_BLESS=1 cargo test --test header` writes it.

use portcullis::verdict::Reason;
use std::fmt::Write as _;

fn header() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let config = cbindgen::Config::from_file(format!("{root}/cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["types.rs", "calls.rs", "queue.rs", "tokens.rs", "signing.rs", "reports.rs"] {
        builder = builder.with_src(format!("{root}/src/ffi/{file}"));
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    let text = String::from_utf8(text).unwrap();
    // The reasons are a table of the library's; their numbers go into the header from it.
    let mut reasons = String::from(
        "/* Why a request was accepted or refused: `reason` of a verdict. Numbers are never reused. */\nenum portcullis_reason {\n",
    );
    for reason in Reason::ALL {
        let name = reason.name().to_uppercase();
        writeln!(reasons, "  /* {} */\n  PORTCULLIS_REASON_{name} = {},", reason.meaning(), *reason as u16).unwrap();
    }
    reasons.push_str("};\n\n");
    let at = text.find("#ifdef __cplusplus\nextern \"C\"").expect("the functions' block");
    format!("{}{reasons}{}", &text[..at], &text[at..])
}

#[test]
fn the_header_is_what_the_source_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/include/portcullis.h");
    let made = header();
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == made,
        "include/portcullis.h is not what src/ffi says: PORTCULLIS_BLESS=1 cargo test --test header"
    );
}

#[test]
fn every_function_says_its_threads_its_results_and_an_example() {
    let text = header();
    let functions = &text[text.find("extern \"C\" {").unwrap()..];
    let mut said = String::new();
    let mut count = 0;
    for line in functions.lines() {
        if let Some(comment) = line.strip_prefix("//") {
            said.push_str(comment);
            said.push('\n');
        } else if line.contains("portcullis_") && line.contains('(') && !line.starts_with(' ') {
            for word in ["Threads:", "Results:", "Example:"] {
                assert!(said.contains(word), "{line} does not say its {word}");
            }
            count += 1;
            said.clear();
        } else if line.is_empty() {
            said.clear();
        }
    }
    assert!(count >= 35, "{count} functions");
}
