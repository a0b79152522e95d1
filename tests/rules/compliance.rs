//! `COMPLIANCE.md`, made from the tests of rows, wherever they are under `tests`: which row of the requirements is enforced how, and by which test it is shown.
//! `PORTCULLIS_BLESS=1 cargo test --test rules` writes it anew.

use portcullis::verdict::Reason;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The rows: number, source, requirement. J: JR/T 0185-2020; O: the open-API guide; C: an order API's integration guide; F: an overview of
/// financial APIs; A: an overview of API security with cases of breaches.
#[rustfmt::skip]
const ROWS: &[(u32, &str, &str)] = &[
    (1, "J 7.2.1a1, 9.2.1", "App identity: App_ID with a secret, a certificate, a key pair, or a combination"),
    (2, "J 7.2.1a2, 9.2.1b2", "A2 interfaces: certificate or key pair, on both sides"),
    (3, "J 7.2.2, 9.2.2, 9.3.3", "A1: a MAC at least; A2: a digital signature"),
    (4, "J 7.2.2; O 4.3", "Both sides sign; a response may carry its signature"),
    (5, "J 7.1", "National cryptography"),
    (6, "J 9.2.2; O 5.3", "TLS 1.2 or later"),
    (7, "J 9.2.1a2", "App_IDs are managed in one place, with their states"),
    (8, "J 9.2.1a1", "Uploaded public keys are registered"),
    (9, "J 7.3.4", "Keys for encryption and for signing are kept apart"),
    (10, "J 7.3.4", "Keys are valid for a time by the API's level, and renewed"),
    (11, "J 7.3.4, 9.3.5", "No keys in code or local configuration"),
    (12, "J 9.4", "On exit, credentials are voided and kept for reference"),
    (13, "J 9.2.1b3", "Tokens live as briefly as possible"),
    (14, "J 9.2.1b4", "Tokens can be dropped at once"),
    (15, "J 7.3.1, 9.3.2; C; F", "Least privilege by party, App_ID, API and user"),
    (16, "J 9.3.2", "Authorisation once, for a time, or for the contract"),
    (17, "J 9.3.2", "The user's consent, while it is valid"),
    (18, "J 9.3.2", "The user can switch a service off"),
    (19, "J 7.2.2; C", "Versions and formats of parameters are checked"),
    (20, "J App. B, 12.1", "U_API_ID"),
    (21, "J 7.3.3, 12.3", "Access record: serial number, App_ID, API_ID, duration, time, result"),
    (22, "J 7.3.3, 7.2.2; C", "Account numbers masked in logs; no other personal data there"),
    (23, "J 12.3", "Logs cannot be altered, deleted or overwritten unseen"),
    (24, "J 9.3.4, 10.1.1", "Records are kept for six months (app side) or a year (bank)"),
    (25, "J 12.3, 9.3.3", "The request's text is kept as evidence where needed"),
    (26, "J 7.2.2", "Sensitive data is cleared after use"),
    (27, "J 7.1; C", "Errors tell nothing internal"),
    (28, "J 10.1.2", "Greatest number of requests at once"),
    (29, "J 10.1.2; O 2.4; C; F", "Greatest number of calls in a time"),
    (30, "J 10.1.2", "Beyond a limit: alert, suspend or reject"),
    (31, "J 10.2.1; C", "Abnormal business is throttled"),
    (32, "J 10.1.2", "Blacklist"),
    (33, "J 10.1.2; C", "Circuit breaking on failures"),
    (34, "J 10.1.2", "Unauthorised and impersonated use is noticed"),
    (35, "J 10.1.2", "Faults of one app stay with it"),
    (36, "J 10.1.1", "Metrics: duration, volume, success rate"),
    (37, "J 11", "A retired API says that its service has ended"),
    (38, "J 7.1, 10.3", "Changes are controlled"),
    (39, "A", "Enumeration of objects is held off"),
    (40, "A; J 7.3.2", "Replay, tampering and injection are held off"),
    (41, "O 2.1", "The secret is never sent"),
    (42, "O 2.1", "Timestamps are bounded"),
    (43, "O 2.1", "Nonces do not repeat"),
    (44, "O 5", "Lengths and types of the fields"),
    (45, "O 4.4, 2.3", "Form, signature and token come before business"),
    (46, "O 2.2", "List of client addresses: exact, no wildcards"),
    (47, "O 4.1", "All parameters are signed but the signature, files and empty ones"),
    (48, "O 4.1", "No spaces around names and values"),
    (49, "O 4.1", "Ascending order of ASCII"),
    (50, "O 2.1, 5", "Pairs joined by &; the MD5 form appends the key"),
    (51, "O 2.1", "The string may be URL-encoded before it is signed"),
    (52, "O 4.1", "RSA2: SHA256withRSA, 2,048 bits or more, base64"),
    (53, "O 4.2", "POST: the signature URL-encoded in the query, the rest a JSON body"),
    (54, "O 5", "GET for the token: everything in the query"),
    (55, "O 5.3", "Authorization: access token"),
    (56, "O 5", "Tokens of 40 characters, 3,600 seconds by default"),
    (57, "O end", "After a refresh old and new tokens are good for five minutes"),
    (58, "O 3", "One-time tokens for calls that must not happen twice"),
    (59, "O 5", "Return codes 0000 and 9991 to 9999"),
    (60, "O 2.3, 4.1", "Encrypted fields: AES/CBC/PKCS5 under a key wrapped for each request"),
    (61, "O 4.4", "Request and response log with a trace number"),
    (62, "C; F", "API keys for departments; roles"),
];

/// A test of a row.
#[derive(PartialEq, Debug)]
struct Test {
    row: u32,
    name: String,
    /// Its documentation.
    words: String,
    /// The reasons that its text names, but that of acceptance.
    reasons: Vec<Reason>,
}

/// The tests of a file.
fn tests_of(text: &str) -> Vec<Test> {
    let (mut found, mut words) = (Vec::<Test>::new(), Vec::new());
    let mut inside = false;
    for line in text.lines() {
        if let Some(doc) = line.strip_prefix("/// ") {
            words.push(doc.trim());
        } else if let Some(name) = line.strip_prefix("fn r").and_then(|rest| rest.split('(').next()) {
            if let Some(row) = name.get(..2).and_then(|digits| digits.parse().ok())
                && name.as_bytes().get(2) == Some(&b'_')
            {
                found.push(Test { row, name: format!("r{name}"), words: words.join(" "), reasons: Vec::new() });
                inside = true;
            }
            words.clear();
        } else if !line.starts_with("#[") {
            words.clear();
        }
        inside &= line != "}";
        if let (true, Some(test)) = (inside, found.last_mut()) {
            // `Reason::ApiRetired` and the like: the variant is the name that `Debug` gives.
            for rest in line.split("Reason::").skip(1) {
                let variant: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                let reason = Reason::ALL.iter().copied().find(|reason| format!("{reason:?}") == variant);
                // `Internal` stands where a verdict is still to come.
                let said = reason.filter(|reason| !matches!(reason, Reason::Ok | Reason::Internal));
                test.reasons.extend(said.filter(|reason| !test.reasons.contains(reason)));
            }
        }
    }
    found
}

fn rust_files(directory: &std::path::Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// All tests of rows, by row.
fn all() -> BTreeMap<u32, Vec<Test>> {
    let mut by_row: BTreeMap<u32, Vec<Test>> = BTreeMap::new();
    let mut files = Vec::new();
    rust_files(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests")), &mut files);
    // The tests of this directory first: they were written for the page.
    files.sort_by_key(|path| (!path.starts_with(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rules")), path.clone()));
    for file in files {
        for mut test in tests_of(&std::fs::read_to_string(&file).unwrap()) {
            if test.words.is_empty() {
                // The name is a sentence.
                test.words = test.name.get(4..).unwrap_or_default().replace('_', " ") + ".";
                test.words.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
            }
            assert!(ROWS.iter().any(|(number, _, _)| *number == test.row), "{}: no such row", test.name);
            by_row.entry(test.row).or_default().push(test);
        }
    }
    by_row
}

fn page() -> (String, usize) {
    let by_row = all();
    let mut page = String::from(
        "<!-- Made from the tests by `PORTCULLIS_BLESS=1 cargo test --test rules`; do not edit. -->\n\n# Compliance\n\n\
         Each row is a requirement of JR/T 0185-2020 (J, by clause), of the open-API design guide (O, by section) or of the overviews used \
         with them (C, F, A). Its tests drive it through the public API: `cargo test r07_` runs those of row 7. *Refused as*: the reasons that they assert; \
         what is wrong in a document is refused when it is read, with its place, and has none.\n\n",
    );
    let open = ROWS.iter().filter(|(number, _, _)| !by_row.contains_key(number)).count();
    let _ = writeln!(page, "{} of {} rows have tests; the others are not claimed.\n", ROWS.len() - open, ROWS.len());
    page.push_str(
        "| row | source | requirement | how it is enforced | refused as | tests |\n|---|---|---|---|---|---|\n",
    );
    for (number, source, requirement) in ROWS {
        let tests = by_row.get(number).map(Vec::as_slice).unwrap_or_default();
        let words: Vec<String> = tests.iter().map(|test| test.words.replace('|', "\\|")).collect();
        let names: Vec<String> = tests.iter().map(|test| format!("`{}`", test.name)).collect();
        let mut reasons: Vec<Reason> = tests.iter().flat_map(|test| test.reasons.iter().copied()).collect();
        reasons.sort_unstable_by_key(|reason| *reason as u16);
        reasons.dedup();
        let reasons: Vec<String> = reasons.iter().map(|reason| format!("`{reason}`")).collect();
        let or = |texts: Vec<String>, none: &str| if texts.is_empty() { none.to_owned() } else { texts.join(" ") };
        let (words, reasons, names) = (or(words, "*not yet*"), or(reasons, "–"), or(names, "–"));
        let _ = writeln!(page, "| {number} | {source} | {requirement} | {words} | {reasons} | {names} |");
    }
    (page, open)
}

/// Every reason is asserted by a test of some row, but those that no row is about.
#[test]
fn every_reason_is_asserted_by_a_test_of_a_row() {
    let asserted: Vec<Reason> = all().into_values().flatten().flat_map(|test| test.reasons).collect();
    // Acceptance; a library or a machine that fails.
    let apart = [Reason::Ok, Reason::Internal, Reason::SharedUnavailable];
    for reason in Reason::ALL.iter().filter(|reason| !apart.contains(reason)) {
        assert!(asserted.contains(reason), "{reason}");
    }
}

#[test]
fn the_page_of_compliance_is_what_the_tests_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/COMPLIANCE.md");
    let (page, _) = page();
    if std::env::var_os("PORTCULLIS_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stored == page, "COMPLIANCE.md has drifted from the tests: PORTCULLIS_BLESS=1 cargo test --test rules");
}

#[test]
fn rows_are_numbered_from_one_without_a_gap() {
    for (at, (number, source, requirement)) in ROWS.iter().enumerate() {
        assert_eq!(*number as usize, at + 1);
        assert!(!source.is_empty() && !requirement.is_empty());
    }
    let found = tests_of(
        "/// How.\n/// More.\n#[test]\nfn r07_a() {\n    (Reason::Ok, Reason::Replayed)\n    Reason::Replayed\n}\n\n\
         fn racer() { Reason::KeyExpired }\n/// x\nfn r7_b() {}\n",
    );
    let test =
        Test { row: 7, name: "r07_a".to_owned(), words: "How. More.".to_owned(), reasons: vec![Reason::Replayed] };
    assert_eq!(found, [test]);
}
