//! Events on their way to other programs: which ones wait, and who publishes them.
//!
//! An event is put in the outbox by the statement that appends it (a trigger, or the program where
//! refreshes are published), and leaves it when the stream has acknowledged it. One replica publishes at
//! a time, by a lease that ends by the database's clock. The lease saves work and no more: what keeps
//! the order of a stream is that an event is published once the one before it was acknowledged, or has
//! left the outbox.

use super::Result;
use crate::session::Event;
use async_trait::async_trait;
use revocation_events::{UnixMillis, UserId};
use std::time::Duration;
use uuid::Uuid;

/// The most that [`Outbox::outbox_size`] counts.
pub(crate) const MOST_COUNTED: u32 = 100_000;

/// The stream of events, as it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownStream {
    /// Which stream it is.
    pub(crate) incarnation: i64,
    /// The greatest number that it has given.
    pub(crate) last_sequence: u64,
    /// The number and the time of its oldest event; nothing where it was empty.
    pub(crate) first: Option<(u64, UnixMillis)>,
}

/// The right to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Nothing where no stream was ever seen.
    pub(crate) known: Option<KnownStream>,
    /// A refill was begun and has not ended.
    pub(crate) refilling: bool,
}

/// Another replica publishes by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseLost;

/// How far a refill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refill {
    GoesOn,
    Done,
}

/// The place of a row in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) stream: Uuid,
    pub(crate) version: i64,
    /// 0, or the number of the refill that put it there.
    pub(crate) refill: i64,
}

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitingEvent {
    pub(crate) waiting: Waiting,
    /// Or why this program cannot read it: a newer one has written it.
    pub(crate) event: std::result::Result<Event, String>,
    /// Whose session it is, where it is of one and its row is there.
    pub(crate) user: Option<UserId>,
}

/// How many events wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutboxSize {
    /// [`MOST_COUNTED`] where there are that many or more.
    pub(crate) events: u32,
    /// The age of the oldest one by the database's clock; zero where there is none.
    pub(crate) oldest: Duration,
}

type Held<T> = std::result::Result<T, LeaseLost>;

#[async_trait]
pub(crate) trait Outbox: Send + Sync + 'static {
    /// Takes the right to publish for `span` from now on, or keeps it; nothing where another has it.
    async fn lease_events(&self, replica: Uuid, span: Duration) -> Result<Option<Lease>>;

    /// Gives it back, if `replica` has it.
    async fn release_events(&self, replica: Uuid) -> Result<()>;

    /// Remembers how the stream was found.
    async fn note_stream(&self, replica: Uuid, known: KnownStream) -> Result<Held<()>>;

    /// Remembers how the stream was found, and that it lacks all events of the last `span`.
    async fn begin_refill(
        &self,
        replica: Uuid,
        known: KnownStream,
        span: Duration,
    ) -> Result<Held<()>>;

    /// Puts some of what the stream lacks in the outbox again: what is to be published of the next
    /// `limit` events of the log.
    async fn refill_outbox(
        &self,
        replica: Uuid,
        publish_refreshed: bool,
        limit: u32,
    ) -> Result<Held<Refill>>;

    /// Events that wait, in the order (stream, version), from the one after `after` on.
    async fn waiting_events(
        &self,
        after: Option<(Uuid, i64)>,
        limit: u32,
    ) -> Result<Vec<WaitingEvent>>;

    /// Forgets what the stream has acknowledged, and remembers the greatest number that it gave.
    async fn forget_published(
        &self,
        replica: Uuid,
        published: &[Waiting],
        last_sequence: u64,
    ) -> Result<Held<()>>;

    /// How many events wait.
    async fn outbox_size(&self) -> Result<OutboxSize>;

    /// Forgets what is older than `age`, published or not; how many those were.
    async fn prune_outbox(&self, age: Duration) -> Result<u64>;
}
