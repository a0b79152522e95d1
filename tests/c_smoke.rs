//! Builds `tests/c/smoke.c` with the system's C and C++ compilers against the header and the library of this build, and runs it.

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

fn run(compiler: &str, flags: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = library();
    let folder = std::env::temp_dir().join(format!("portcullis-smoke-{compiler}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("smoke");
    // The loader looks for the SONAME.
    let soname = Command::new("readelf").arg("-d").arg(&library).output().expect("readelf (binutils)");
    let soname = String::from_utf8(soname.stdout).unwrap();
    let soname =
        soname.split("Library soname: [").nth(1).and_then(|s| s.split(']').next()).expect("a SONAME").to_owned();
    assert!(soname.starts_with("libportcullis.so."), "{soname}");
    let _ = std::fs::remove_file(folder.join(&soname));
    std::os::unix::fs::symlink(&library, folder.join(&soname)).unwrap();
    let built = Command::new(compiler)
        .args(flags)
        .args(["-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root.join("include"))
        .arg(root.join("tests/c/smoke.c"))
        // What follows is no source.
        .args(["-x", "none"])
        .arg("-o")
        .arg(&program)
        .arg(&library)
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .output()
        .unwrap_or_else(|e| panic!("{compiler}: {e}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(&program).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "c smoke: ok\n");
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn c_program_runs() {
    run("cc", &["-std=c11"]);
}

#[test]
fn cpp_program_runs() {
    run("c++", &["-x", "c++", "-std=c++17", "-Wno-missing-field-initializers"]);
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
    assert!(exported >= 10, "{exported} names exported");
}
