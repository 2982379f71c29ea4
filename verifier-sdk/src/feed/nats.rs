//! The feed over NATS: core subscriptions for live pages, and HTTP or the stored stream for those
//! that were missed.
//!
//! A subscription that the server denies, or that a partition cuts off from the publishers, is
//! silent and looks alive. So NATS counts as away when no new proof has come for a while, whatever
//! the connection says; until it has brought one that is as new as any, the stream over HTTP stands in
//! for it.

use super::ways::{Advice, Lookout, Way};
use super::{Link, http};
use crate::service::Service;
use crate::task::{Task, finished};
use revocation_events::nats::{Bus, Error, FeedItem, PageFeed, Settings, Why};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How often the age of the newest proof is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long reading the stored stream may take: it holds a quarter of an hour.
const REPLAY_WITHIN: Duration = Duration::from_secs(30);

/// Connects, and follows NATS for ever. `shared_bus` gets the connection, for reports.
pub(crate) async fn follow(
    link: Link,
    service: Service,
    settings: Settings,
    shared_bus: Arc<OnceLock<Bus>>,
) {
    match connect(settings, &shared_bus).await {
        Ok((bus, feed)) => {
            link.ways.set_standing_in(false);
            let follower = Follower {
                lookout: Lookout::new(link.patience(), Instant::now()),
                link,
                service,
                bus,
                catching_up: None,
                again: false,
                stand_in: None,
            };
            follower.run(feed).await;
        }
        // Trying again does not cure it, and HTTP does as well, if more slowly.
        Err(error) => {
            tracing::error!(%error, "NATS cannot be used; following the feed over HTTP alone");
            http::follow(link, service).await;
        }
    }
}

async fn connect(settings: Settings, shared_bus: &OnceLock<Bus>) -> Result<(Bus, PageFeed), Error> {
    // Where it begins anew, after a fault, the connection is there.
    let bus = match shared_bus.get() {
        Some(bus) => bus.clone(),
        None => Bus::connect(settings).await?,
    };
    let feed = PageFeed::subscribe(&bus).await?;
    Ok((shared_bus.get_or_init(|| bus).clone(), feed))
}

struct Follower {
    link: Link,
    service: Service,
    bus: Bus,
    catching_up: Option<Task<()>>,
    /// Something was missed after that had begun.
    again: bool,
    lookout: Lookout,
    /// The stream over HTTP, while NATS is away.
    stand_in: Option<Task<()>>,
}

impl Follower {
    /// It subscribed first; what was published before is caught up now.
    async fn run(mut self, mut feed: PageFeed) {
        self.catch_up();
        let patience = self.link.patience();
        let mut look = interval_at(Instant::now() + patience, LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                item = feed.next() => match item {
                    Some(FeedItem::Page(page)) => {
                        if self.link.pages.send((Way::Nats, page)).await.is_err() {
                            return;
                        }
                    }
                    Some(FeedItem::Resync(why @ (Why::Disconnected | Why::Denied))) => {
                        self.away(&format!("the connection to NATS is {}", words(why)));
                    }
                    Some(FeedItem::Resync(_)) => {
                        self.again = true;
                        self.catch_up();
                    }
                    None => return,
                },
                // It is asked again and again while pages are missing; one answer is enough.
                () = self.link.catch_up.notified() => self.catch_up(),
                // After a fault it is asked for again where it matters.
                () = finished(&mut self.catching_up) => {
                    self.catching_up = None;
                    if self.again {
                        self.catch_up();
                    }
                }
                () = finished(&mut self.stand_in) => self.steps_back(),
                _ = look.tick() => self.look(),
            }
        }
    }

    fn look(&mut self) {
        let (age, wall) = (self.link.age(), self.link.clock.now().wall);
        let connected = self.bus.connected();
        let ways = &self.link.ways;
        match self
            .lookout
            .look(ways, age, connected, wall, Instant::now())
        {
            Advice::Begin => self.away(&"no heartbeat comes over NATS, or none in time"),
            Advice::End => self.steps_back(),
            Advice::Nothing => {}
        }
    }

    fn steps_back(&mut self) {
        self.stand_in = None;
        self.lookout.has_ended(Instant::now());
        self.link.ways.set_standing_in(false);
    }

    fn away(&mut self, what: &impl std::fmt::Display) {
        if self.stand_in.is_none() {
            self.lookout.has_begun(&self.link.ways, Instant::now());
            self.link.ways.set_standing_in(true);
            let health = self.bus.health();
            let last_error = health.borrow().last_error.clone();
            let detail = last_error.as_deref().unwrap_or("no error was told");
            self.link.trouble.is(&format!("{what} ({detail})"));
            // What is missing is asked for here alone. A stream that took it for itself, and stays silent,
            // would keep it from the stored pages.
            let link = Link {
                catch_up: Arc::default(),
                ..self.link.clone()
            };
            self.stand_in = Some(Task::spawn(http::follow(link, self.service.clone())));
        }
    }

    /// Begins to catch up, unless that is under way.
    fn catch_up(&mut self) {
        if self.catching_up.is_some() {
            return;
        }
        self.again = false;
        let (link, service, bus) = (self.link.clone(), self.service.clone(), self.bus.clone());
        self.catching_up = Some(Task::spawn(async move {
            let Err(failed) = catch_up_by_http(&link, &service).await else {
                return;
            };
            link.trouble.is(&failed);
            // Where this does not help either, the loop asks again as long as pages are missing.
            if let Err(error) = catch_up_by_replay(&link, &bus).await {
                link.trouble
                    .is(&format!("{failed}; and the stored pages on NATS: {error}"));
            }
        }));
    }
}

/// All revocations that still matter, in a few pages.
async fn catch_up_by_http(link: &Link, service: &Service) -> Result<(), crate::service::Failed> {
    let mut after = link.head();
    loop {
        let answer = service.pages(after).await?;
        for page in answer.pages {
            if link.pages.send((Way::Asked, page)).await.is_err() {
                return Ok(());
            }
        }
        match answer.goes_on_after {
            // A position that does not grow would be asked about for ever.
            Some(next) if Some(next) > after => after = Some(next),
            _ => return Ok(()),
        }
    }
}

/// The pages as they were stored, from the oldest on.
async fn catch_up_by_replay(link: &Link, bus: &Bus) -> Result<(), Error> {
    // Whoever knows nothing learns from the first reading where the stored pages begin to be
    // complete, and takes them at the second; see `View::take`.
    let readings = if link.head().is_none() { 2 } else { 1 };
    for _ in 0..readings {
        let mut replay = bus.replay(REPLAY_WITHIN);
        while let Some(page) = replay.next().await? {
            if link.pages.send((Way::Asked, page)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

const fn words(why: Why) -> &'static str {
    match why {
        Why::Denied => "up, but the server denies a subscription",
        _ => "down",
    }
}
