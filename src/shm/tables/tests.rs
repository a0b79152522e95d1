use super::*;
use std::sync::atomic::Ordering::Relaxed;

/// A directory of its own, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let dir = base.join(format!("portcullis-tables-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    /// One more process, as far as the file is concerned: a member of its own.
    fn open(&self, places: u64) -> Tables {
        self.open_with(places * SMALL as u64 * 64, &[TableSize { lines: SMALL, part: 1 }])
    }

    fn open_with(&self, bytes: u64, sizes: &[TableSize]) -> Tables {
        let (path, now) = (&self.0.join("tables"), Millis(1_700_000_000_000));
        Tables::open(&TablesSpec { path, bytes, sizes, mode: 0o600, group: None, now }).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lines of a small table: a page of memory.
const SMALL: usize = 64;

fn id(key: u64) -> TableId {
    TableId { kind: 7, point: Line([key; 8]), lines: SMALL }
}

fn table(id: &TableId) -> Vec<Line> {
    (0..id.lines as u64).map(|i| Line(std::array::from_fn(|word| id.point.0[0] << 32 | i << 8 | word as u64))).collect()
}

fn build(tables: &Tables, id: &TableId) -> Option<Published> {
    match tables.claim(id) {
        Claim::Build(place) => place.publish(&table(id)),
        _ => None,
    }
}

fn ready(tables: &Tables, id: &TableId) -> Option<Published> {
    match tables.claim(id) {
        Claim::Ready(published) => Some(published),
        _ => None,
    }
}

#[test]
fn a_table_is_built_once_and_lies_in_one_place_for_all() {
    let dir = Dir::new("once");
    let (a, b) = (dir.open(8), dir.open(8));
    let Claim::Build(place) = a.claim(&id(1)) else { panic!("nobody has built it") };
    assert!(matches!(b.claim(&id(1)), Claim::Later), "the other one is at it");
    assert!(matches!(a.claim(&id(1)), Claim::Later), "another thread is at it");
    let first = place.publish(&table(&id(1))).unwrap();
    let second = ready(&b, &id(1)).unwrap();
    assert_eq!((&first[..], &second[..]), (&table(&id(1))[..], &table(&id(1))[..]));
    let expected = TableCounts {
        limit: 8 * 4096,
        bytes: 4096,
        tables: 1,
        held: 1,
        processes: 2,
        built: 1,
        ..TableCounts::default()
    };
    assert_eq!(b.counts(), expected);
    assert_eq!(Tables::inspect(&dir.0.join("tables")).unwrap(), Some(expected));
    // What one has changed in memory the other sees: there is one copy.
    assert!(build(&b, &id(2)).is_some());
    drop((first, second));
    assert_eq!(a.counts(), TableCounts { bytes: 2 * 4096, tables: 2, held: 0, processes: 0, built: 2, ..expected });
    assert!(ready(&a, &id(2)).is_some(), "tables outlive those who built them");
    assert!(matches!(a.claim(&TableId { lines: SMALL + 1, ..id(1) }), Claim::None), "no such size");
    assert!(!matches!(a.claim(&TableId { kind: 8, ..id(1) }), Claim::Ready(_)), "another kind is another table");
}

#[test]
fn a_place_is_used_again_only_when_nobody_holds_its_table() {
    let dir = Dir::new("held");
    let (a, b) = (dir.open(4), dir.open(4));
    let mut held: Vec<_> = (0..4).map(|key| build(&a, &id(key)).unwrap()).collect();
    let again = ready(&a, &id(2)).unwrap();
    let others = ready(&b, &id(1)).unwrap();
    assert!(matches!(b.claim(&id(9)), Claim::None), "all are held");
    held.remove(2);
    held.remove(1);
    assert!(matches!(b.claim(&id(9)), Claim::None), "one by a second handle, one by a second process");
    assert_eq!(again[..], table(&id(2))[..]);
    drop(others);
    let new = build(&b, &id(9)).unwrap();
    assert_eq!(new[..], table(&id(9))[..]);
    assert!(ready(&a, &id(1)).is_none());
    assert_eq!((a.counts().evicted, a.counts().bytes), (1, 4 * 4096));
    for (published, key) in held.iter().zip([0, 3]) {
        assert_eq!(published[..], table(&id(key))[..]);
    }
}

#[test]
fn those_let_go_of_earliest_make_room_first() {
    let dir = Dir::new("oldest");
    let tables = dir.open(4);
    let held: Vec<_> = (0..4).map(|key| build(&tables, &id(key)).unwrap()).collect();
    for published in held.into_iter().rev() {
        drop(published);
    }
    assert!(build(&tables, &id(4)).is_some());
    let left: Vec<_> = (0..3).filter_map(|key| ready(&tables, &id(key))).collect();
    assert_eq!(left.len(), 3);
    assert!(ready(&tables, &id(3)).is_none());
}

#[test]
fn memory_goes_from_one_size_to_another_within_the_limit() {
    let dir = Dir::new("sizes");
    let large = |key| TableId { kind: 8, point: Line([key; 8]), lines: 4 * SMALL };
    let sizes = [TableSize { lines: SMALL, part: 1 }, TableSize { lines: 4 * SMALL, part: 2 }];
    let tables = dir.open_with(8 * 4096, &sizes);
    let held: Vec<_> = (0..8).map(|key| build(&tables, &id(key)).unwrap()).collect();
    assert_eq!(tables.counts().bytes, 8 * 4096);
    assert!(matches!(tables.claim(&large(1)), Claim::None));
    drop(held);
    let one = build(&tables, &large(1)).unwrap();
    assert_eq!(one[..], table(&large(1))[..]);
    assert_eq!((tables.counts().bytes, tables.counts().tables), (8 * 4096, 5));
    assert!(build(&tables, &large(2)).is_none(), "half the limit is the most");
    drop(one);
    let used = std::fs::metadata(dir.0.join("tables")).unwrap();
    assert!(used.blocks() * 512 < used.len(), "memory was given back");
}

#[test]
fn a_damaged_table_is_built_anew() {
    let dir = Dir::new("damage");
    let tables = dir.open(4);
    let published = build(&tables, &id(5)).unwrap();
    let (index, class) = (published.index, tables.0.classes[0]);
    drop(published);
    tables.0.sparse.words()[Inner::at(&class, index) + 100].fetch_xor(1 << 17, Relaxed);
    let published = build(&tables, &id(5)).expect("it is to be built again");
    assert_eq!(published[..], table(&id(5))[..]);
    assert_eq!(tables.counts().damaged, 1);
}

#[test]
fn a_table_of_another_length_is_not_published() {
    let dir = Dir::new("length");
    let tables = dir.open(4);
    let Claim::Build(place) = tables.claim(&id(1)) else { panic!("nobody has built it") };
    assert!(place.publish(&table(&id(1))[1..]).is_none());
    assert!(build(&tables, &id(1)).is_some(), "the place is free again");
}

#[test]
fn a_file_for_another_size_is_replaced_and_a_strangers_left_alone() {
    let dir = Dir::new("replace");
    let path = dir.0.join("tables");
    let small = dir.open(4);
    let held = build(&small, &id(1)).unwrap();
    let large = dir.open(8);
    assert_eq!((large.counts().limit, large.counts().tables), (8 * 4096, 0));
    assert_eq!(held[..], table(&id(1))[..], "who had the old one goes on");
    assert!(build(&small, &id(2)).is_some());
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1);
    drop((small, large));
    std::fs::write(&path, vec![1; 8192]).unwrap();
    let spec = |path| TablesSpec {
        path,
        bytes: 4 * 4096,
        sizes: &[TableSize { lines: SMALL, part: 1 }],
        mode: 0o600,
        group: None,
        now: Millis(1),
    };
    assert!(Tables::open(&spec(&path)).unwrap_err().to_string().contains("not a portcullis"));
    assert_eq!(std::fs::read(&path).unwrap(), vec![1; 8192]);
    std::fs::remove_file(&path).unwrap();
    drop(dir.open(4));
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(Tables::open(&spec(&path)).unwrap_err().to_string().contains("anybody may write"));
    assert_eq!(Tables::inspect(&dir.0.join("none")).unwrap(), None);
}

#[test]
fn there_are_numbers_for_as_many_processes_as_said() {
    let dir = Dir::new("numbers");
    drop(dir.open(4));
    let file = || OpenOptions::new().read(true).write(true).open(dir.0.join("tables")).unwrap();
    let mut all: Vec<_> = (0..word::MEMBERS).map(|_| Member::join(file(), |_| ()).unwrap()).collect();
    let spec = TablesSpec {
        path: &dir.0.join("tables"),
        bytes: 4 * 4096,
        sizes: &[TableSize { lines: SMALL, part: 1 }],
        mode: 0o600,
        group: None,
        now: Millis(1),
    };
    assert!(Tables::open(&spec).unwrap_err().to_string().contains("56"));
    all.pop();
    assert!(Tables::open(&spec).is_ok());
}

/// Threads of two members take, build and drop tables of more keys than there are places; whatever anybody reads is what was built for the key.
#[test]
fn whatever_is_read_is_the_table_of_that_key() {
    let dir = Dir::new("race");
    let tables = [dir.open(6), dir.open(6)];
    let rounds = if std::env::var_os("PORTCULLIS_SLOW").is_some() { 200_000 } else { 4_000 };
    let read: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let tables = &tables[thread as usize % 2];
                scope.spawn(move || {
                    let mut seed = thread + 1;
                    let mut held: Vec<(u64, Published)> = Vec::new();
                    let mut read = 0;
                    for _ in 0..rounds {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        let key = (seed >> 33) % 12;
                        match tables.claim(&id(key)) {
                            Claim::Ready(published) => held.push((key, published)),
                            Claim::Build(_) if seed >> 60 == 0 => {}
                            Claim::Build(place) => held.extend(place.publish(&table(&id(key))).map(|p| (key, p))),
                            Claim::Later | Claim::None => held.truncate(1),
                        }
                        for (key, published) in &held {
                            assert_eq!(published[..], table(&id(*key))[..]);
                            read += 1;
                        }
                        if held.len() > 2 {
                            held.swap_remove((seed >> 40) as usize % 3);
                        }
                    }
                    read
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let counts = tables[0].counts();
    assert!(read > rounds && counts.evicted > 10, "{read} {counts:?}");
    assert_eq!((counts.held, counts.damaged), (0, 0));
    assert!(counts.bytes <= 6 * 4096);
}

/// A copy of this process that does nothing but have what it had.
struct Child(libc::pid_t);

impl Child {
    fn fork() -> Self {
        // SAFETY: the child calls nothing but functions that may be called in a signal's handler, until it is killed.
        unsafe {
            match libc::fork() {
                0 => loop {
                    libc::pause();
                },
                child => Self(child),
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: kills and reaps a child of this process's own.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

#[test]
fn what_a_child_of_a_fork_may_read_stays_until_it_is_gone() {
    let dir = Dir::new("fork");
    let (a, b) = (dir.open(2), dir.open(2));
    let held = [build(&a, &id(1)).unwrap(), build(&a, &id(2)).unwrap()];
    let child = Child::fork();
    assert_eq!(held[0][..], table(&id(1))[..]);
    drop(held);
    assert!(matches!(b.claim(&id(3)), Claim::None), "the child may be reading");
    let again = ready(&a, &id(1)).expect("the parent goes on, under a number of its own");
    drop(again);
    assert!(matches!(b.claim(&id(3)), Claim::None));
    drop(child);
    assert!(build(&b, &id(3)).is_some(), "found dead by its lock");
}
