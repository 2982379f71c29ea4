//! Live pages.

use super::{Bus, Error, Health};
use async_nats::{Message, Subscriber};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;

/// Everyone's pages and heartbeats as they are published.
///
/// The first catch-up is the caller's, after [`PageFeed::subscribe`]; later ones come as
/// [`FeedItem::Resync`].
#[derive(Debug)]
pub struct PageFeed {
    revocations: Subscriber,
    heartbeats: Subscriber,
    /// A heartbeat that waits for the pages that came before it.
    held: Option<Message>,
    subjects: [String; 2],
    health: watch::Receiver<Health>,
    seen: Health,
    /// A subscription was refused, which is told after what has become of the connection.
    denied: bool,
}

/// What comes out of a [`PageFeed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedItem {
    /// The text of a page or a heartbeat, from anyone who may publish: verify it.
    Page(String),
    /// Pages may have been missed: catch up. However much happened since the last item, it comes
    /// once.
    Resync(Why),
}

/// Why pages may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The connection is up, for the first time since the feed began or again.
    Connected,
    /// The connection is down: only HTTP is left until it is back.
    Disconnected,
    /// This reader was too slow, and the client dropped pages.
    SlowConsumer,
    /// The server is about to shut down.
    LameDuck,
    /// The server does not permit one of the two subscriptions: nothing will come through it.
    /// [`Health::last_error`] has its words.
    Denied,
}

impl PageFeed {
    /// Subscribes to pages and heartbeats. It works while the server is away too: the
    /// subscriptions are made when it comes.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn subscribe(bus: &Bus) -> Result<Self, Error> {
        // Taken first: what happens from here on is a reason to catch up.
        let health = bus.health();
        let seen = health.borrow().clone();
        let subjects = [bus.subjects.revocations(), bus.subjects.heartbeats()];
        let [revocations, heartbeats] = &subjects;
        Ok(Self {
            revocations: subscribe(bus, revocations).await?,
            heartbeats: subscribe(bus, heartbeats).await?,
            held: None,
            subjects,
            health,
            seen,
            denied: false,
        })
    }

    /// Waits for the next item; `None` once the bus was closed. May be cancelled: nothing is lost.
    pub async fn next(&mut self) -> Option<FeedItem> {
        loop {
            if let Some(why) = self.news() {
                return Some(FeedItem::Resync(why));
            }
            // The two subscriptions are two queues. A heartbeat that overtakes the page before it
            // makes the page look lost, and costs a catch-up. What came before a heartbeat is in the
            // other queue by the time at which the heartbeat is seen, so that queue is emptied then.
            if let Some(heartbeat) = self.held.take() {
                // Unconstrained: else the runtime may answer "nothing yet" to let others run.
                let page = tokio::task::unconstrained(self.revocations.next()).now_or_never();
                return Some(match page.flatten() {
                    Some(page) => {
                        self.held = Some(heartbeat);
                        item(&page)
                    }
                    None => item(&heartbeat),
                });
            }
            tokio::select! {
                biased;
                Ok(()) = self.health.changed() => {}
                page = self.revocations.next() => return page.as_ref().map(item),
                heartbeat = self.heartbeats.next() => self.held = Some(heartbeat?),
            }
        }
    }

    /// What has become of the connection since the last call; else whether a subscription was
    /// refused, for one who is refused is connected all the same; else the gravest of the rest.
    fn news(&mut self) -> Option<Why> {
        let now = self.health.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.seen, now);
        let now = &self.seen;
        let subjects = self.subjects.each_ref().map(String::as_str);
        self.denied |=
            now.errors > before.errors && now.denial("Subscription", &subjects).is_some();
        if now.disconnects > before.disconnects && !now.connected {
            Some(Why::Disconnected)
        } else if now.connects > before.connects {
            Some(Why::Connected)
        } else if std::mem::take(&mut self.denied) {
            Some(Why::Denied)
        } else if now.slow_consumer > before.slow_consumer {
            Some(Why::SlowConsumer)
        } else if now.lame_duck > before.lame_duck {
            Some(Why::LameDuck)
        } else {
            None
        }
    }
}

async fn subscribe(bus: &Bus, subject: &str) -> Result<Subscriber, Error> {
    let subscribed = bus.client.subscribe(subject.to_owned()).await;
    subscribed.map_err(|_| Error::Closed)
}

/// A page is ASCII. Other bytes are passed on marked, so that they are refused and counted where
/// all bad pages are.
pub(super) fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.payload).into_owned()
}

fn item(message: &Message) -> FeedItem {
    FeedItem::Page(text(message))
}
