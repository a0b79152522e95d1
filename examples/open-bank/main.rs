//! The open-API guide's flow, from token to signed answer: `cargo run --example open-bank`. See the README beside it.

#[path = "app.rs"]
mod app;
#[path = "bank.rs"]
mod bank;

use self::app::App;
use self::bank::Bank;
use portcullis::verdict::Reason;
use std::io::Write;

/// An error of this example: something came out otherwise than it should.
pub type Wrong = Box<dyn std::error::Error>;

fn main() -> Result<(), Wrong> {
    run(&mut std::io::stdout().lock())
}

/// Tells the story on `out`; an error where a verdict is not the one that it should be.
pub fn run(out: &mut dyn Write) -> Result<(), Wrong> {
    // Each side has its keys; they exchange the public ones.
    let mut app = App::new("p10001")?;
    let mut bank = Bank::open(&app.public_key()?)?;
    app.meet(&bank.public_key()?, bank.wrapping_key()?)?;

    writeln!(out, "1. The app asks for an access token: a GET with everything in the query, signed.")?;
    let call = app.call("GET", "/token", None, &[])?;
    writeln!(out, "   GET {}", shortened(&call.target))?;
    let (reason, answer) = bank.handle(&call)?;
    expect(out, reason, Reason::Ok, &answer)?;
    let token = app.read(&answer)?["data"]["accessToken"].as_str().unwrap_or_default().to_owned();

    writeln!(out, "2. With it the app fetches a one-time token, for a call that must not happen twice.")?;
    let headers = [("Authorization", token.as_str())];
    let call = app.call("GET", "/idempotency", None, &headers)?;
    let (reason, answer) = bank.handle(&call)?;
    expect(out, reason, Reason::Ok, &answer)?;
    let once = app.read(&answer)?["data"]["token"].as_str().unwrap_or_default().to_owned();

    writeln!(out, "3. The transfer: account number encrypted for the bank, body signed, both tokens in headers.")?;
    let headers = [("Authorization", token.as_str()), ("Idempotency-Token", once.as_str())];
    let transfer = app.transfer("6222020000001234567", "100.00", &headers)?;
    writeln!(out, "   POST {}\n   {}", shortened(&transfer.target), shortened(&transfer.body))?;
    let (reason, answer) = bank.handle(&transfer)?;
    expect(out, reason, Reason::Ok, &answer)?;
    writeln!(out, "   the app checked the bank's signature: balance {}", app.read(&answer)?["data"]["balance"])?;

    writeln!(out, "4. What is refused, each with its code.")?;
    writeln!(out, "   the same call again")?;
    let (reason, answer) = bank.handle(&transfer)?;
    expect(out, reason, Reason::Replayed, &answer)?;
    writeln!(out, "   another call with the same one-time token")?;
    let (reason, answer) = bank.handle(&app.transfer("6222020000001234567", "100.00", &headers)?)?;
    expect(out, reason, Reason::IdempotencyUsed, &answer)?;
    writeln!(out, "   an amount that was changed on its way")?;
    let mut changed = app.transfer("6222020000001234567", "100.00", &headers)?;
    changed.body = String::from_utf8(changed.body)?.replace("100.00", "900.00").into_bytes();
    let (reason, answer) = bank.handle(&changed)?;
    expect(out, reason, Reason::BadSignature, &answer)?;
    writeln!(out, "   an access token that the bank did not issue")?;
    let stolen = [("Authorization", "0123456789012345678901234567890123456789"), ("Idempotency-Token", once.as_str())];
    let (reason, answer) = bank.handle(&app.transfer("6222020000001234567", "100.00", &stolen)?)?;
    expect(out, reason, Reason::TokenInvalid, &answer)?;
    writeln!(out, "   and an answer of the bank's that was changed: the app does not take it")?;
    let forged = String::from_utf8(answer)?.replace("9991", "0000").into_bytes();
    if app.read(&forged).is_ok() {
        return Err("a forged answer was taken".into());
    }

    writeln!(
        out,
        "5. The bank's audit log: every verdict a record, no account number in it, and no record may be missing."
    )?;
    for line in bank.close_log()?.lines() {
        writeln!(out, "   {line}")?;
    }
    Ok(())
}

fn expect(out: &mut dyn Write, reason: Reason, expected: Reason, answer: &[u8]) -> Result<(), Wrong> {
    writeln!(out, "   -> {reason}: {}", shortened(answer))?;
    if reason == expected { Ok(()) } else { Err(format!("{reason}, where {expected} was expected").into()) }
}

/// A text for people: long runs of base64 and hexadecimal are cut.
fn shortened(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let word = |c: char| c.is_ascii_alphanumeric() || "+/=%_-".contains(c);
    let mut out = String::new();
    let mut rest = &*text;
    while !rest.is_empty() {
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if run.len() > 48 {
            out.push_str(&format!("{}…{}", &run[..16], &run[run.len() - 4..]));
        } else {
            out.push_str(run);
        }
        let next = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    out
}
