use super::*;
use crate::error::Error;
use crate::time::Millis;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

/// A directory of its own, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("portcullis-shm-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fact(name: &'static str, value: u64) -> Shape {
    Shape { name, value, chosen: false }
}

fn spec(path: Option<PathBuf>, cells: u64) -> RegionSpec {
    let choice = Shape { name: "prf", value: cells, chosen: true };
    let one = SectionSpec { name: "one", words: cells, shape: vec![fact("cells", cells)] };
    let two = SectionSpec { name: "two", words: 700, shape: vec![fact("keys", 700), choice] };
    RegionSpec::new(path, Millis(1_700_000_000_000)).with(one).with(two)
}

fn message(result: Result<Region, Error>) -> String {
    result.expect_err("must be refused").to_string()
}

fn refused(path: &Path, words: &[&str]) {
    let text = message(Region::open(&spec(Some(path.to_owned()), 100)));
    for word in words.iter().chain([&path.to_str().unwrap()]) {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
}

#[test]
fn anonymous_regions_are_apart_and_zero() {
    let (a, b) = (Region::open(&spec(None, 100)).unwrap(), Region::open(&spec(None, 100)).unwrap());
    assert!(a.created() && b.created());
    assert_ne!(a.key(0), b.key(0));
    assert_ne!(a.key(0), a.key(1));
    let words = a.section("one").unwrap();
    assert_eq!(words.words().len(), 100);
    assert!(words.words().iter().all(|word| word.load(Relaxed) == 0));
    words.words()[99].store(7, Relaxed);
    assert_eq!(b.section("one").unwrap().words()[99].load(Relaxed), 0);
    assert_eq!(a.section("two").unwrap().words()[0].load(Relaxed), 0);
    assert!(a.section("three").is_none());
}

#[test]
fn who_comes_second_attaches() {
    let dir = Dir::new("attach");
    let path = dir.file("region");
    let first = Region::open(&spec(Some(path.clone()), 100)).unwrap();
    let mut other = spec(Some(path.clone()), 100);
    other.now = Millis(5);
    other.sections[1].shape[1].value = 99;
    let second = Region::open(&other).unwrap();
    assert!(first.created() && !second.created());
    assert_eq!(first.key(0), second.key(0));
    assert_eq!(second.birth(), Millis(1_700_000_000_000));
    assert_eq!(second.chosen("two", "prf"), Some(100), "the creator's choice");
    first.section("two").unwrap().words()[699].store(11, Relaxed);
    assert_eq!(second.section("two").unwrap().words()[699].load(Relaxed), 11);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1, "nothing temporary stays");
    drop((first, second));
    let third = Region::open(&spec(Some(path), 100)).unwrap();
    assert_eq!(third.section("two").unwrap().words()[699].load(Relaxed), 11, "kept over restarts");
}

#[test]
fn of_many_that_open_at_once_one_creates() {
    let dir = Dir::new("race");
    for round in 0..20 {
        let path = dir.file(&format!("region-{round}"));
        let gate = std::sync::Barrier::new(8);
        let regions: Vec<Region> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        gate.wait();
                        Region::open(&spec(Some(path.clone()), 100)).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(regions.iter().filter(|region| region.created()).count(), 1);
        assert!(regions.iter().all(|region| region.key(0) == regions[0].key(0)));
    }
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 20);
}

#[test]
fn other_capacities_versions_and_damage_are_refused_by_name() {
    let dir = Dir::new("refuse");
    let path = dir.file("region");
    drop(Region::open(&spec(Some(path.clone()), 100)).unwrap());
    let text = message(Region::open(&spec(Some(path.clone()), 200)));
    assert!(text.contains("cells = 100") && text.contains("cells = 200") && text.contains("migrate"), "{text}");
    let mut fewer = spec(Some(path.clone()), 100);
    fewer.sections.pop();
    assert!(message(Region::open(&fewer)).contains("2 sections"));
    let mut renamed = spec(Some(path.clone()), 100);
    renamed.sections[0].name = "uno";
    assert!(message(Region::open(&renamed)).contains("section `one` stands where `uno`"));

    let whole = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&9u64.to_le_bytes(), 8).unwrap();
    refused(&path, &["another version", "format 9", "remove"]);
    // Every word of the header that says anything: one flipped bit is noticed.
    for word in (0..16).chain([16, 18, 19, 20, 21, 23, 47, 49, 54, 57, 100, 511]) {
        let mut damaged = whole.clone();
        damaged[word * 8 + 3] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        refused(&path, &[]);
    }
    fs::write(&path, &whole).unwrap();
    assert!(Region::open(&spec(Some(path.clone()), 100)).is_ok());

    for length in [0, 1, 4095] {
        file.set_len(length).unwrap();
        refused(&path, &["shorter than a header"]);
    }
    for length in [4096, 8192, whole.len() - 1, whole.len() + 1, whole.len() + 4096] {
        fs::write(&path, whole.iter().copied().chain([0; 4096]).take(length).collect::<Vec<_>>()).unwrap();
        refused(&path, &["truncated or padded"]);
    }
    fs::write(&path, b"something else altogether".repeat(1000)).unwrap();
    refused(&path, &["not a portcullis state region"]);
}

#[test]
fn places_that_cannot_work_are_refused_by_name() {
    let dir = Dir::new("places");
    refused(&dir.0, &["is a directory"]);
    refused(&dir.file("no/such/region"), &["directory does not exist"]);
    let link = dir.file("link");
    std::os::unix::fs::symlink(dir.file("target"), &link).unwrap();
    refused(&link, &["symbolic link"]);
    let path = dir.file("region");
    drop(Region::open(&spec(Some(path.clone()), 100)).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    refused(&path, &["anybody may write"]);
    if !rustix::process::geteuid().is_root() {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        refused(&path, &["reading and writing"]);
    }
    // More than any machine has: refused when it is asked for, not when it is touched.
    let huge = dir.file("huge");
    let text = message(Region::open(&spec(Some(huge), 1 << 43)));
    assert!(text.contains("no space") || text.contains("reserving"), "{text}");
    let absurd = message(Region::open(&spec(Some(dir.file("absurd")), u64::MAX)));
    assert!(absurd.contains("too large"), "{absurd}");
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn what_killed_makers_left_is_cleared() {
    let dir = Dir::new("leftovers");
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let left = dir.file(&format!("region.new-{}-0123", gone.id()));
    let in_work = dir.file(&format!("region.new-{}-4567", std::process::id()));
    for file in [&left, &in_work, &dir.file("region.new"), &dir.file("other.new-1-2")] {
        fs::write(file, b"x").unwrap();
    }
    let fresh = dir.file(&format!("region.new-{}-89ab", gone.id()));
    fs::write(&fresh, b"x").unwrap();
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    for file in [&left, &in_work] {
        fs::File::options().write(true).open(file).unwrap().set_modified(before).unwrap();
    }
    drop(Region::open(&spec(Some(dir.file("region")), 100)).unwrap());
    assert!(!left.exists() && in_work.exists() && fresh.exists());
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 5);
}

#[test]
fn the_mode_is_as_asked() {
    let dir = Dir::new("mode");
    let path = dir.file("region");
    let mut shared = spec(Some(path.clone()), 100);
    shared.mode = 0o660;
    shared.group = Some(rustix::process::getegid().as_raw());
    drop(Region::open(&shared).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    assert!(Region::open(&shared).is_ok());
}
