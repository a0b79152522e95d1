//! The worked example `examples/open-bank`, as it runs: each of its steps checks the verdict that it gets.

#[path = "../examples/open-bank/main.rs"]
#[allow(dead_code, reason = "its main is not called here")]
mod open_bank;

#[test]
fn the_guides_flow_from_token_to_signed_answer_runs_as_it_is_told() {
    let mut told = Vec::new();
    open_bank::run(&mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    for line in [
        "-> ok:",
        "-> replayed: {\"code\":\"9997\"",
        "-> idempotency_used: {\"code\":\"9997\"",
        "-> bad_signature: {\"code\":\"9992\"",
        "-> token_invalid: {\"code\":\"9991\"",
        "balance \"900.00\"",
        "\"account\":\"622202*********4567\"",
        "verified: 9 lines, none altered, none missing",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert!(!told.contains("6222020000001234567"), "{told}");
}
