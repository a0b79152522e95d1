//! Rates: how many requests a key may make in a time, exactly, over threads and processes, in a shared region.
//!
//! A key's state is one number ([`gcra`]), kept in one word with a tag ([`cell`]). The hash of a key names a group of 64 slots (8 cache
//! lines), and a line to begin with; its cell may be any slot of the group. A cell without a debt says the same as no cell, so it may be
//! taken for another key at any time.
//!
//! # Why a key never has two cells in use
//!
//! That is what makes limits leak: two processes that both miss a new key's cell put one each into two slots, and admit its burst twice.
//! Here a slot is first *claimed*, which admits nothing, and the claimer then looks at the whole group again ([`cell`], `settle`):
//!
//! - it sees a settled cell of the tag, or a claim at a lower position: it takes its own claim away and begins anew;
//! - it sees a claim at a higher position: it takes that away;
//! - having seen nothing else of the tag, it turns its claim into a settled cell with its own debit, by compare-and-swap on the claim's
//!   unique word. If the swap fails, the claim was taken away or settled by a helper: it begins anew.
//!
//! Who finds a claim on its way settles it likewise, so a killed claimer holds nobody up; what it leaves behind is swept.
//!
//! *At most one settled cell of a tag at any time.* Suppose p and r are both settled, by P and R. P's look at slot r came after the claim of p
//! and found nothing of the tag there (a claim it would have taken away, and R's final swap would fail, its word being unique; a settled
//! cell would have turned P away). So that look came before the claim of r. Likewise R's look at p came before the claim of p. But each
//! look came after its own claim: claim(p) < look(r) < claim(r) < look(p) < claim(p), in the one order that sequentially consistent accesses
//! have. Contradiction. (A helper's look comes after its load of the claim, hence after the claim.)
//!
//! *So the limit is exact*: every admission is one change of the one settled cell, by compare-and-swap from the very value on which it was
//! decided. A slot that was taken for another key had no debt by the taker's clock; a process whose clock, or whose reading of it,
//! is behind by δ may then admit what δ brings, as it would alone. Refusals write nothing.
//!
//! *Giving back* a request is exact while the request's own debt lasts (the key has owed without a break since, so the order of taking and
//! giving does not matter), and does nothing afterwards.
//!
//! # Clocks
//!
//! A clock that steps forward brings the burst back early, as time would. One that steps back by δ makes keys with a debt wait up to δ longer.
//!
//! # Beside rates
//!
//! [`Inflight`]: requests under way at once, healing after killed workers. [`Deny`]: who is refused for a while, in every process at once.
//! [`Breakers`]: services that keep failing. [`Objects`]: distinct objects asked for. [`Anomalies`]: who draws attention.

mod anomaly;
mod breaker;
mod cell;
mod deny;
mod distinct;
mod flights;
mod gcra;
mod inflight;
mod limits;
#[cfg(all(test, loom))]
mod models;
mod rows;
#[cfg(all(test, not(loom)))]
mod tests;

pub use anomaly::{Anomalies, AnomaliesConfig, Anomaly, Counts, Whose};
pub use breaker::{BreakerRule, Breakers, BreakersConfig, Pass};
pub use deny::{Deny, DenyConfig, DenyKey, Mark, VALUE_MAX};
pub use distinct::{Objects, ObjectsConfig, window_of};
pub use gcra::{Rate, RateError};
pub use inflight::{Held, Inflight, InflightConfig, InflightKey, InflightRow, WORKERS, Worker};
pub use limits::{Debit, LimitKey, Limits, LimitsConfig, Refusal, Take, carry};
