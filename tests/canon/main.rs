//! Signing profiles from the outside: vectors, options, the linter, hostile input, and a straightforward implementation to agree with.

mod basics;
mod client;
mod docs;
mod hostile;
mod linter;
mod naive;
mod options;
mod oracle;
mod steady;
mod support;
mod vectors;
