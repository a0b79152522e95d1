//! The requirements of JR/T 0185-2020 and of the open-API guide, row by row, through the public API. A test of row 7 is named `r07_…`; its
//! documentation says how the row is enforced, and goes into `COMPLIANCE.md` (see `compliance`).

mod audit;
mod compliance;
#[path = "../support/dir.rs"]
mod dir;
mod freed;
mod guide;
#[path = "../support/mod.rs"]
mod keys;
mod metrics;
mod parties;
mod policy;
mod seal;
mod support;
mod tokens;
