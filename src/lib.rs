//! Request verification for API gateways: signed requests in, verdicts out.
//!
//! A request comes in as borrowed bytes, a verdict goes out; nothing here opens a socket. The way a request takes:
//!
//! ```text
//! gateway ──▶ ffi/bin ──▶ engine ──▶ request ──▶ canon ──▶ alg (lanes) ──▶ bucket ──▶ nonce ──▶ verdict
//!                           │
//!                           └── keys, policy (immutable snapshot)
//! ```
//!
//! # Rooms and what they may import
//!
//! A room imports rooms of a lower floor only; rooms on one floor do not know each other unless named in the last column.
//! `tests/layers.rs` reads this table and fails on any edge that is not in it.
//!
//! | floor | room | holds | may import |
//! |---|---|---|---|
//! | 0 | verdict | every outcome of a request: number, name, return code, HTTP status, meaning | |
//! | 0 | error | set-up errors only; never a request outcome | |
//! | 0 | time | millisecond newtypes; time is passed in, never read, below `engine` | |
//! | 0 | sync | atomics and locks, swapped for loom in one place | |
//! | 0 | codec | hex, base64, percent, dates, strict documents, PEM/DER glue over well-kept crates | error |
//! | 1 | lanes | vector types, CPU features as typed proofs, one entry per backend (unsafe) | |
//! | 1 | request | borrowed view of a request; query, form and JSON parameters | verdict codec lanes time |
//! | 1 | shm | the shared region: map, header, offsets, creation race; tables of keys beside it (unsafe) | error lanes sync time |
//! | 2 | hash | md5, sha256, sm3, sha512 one and many; MACs under AES; the keyed hash of the tables | lanes |
//! | 2 | ndjson | requests and verdicts as lines of JSON | request codec verdict time |
//! | 2 | canon | profiles compiled from data; the string to sign | request codec verdict time error hash lanes |
//! | 2 | nonce | exactly-once admission | hash shm sync time error |
//! | 2 | bucket | rates and other limits | hash shm sync time error |
//! | 2 | token | access tokens, one-time tokens | codec hash lanes shm sync time error verdict |
//! | 2 | metrics | counters in the region, their text for Prometheus | shm sync verdict error |
//! | 2 | field | fixed-size big-number arithmetic over lanes | lanes |
//! | 2 | curve | curve arithmetic over lanes | field lanes |
//! | 2 | alg | every signature and MAC algorithm, one and many | hash field curve lanes shm sync codec verdict error |
//! | 2 | policy | U_API_ID, rules of parameters, expressions over what stands behind a request | request verdict |
//! | 3 | keys | the configuration document and the immutable snapshot | bucket token policy alg canon request codec verdict error time |
//! | 3 | audit | the access record, masking, the chain of records, its seals | alg hash ndjson codec verdict error time lanes |
//! | 3 | seal | sealed fields: unwrapping, decryption, one error | error verdict codec |
//! | 4 | doctor | why a signature does not verify, for operators | keys canon alg request codec hash time lanes |
//! | 5 | engine | the order of checks, batches; the only room that sees all | verdict error time sync codec lanes request shm hash canon nonce bucket token policy alg keys audit metrics |
//! | 6 | ffi | the C ABI (unsafe) | engine verdict error time codec request lanes shm sync token audit doctor canon |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod alg;
pub mod audit;
pub mod bucket;
pub mod canon;
pub mod codec;
pub mod curve;
pub mod doctor;
pub mod engine;
pub mod error;
#[cfg(feature = "ffi")]
pub mod ffi;
pub mod field;
pub mod hash;
pub mod keys;
pub mod lanes;
pub mod metrics;
pub mod ndjson;
pub mod nonce;
pub mod policy;
pub mod request;
pub mod seal;
pub mod shm;
mod sync;
pub mod time;
pub mod token;
pub mod verdict;
