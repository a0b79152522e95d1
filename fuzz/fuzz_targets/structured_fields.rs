//! Shape `structured-fields`: HTTP Message Signatures. The straightforward one reads and writes structured fields with the crate `sfv`.
#![no_main]

#[path = "../harness.rs"]
mod harness;
#[path = "../shapes.rs"]
mod shapes;
#[path = "../../tests/canon/straight.rs"]
mod straight;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| harness::target(bytes, shapes::STRUCTURED_FIELDS));
