//! Ours beside each peer, interleaved in one run: `cargo bench --bench peers [-- --json] [-- --quick] [-- PART-OF-A-NAME …]`.

mod harness;

fn main() {
    let bench = harness::Bench::from_args();
    let _ = &bench;
}
