//! NATS, as the worker sees it: what was acknowledged, whether the stream still holds it, and what
//! others publish.
//!
//! The database is the truth and the stream a cache of it. After every connect, and whenever the
//! stream is another one or has lost what it acknowledged, it is filled again from the floor.

mod storing;

use super::{LivePage, Relay};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use revocation_events::Position;
use revocation_events::nats::{
    Bus, Error, FeedItem, Incarnation, PageFeed, Publisher, Replicas, Stored, Why,
};
use std::sync::atomic::Ordering;
use std::time::Duration;
use storing::{Copies, Published, Taken, fill, store};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the end of the stored stream is looked at.
const CHECK: Duration = Duration::from_secs(2);

/// Groups of pages that may wait for the stream's acknowledgment. Beyond that it is filled again.
const PUBLISHING: usize = 256;

/// How the stream is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamSettings {
    /// Access TTL + leeway + 120 s.
    pub(crate) max_age: Duration,
    pub(crate) replicas: Replicas,
}

/// What the worker is told.
pub(super) enum Heard {
    /// Everything up to here is stored.
    Stored(Position),
    /// It is sent again with the next heartbeat.
    PublishFailed,
    Connected(bool),
    /// The text of a page that somebody else published.
    Page(String),
    /// The text of the last page in the stream, whoever published it, and when.
    End(String),
}

/// A look at the end of the stored stream.
struct Looked {
    /// What was acknowledged when the look began. What is acknowledged while it is under way is no
    /// part of what it sees.
    stored: Position,
    last_ack: u64,
    /// The stream's end.
    found: Result<Option<Stored>, Error>,
}

/// The worker's side of the bus.
pub(crate) struct BusSide {
    relay: Relay,
    bus: Bus,
    publisher: Publisher,
    settings: StreamSettings,
    feed: PageFeed,
    connected: bool,
    publishing: FuturesUnordered<BoxFuture<'static, Published>>,
    filling: Option<BoxFuture<'static, Published>>,
    looking: Option<BoxFuture<'static, Looked>>,
    check: Interval,
    /// Everything up to here, without a hole, was acknowledged by the stream that is there now; none
    /// until it was filled.
    stored: Option<Position>,
    /// From here on pages may have come to nobody: the connection was lost over them, or was not there.
    /// The first one afterwards begins here, so that nobody has to wait until the stream can be filled,
    /// which takes seconds where a node of the bus has died.
    unsent: Option<Position>,
    /// The number of the last page acknowledged.
    last_ack: u64,
    incarnation: Option<Incarnation>,
    /// The stream takes no pages: said once, however many are tried.
    refusing: bool,
}

impl BusSide {
    /// Works whether the server is there or not.
    pub(crate) async fn new(
        relay: Relay,
        bus: &Bus,
        settings: StreamSettings,
    ) -> Result<Self, Error> {
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let feed = PageFeed::subscribe(bus).await?;
        let connected = bus.connected();
        relay
            .shared
            .bus_connected
            .store(connected, Ordering::Relaxed);
        Ok(Self {
            relay,
            bus: bus.clone(),
            publisher: Publisher::new(bus),
            settings,
            feed,
            connected,
            publishing: FuturesUnordered::new(),
            filling: None,
            looking: None,
            check,
            stored: None,
            unsent: None,
            last_ack: 0,
            incarnation: None,
            refusing: false,
        })
    }

    /// Where the next page begins, if those who follow over HTTP have everything up to `sent`.
    pub(super) fn begins_at(&self, sent: Position) -> Position {
        let unsent = self.unsent.filter(|_| self.connected);
        [self.stored, unsent]
            .into_iter()
            .flatten()
            .fold(sent, Position::min)
    }

    /// From where on revocations must still be at hand: while the stream is being filled, whatever
    /// comes meanwhile follows the filling.
    pub(super) fn needs_after(&self, to: Position) -> Position {
        let needed = match (self.stored, &self.filling) {
            (Some(stored), _) => stored,
            (None, Some(_)) => Position::ZERO,
            (None, None) => to,
        };
        self.unsent.map_or(needed, |unsent| needed.min(unsent))
    }

    /// Sends pages: heartbeats to whoever listens, others to the stream as well.
    pub(super) async fn publish(&mut self, pages: &[LivePage]) {
        let from = pages.first().map(|page| page.from);
        if !self.connected {
            self.unsent = earlier(self.unsent, from);
            return;
        }
        self.unsent = None;
        let (heartbeats, stored): (Vec<_>, Vec<_>) =
            pages.iter().cloned().partition(|page| page.from == page.to);
        for page in heartbeats {
            // Not stored and not acknowledged; the next one comes in half a second.
            let _lost = self.publisher.heartbeat(page.text.to_string()).await;
        }
        if stored.is_empty() {
            return;
        }
        if self.publishing.len() < PUBLISHING {
            self.publishing
                .push(store(self.publisher.clone(), stored).boxed());
        } else {
            self.stored = None;
        }
    }

    /// Fills the stream from the floor.
    pub(super) fn fill_again(&mut self) {
        self.fill(Copies::Dropped);
    }

    fn fill(&mut self, copies: Copies) {
        self.stored = None;
        self.incarnation = None;
        self.looking = None;
        if self.connected && self.filling.is_none() {
            let (relay, publisher) = (self.relay.clone(), self.publisher.clone());
            self.filling = Some(fill(relay, publisher, self.settings, copies).boxed());
        }
    }

    /// Waits for the next thing that the worker must know. May be cancelled.
    pub(super) async fn hear(bus: &mut Option<Self>) -> Heard {
        let Some(bus) = bus else {
            return std::future::pending().await;
        };
        loop {
            if let Some(heard) = bus.step().await {
                return heard;
            }
        }
    }

    async fn step(&mut self) -> Option<Heard> {
        tokio::select! {
            Some(published) = self.publishing.next(), if !self.publishing.is_empty() => {
                self.published(published)
            }
            filled = next(&mut self.filling) => {
                self.filling = None;
                Some(self.filled(filled))
            }
            looked = next(&mut self.looking) => {
                self.looking = None;
                self.looked(looked)
            }
            item = self.feed.next() => match item {
                Some(FeedItem::Page(text)) => Some(Heard::Page(text)),
                Some(FeedItem::Resync(why)) => self.resync(why),
                // The bus was closed: the process is ending.
                None => std::future::pending().await,
            },
            _ = self.check.tick() => {
                let heard = self.compare();
                self.look();
                heard
            }
        }
    }

    /// Waits until every page that is on its way was acknowledged, or was not.
    pub(super) async fn settle(&mut self) {
        while let Some(published) = self.publishing.next().await {
            if let Some(Heard::Stored(to)) = self.published(published) {
                self.relay.note_stored(to);
            }
        }
    }

    fn resync(&mut self, why: Why) -> Option<Heard> {
        match why {
            Why::Connected => {
                self.connected = true;
                // What was under way may have gone to another server, half of it.
                self.unsent = earlier(self.unsent, self.stored.take());
                self.filling = None;
                self.fill_again();
                Some(Heard::Connected(true))
            }
            Why::Disconnected => {
                self.connected = false;
                self.unsent = earlier(self.unsent, self.stored.take());
                self.filling = None;
                tracing::warn!("NATS is away; revocations go out when it is back");
                Some(Heard::Connected(false))
            }
            Why::Denied => {
                tracing::error!(
                    "NATS does not permit this service to subscribe to its pages; see deploy/nats.conf"
                );
                None
            }
            // Others' pages are a hint: what was missed is in the database.
            _ => None,
        }
    }

    fn published(&mut self, published: Published) -> Option<Heard> {
        match published {
            Ok(Taken { from, to, ack }) => {
                self.taken();
                self.last_ack = self.last_ack.max(ack.map_or(0, |ack| ack.sequence));
                // An acknowledgment says nothing of what lies below: before the stream was filled, or
                // where a page in between was refused or is still on its way. What it leaves out is
                // sent again with the next page.
                let stored = self.stored.as_mut().filter(|stored| from <= **stored)?;
                *stored = to.max(*stored);
                Some(Heard::Stored(*stored))
            }
            Err(error) => {
                // Whoever sent all that was not taken with every page would flood those who listen.
                // It is tried at once, and from then on with each look.
                if self.refusing {
                    self.stored = None;
                } else {
                    self.fill_again();
                }
                self.refused(
                    &error,
                    "a page was not acknowledged; the stream is filled until it takes all",
                );
                Some(Heard::PublishFailed)
            }
        }
    }

    fn filled(&mut self, filled: Published) -> Heard {
        match filled {
            Ok(Taken { to, ack, .. }) => {
                self.taken();
                self.last_ack = ack.map_or(0, |ack| ack.sequence);
                self.stored = Some(to);
                tracing::info!(%to, "the stream of pages is filled");
                Heard::Stored(to)
            }
            Err(error) => {
                // Tried again with the next look.
                self.refused(&error, "the stream of pages could not be filled");
                Heard::PublishFailed
            }
        }
    }

    fn taken(&mut self) {
        if std::mem::take(&mut self.refusing) {
            tracing::info!("the stream takes pages again");
        }
    }

    fn refused(&mut self, error: &Error, what: &str) {
        let error = error as &dyn std::error::Error;
        if std::mem::replace(&mut self.refusing, true) {
            tracing::debug!(error, "{what}");
        } else {
            tracing::warn!(error, "{what}");
        }
    }

    /// Holds what was told of the connection against the connection itself: the client drops what it
    /// tells where too much comes at once, and a relay that was not told would be silent until the next
    /// time.
    fn compare(&mut self) -> Option<Heard> {
        let connected = self.bus.connected();
        if connected == self.connected {
            return None;
        }
        self.resync(if connected {
            Why::Connected
        } else {
            Why::Disconnected
        })
    }

    /// Begins to look at the end of the stored stream, or to fill it where that failed before.
    fn look(&mut self) {
        if !self.connected || self.filling.is_some() || self.looking.is_some() {
            return;
        }
        let Some(stored) = self.stored else {
            return self.fill_again();
        };
        let (publisher, last_ack) = (self.publisher.clone(), self.last_ack);
        let look = async move {
            Looked {
                stored,
                last_ack,
                found: publisher.stored().await,
            }
        };
        self.looking = Some(look.boxed());
    }

    /// The last page of the stream tells how far the log has reached, though all who heard it when it
    /// was sent may have stopped since.
    fn looked(&mut self, looked: Looked) -> Option<Heard> {
        let lost = match &looked.found {
            // Away, or too busy: that is noticed elsewhere, and says nothing about the stream.
            Err(_) => false,
            Ok(None) => {
                // Emptied, or everything in it grew too old: then nothing above the floor is missing.
                let floor = self.relay.latest_now().map(|latest| latest.floor);
                floor.is_some_and(|floor| looked.stored > floor)
            }
            Ok(Some(end)) => {
                let another = self
                    .incarnation
                    .replace(end.incarnation)
                    .is_some_and(|i| i != end.incarnation);
                another || end.sequence < looked.last_ack
            }
        };
        if lost {
            tracing::warn!("the stream of pages has lost pages; it is filled again");
            self.fill(Copies::Stored);
        }
        looked.found.ok().flatten().map(|end| Heard::End(end.page))
    }
}

/// The lesser of those that are there.
fn earlier(one: Option<Position>, other: Option<Position>) -> Option<Position> {
    one.into_iter().chain(other).min()
}

/// The future's output, or for ever where there is none.
async fn next<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
