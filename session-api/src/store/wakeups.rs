//! Telling the relay that there is something to cut.

use super::Result;
use revocation_events::Position;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// How long a revocation that nobody told of may go unnoticed.
const POLL: Duration = Duration::from_millis(500);

/// The newest head of the log that this process has heard of.
#[derive(Clone, Debug)]
pub(super) struct Wakeups(watch::Sender<Position>);

impl Wakeups {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Position::ZERO))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    /// A commit was seen. News that came already by another way wake nobody a second time.
    pub(super) fn committed(&self, head: Position) {
        self.0.send_if_modified(|known| {
            let news = *known < head;
            *known = head.max(*known);
            news
        });
    }

    /// Reads the head again and again, for commits that nobody tells of.
    pub(super) async fn poll<F>(self, read: impl Fn() -> F)
    where
        F: Future<Output = Result<Position>>,
    {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match read().await {
                // The database's word stands, also against a notification of a head that is not.
                Ok(head) => {
                    self.0
                        .send_if_modified(|known| std::mem::replace(known, head) < head);
                }
                // Every statement of the service meets the same trouble and tells of it.
                Err(error) => tracing::debug!(%error, "the head could not be read"),
            }
        }
    }
}
