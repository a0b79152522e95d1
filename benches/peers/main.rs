//! Ours beside each peer, interleaved in one run: `cargo bench --bench peers [-- --json] [-- --quick] [-- PART-OF-A-NAME …]`.

mod harness;
mod hash;

fn main() {
    let bench = harness::Bench::from_args();
    hash::rows(&bench);
}
