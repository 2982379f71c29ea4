//! Checks Portcullis access tokens inside a microservice: no look-up per request, and revocations
//! within milliseconds.
//!
//! A service builds one [`Verifier`] and asks it about each request's token.
//!
//! # Signatures on processors with AVX-512
//! A token is checked a third faster the first time where the program was built with
//!
//! ```toml
//! # .cargo/config.toml
//! [target.'cfg(target_arch = "x86_64")']
//! rustflags = ["--cfg", 'curve25519_dalek_backend="avx512"']
//! ```
//!
//! The processor is asked at run time: one without AVX-512 IFMA gets AVX2 or plain code, as without these
//! lines. The programs of this repository are built so.
//!
//! # For whoever works on the crate
//!
//! ```text
//!  request ─► request (which credential? whose page sent it?)
//!                └─► Verifier::verify ─► shared: cache ─ or token + keys ─► cut-offs ─► published
//!                                                 ▲          ▲                ▲    (floor, proof)
//!  session service ─► feed ───────────────────────┴──────────┴────────────────┘
//! ```
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`request`] | which credential a request presents, and whether a page of another site sent it |
//! | [`token`] | the strict decoder of access tokens: signature, claims and times, no revocations |
//! | [`error`], [`problem`] | every way in which a request is refused, and how that looks over HTTP |
//! | [`protect`] | what a route asks of a request: middleware for actix-web, a layer for tower |
//! | [`figures`] | what a monitoring system is told; `recorded` tells it by the facade `metrics` |
//! | [`duration`] | how settings write durations |
//! | `verifier`, `builder` | the way in, and its settings |
//! | `shared` | the judgement on one token: what verifying threads share, and nothing that waits |
//! | `published` | the proof and the floor, and the order of memory that makes them safe |
//! | `cutoffs`, `revoked_set` | who was revoked, and the table under it |
//! | `keys`, `cache` | the issuer's keys; tokens that were verified before |
//! | `keyed` | the hash of both tables |
//! | `feed` | following the session service's pages, with a map of its own |
//! | `service` | the session service over HTTP |
//! | `ended`, `waiters` | waiting for the end of a session |
//! | `report` | telling the session service what was applied |
//! | `bench` | parts of the inside, for benchmarks alone |
//!
//! The rules by which pages make a verifier fresh are not here but in `revocation_events::view`,
//! where the session service's own tests can search them too. To add a transport for pages: a task
//! in `feed` that sends their texts, and a line in `verifier` that starts it.

#![warn(missing_docs)]

#[cfg(feature = "actix")]
pub mod actix;
mod backoff;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod builder;
mod cache;
mod clock;
mod counts;
mod cutoffs;
pub mod duration;
mod ended;
pub mod error;
mod feed;
pub mod figures;
mod keyed;
mod keys;
pub mod problem;
pub mod protect;
mod published;
#[cfg(feature = "metrics")]
mod recorded;
mod report;
pub mod request;
mod revoked_set;
mod service;
mod session;
mod shared;
mod status;
mod task;
#[cfg(test)]
mod testkit;
pub mod token;
#[cfg(feature = "tower")]
pub mod tower;
mod trouble;
mod verifier;
mod waiters;

pub use builder::{Builder, StartError};
pub use ended::Ended;
pub use error::{Error, Reason};
pub use protect::Protect;
pub use session::Session;
pub use shared::OnStale;
pub use status::{Freshness, Status};
pub use verifier::Verifier;
