//! Builds the programs of `tests/c` with the system's C and C++ compilers against the header and the library of this build, and runs them.

use portcullis::audit::{AuditKey, Ending, Verifier, split_first};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of this build's artifacts (`target/debug`), from the path of this test.
fn artifacts() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    exe.parent().and_then(Path::parent).unwrap().to_owned()
}

fn library() -> PathBuf {
    let root = artifacts();
    for place in ["libportcullis.so", "deps/libportcullis.so"] {
        if root.join(place).is_file() {
            return root.join(place);
        }
    }
    panic!("no libportcullis.so in {}", root.display());
}

/// The name that the loader looks for.
fn soname(library: &Path) -> String {
    let listing = Command::new("readelf").arg("-d").arg(library).output().expect("readelf (binutils)");
    let listing = String::from_utf8(listing.stdout).unwrap();
    listing.split("Library soname: [").nth(1).and_then(|s| s.split(']').next()).expect("a SONAME").to_owned()
}

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Builds `tests/c/<program>.c` and runs it with one argument: a file that it may write.
fn run(program: &str, compiler: &str, flags: &[&str]) -> Folder {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = library();
    let folder = Folder::new(&format!("{program}-{compiler}"));
    let binary = folder.0.join("program");
    std::os::unix::fs::symlink(&library, folder.0.join(soname(&library))).unwrap();
    let built = Command::new(compiler)
        .args(flags)
        .args(["-Wall", "-Wextra", "-Werror", "-pthread", "-I"])
        .arg(root.join("include"))
        .arg(root.join(format!("tests/c/{program}.c")))
        // What follows is no source.
        .args(["-x", "none"])
        .arg("-o")
        .arg(&binary)
        .arg(&library)
        .arg(format!("-Wl,-rpath,{}", folder.0.display()))
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&binary).arg(folder.0.join("written")).output().unwrap();
    assert!(ran.status.success(), "{}{}", ran.status, String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), format!("c {program}: ok\n"));
    folder
}

const C: (&str, &[&str]) = ("cc", &["-std=c11"]);
const CPP: (&str, &[&str]) = ("c++", &["-x", "c++", "-std=c++17", "-Wno-missing-field-initializers"]);

#[test]
fn the_c_program_that_verifies_runs() {
    run("smoke", C.0, C.1);
}

#[test]
fn the_cpp_program_that_verifies_runs() {
    run("smoke", CPP.0, CPP.1);
}

#[test]
fn the_c_program_of_all_other_calls_runs_and_its_records_are_a_good_chain() {
    let folder = run("calls", C.0, C.1);
    let log = std::fs::read(folder.0.join("written")).unwrap();
    let key = AuditKey::new(b"a secret of the tests, of more than 32 bytes").unwrap();
    let mut verifier = Verifier::new(&key);
    let mut rest = log.as_slice();
    while let Some((record, after)) = split_first(rest) {
        verifier.line(record).unwrap();
        rest = after;
    }
    assert!(rest.is_empty());
    let report = verifier.report();
    assert_eq!((report.lines, report.chains.len()), (9, 3));
    assert!(report.chains.iter().all(|(_, ending)| *ending == Ending::Closed), "{report:?}");
}

#[test]
fn the_cpp_program_of_all_other_calls_runs() {
    run("calls", CPP.0, CPP.1);
}

#[test]
fn the_c_program_that_submits_and_reaps_runs() {
    run("queue", C.0, C.1);
}

#[test]
fn the_cpp_program_that_submits_and_reaps_runs() {
    run("queue", CPP.0, CPP.1);
}

#[test]
fn only_our_names_are_exported_and_no_socket_is_imported() {
    let listing = Command::new("nm").arg("-D").arg(library()).output().expect("nm (binutils)");
    let listing = String::from_utf8(listing.stdout).unwrap();
    let mut exported = 0;
    for line in listing.lines() {
        let mut words = line.split_whitespace().rev();
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        let name = name.split('@').next().unwrap();
        if kind == "U" || kind == "w" {
            for socket in
                ["socket", "connect", "bind", "listen", "accept", "accept4", "sendto", "recvfrom", "getaddrinfo"]
            {
                assert_ne!(name, socket, "the library imports {socket}");
            }
        } else {
            assert!(name.starts_with("portcullis_"), "exported beside our names: {name}");
            exported += 1;
        }
    }
    assert!(exported >= 35, "{exported} names exported");
}
