//! Waiting for a condition, with a bound: what tests do instead of sleeping.

use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

const POLL: Duration = Duration::from_millis(5);

/// Asks every 5 ms until `condition` holds.
///
/// # Panics
/// When it does not hold within `bound`; the message names `what` was awaited.
#[track_caller]
pub fn eventually(
    what: &str,
    bound: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let held = poll(bound, async || condition().await.then_some(())).await;
        assert!(held.is_some(), "not within {bound:?}: {what} ({caller})");
    }
}

/// Asks every 5 ms until `attempt` gives something, and returns it.
///
/// # Panics
/// When it gives nothing within `bound`; the message names `what` was awaited.
#[track_caller]
pub fn until<T>(
    what: &str,
    bound: Duration,
    attempt: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let Some(found) = poll(bound, attempt).await else {
            panic!("not within {bound:?}: {what} ({caller})");
        };
        found
    }
}

/// An attempt that hangs counts as one that fails: the bound cuts it.
async fn poll<T>(bound: Duration, mut attempt: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Instant::now() + bound;
    tokio::time::timeout_at(end, async {
        loop {
            ticks.tick().await;
            if let Some(found) = attempt().await {
                return found;
            }
        }
    })
    .await
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_until_the_condition_holds() {
        let mut asked = 0;
        eventually("the third answer", Duration::from_secs(5), async || {
            asked += 1;
            asked == 3
        })
        .await;
        assert_eq!(asked, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "not within 20ms: a miracle")]
    async fn it_gives_up_at_the_bound() {
        eventually("a miracle", Duration::from_millis(20), async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not within 20ms: an answer")]
    async fn an_attempt_that_hangs_is_cut() {
        until("an answer", Duration::from_millis(20), async || {
            std::future::pending::<Option<()>>().await
        })
        .await;
    }
}
