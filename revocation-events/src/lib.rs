//! The words that the session service and its verifiers share.
//!
//! Nothing here reads a clock, draws a random number or opens a socket, with one exception: the
//! module `nats`, behind the feature of the same name.
//!
//! | module | what is in it |
//! | --- | --- |
//! | [`position`] | the order of revocations |
//! | [`id`] | session, user and key identifiers |
//! | [`strict_json`], [`jws`] | parsing that refuses whatever is ambiguous; compact signatures |
//! | [`jwk`] | public keys and key sets |
//! | [`page`] | the signed statement "these are all the revocations in (from, to]" |
//! | [`view`] | what a verifier does with a page: the state machine behind *fresh* and *stale* |
//! | [`event`] | one event of the log, as other programs read it |
//! | [`status`] | what a verifier reports about itself |
//! | [`subject`] | the names of the NATS subjects and streams |
#![cfg_attr(
    feature = "nats",
    doc = "| [`nats`] | publishing to and subscribing from NATS |"
)]
//!
//! To add a kind of revocation: a variant of [`page::Target`], its member in the page's JSON, and
//! its rule in [`view`]. A verifier that does not know the new member counts the entry as a
//! revocation of everyone, so an old verifier refuses too much and never too little.

#![warn(missing_docs)]

pub mod event;
pub mod id;
pub mod jwk;
pub mod jws;
#[cfg(feature = "nats")]
pub mod nats;
pub mod page;
pub mod position;
pub mod status;
pub mod strict_json;
pub mod subject;
pub mod time;
pub mod view;

pub use id::{KeyId, SessionId, UserId};
pub use page::{Page, Revocation, Target};
pub use position::Position;
pub use time::{Now, UnixMillis};
pub use view::View;
