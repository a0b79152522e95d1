//! Shape `canonical-request`: AWS Signature Version 4.
#![no_main]

#[path = "../harness.rs"]
mod harness;
#[path = "../shapes.rs"]
mod shapes;
#[path = "../../tests/canon/straight.rs"]
mod straight;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::target(bytes, shapes::CANONICAL_REQUEST));
