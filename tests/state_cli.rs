//! State regions through the command line: looked into, made larger, and every way in which one can be unusable: a clear error, exit code 2, no crash.

use md5::{Digest, Md5};
use portcullis::engine::{Engine, Options};
use portcullis::request::Request;
use portcullis::time::Millis;
use portcullis::verdict::Reason;
use std::fmt::Write as _;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOW: i64 = 1_700_000_000_000;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let dir = base.join(format!("portcullis-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a document whose region is `region`, and returns the path of it.
    fn document(&self, region: &Path, nonces: u64, limit_keys: u64) -> PathBuf {
        let path = self.file(&format!("{nonces}-{limit_keys}.json"));
        std::fs::write(&path, document(region, nonces, limit_keys)).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn document(region: &Path, nonces: u64, limit_keys: u64) -> String {
    format!(
        r#"{{"version":1,"state":{{"path":"{}","nonces":{nonces},"limit_keys":{limit_keys},"birth_rule":"off"}},
        "limits":[{{"name":"per-path","key":["path"],"rate":1,"per_ms":3600000}}],
        "apps":[{{"app_id":"a","profiles":["openapi"],"allow_weak":true,"limits":["per-path"],
        "credentials":[{{"kid":"k","alg":"md5","secret":"k3y"}}]}}]}}"#,
        region.display()
    )
}

fn portcullis(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis")).args(arguments).output().unwrap()
}

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let output = portcullis(arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: `{word}` is missing in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// Request `n`: a nonce of its own, a path of its own.
fn target(n: u32) -> String {
    let text = format!("nonce=n{n}&partnerId=a&timestamp={}", NOW / 1000 - i64::from(n % 250));
    let digest = Md5::digest(format!("{text}&partnerKey=k3y"));
    digest.iter().fold(format!("/p{n}?{text}&sign="), |mut target, byte| {
        let _ = write!(target, "{byte:02x}");
        target
    })
}

fn engine(region: &Path, nonces: u64, limit_keys: u64) -> Result<Engine, String> {
    let options = Options { now: Some(Millis(NOW)), closed_set: true, ..Options::default() };
    Engine::open_with(document(region, nonces, limit_keys).as_bytes(), &options).map_err(|e| e.to_string())
}

fn judge(engine: &Engine, requests: impl Iterator<Item = u32>) -> Vec<Reason> {
    let mut worker = engine.worker();
    requests.map(|n| worker.verify(&Request::new(b"GET", target(n).as_bytes(), b"")).reason).collect()
}

#[test]
fn a_larger_region_holds_what_the_old_one_held() {
    let dir = Dir::new("migrate");
    let (old, new) = (dir.file("old"), dir.file("new"));
    let before = engine(&old, 3000, 3000).unwrap();
    assert!(judge(&before, 0..2500).iter().all(|r| *r == Reason::Ok));
    drop(before);
    let refusal = engine(&old, 20_000, 50_000).err().unwrap();
    assert!(refusal.contains("state migrate"), "{refusal}");
    let output = portcullis(&[
        "state",
        "migrate",
        old.to_str().unwrap(),
        new.to_str().unwrap(),
        "--nonces",
        "20000",
        "--limit-keys",
        "50000",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    let number = |name: &str| -> u64 {
        let rest = said.split(&format!("\"{name}\": ")).nth(1).unwrap();
        rest.split([',', ' ']).next().unwrap().parse().unwrap()
    };
    let (nonces, limit_keys) = (number("nonces"), number("limit_keys"));
    assert!((20_000..25_000).contains(&nonces) && (50_000..54_000).contains(&limit_keys), "{said}");
    let after = engine(&new, nonces, limit_keys).unwrap();
    assert!(judge(&after, 0..2500).iter().all(|r| *r == Reason::Replayed), "no live nonce is lost");
    // What a path owes is owed still: a new nonce on the old paths.
    let mut worker = after.worker();
    let text = |n: u32| target(n + 1_000_000).replacen(&format!("/p{}?", n + 1_000_000), &format!("/p{n}?"), 1);
    let limited = (0..2500).filter(|n| {
        let target = text(*n);
        worker.verify(&Request::new(b"GET", target.as_bytes(), b"")).reason == Reason::RateLimited
    });
    assert_eq!(limited.count(), 2500);
    assert!(judge(&after, 3000..12_000).iter().all(|r| *r == Reason::Ok), "room for more");
    // NEW must not exist; OLD must; tables do not shrink.
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    refused(&["state", "migrate", old, new], &["exists already"]);
    refused(&["state", "migrate", "/nowhere/at/all", new], &["/nowhere/at/all"]);
    refused(&["state", "migrate", new, dir.file("x").to_str().unwrap(), "--nonces", "5"], &["cannot become smaller"]);
    assert!(!dir.file("x").exists());
    let config = dir.document(Path::new(new), nonces * 2, limit_keys);
    let output = portcullis(&[
        "state",
        "migrate",
        new,
        dir.file("third").to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn inspect_shows_what_a_region_holds() {
    let dir = Dir::new("inspect");
    let region = dir.file("region");
    let engine = engine(&region, 3000, 3000).unwrap();
    judge(&engine, 0..500);
    judge(&engine, 0..3);
    let now = NOW.to_string();
    for command in [&["inspect"][..], &["state", "inspect"]] {
        let arguments = [command, &[region.to_str().unwrap(), "--now", &now]].concat();
        let output = portcullis(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        for line in [
            "nonces: 500 live of",
            "nonces 3000",
            "limit_keys 3000",
            "replayed 3",
            "app a: ",
            "in flight: 0",
            "deny list: 0",
        ] {
            assert!(said.contains(line), "`{line}` is missing in:\n{said}");
        }
    }
}

#[test]
fn unusable_regions_are_named_with_exit_code_2() {
    let dir = Dir::new("unusable");
    let path = dir.file("region");
    drop(engine(&path, 1000, 1000).unwrap());
    let config = dir.document(&path, 1000, 1000);
    let (region, config) = (path.to_str().unwrap(), config.to_str().unwrap());
    let whole = std::fs::read(&path).unwrap();
    let all = |words: &[&str]| {
        refused(&["verify", "--config", config, "/dev/null"], words);
        refused(&["inspect", region], words);
        refused(&["state", "migrate", region, dir.file("new").to_str().unwrap()], words);
        assert!(!dir.file("new").exists());
    };
    // Every word of the header that says anything.
    for word in [0, 1, 2, 3, 8, 9, 16, 18, 19, 20, 23, 49, 50, 511] {
        let mut damaged = whole.clone();
        damaged[word * 8 + 2] ^= 0x41;
        std::fs::write(&path, &damaged).unwrap();
        refused(&["inspect", region], &[region]);
        refused(&["verify", "--config", config, "/dev/null"], &[region]);
    }
    for length in [0, 100, 4096, 8192, whole.len() - 4096, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        all(&[region, if length < 4096 { "shorter than a header" } else { "truncated" }]);
    }
    std::fs::write(&path, b"something else".repeat(1000)).unwrap();
    all(&["not a portcullis state region"]);
    std::fs::write(&path, &whole).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    all(&["anybody may write it"]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_err() {
        all(&["reading and writing"]);
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_ok() {
        all(&["belongs to user 12345"]);
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    all(&["is a directory"]);
    std::fs::remove_dir(&path).unwrap();
    refused(&["inspect", region], &[region]);
    // More than any machine has: refused when it is asked for, nothing left behind.
    let huge = dir.document(&path, 1 << 36, 1000);
    refused(&["verify", "--config", huge.to_str().unwrap(), "/dev/null"], &[region]);
    assert!(!path.exists());
    let files = std::fs::read_dir(&dir.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(files.filter(|name| name.starts_with("region")).count() == 0, "nothing is left behind");
}

#[test]
fn a_full_file_system_is_an_error_and_no_signal() {
    let dir = Dir::new("full");
    let mount = dir.file("mount");
    std::fs::create_dir(&mount).unwrap();
    let config = dir.document(&mount.join("region"), 1_000_000, 1000);
    // A tmpfs of 1 MiB in a name space of its own; where that is not allowed there is nothing to see.
    let script = format!(
        "mount -t tmpfs -o size=1m none {0} || exit 77; {1} verify --config {2} /dev/null; echo code $?; ls -A {0} | wc -l",
        mount.display(),
        env!("CARGO_BIN_EXE_portcullis"),
        config.display()
    );
    // Root needs no user name space of its own, and may be denied one.
    let run = |flags: &str| Command::new("unshare").args([flags, "sh", "-c", &script]).output().ok();
    let Some(output) = ["-m", "-rm"].iter().filter_map(|flags| run(flags)).find(|output| output.status.success())
    else {
        eprintln!("SKIPPED: a full file system: neither root nor a user name space may mount a tmpfs here");
        return;
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("code 2") && out.trim_end().ends_with('0'), "{out}{err}");
    assert!(err.contains("no space"), "{err}");
}

#[test]
fn another_user_s_region_and_one_that_may_only_be_read_are_errors() {
    let dir = Dir::new("users");
    let region = dir.file("region");
    drop(engine(&region, 1000, 1000).unwrap());
    let config = dir.document(&region, 1000, 1000);
    // The command line must be where anybody may run it.
    let program = dir.file("portcullis");
    std::fs::copy(env!("CARGO_BIN_EXE_portcullis"), &program).unwrap();
    for (path, mode) in [(&dir.0, 0o755), (&config, 0o644), (&program, 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let nobody = |arguments: &[&str]| {
        let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        Command::new("setpriv").args(user).arg(&program).args(arguments).output().ok()
    };
    if !nobody(&["--version"]).is_some_and(|output| output.status.success()) {
        eprintln!("SKIPPED: another user's region: only root may run a process as another user");
        return;
    }
    let cases: [(Option<u32>, u32, &str); 4] = [
        (Some(0), 0o600, "reading and writing"),
        (Some(65534), 0o400, "reading and writing"),
        (Some(12_345), 0o660, "belongs to user 12345"),
        (Some(65534), 0o602, "anybody may write it"),
    ];
    for (owner, mode, word) in cases {
        std::os::unix::fs::chown(&region, owner, Some(65534)).unwrap();
        std::fs::set_permissions(&region, std::fs::Permissions::from_mode(mode)).unwrap();
        let (region, config) = (region.to_str().unwrap(), config.to_str().unwrap());
        for arguments in [&["verify", "--config", config, "/dev/null"][..], &["inspect", region]] {
            let output = nobody(arguments).unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{owner:?} {mode:o} {arguments:?}: {text}");
            assert!(text.contains(word) && text.contains(region), "{owner:?} {mode:o} {arguments:?}: {text}");
        }
    }
    // A directory in which it may make nothing.
    std::fs::remove_file(&region).unwrap();
    let output = nobody(&["verify", "--config", config.to_str().unwrap(), "/dev/null"]).unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_region_that_is_truncated_while_it_is_used_refuses_and_nothing_dies() {
    portcullis::shm::survive_truncation().unwrap();
    let dir = Dir::new("truncated");
    for length in [0, 4096, 3 * 4096] {
        let path = dir.file(&format!("region-{length}"));
        let engine = engine(&path, 3000, 10_000).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        // Three workers with the same requests; in the middle of it the file is cut off.
        let answers: Vec<Vec<Reason>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..3).map(|_| scope.spawn(|| judge(&engine, 0..2000))).collect();
            std::thread::sleep(std::time::Duration::from_millis(3));
            file.set_len(length).unwrap();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        for n in 0..2000 {
            assert!(answers.iter().filter(|of| of[n] == Reason::Ok).count() <= 1, "request {n} was accepted twice");
        }
        assert!(judge(&engine, 2000..2100).iter().all(|reason| *reason == Reason::SharedUnavailable));
        let found = std::fs::metadata(&path).unwrap().len();
        assert_eq!(found, length, "nothing has put the file together again");
        // Another region of the same process is as it was.
        let other = dir.file("other");
        let _ = std::fs::remove_file(&other);
        let whole = self::engine(&other, 3000, 10_000).unwrap();
        assert!(judge(&whole, 0..100).iter().all(|reason| *reason == Reason::Ok));
    }
}

#[test]
fn a_region_that_is_damaged_below_its_header_is_survived() {
    // Who can write the file can write anything; reading it must not crash, whatever stands there.
    let dir = Dir::new("noise");
    let path = dir.file("region");
    drop(engine(&path, 1000, 1000).unwrap());
    let length = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut seed = 1u64;
    let noise: Vec<u8> = (4096..length)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        })
        .collect();
    file.write_all_at(&noise, 4096).unwrap();
    let engine = engine(&path, 1000, 1000).unwrap();
    assert_eq!(judge(&engine, 0..2000).len(), 2000);
    let mut worker = engine.worker();
    let verdict = worker.verify(&Request::new(b"GET", target(5000).as_bytes(), b""));
    worker.release(&verdict.ticket);
    assert!(portcullis(&["inspect", path.to_str().unwrap()]).status.success());
}
