//! The known answers of kernels, as an engine reports them.

use portcullis::engine::{Engine, Options};
use portcullis::lanes::Cpu;
use portcullis::time::Millis;
use std::path::Path;

/// On a machine that computes as it should no kernel of any backend is missing. (That one which fails is named and not used is shown beside
/// the known answers themselves.)
#[test]
fn every_kernel_that_a_configuration_uses_gives_its_known_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/demo/config.json");
    let document = std::fs::read(path).unwrap();
    for cpu in Cpu::variants() {
        let options = Options { cpu: Some(cpu), now: Some(Millis(1_700_000_000_000)), closed_set: true };
        let engine = Engine::open_with(&document, &options).unwrap();
        assert_eq!(engine.failed_kernels(), Vec::<String>::new(), "{cpu:?}");
        assert!(engine.warnings().iter().all(|warning| !warning.contains("known answers")), "{cpu:?}");
        engine.reload(&document).unwrap();
        assert_eq!(engine.failed_kernels(), Vec::<String>::new(), "{cpu:?} after a reload");
    }
}
