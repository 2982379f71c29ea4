//! The loop that publishes.

use super::Events;
use super::batch::{self, Outcome, Outgoing};
use super::loss::{Loss, known, loss};
use super::shape::{self, NotNow};
use super::sink::Sink;
use crate::store::{self, KnownStream, LeaseLost, Refill, Store, WaitingEvent};
use revocation_events::nats;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// For how long a replica that has died keeps the others from publishing.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// Nothing is published in the last part of a lease, which others' clocks may see ended.
const MARGIN: Duration = Duration::from_secs(1);

/// How often the lease is renewed and the stream looked at.
const CHECK: Duration = Duration::from_secs(2);

/// Events that are read and held in memory at once.
const BATCH: u32 = 500;

/// Events of the log that one step of a refill looks at.
const REFILL: u32 = 5_000;

/// How often a replica that publishes looks for more.
const POLL: Duration = Duration::from_millis(250);

/// How often one that does not looks whether it is to, and how long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the outbox is counted.
const COUNT: Duration = Duration::from_secs(5);

/// What an operator sets.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The `source` of all events.
    pub(crate) issuer: String,
    /// For how long the stream keeps an event.
    pub(crate) max_age: Duration,
    /// Whether refreshes are published.
    pub(crate) publish_refreshed: bool,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is no connection.
    Away,
    /// Another replica publishes.
    NotOurs,
    /// So many events were published.
    Published(usize),
    /// The stream has lost events, and some of them wait again.
    Refilled,
    /// Something was refused or did not answer.
    Failed,
}

/// Publishes events until it is told to stop.
pub(crate) struct Worker {
    store: Arc<dyn Store>,
    sink: Arc<dyn Sink>,
    events: Events,
    settings: Settings,
    /// This replica.
    replica: Uuid,
    lease: Option<Held>,
    /// Up to where the outbox was read in this round.
    cursor: Option<(Uuid, i64)>,
    counted: Option<Instant>,
    /// Said once, however long it lasts.
    failing: bool,
    blocked: Option<NotNow>,
}

/// The right to publish, and what is known of the stream.
#[derive(Clone, Copy)]
struct Held {
    /// By this machine's clock, from before it was asked for.
    since: Instant,
    known: Option<KnownStream>,
    refilling: bool,
    /// When the stream was last looked at, and by which connection.
    looked: Option<(Instant, u64)>,
}

/// Why a step did not go through.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Bus(#[from] nats::Error),
    #[error("another replica publishes events by now")]
    LeaseLost,
}

impl From<LeaseLost> for Trouble {
    fn from(LeaseLost: LeaseLost) -> Self {
        Self::LeaseLost
    }
}

impl Worker {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        sink: Arc<dyn Sink>,
        events: Events,
        settings: Settings,
    ) -> Self {
        Self {
            store,
            sink,
            events,
            settings,
            replica: Uuid::new_v4(),
            lease: None,
            cursor: None,
            counted: None,
            failing: false,
            blocked: None,
        }
    }

    /// Works until `stop`, and lets another replica go on at once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.step().await {
                Step::Published(1..) | Step::Refilled => Duration::ZERO,
                Step::Published(0) => POLL,
                Step::Away | Step::NotOurs | Step::Failed => PAUSE,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep(pause) => {}
                () = self.sink.changed() => {}
            }
        }
        self.give_up_lease().await;
    }

    /// One step: takes or keeps the lease, and publishes a batch if it has it. Public, so that tests
    /// drive it.
    pub(crate) async fn step(&mut self) -> Step {
        self.count().await;
        match self.try_step().await {
            Ok(step) => {
                if !matches!(step, Step::Away | Step::NotOurs) && std::mem::take(&mut self.failing)
                {
                    tracing::info!("events are published again");
                }
                step
            }
            Err(Trouble::LeaseLost) => {
                self.lease = None;
                Step::NotOurs
            }
            Err(trouble) => {
                self.say(&trouble);
                // Another replica may have a better line.
                self.give_up_lease().await;
                Step::Failed
            }
        }
    }

    fn say(&mut self, trouble: &Trouble) {
        let error = trouble as &dyn std::error::Error;
        if std::mem::replace(&mut self.failing, true) {
            tracing::debug!(error, "events are not published");
        } else {
            tracing::warn!(error, "events are not published; they wait in the database");
        }
    }

    async fn try_step(&mut self) -> Result<Step, Trouble> {
        let Some(connection) = self.sink.connection() else {
            self.give_up_lease().await;
            return Ok(Step::Away);
        };
        let Some(mut lease) = self.leased().await? else {
            return Ok(Step::NotOurs);
        };
        let done = self.work(&mut lease, connection).await;
        self.lease = Some(lease);
        done
    }

    async fn work(&mut self, lease: &mut Held, connection: u64) -> Result<Step, Trouble> {
        let looked = lease
            .looked
            .filter(|(at, by)| *by == connection && at.elapsed() < CHECK);
        if looked.is_none() {
            self.look(lease, connection).await?;
        }
        if lease.refilling {
            let refreshed = self.settings.publish_refreshed;
            let refill = self.store.refill_outbox(self.replica, refreshed, REFILL);
            lease.refilling = refill.await?? == Refill::GoesOn;
            return Ok(Step::Refilled);
        }
        self.publish(lease).await
    }

    /// The lease, taken or kept; nothing where another replica has it.
    async fn leased(&mut self) -> Result<Option<Held>, Trouble> {
        let held = self.lease.take();
        if let Some(held) = held.as_ref().filter(|held| held.since.elapsed() < CHECK) {
            return Ok(Some(*held));
        }
        // Where it may have ended, another replica may have published since, or begun a refill.
        let held = held.filter(|held| held.since.elapsed() < LEASE - MARGIN);
        if held.is_none() {
            self.cursor = None;
        }
        let since = Instant::now();
        let lease = self.store.lease_events(self.replica, LEASE).await?;
        Ok(lease.map(|lease| Held {
            since,
            known: lease.known,
            refilling: lease.refilling,
            looked: held.and_then(|held| held.looked),
        }))
    }

    async fn give_up_lease(&mut self) {
        if self.lease.take().is_some()
            && let Err(error) = self.store.release_events(self.replica).await
        {
            // It ends by itself.
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the lease of the events could not be given back"
            );
        }
    }

    /// Compares the stream with what was known of it, and begins a refill where it has lost events.
    async fn look(&mut self, lease: &mut Held, connection: u64) -> Result<(), Trouble> {
        let at = Instant::now();
        let first = lease.looked.is_none_or(|(_, by)| by != connection);
        let found = match self.sink.look().await? {
            Some(found) if !first => found,
            _ => self.sink.ensure().await?,
        };
        let lost = loss(lease.known.as_ref(), &found, crate::clock::now());
        if let Some(lost) = lost {
            self.begin_refill(lease, lost).await?;
        } else if lease.known != Some(known(&found)) {
            self.store
                .note_stream(self.replica, known(&found))
                .await??;
            lease.known = Some(known(&found));
        }
        lease.looked = Some((at, connection));
        Ok(())
    }

    async fn begin_refill(&mut self, lease: &mut Held, lost: Loss) -> Result<(), Trouble> {
        // Whatever has dropped events must not drop them again.
        let found = self.sink.ensure().await?;
        let max_age = self.settings.max_age;
        let (seconds, why) = (max_age.as_secs(), lost.as_str());
        if lost == Loss::New {
            tracing::info!(
                seconds,
                "the stream of events is new; what is young enough goes in"
            );
        } else {
            tracing::warn!(
                seconds,
                why,
                "the stream of events has lost what was published; all that is young enough goes in again"
            );
        }
        self.store
            .begin_refill(self.replica, known(&found), max_age)
            .await??;
        self.events.note_refill();
        self.cursor = None;
        lease.known = Some(known(&found));
        lease.refilling = true;
        Ok(())
    }

    async fn publish(&mut self, lease: &mut Held) -> Result<Step, Trouble> {
        let waiting = self.store.waiting_events(self.cursor, BATCH).await?;
        let whole = waiting.len() < BATCH as usize;
        let last = waiting.last().map(|event| event.waiting);
        let count = waiting.len();
        let lanes = self.lanes(&waiting);
        let until = lease.since + LEASE - MARGIN;
        let outcome = batch::publish(&*self.sink, lanes, until).await;
        self.events.note_published(outcome.published.len() as u64);
        self.events.note_failures(outcome.failures);

        // What is left of a stream that is cut by the end of the batch may not go before what failed.
        let all_done = outcome.published.len() == count;
        self.cursor = last.filter(|_| !whole).map(|last| {
            let done = all_done || outcome.published.contains(&last);
            (last.stream, if done { last.version } else { i64::MAX })
        });
        self.settle(lease, outcome).await
    }

    /// Takes what was acknowledged out of the outbox.
    async fn settle(&mut self, lease: &mut Held, outcome: Outcome) -> Result<Step, Trouble> {
        let before = lease.known.map_or(0, |known| known.last_sequence);
        let published = outcome.published.len();
        if published > 0 {
            let forget = self.store.forget_published(
                self.replica,
                &outcome.published,
                outcome.last_sequence,
            );
            forget.await??;
            if let Some(known) = &mut lease.known {
                known.last_sequence = before.max(outcome.last_sequence);
                // What an empty stream begins with is missed, too, if it is gone at the next look.
                let first = outcome
                    .first_new
                    .map(|number| (number, crate::clock::now()));
                known.first = known.first.or(first);
            }
        }
        // Numbers only grow, unless the stream has forgotten some.
        if outcome.first_new.is_some_and(|number| number <= before) {
            self.begin_refill(lease, Loss::Truncated).await?;
            return Ok(Step::Refilled);
        }
        match outcome.error {
            Some(error) => Err(error.into()),
            None => Ok(Step::Published(published)),
        }
    }

    /// By stream, each up to the first event that cannot be published now.
    fn lanes(&mut self, waiting: &[WaitingEvent]) -> Vec<VecDeque<Outgoing>> {
        let streams = waiting.chunk_by(|one, next| one.waiting.stream == next.waiting.stream);
        streams.map(|events| self.lane(events)).collect()
    }

    fn lane(&mut self, events: &[WaitingEvent]) -> VecDeque<Outgoing> {
        let mut lane = VecDeque::new();
        for event in events {
            match shape::event(&self.settings.issuer, event) {
                Ok(shaped) => lane.push_back(Outgoing {
                    waiting: event.waiting,
                    event: shaped,
                }),
                Err(why) => {
                    self.events.note_failures(1);
                    if self.blocked.as_ref() != Some(&why) {
                        tracing::warn!(
                            error = &why as &dyn std::error::Error,
                            "an event cannot be published, nor what comes after it in its stream"
                        );
                        self.blocked = Some(why);
                    }
                    break;
                }
            }
        }
        lane
    }

    async fn count(&mut self) {
        if self.counted.is_some_and(|at| at.elapsed() < COUNT) {
            return;
        }
        self.counted = Some(Instant::now());
        // Where that fails, so does what comes next, and it is said there.
        if let Ok(size) = self.store.outbox_size().await {
            self.events.note_outbox(size);
        }
    }
}
