//! Interleaved measurement: ours and the peer's turn about, many short rounds, medians of each and the ratio of the medians.
//!
//! The machines this runs on are shared and noisy; a ratio from one run, taken in alternation, survives what an absolute time does not.

use std::time::{Duration, Instant};

/// How to measure and what to print.
pub struct Bench {
    json: bool,
    round: Duration,
    rounds: usize,
    /// Run ours alone, for a profiler.
    alone: bool,
    /// Where a plot goes.
    svg: Option<std::path::PathBuf>,
    filter: Vec<String>,
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

impl Bench {
    /// From the command line: `--json` for lines of JSON, `--quick` for short rounds, `--alone` to run ours without the peer, `--svg FILE`
    /// for a plot where there is one, anything else a part of a row's name.
    pub fn from_args() -> Self {
        let (round, rounds) = (Duration::from_millis(20), 25);
        let mut bench = Self { json: false, round, rounds, alone: false, svg: None, filter: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => bench.json = true,
                "--quick" => (bench.round, bench.rounds) = (Duration::from_millis(5), 9),
                "--alone" => (bench.alone, bench.rounds) = (true, 400),
                "--svg" => bench.svg = Some(arguments.next().expect("--svg FILE").into()),
                // What cargo passes to every bench, and a mode of one of them.
                "--bench" | "--ratios" => {}
                part => bench.filter.push(part.to_owned()),
            }
        }
        if !bench.json {
            println!("{:<34} {:<24} {:>12} {:>12} {:>8}", "row", "peer", "ours ns", "peer ns", "ratio");
        }
        bench
    }

    /// Whether a row of that name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|part| name.contains(part.as_str()))
    }

    /// Whether it was asked for by name: for what takes long.
    #[allow(dead_code, reason = "not every bench has such")]
    pub fn asked(&self, name: &str) -> bool {
        !self.filter.is_empty() && self.wants(name)
    }

    /// Whether what is no row may be printed: not among lines of JSON.
    #[allow(dead_code, reason = "not every bench has tables")]
    pub fn speaks(&self) -> bool {
        !self.json && !self.alone
    }

    /// Where a plot goes, where one is wanted.
    #[allow(dead_code, reason = "not every bench has plots")]
    pub fn svg(&self) -> Option<&std::path::Path> {
        self.svg.as_deref()
    }

    /// Prints that a row cannot be had here, and why (`not on this CPU`).
    #[allow(dead_code, reason = "not every bench has rows that some CPUs lack")]
    pub fn absent(&self, name: &str, peer: &str, why: &str) {
        if !self.wants(name) {
            return;
        }
        if self.json {
            println!("{{\"name\":\"{name}\",\"peer\":\"{peer}\",\"absent\":\"{why}\"}}");
        } else {
            println!("{name:<34} {peer:<24} {why}");
        }
    }

    /// Measures a row: one call of `ours` does `ours_ops` operations, one of `theirs` does `their_ops`. Returns the ratio.
    pub fn row(
        &self,
        name: &str,
        peer: &str,
        (ours_ops, mut ours): (usize, impl FnMut()),
        (their_ops, mut theirs): (usize, impl FnMut()),
    ) -> Option<f64> {
        if !self.wants(name) {
            return None;
        }
        let calls = |f: &mut dyn FnMut()| {
            f();
            let start = Instant::now();
            f();
            let once = start.elapsed().max(Duration::from_nanos(50));
            (self.round.as_nanos() / once.as_nanos()).clamp(1, 1 << 20) as usize
        };
        let (our_calls, their_calls) = (calls(&mut ours), calls(&mut theirs));
        let time = |f: &mut dyn FnMut(), calls: usize, ops: usize| {
            let start = Instant::now();
            for _ in 0..calls {
                f();
            }
            start.elapsed().as_nanos() as f64 / (calls * ops) as f64
        };
        self.timed_row(
            name,
            peer,
            || time(&mut ours, our_calls, ours_ops),
            || time(&mut theirs, their_calls, their_ops),
        )
    }

    /// As [`Bench::row`], for work that must be set up anew before each round: the closures do one round and return its nanoseconds an
    /// operation, taken without the setting up.
    pub fn timed_row(
        &self,
        name: &str,
        peer: &str,
        mut ours: impl FnMut() -> f64,
        mut theirs: impl FnMut() -> f64,
    ) -> Option<f64> {
        if !self.wants(name) {
            return None;
        }
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            our_times.push(ours());
            if !self.alone {
                their_times.push(theirs());
            }
        }
        if self.alone {
            println!("{name:<34} {:<24} {:>12.1}", "alone", median(&mut our_times));
            return None;
        }
        let (our_ns, their_ns) = (median(&mut our_times), median(&mut their_times));
        let ratio = their_ns / our_ns;
        if self.json {
            println!(
                "{{\"name\":\"{name}\",\"peer\":\"{peer}\",\"ours_ns\":{our_ns:.1},\"peer_ns\":{their_ns:.1},\"ratio\":{ratio:.2}}}"
            );
        } else {
            println!("{name:<34} {peer:<24} {our_ns:>12.1} {their_ns:>12.1} {ratio:>7.2}x");
        }
        Some(ratio)
    }
}
