//! NATS, as the worker sees it: what was acknowledged, whether the stream still holds it, and what
//! others publish.
//!
//! The database is the truth and the stream a cache of it. After every connect, and whenever the
//! stream is another one or has lost what it acknowledged, it is filled again from the floor.

use super::{LivePage, MAX_PAGES, Relay};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use revocation_events::Position;
use revocation_events::nats::{
    Ack, Bus, Error, FeedItem, Incarnation, PageFeed, Publisher, Replicas, Why,
};
use std::sync::atomic::Ordering;
use std::time::Duration;
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
    /// The text of a page that somebody published: a page of ours comes back too.
    Page(String),
}

/// What JetStream is to do with a page that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    Dropped,
    /// For two minutes it remembers pages that it may have lost itself.
    Stored,
}

type Published = Result<(Position, Option<Ack>), Error>;
type Looked = Result<Option<(Incarnation, u64)>, Error>;

/// The worker's side of the bus.
pub(crate) struct BusSide {
    relay: Relay,
    publisher: Publisher,
    settings: StreamSettings,
    feed: PageFeed,
    connected: bool,
    publishing: FuturesUnordered<BoxFuture<'static, Published>>,
    filling: Option<BoxFuture<'static, Published>>,
    looking: Option<BoxFuture<'static, Looked>>,
    check: Interval,
    /// Everything up to here was acknowledged by the stream that is there now; none until it was
    /// filled.
    stored: Option<Position>,
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
            publisher: Publisher::new(bus),
            settings,
            feed,
            connected,
            publishing: FuturesUnordered::new(),
            filling: None,
            looking: None,
            check,
            stored: None,
            last_ack: 0,
            incarnation: None,
            refusing: false,
        })
    }

    /// Up to where the stream is known to hold everything; `None` while it is not.
    pub(super) const fn stored(&self) -> Option<Position> {
        self.stored
    }

    /// From where on revocations must still be at hand: while the stream is being filled, whatever
    /// comes meanwhile follows the filling.
    pub(super) const fn needs_after(&self, to: Position) -> Position {
        match (self.stored, &self.filling) {
            (Some(stored), _) => stored,
            (None, Some(_)) => Position::ZERO,
            (None, None) => to,
        }
    }

    /// Sends pages: heartbeats to whoever listens, others to the stream as well.
    pub(super) async fn publish(&mut self, pages: &[LivePage]) {
        if !self.connected {
            return;
        }
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
                self.looked(&looked);
                None
            }
            item = self.feed.next() => match item {
                Some(FeedItem::Page(text)) => Some(Heard::Page(text)),
                Some(FeedItem::Resync(why)) => self.resync(why),
                // The bus was closed: the process is ending.
                None => std::future::pending().await,
            },
            _ = self.check.tick() => {
                self.look();
                None
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
                self.fill_again();
                Some(Heard::Connected(true))
            }
            Why::Disconnected => {
                self.connected = false;
                self.stored = None;
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
            Ok((to, ack)) => {
                self.taken();
                self.last_ack = self.last_ack.max(ack.map_or(0, |ack| ack.sequence));
                // Before the stream was filled an acknowledgment says nothing of what lies below.
                let stored = self.stored.as_mut()?;
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
            Ok((to, ack)) => {
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

    /// Begins to look at the end of the stored stream, or to fill it where that failed before.
    fn look(&mut self) {
        if !self.connected || self.filling.is_some() || self.looking.is_some() {
            return;
        }
        if self.stored.is_none() {
            return self.fill_again();
        }
        let publisher = self.publisher.clone();
        let look = async move {
            let stored = publisher.stored().await?;
            Ok(stored.map(|stored| (stored.incarnation, stored.sequence)))
        };
        self.looking = Some(look.boxed());
    }

    fn looked(&mut self, looked: &Looked) {
        let lost = match looked {
            // Away, or too busy: that is noticed elsewhere, and says nothing about the stream.
            Err(_) => false,
            Ok(None) => {
                // Emptied, or everything in it grew too old: then nothing above the floor is missing.
                let floor = self.relay.latest_now().map(|latest| latest.floor);
                self.stored
                    .zip(floor)
                    .is_some_and(|(stored, floor)| stored > floor)
            }
            Ok(Some((incarnation, sequence))) => {
                let another = self
                    .incarnation
                    .replace(*incarnation)
                    .is_some_and(|i| i != *incarnation);
                another || *sequence < self.last_ack
            }
        };
        if lost {
            tracing::warn!("the stream of pages has lost pages; it is filled again");
            self.fill(Copies::Stored);
        }
    }
}

/// The future's output, or for ever where there is none.
async fn next<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn store(publisher: Publisher, pages: Vec<LivePage>) -> Published {
    let mut last = (Position::ZERO, None);
    for page in pages {
        last = (
            page.to,
            Some(publisher.publish(page.text.to_string(), &page.id).await?),
        );
    }
    Ok(last)
}

async fn fill(
    relay: Relay,
    publisher: Publisher,
    settings: StreamSettings,
    copies: Copies,
) -> Published {
    publisher
        .ensure_stream(settings.max_age, settings.replicas)
        .await?;
    let mut last_ack = None;
    let mut after = None;
    loop {
        let Some(latest) = relay.latest().await else {
            return Err(Error::TimedOut);
        };
        let pages = match relay.pages_after(after, latest, MAX_PAGES).await {
            Ok(pages) => pages,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the log could not be read"
                );
                return Err(Error::TimedOut);
            }
        };
        for page in &pages {
            // Nothing to store in an empty one.
            if page.from < page.to {
                let id = match copies {
                    Copies::Dropped => page.id.clone(),
                    Copies::Stored => format!("{}:{}", page.id, latest.at.get()),
                };
                last_ack = Some(publisher.publish(page.text.to_string(), &id).await?);
            }
            after = Some(page.to);
        }
        if after >= Some(latest.to) {
            return Ok((latest.to, last_ack));
        }
    }
}

#[cfg(test)]
mod tests;
