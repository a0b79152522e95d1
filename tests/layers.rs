//! The house rules, read from the table in `src/lib.rs` and held against every `use` and path in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

struct Room {
    floor: u32,
    may_import: BTreeSet<String>,
}

fn table() -> BTreeMap<String, Room> {
    let text = fs::read_to_string("src/lib.rs").unwrap();
    let mut rooms = BTreeMap::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("//! |")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Ok(floor) = cells[0].parse() else { continue };
        assert_eq!(cells.len(), 5, "four cells and the end: {line}");
        let may_import = cells[3].split_whitespace().map(str::to_owned).collect();
        assert!(rooms.insert(cells[1].to_owned(), Room { floor, may_import }).is_none(), "{} twice", cells[1]);
    }
    assert!(rooms.len() >= 8, "the table in src/lib.rs was not found");
    rooms
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The text without comments, strings kept (a path inside a string is rare enough to be looked at).
fn code(text: &str) -> String {
    text.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// First path segments after every `prefix`, groups (`crate::{a, b::c}`) included.
fn segments_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let ident = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && !c.is_whitespace() => {
                        found.insert(ident(&group[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(ident(rest));
        }
    }
    found
}

fn room_of(path: &Path) -> String {
    let inner = path.strip_prefix("src").unwrap();
    inner.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let rooms = table();
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let room = room_of(&file);
        if room == "lib" || room == "bin" {
            continue;
        }
        let Some(own) = rooms.get(&room) else {
            wrong.push(format!("{}: room `{room}` is not in the table of src/lib.rs", file.display()));
            continue;
        };
        for target in segments_after(&code(&fs::read_to_string(&file).unwrap()), "crate::") {
            if rooms.contains_key(&target) && target != room && !own.may_import.contains(&target) {
                wrong.push(format!("{}: `{room}` may not import `{target}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_way_up_and_no_cycle() {
    let rooms = table();
    for (name, room) in &rooms {
        for target in &room.may_import {
            let other = rooms.get(target).unwrap_or_else(|| panic!("`{name}` may import `{target}`, which is no room"));
            assert!(other.floor <= room.floor, "`{name}` (floor {}) imports upwards: `{target}`", room.floor);
            assert!(!other.may_import.contains(name), "`{name}` and `{target}` import each other");
        }
    }
}

#[test]
fn unsafe_lives_in_three_rooms() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    for file in files {
        if ["lanes", "shm", "ffi"].contains(&room_of(&file).as_str()) {
            continue;
        }
        let text = code(&fs::read_to_string(&file).unwrap());
        for (number, line) in text.lines().enumerate() {
            let allowed =
                line.contains("allow(unsafe_code)") || line.contains("unsafe {") || line.contains("unsafe fn");
            assert!(!allowed, "{}:{}: unsafe outside lanes, shm and ffi", file.display(), number + 1);
        }
    }
}

#[test]
fn the_binary_uses_the_public_api_only() {
    let mut files = Vec::new();
    rust_files(Path::new("src/bin"), &mut files);
    for file in files {
        let text = code(&fs::read_to_string(&file).unwrap());
        assert!(!text.contains("#[path"), "{} reaches into the library's files", file.display());
    }
}

#[test]
fn the_reader_of_imports_reads_groups() {
    let found = segments_after("use crate::{a, b::{c, d}, e};\nlet x = crate::f::g;", "crate::");
    let expected: BTreeSet<String> = ["a", "b", "e", "f"].into_iter().map(str::to_owned).collect();
    assert_eq!(found, expected);
}
