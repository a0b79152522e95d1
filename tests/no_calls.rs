//! Reads the machine code of the hash kernels and of the shared tables as it is in this very test: no call in a hot loop, nor to what reads a line.
//!
//! A kernel is code inlined into a function that is compiled with the CPU features it needs. Where the compiler leaves a piece of it outside,
//! that piece is compiled without them and is called for every vector: the answers stay right and the speed is gone by an order of
//! magnitude, which no other test would notice.

use std::process::Command;

use portcullis::bucket::{Limits, LimitsConfig, Rate, Take};
use portcullis::hash::prf::Kind;
use portcullis::hash::{Scratch, md5, sha256, sha512, sm3};
use portcullis::lanes::Cpu;
use portcullis::nonce::{Admit, Mode, NonceConfig, Store};
use portcullis::shm::{Region, RegionSpec};
use portcullis::time::Millis;

/// Makes sure that every kernel is part of this binary.
fn run_all() {
    let messages = [&b"abc"[..]; 40];
    let mut scratch = Scratch::new();
    for cpu in Cpu::variants() {
        md5::digest_many(cpu, &messages, &mut [[0; 16]; 40], &mut scratch);
        sha256::digest_many(cpu, &messages, &mut [[0; 32]; 40], &mut scratch);
        sha512::digest_many(cpu, &messages, &mut [[0; 64]; 40], &mut scratch);
        sm3::digest_many(cpu, &messages, &mut [[0; 32]; 40], &mut scratch);
    }
}

struct Instruction<'t> {
    address: u64,
    name: &'t str,
    /// For a jump or a call: where it goes.
    target: Option<u64>,
    text: &'t str,
}

fn parse(line: &str) -> Option<Instruction<'_>> {
    let (address, text) = line.split_once(":\t")?;
    let text = text.trim();
    let mut words = text.split_whitespace();
    let name = words.next()?;
    let target = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
    Some(Instruction { address: u64::from_str_radix(address.trim(), 16).ok()?, name, target, text })
}

/// The loops of a function: from the target of a jump backwards to the jump.
fn loops<'f, 't>(function: &'f [Instruction<'t>]) -> Vec<&'f [Instruction<'t>]> {
    let first = function[0].address;
    let mut all = Vec::new();
    for (end, jump) in function.iter().enumerate() {
        let Some(target) = jump.target.filter(|&t| jump.name.starts_with('j') && t >= first && t <= jump.address)
        else {
            continue;
        };
        let start = function.partition_point(|i| i.address < target);
        all.push(&function[start..=end]);
    }
    all
}

/// This binary's machine code; `None`, and why, where it cannot be had.
fn disassembly() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: no lanes on this architecture");
        return None;
    }
    let binary = std::env::current_exe().unwrap();
    match Command::new("objdump").args(["-d", "-C", "--no-show-raw-insn"]).arg(&binary).output() {
        Ok(output) if output.status.success() => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        other => {
            println!("skipped: objdump is missing or failed ({other:?})");
            None
        }
    }
}

#[test]
fn no_call_in_a_hot_loop() {
    run_all();
    let Some(text) = disassembly() else { return };

    let mut hot = std::collections::BTreeMap::new();
    for function in text.split("\n\n") {
        let mut lines = function.lines().skip_while(|line| !line.ends_with(">:"));
        let Some(backend) = lines.next().and_then(|name| {
            let kernel = name.contains("enter") && name.contains("go");
            ["Avx512", "Avx2", "ShaNi"]
                .into_iter()
                .find(|backend| kernel && name.contains(&format!("cpu::{backend}::")))
        }) else {
            continue;
        };
        let instructions: Vec<Instruction<'_>> = lines.filter_map(parse).collect();
        if instructions.is_empty() {
            continue;
        }
        let targets: std::collections::BTreeSet<u64> =
            instructions.iter().filter(|i| i.name.starts_with('j')).filter_map(|i| i.target).collect();
        for body in loops(&instructions) {
            // What no other kernel has in number: rotations of lanes (AVX-512), shifts to the left for them (AVX2), SHA rounds.
            let count = |names: &[&str]| body.iter().filter(|i| names.contains(&i.name)).count();
            let is_hash = match backend {
                "Avx512" => count(&["vprold", "vprolq", "vprord", "vprorq"]) >= 16,
                "Avx2" => count(&["vpslld", "vpsllq"]) >= 16,
                _ => count(&["sha256rnds2"]) >= 2,
            };
            if !is_hash {
                continue;
            }
            *hot.entry(backend).or_insert(0) += 1;
            for pair in body.windows(2) {
                let [call, next] = pair else { continue };
                // A call that does not come back (a panic, put among the seldom blocks at the end of a function, which may lie between a
                // loop and a seldom block that jumps into it) has nothing after it but another block, to which there is a jump.
                let comes_back = !targets.contains(&next.address) && next.name != "ud2";
                assert!(
                    !call.name.starts_with("call") || !comes_back,
                    "a call in a hot loop of {backend}: {:x} {}",
                    call.address,
                    call.text
                );
            }
        }
    }
    println!("hot loops: {hot:?}");
    // A check that finds nothing to check is no check: four hashes in each backend, whatever this CPU has.
    assert!(hot.get("Avx512").is_some_and(|&n| n >= 4), "hot loops were not found: {hot:?}");
    assert!(hot.get("Avx2").is_some_and(|&n| n >= 4), "hot loops were not found: {hot:?}");
    assert!(hot.get("ShaNi").is_some_and(|&n| n >= 1), "hot loops were not found: {hot:?}");
}

/// Asks the shared tables everything that reads lines, in every way.
fn ask_tables() {
    let (now, kind) = (Millis(1_700_000_000_000), Kind::best(Cpu::detect()));
    let nonces = NonceConfig { capacity: 1000, birth_rule: false, ..NonceConfig::default() };
    let limits = LimitsConfig { keys: 1000 };
    let region =
        Region::open(&RegionSpec::new(None, now).with(nonces.section(kind)).with(limits.section(kind))).unwrap();
    let store = Store::open(&region, &nonces).unwrap();
    for mode in [Mode::Strict, Mode::Message] {
        let key = |nonce: &[u8]| store.key(b"app", nonce, now, mode);
        assert!(matches!(store.admit(&key(b"1"), now), Admit::Ok(_)));
        assert!(store.peek(&key(b"1")));
        let mut out = [Admit::Full; 2];
        store.admit_batch(&[key(b"1"), key(b"2")], now, &mut out);
        assert!(matches!(out, [Admit::Replayed, Admit::Ok(_)]));
    }
    let limits = Limits::open(&region, &limits).unwrap();
    let (key, rate) = (limits.key(&[b"per-app", b"app"]), Rate::new(1, 1000, 2).unwrap());
    assert_eq!(limits.peek(&key, &rate, now), 0);
    assert!(matches!(limits.take(&key, &rate, now), Take::Ok(_)));
    let mut out = [Take::Full; 2];
    limits.take_batch(&[(key, rate), (key, rate)], now, &mut out);
    assert!(matches!(out, [Take::Ok(_), Take::Limited { .. }]));
}

/// The answers stay right there too, and a nonce in strict mode takes 130 instructions more.
#[test]
fn lines_are_read_where_they_are_asked_for() {
    ask_tables();
    let Some(text) = disassembly() else { return };
    let mut inside = std::collections::BTreeMap::new();
    for function in text.split("\n\n") {
        let mut lines = function.lines().skip_while(|line| !line.ends_with(">:"));
        let Some(name) = lines.next() else { continue };
        let instructions: Vec<Instruction<'_>> = lines.filter_map(parse).collect();
        // Also a jump, which ends the caller.
        let is_call =
            |i: &Instruction<'_>| i.text.contains("<portcullis::shm::line::vector::") && !i.text.contains("+0x");
        let calls = instructions.iter().find(|i| is_call(i));
        // From a function that has the features (a test's build may leave it outside there, which costs little), and where a nonce's tag was met and
        // is looked for anew, which is seldom.
        let may = name.ends_with("::enter::go>:") || name.ends_with("::met>:");
        assert!(calls.is_none() || may, "{name} {}", calls.unwrap().text);
        // Four loads of a line in a row.
        let is_load = |at: usize, i: &Instruction<'_>| {
            let place = i.text.strip_prefix("vmovdqa").unwrap_or_default().trim();
            let offset = place.split_once("(%").map(|(offset, _)| offset).filter(|_| place.contains(",%xmm"));
            offset.is_some_and(|offset| [["", "0x0"], ["0x10"; 2], ["0x20"; 2], ["0x30"; 2]][at].contains(&offset))
        };
        let loads = instructions.windows(4).any(|four| four.iter().enumerate().all(|(at, load)| is_load(at, load)));
        if (loads || calls.is_some()) && name.ends_with("::enter::go>:") {
            let backend = ["Avx512", "Avx2"].into_iter().find(|backend| name.contains(&format!("cpu::{backend}::")));
            *inside.entry(backend).or_insert(0) += 1;
        }
    }
    println!("functions that read lines: {inside:?}");
    // The nonces' usual way, their other ways, their batch and their look, and the limits' one by one, batch and look.
    for backend in ["Avx512", "Avx2"] {
        assert!(inside.get(&Some(backend)).is_some_and(|&n| n >= 5), "they were not found: {inside:?}");
    }
}
