//! The README's tutorial, run as it stands there: its document, its client, its commands, and what they are said to print.

use std::path::Path;
use std::process::Command;

/// The fenced blocks of a section in their order, with their languages.
fn blocks(heading: &str) -> Vec<(String, String)> {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let section = readme.split_once(&format!("\n## {heading}\n")).unwrap().1;
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let mut blocks = Vec::new();
    for piece in section.split("\n```").skip(1).step_by(2) {
        let (language, text) = piece.split_once('\n').unwrap();
        blocks.push((language.to_owned(), format!("{text}\n")));
    }
    blocks
}

#[test]
fn the_bank_in_the_readme_works_as_it_is_told() {
    let blocks = blocks("A bank of your own, in a document");
    let languages: Vec<&str> = blocks.iter().map(|(language, _)| language.as_str()).collect();
    assert_eq!(languages, ["json", "python", "sh", "text"]);
    let [(_, document), (_, client), (_, commands), (_, told)] = &blocks[..] else { unreachable!() };
    assert!(client.lines().count() <= 10, "a client of ten lines");
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no python3 to run the README's client with");
        return;
    }
    let dir = std::env::temp_dir().join(format!("portcullis-readme-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("harbour.json"), document).unwrap();
    std::fs::write(dir.join("harbour.py"), client).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(binary.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut told = told.lines();
    for (at, command) in commands.lines().enumerate() {
        let run = Command::new("sh").args(["-c", command]).current_dir(&dir).env("PATH", &path).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{command}: {err}");
        if at == 0 {
            assert_eq!(out, "", "the linter finds nothing");
            continue;
        }
        let told = told.next().unwrap();
        assert!(out.contains(told), "{command}: {told}: {out}{err}");
    }
    assert_eq!(told.next(), None);
    std::fs::remove_dir_all(&dir).unwrap();
}
