//! The loop that owns the view.

use super::follower::Follower;
use super::key_reads::{Answer, KeyReads};
use super::ways::{Way, Ways};
use crate::clock::Clock;
use crate::shared::Shared;
use crate::task::{Task, finished};
use crate::trouble::Trouble;
use futures::future::BoxFuture;
use revocation_events::Position;
use revocation_events::view::{Needs, Taken};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior};

/// How long a transport has for catching up before it is asked again.
const CATCH_UP_PATIENCE: Duration = Duration::from_secs(2);

/// A transport works for ever. Where a fault has ended it, it begins anew after so long.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// The feed of one verifier.
pub(crate) struct Feed {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) follower: Follower,
    pub(crate) key_reads: KeyReads,
    pub(crate) pages: mpsc::Receiver<(Way, String)>,
    pub(crate) ways: Arc<Ways>,
    pub(crate) catch_up: CatchUp,
}

/// Asks the transport for missing pages, and again where it does not bring them.
pub(crate) struct CatchUp {
    wake: Arc<Notify>,
    asked: Option<Instant>,
    head: Option<Position>,
}

impl CatchUp {
    /// `wake` is what the transport listens to.
    pub(crate) const fn new(wake: Arc<Notify>) -> Self {
        Self {
            wake,
            asked: None,
            head: None,
        }
    }

    /// The transport was started; it begins with what is missing.
    fn begins(&mut self) {
        self.asked = Some(Instant::now());
    }

    fn ask_if_due(&mut self, needs: Needs, head: Option<Position>) {
        let moved = std::mem::replace(&mut self.head, head) != head;
        if !needs.catch_up {
            self.asked = None;
        } else if moved && self.asked.is_some() {
            // As long as pages come, it is under way.
            self.begins();
        } else if needs.key_set.is_none()
            && self
                .asked
                .is_none_or(|asked| asked.elapsed() >= CATCH_UP_PATIENCE)
        {
            // The key set first: until it has come, what is fetched may prove nothing.
            self.wake.notify_one();
            self.begins();
        }
    }
}

impl Feed {
    /// Runs for ever. `transport` is spawned when the first key set has come: before, no page
    /// could be read.
    pub(crate) async fn run(mut self, transport: impl Fn() -> BoxFuture<'static, ()>) {
        let (mut running, mut keys_have_come) = (None, false);
        let mut not_before = Instant::now();
        let mut house = tokio::time::interval(house_keeping(self.shared.max_staleness));
        house.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let needs = self.follower.needs();
            self.key_reads
                .begin_if_due(needs.key_set, &self.shared.keys);
            keys_have_come |= !self.shared.keys.is_empty();
            if running.is_some() {
                self.catch_up.ask_if_due(needs, self.follower.head());
            } else if keys_have_come && Instant::now() >= not_before {
                running = Some(Task::spawn(transport()));
                self.catch_up.begins();
            }
            tokio::select! {
                Some((way, page)) = self.pages.recv() => self.page(way, &page),
                answer = self.key_reads.next(needs.key_set.is_some()) => self.key_set(answer),
                () = self.shared.keys.read_wanted(), if self.key_reads.listens() => {
                    self.key_reads.unknown_key();
                }
                () = finished(&mut running) => {
                    tracing::error!("what brings pages has ended by a fault; it is started again");
                    running = None;
                    not_before = Instant::now() + RESTART_AFTER;
                }
                _ = house.tick() => {
                    if let Some(expired) = self.follower.keep_house(self.clock.now()) {
                        tracing::debug!(cutoffs = expired.len(), "cut-offs have expired");
                        drop(tokio::task::spawn_blocking(move || drop(expired)));
                    }
                }
            }
        }
    }

    fn page(&mut self, way: Way, text: &str) {
        let taken = self.follower.page(text, self.clock.now());
        if let Ok(Taken::Advanced { proof: newer }) = taken {
            let (proves, newest) = self.follower.proofs();
            self.ways.taken(way, proves, newest, newer);
        }
        match taken {
            Ok(Taken::Gap) => tracing::debug!("a page is missing; catching up"),
            Ok(Taken::KeyRevoked) => {
                tracing::warn!("a signing key was revoked; learning everything again");
            }
            // Refusals are counted and told by the follower.
            Ok(Taken::Advanced { .. } | Taken::Distrusted) | Err(_) => {}
        }
    }

    fn key_set(&mut self, answer: Option<Answer>) {
        let Some(Answer {
            set,
            number,
            ticket,
        }) = answer
        else {
            return;
        };
        match set {
            Ok(set) => self.follower.key_set(set, number, ticket, self.clock.now()),
            Err(failed) => self.trouble.is(&failed),
        }
    }
}

/// Often enough that waiters learn in time that the verifier is stale.
fn house_keeping(max_staleness: Duration) -> Duration {
    (max_staleness / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;
    use crate::testkit::Kit;
    use futures::FutureExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Else the verifier would be stale until somebody starts its process again.
    #[tokio::test]
    async fn a_transport_that_a_fault_ended_begins_anew() {
        let Kit {
            shared,
            trouble,
            follower,
            ..
        } = Kit::fresh();
        // Nobody listens there, and the keys are known.
        let service = Service::new("http://127.0.0.1:1", None).unwrap();
        let (_pages, waiting) = mpsc::channel(1);
        let feed = Feed {
            shared,
            clock: Clock::new(),
            trouble,
            follower,
            key_reads: KeyReads::new(service),
            pages: waiting,
            ways: Arc::default(),
            catch_up: CatchUp::new(Arc::default()),
        };
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&starts);
        let transport = move || {
            let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                assert!(!first, "on purpose");
                std::future::pending().await
            }
            .boxed()
        };
        let _feed = Task::spawn(feed.run(transport));
        let bound = Duration::from_secs(20);
        let again = async || starts.load(Ordering::Relaxed) == 2;
        ::tests::eventually("it is started again", bound, again).await;
    }
}
