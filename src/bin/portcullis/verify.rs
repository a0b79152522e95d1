//! `portcullis verify`: lines of requests in, lines of verdicts out, in the same order.

use crate::lines::{Lines, NumberedLine};
use crate::{End, Failure, read_file};
use crossbeam_channel::{Receiver, Sender, bounded};
use indicatif::{ProgressBar, ProgressStyle};
use portcullis::engine::{Batch, Engine, Options, Worker};
use portcullis::ndjson::{Line, LineError, Parser, write_verdict};
use portcullis::request::Request;
use portcullis::time::Millis;
use portcullis::verdict::{Reason, Verdict};
use rayon::prelude::*;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Judge signed requests: one JSON object a line in, one verdict a line out, in the same order.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  portcullis verify --config vectors/demo/config.json --now 1700000000000 vectors/demo/requests.ndjson\n\n\
    Exit code 0 when every line was judged, 2 on a bad document or line (the line is named, the rest still judged)."
)]
pub struct Arguments {
    /// The configuration document (JSON)
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// The clock, in milliseconds since 1970, for lines without received_at_ms and for a new state region's birth [default: the wall clock]
    #[arg(long, value_name = "MS")]
    now: Option<i64>,
    /// Requests judged together
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024))]
    threads: Option<u32>,
    /// No summary and no progress bar
    #[arg(long, short)]
    quiet: bool,
    /// The requests; `-` or nothing for standard input
    file: Option<PathBuf>,
}

/// What one thread works on.
struct Share {
    worker: Worker,
    batch: Batch,
    parser: Parser,
    lines: Vec<NumberedLine>,
    verdicts: Vec<Verdict>,
    output: Vec<u8>,
}

/// The lines that all threads work on together: those of each share, in order.
#[derive(Default)]
struct Round {
    lines: Vec<Vec<NumberedLine>>,
    bytes: u64,
}

/// Rounds as they are read, and those that were judged, whose memory is used again. Reading goes on while a round is judged, and waits while one
/// is ready.
struct Rounds {
    ready: Receiver<io::Result<Round>>,
    spent: Sender<Round>,
}

impl Rounds {
    fn of(mut lines: Lines, shares: usize, batch: usize) -> Self {
        let (to_judge, ready) = bounded(1);
        let (spent, again) = bounded(2);
        // Not waited for: it may be reading from a terminal when the reader of our output has seen enough.
        std::thread::spawn(move || {
            loop {
                let mut round: Round = again.try_recv().unwrap_or_default();
                round.lines.resize_with(shares, Vec::new);
                let filled = fill(&mut round, &mut lines, batch).map(|()| round);
                let more = filled.as_ref().is_ok_and(|round| !round.lines.iter().all(Vec::is_empty));
                if to_judge.send(filled).is_err() || !more {
                    break;
                }
            }
        });
        Self { ready, spent }
    }
}

struct Tally {
    by_reason: Vec<u64>,
    judged: u64,
    bad_lines: u64,
}

pub fn run(arguments: &Arguments) -> Result<End, Failure> {
    let document = read_file(&arguments.config)?;
    let now = arguments.now.map(Millis);
    let engine = Engine::open_with(&document, &Options { now, closed_set: true, ..Options::default() })
        .map_err(|e| format!("{}: {e}", arguments.config.display()))?;
    for warning in engine.warnings() {
        eprintln!("portcullis: warning: {warning}");
    }
    let threads = arguments.threads.map_or_else(rayon::current_num_threads, |n| n as usize);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| e.to_string())?;
    let mut shares: Vec<Share> = (0..threads)
        .map(|_| Share {
            worker: engine.worker(),
            batch: Batch::new(),
            parser: Parser::new(),
            lines: Vec::new(),
            verdicts: Vec::new(),
            output: Vec::new(),
        })
        .collect();
    let lines = Lines::open(arguments.file.as_ref())?;
    let bar = progress_bar(arguments, lines.total);
    let rounds = Rounds::of(lines, threads, arguments.batch as usize);
    let mut tally = Tally { by_reason: vec![0; Reason::ALL.len()], judged: 0, bad_lines: 0 };
    let mut stdout = io::stdout().lock();
    let started = Instant::now();
    loop {
        // The end is a round without lines. A reader that has gone without one has failed, and what it read is not all there was.
        let round = rounds.ready.recv().map_err(|_| "reading: stopped before the end".to_owned())?;
        let mut round = round.map_err(|e| format!("reading: {e}"))?;
        let full = round.lines.iter().take_while(|lines| !lines.is_empty()).count();
        if full == 0 {
            break;
        }
        for (share, lines) in shares.iter_mut().zip(&mut round.lines) {
            std::mem::swap(&mut share.lines, lines);
        }
        judge(&pool, &mut shares[..full], &mut tally);
        for share in &shares[..full] {
            match stdout.write_all(&share.output) {
                // The reader of our output has seen enough.
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Done),
                other => other.map_err(|e| format!("writing: {e}"))?,
            }
        }
        if let Some(bar) = &bar {
            bar.inc(round.bytes);
        }
        for (share, lines) in shares.iter_mut().zip(&mut round.lines) {
            share.lines.clear();
            std::mem::swap(&mut share.lines, lines);
        }
        // Where two wait already, this one's memory goes.
        let _ = rounds.spent.try_send(round);
    }
    stdout.flush().map_err(|e| format!("writing: {e}"))?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if !arguments.quiet {
        summary(&tally, started.elapsed());
    }
    Ok(if tally.bad_lines == 0 { End::Done } else { End::BadInput })
}

/// Gives every share of the round its next lines, in order.
fn fill(round: &mut Round, lines: &mut Lines, batch: usize) -> io::Result<()> {
    round.bytes = 0;
    round.lines.iter_mut().for_each(Vec::clear);
    for share in &mut round.lines {
        while share.len() < batch {
            let Some(line) = lines.next()? else { return Ok(()) };
            round.bytes += line.text.len() as u64 + 1;
            // Blank lines are no requests.
            if !line.is_blank() {
                share.push(line);
            }
        }
    }
    Ok(())
}

/// Judges what the shares hold. Parsing and signatures run in parallel; what depends on state runs in the order of the lines, so that
/// the verdicts are the same for any number of threads and any size of batch.
fn judge(pool: &rayon::ThreadPool, shares: &mut [Share], tally: &mut Tally) {
    struct Work<'a> {
        worker: &'a mut Worker,
        batch: &'a mut Batch,
        numbers: Vec<(u64, bool)>,
        verdicts: &'a mut Vec<Verdict>,
        output: &'a mut Vec<u8>,
        lines: Vec<Result<Line<'a>, LineError>>,
    }
    let mut works: Vec<Work<'_>> = pool.install(|| {
        shares
            .par_iter_mut()
            .map(|share| {
                let parser = &mut share.parser;
                let numbers = share.lines.iter().map(|line| (line.number, line.whole)).collect();
                let texts = share.lines.iter_mut().map(|line| &mut line.text);
                Work {
                    worker: &mut share.worker,
                    batch: &mut share.batch,
                    numbers,
                    verdicts: &mut share.verdicts,
                    output: &mut share.output,
                    lines: texts.map(|text| parser.parse(text)).collect(),
                }
            })
            .collect()
    });
    for work in &works {
        for (line, (number, whole)) in work.lines.iter().zip(&work.numbers) {
            if let Err(e) = line {
                let why = if *whole { e.to_string() } else { "longer than 64 MiB".to_owned() };
                eprintln!("portcullis: line {number}: {why}");
                tally.bad_lines += 1;
            }
        }
    }
    let mut tasks: Vec<Task<'_>> = works
        .iter_mut()
        .map(|work| {
            // A line that is no request takes part as one that has nothing, so that its verdict comes in its place.
            let nothing = Request::new(b"", b"", b"");
            Task {
                requests: work.lines.iter().map(|l| l.as_ref().map_or(nothing, Line::request)).collect(),
                ids: work.lines.iter().map(|l| l.as_ref().ok().and_then(|l| l.id.as_deref())).collect(),
                worker: work.worker,
                batch: work.batch,
                verdicts: work.verdicts,
                output: work.output,
            }
        })
        .collect();
    for task in &mut tasks {
        task.worker.gate(&task.requests, task.batch);
    }
    pool.install(|| tasks.par_iter_mut().for_each(|task| task.worker.prepare(&task.requests, task.batch)));
    for task in &mut tasks {
        task.verdicts.clear();
        task.verdicts.resize(task.requests.len(), Verdict::of(Reason::Internal));
        task.worker.commit(&task.requests, task.batch, task.verdicts);
        for verdict in task.verdicts.iter() {
            tally.by_reason[verdict.reason as usize] += 1;
            tally.judged += 1;
        }
    }
    pool.install(|| {
        tasks.par_iter_mut().for_each(|task| {
            task.output.clear();
            for (id, verdict) in task.ids.iter().zip(task.verdicts.iter()) {
                write_verdict(*id, verdict, task.output);
            }
        });
    });
}

/// The requests of one share on their way through the stages.
struct Task<'a> {
    requests: Vec<Request<'a>>,
    ids: Vec<Option<&'a str>>,
    worker: &'a mut Worker,
    batch: &'a mut Batch,
    verdicts: &'a mut Vec<Verdict>,
    output: &'a mut Vec<u8>,
}

fn progress_bar(arguments: &Arguments, total: Option<u64>) -> Option<ProgressBar> {
    if arguments.quiet || !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return None;
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Some(bar)
}

fn summary(tally: &Tally, elapsed: Duration) {
    let rate = tally.judged as f64 / elapsed.as_secs_f64().max(1e-9);
    eprintln!("{} requests in {:.3} s, {rate:.0} requests/s", tally.judged, elapsed.as_secs_f64());
    for reason in Reason::ALL {
        let count = tally.by_reason[*reason as usize];
        if count > 0 {
            eprintln!("{count:>12} {reason}");
        }
    }
}
