//! The configuration document and the immutable snapshot made of it.
//!
//! [`Config::from_json`] reads the one document that configures everything, strictly, and answers with a [`Snapshot`] or with the JSON
//! pointer of the first thing that is wrong. In the snapshot every name is resolved to an index, every key is prepared, every list is
//! in the form in which it is asked. Nothing in it ever changes, so any number of threads may ask it without a lock; [`Live`] exchanges
//! it as a whole.
//!
//! What may be decided from a snapshot and a few facts of a request, without state and without a clock of its own, is in [`policy`].

mod credential;
mod ids;
mod ips;
mod limits;
mod lint;
mod live;
mod paths;
pub mod policy;
mod profiles;
mod read;
mod settings;
mod snapshot;

pub use credential::{CertificateFacts, Credential, Secret};
pub use ips::IpSet;
pub use limits::{Action, CONCURRENCY_EACH, Distinct, KeyPart, KeyParts, Limit, Rate};
pub use lint::{Warning, lint};
pub use live::{Live, Reader};
pub use read::Config;
pub use settings::{Answers, ApiState, AppStatus, Clock, Codes, KeyStatus, Level, NonceMode, State};
pub use snapshot::{
    Api, ApiIndex, ApiRules, ApiTokens, App, AppIndex, Consent, Demands, LimitIndex, LimitLists, OneTime, ProfileIndex,
    Snapshot, Tokens,
};
