//! Publishing to and subscribing from NATS.
//!
//! NATS is a way to be quick, never a thing to trust: pages are signed and say what they follow,
//! so a bus that loses, repeats, reorders or invents costs time and nothing else. What is here
//! moves text; what a page means is decided by [`crate::page`] and [`crate::view`].
//!
//! | type | for whom | what |
//! | --- | --- | --- |
//! | [`Settings`], [`Bus`] | all | one connection, kept up for ever; its [`Health`] |
//! | [`Publisher`] | the service | the stored stream, pages, heartbeats |
//! | [`PageFeed`] | verifiers, and the service's replicas | live pages of everyone, and when to catch up |
//! | [`Replay`] | verifiers | the stored pages, where the service itself is away |
//! | [`StatusFeed`], [`Bus::publish_status`] | the service, verifiers | what each verifier has applied |
//! | [`EventPublisher`] | the service | the stored stream of events for other programs |
//! | [`EventSubscriber`] | other programs | the stored events, each until it is acknowledged |
//!
//! Live pages come by core subscriptions and stored ones by Direct Get. There are no JetStream
//! consumers of pages: a stream holds a thousand of them at most by default, and ordered ones were seen
//! to hang for good after a node was killed. Events have few readers, which may be late and must miss
//! nothing: each has a durable consumer, and asks anew every few seconds.
//!
//! A verifier subscribes first and catches up then, and again at every [`FeedItem::Resync`]. It
//! believes in its subscription when a heartbeat comes through it, not before: a subscription that
//! the server denies stays silent.

mod bus;
mod error;
mod event_publisher;
mod feed;
mod publisher;
mod replay;
mod settings;
mod status;
mod stream;
mod subscriber;

pub use bus::{Bus, Health};
pub use error::Error;
pub use event_publisher::{EventPublisher, EventStream};
pub use feed::{FeedItem, PageFeed, Why};
pub use publisher::{Publisher, Stored};
pub use replay::Replay;
pub use settings::Settings;
pub use status::{NoReport, Reported, StatusFeed};
pub use stream::{Ack, Incarnation, Replicas, StreamState};
pub use subscriber::{Delivery, EventSubscriber};

use std::time::Duration;

/// How long any single question to the server may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
