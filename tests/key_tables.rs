//! Tables of keys in the file beside a region: of several processes each table is built by one, all of them use one copy, the killed leave nothing
//! behind, and no verdict depends on where a table lies.

#[path = "support/dir.rs"]
mod dir;
mod support;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dir::Dir;
use portcullis::alg::{
    Algorithm, Item, Key, MacInput, SignatureForm, SigningKey, Verifier, key_tables, set_key_table_bytes,
};
use portcullis::engine::{Engine, Options, state};
use portcullis::lanes::Line;
use portcullis::request::{Header, Request};
use portcullis::shm::{
    Claim, Published, TableCounts, TableId, TableSize, Tables, TablesSpec, survive_truncation, tables_path,
};
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "PORTCULLIS_TEST_TABLES";
const NOW_S: i64 = 1_700_000_000;
const COMB: u64 = 32 << 10;

/// Keys, and workers that use them all.
fn counts() -> (usize, u64) {
    if std::env::var_os("PORTCULLIS_SLOW").is_some() { (256, 16) } else { (24, 3) }
}

/// A process that ends with the test.
struct Process(Child, u64);

impl Process {
    fn start(role: &str, number: u64, dir: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["a_copy_of_this_binary", "--exact", "--nocapture"])
            .env(ROLE, format!("{role} {number} {}", dir.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child, number)
    }

    /// Waits for what it has to say.
    fn said(&mut self, dir: &Path) -> String {
        let file = dir.join(format!("said-{}", self.1));
        let start = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(&file) {
                return text;
            }
            assert!(self.0.try_wait().unwrap().is_none(), "worker {} has ended", self.1);
            assert!(start.elapsed() < Duration::from_secs(120), "worker {} took too long", self.1);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn say(dir: &Path, number: u64, text: &str) {
    let (file, whole) = (dir.join(format!("saying-{number}")), dir.join(format!("said-{number}")));
    std::fs::write(&file, text).unwrap();
    std::fs::rename(file, whole).unwrap();
}

/// A document with a region, and for each of `workers` requests of its own: a good one and a bad one of each key.
fn write_documents(dir: &Path, workers: u64) {
    let pairs: Vec<_> =
        (0..counts().0).map(|_| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()).collect();
    let mut document = format!(
        "{{\"version\":1,\"state\":{{\"path\":\"{}\",\"nonces\":10000,\"birth_rule\":\"off\"}},\
         \"apis\":[{{\"api_id\":\"OP1023450102000100001000\",\"method\":\"POST\",\"path\":\"/pay/v1/transfer\",\
         \"level\":\"A1\"}}],\"apps\":[",
        dir.join("region").display()
    );
    for (i, pair) in pairs.iter().enumerate() {
        let key: String = pair.public_key().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            document,
            "{comma}{{\"app_id\":\"p{i:05}\",\"status\":\"active\",\"level\":\"A1\",\"profiles\":[\"openapi\"],\
             \"allow_apis\":[\"OP1023450102000100001000\"],\
             \"credentials\":[{{\"alg\":\"ecdsa-p256-sha256\",\"public_key_hex\":\"{key}\"}}]}}",
        );
    }
    document.push_str("]}");
    std::fs::write(dir.join("document"), document).unwrap();
    for worker in 0..workers {
        let mut lines = String::new();
        for (i, pair) in pairs.iter().enumerate() {
            for good in [true, false] {
                let nonce = format!("tables{worker:04}{i:06}{:04}", u8::from(good));
                let text = format!("amount=10.50&nonce={nonce}&partnerId=p{i:05}&timestamp={NOW_S}");
                let signed = if good { text } else { text.replace("10.50", "99.50") };
                let signature = STANDARD.encode(pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap());
                let escaped: String = form_urlencoded::byte_serialize(signature.as_bytes()).collect();
                let _ = writeln!(lines, "{good}\n/pay/v1/transfer?sign={escaped}");
                let _ = writeln!(
                    lines,
                    "{{\"partnerId\":\"p{i:05}\",\"amount\":10.50,\"nonce\":\"{nonce}\",\"timestamp\":{NOW_S}}}"
                );
            }
        }
        std::fs::write(dir.join(format!("requests-{worker}")), lines).unwrap();
    }
}

/// Judges a worker's requests again and again until every key has its table in the file; every verdict must be right.
fn serve(dir: &Path, number: u64) -> Engine {
    // Room for the combs, and so not for wide tables, however often a worker has to ask.
    set_key_table_bytes((counts().0 + 1) * COMB as usize);
    let document = std::fs::read(dir.join("document")).unwrap();
    let options = Options { now: Some(Millis(NOW_S * 1000)), ..Options::default() };
    let engine = Engine::open_with(&document, &options).unwrap();
    assert!(!engine.warnings().iter().any(|warning| warning.contains("key tables")), "{:?}", engine.warnings());
    let text = std::fs::read_to_string(dir.join(format!("requests-{number}"))).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let headers = [
        Header { name: b"host", value: b"api.bank.example" },
        Header { name: b"content-type", value: b"application/json" },
    ];
    let (asked, expected): (Vec<_>, Vec<bool>) = lines
        .chunks(3)
        .map(|line| {
            let request = Request::new(b"POST", line[1].as_bytes(), line[2].as_bytes());
            (Request { headers: &headers, ..request }, line[0] == "true")
        })
        .unzip();
    let mut worker = engine.worker();
    let mut verdicts = vec![Verdict::of(Reason::Internal); asked.len()];
    // Twice more with all tables there.
    let mut more = 2;
    for _ in 0..10_000 {
        worker.verify_batch(&asked, &mut verdicts);
        for (verdict, good) in verdicts.iter().zip(&expected) {
            assert_eq!(verdict.ok(), *good, "{verdict:?}");
            assert!(*good || verdict.reason == Reason::BadSignature, "{verdict:?}");
            worker.release(&verdict.ticket);
        }
        more -= usize::from(key_tables().shared_tables >= counts().0);
        if more == 0 {
            break;
        }
    }
    drop(worker);
    engine
}

/// What the copies do. A test like any other to the harness; it does nothing unless it was started as a worker.
#[test]
fn a_copy_of_this_binary() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.splitn(3, ' ');
    let role = words.next().unwrap();
    let number: u64 = words.next().unwrap().parse().unwrap();
    let dir = PathBuf::from(words.next().unwrap());
    match role {
        "serve" => {
            let _engine = serve(&dir, number);
            let tables = key_tables();
            say(
                &dir,
                number,
                &format!("{} {} {} {}", tables.built, tables.attached, tables.tables, tables.shared_bytes),
            );
            std::thread::sleep(Duration::from_secs(600));
        }
        "hold" => {
            let tables = open(&dir.join("tables"));
            let _held: Vec<_> = (0..4).map(|key| build(&tables, key).unwrap()).collect();
            say(&dir, number, "");
            std::thread::sleep(Duration::from_secs(600));
        }
        "begin" => {
            let tables = open(&dir.join("tables"));
            let _begun: Vec<_> = (0..4).map(|key| tables.claim(&id(key))).collect();
            say(&dir, number, "");
            std::thread::sleep(Duration::from_secs(600));
        }
        other => panic!("no role {other}"),
    }
}

fn numbers(text: &str) -> [u64; 4] {
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap());
    std::array::from_fn(|_| numbers.next().unwrap())
}

/// What the kernel says of a process's mapping of the file, in bytes: resident, and its proportional share of what others have mapped too.
fn mapped(process: &Process, file: &Path) -> [u64; 2] {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps", process.0.id())).unwrap();
    // Whoever made the file has it mapped by the name that it had before: the inode tells.
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(file).unwrap()).to_string();
    let own = text.lines().skip_while(|line| line.split_ascii_whitespace().nth(4) != Some(&inode));
    let own: Vec<&str> = own.take_while(|line| !line.starts_with("VmFlags:")).collect();
    ["Rss:", "Pss:"].map(|name| {
        let line = own.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    })
}

fn inspected(dir: &Path) -> TableCounts {
    state::inspect(&dir.join("region"), Millis(NOW_S * 1000)).unwrap().tables.unwrap().unwrap()
}

#[test]
fn workers_over_one_region_hold_one_copy_of_each_table_which_one_of_them_has_built() {
    let dir = Dir::new("serve");
    let (keys, count) = counts();
    write_documents(&dir.0, count + 1);
    let mut workers: Vec<_> = (0..count).map(|number| Process::start("serve", number, &dir.0)).collect();
    let said: Vec<_> = workers.iter_mut().map(|worker| numbers(&worker.said(&dir.0))).collect();
    let all = keys as u64;
    for [built, attached, tables, bytes] in &said {
        assert_eq!((built + attached, *tables, *bytes), (all, all, all * COMB), "{said:?}");
    }
    assert_eq!(said.iter().map(|[built, ..]| built).sum::<u64>(), all, "each is built by one: {said:?}");
    let counts = inspected(&dir.0);
    let expected = TableCounts {
        limit: 256 << 20,
        bytes: all * COMB,
        tables: all,
        held: all,
        processes: count as u32,
        built: all,
        ..TableCounts::default()
    };
    assert_eq!(counts, expected);
    // One copy: what is resident in each process is there once.
    let file = tables_path(&dir.0.join("region"));
    let shares: Vec<_> = workers.iter().map(|worker| mapped(worker, &file)).collect();
    assert!(shares.iter().all(|[resident, _]| *resident >= all * COMB), "{shares:?}");
    let (once, sum) = (shares[0][0], shares.iter().map(|[_, share]| share).sum::<u64>());
    assert!(sum <= once + once / 4, "{shares:?}");
    eprintln!("{count} workers, {keys} keys: {once} bytes of tables resident in each, {sum} in all");

    // One is killed in use. Another takes its place, heals what it held, and builds nothing.
    workers[1].kill();
    assert_eq!(u64::from(inspected(&dir.0).processes), count, "nobody has looked yet");
    workers[1] = Process::start("serve", count, &dir.0);
    assert_eq!(numbers(&workers[1].said(&dir.0)), [0, all, all, all * COMB]);
    assert_eq!(inspected(&dir.0), expected);
    for worker in &mut workers {
        worker.kill();
    }
    // Tables outlive the gateway.
    let counts = inspected(&dir.0);
    assert_eq!((counts.tables, counts.built), (all, all));
}

fn id(key: u64) -> TableId {
    TableId { kind: 1, point: Line([key; 8]), lines: 64 }
}

fn open(path: &Path) -> Tables {
    let sizes = &[TableSize { lines: 64, part: 1 }];
    Tables::open(&TablesSpec { path, bytes: 4 * 4096, sizes, mode: 0o600, group: None, now: Millis(NOW_S) }).unwrap()
}

fn build(tables: &Tables, key: u64) -> Option<Published> {
    match tables.claim(&id(key)) {
        Claim::Build(place) => place.publish(&[Line([key; 8]); 64]),
        _ => None,
    }
}

#[test]
fn what_a_killed_process_held_makes_room_again() {
    let dir = Dir::new("hold");
    let tables = open(&dir.0.join("tables"));
    let mut holder = Process::start("hold", 0, &dir.0);
    holder.said(&dir.0);
    assert!(matches!(tables.claim(&id(9)), Claim::None), "the living keep theirs");
    holder.kill();
    assert_eq!(tables.counts().held, 4);
    assert!(build(&tables, 9).is_some());
    assert_eq!((tables.counts().held, tables.counts().tables, tables.counts().evicted), (0, 4, 1));
}

#[test]
fn what_a_killed_process_was_building_is_built_by_another() {
    let dir = Dir::new("begin");
    let tables = open(&dir.0.join("tables"));
    let mut builder = Process::start("begin", 0, &dir.0);
    builder.said(&dir.0);
    assert!((0..4).all(|key| matches!(tables.claim(&id(key)), Claim::Later)));
    builder.kill();
    let built: Vec<_> = (0..4).filter_map(|key| build(&tables, key)).collect();
    assert_eq!(built.len(), 4);
    assert!(built.iter().zip(0..).all(|(table, key)| table.iter().all(|line| *line == Line([key; 8]))));
}

/// A message, a signature, and whether it is good.
type Case = (Vec<u8>, Vec<u8>, bool);

/// A key that verifies, and what it is to verify.
struct Signed {
    alg: Algorithm,
    signing: SigningKey,
    cases: Vec<Case>,
}

impl Signed {
    fn new(alg: Algorithm, der: &[u8]) -> Self {
        let pem = portcullis::codec::pem::encode("PRIVATE KEY", der);
        let signing = SigningKey::from_pkcs8_pem(alg, &pem, None).unwrap();
        let case = |i: u8| {
            let message = vec![i; usize::from(i) * 3];
            let signature = signing.sign(&message, SignatureForm::Fixed, MacInput::Plain).unwrap();
            let good = i % 3 != 1;
            (if good { message } else { vec![i ^ 1; 9] }, signature, good)
        };
        let cases = (0..16).map(case).collect();
        Self { alg, signing, cases }
    }

    fn key(&self) -> Key {
        Key::public(self.alg, &self.signing.public_key().unwrap(), None).unwrap()
    }
}

fn check(signed: &[Signed], keys: &[Key]) {
    let mut verifier = Verifier::new(portcullis::lanes::Cpu::detect());
    // Each alone, and all in one batch.
    let all: Vec<(&Key, &Case)> =
        signed.iter().zip(keys).flat_map(|(signed, key)| signed.cases.iter().map(move |c| (key, c))).collect();
    for size in [1, all.len()] {
        for chunk in all.chunks(size) {
            let (form, input) = (SignatureForm::Fixed, MacInput::Plain);
            let items: Vec<Item<'_>> = chunk
                .iter()
                .map(|(key, (message, signature, _))| Item { key, message, signature, form, input })
                .collect();
            let mut ok = vec![false; items.len()];
            verifier.verify(&items, &mut ok);
            assert!(ok.iter().zip(chunk).all(|(ok, (_, (.., good)))| ok == good));
        }
    }
}

#[test]
fn no_verdict_depends_on_where_a_table_lies_nor_on_its_loss() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, Ed25519KeyPair};
    survive_truncation().unwrap();
    let dir = Dir::new("agree");
    let path = dir.0.join("tables");
    let sizes = &portcullis::alg::shared_table_sizes();
    let spec = TablesSpec { path: &path, bytes: 16 << 20, sizes, mode: 0o600, group: None, now: Millis(NOW_S) };
    let signed: Vec<Signed> = (0..3)
        .flat_map(|_| {
            let edwards = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
            [
                Signed::new(Algorithm::EcdsaP256Sha256, &support::ecdsa_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING)),
                Signed::new(Algorithm::Sm2Sm3, &support::sm2_pkcs8()),
                Signed::new(Algorithm::Ed25519, edwards.as_ref()),
            ]
        })
        .collect();
    let keys = || signed.iter().map(Signed::key).collect::<Vec<Key>>();
    let private = keys();
    Key::prepare_tables(&private);
    check(&signed, &private);
    assert_eq!(key_tables().shared_tables, 0);
    let had = key_tables().tables;
    drop(private);

    let (one, other) = (keys(), keys());
    let of_one = Tables::open(&spec).unwrap();
    Key::share_tables(&one, &of_one);
    Key::prepare_tables(&one);
    check(&signed, &one);
    let after_one = key_tables();
    assert_eq!((after_one.shared_tables, after_one.tables), (had, had), "all of them lie in the file");
    assert_eq!(of_one.counts().tables, had as u64);
    Key::share_tables(&other, &Tables::open(&spec).unwrap());
    Key::prepare_tables(&other);
    check(&signed, &other);
    let after_other = key_tables();
    assert_eq!(after_other.built, after_one.built, "they were there");
    assert_eq!(after_other.attached - after_one.attached, had as u64);
    drop(other);
    assert_eq!((key_tables().shared_tables, of_one.counts().held), (had, had as u64));

    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    check(&signed, &one);
    assert!(of_one.is_lost() && key_tables().shared_tables == 0, "{:?}", key_tables());
    Key::prepare_tables(&one);
    check(&signed, &one);
    assert_eq!((key_tables().shared_tables, key_tables().tables), (0, had), "each process has its own again");
}
