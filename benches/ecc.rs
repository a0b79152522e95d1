//! The rows of P-256 and SM2 alone: `cargo bench --bench ecc [-- --json] [-- --quick] [-- PART-OF-A-NAME …]`.

#[path = "peers/ecc.rs"]
mod ecc;
#[path = "peers/harness.rs"]
mod harness;

fn main() {
    ecc::rows(&harness::Bench::from_args());
}
