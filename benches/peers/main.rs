//! Ours beside each peer, interleaved in one run: `cargo bench --bench peers [-- --json] [-- --quick] [-- PART-OF-A-NAME …]`.
//! `-- curve --svg FILE` draws throughput against live entries.
//!
//! Rows of one operation name the peer crate or library; `pipeline-*` rows are whole requests beside the pipeline of `assembled`.

mod assembled;
mod ecc;
mod harness;
mod hash;
mod json;
mod pipeline;
mod plot;
mod processes;
mod rsa;
mod state;

fn main() {
    if processes::worker() {
        return;
    }
    let bench = harness::Bench::from_args();
    hash::rows(&bench);
    rsa::rows(&bench);
    ecc::rows(&bench);
    json::rows(&bench);
    pipeline::rows(&bench);
    state::rows(&bench);
    processes::tables(&bench);
    state::curve(&bench);
}
