//! One batch, published: many streams of the log at once, each in its order.

use super::sink::Sink;
use crate::store::Waiting;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use revocation_events::event::Event;
use revocation_events::nats::Error;
use std::collections::VecDeque;
use tokio::time::{Instant, sleep_until};

/// Events that wait for their acknowledgment, each of another stream of the log.
pub(super) const IN_FLIGHT: usize = 64;

/// An event on its way.
pub(super) struct Outgoing {
    pub(super) waiting: Waiting,
    pub(super) event: Event,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What the stream has acknowledged.
    pub(super) published: Vec<Waiting>,
    /// The greatest number that it gave.
    pub(super) last_sequence: u64,
    /// The least number that it gave to what it did not have.
    pub(super) first_new: Option<u64>,
    pub(super) failures: u64,
    /// Why the rest was not tried.
    pub(super) error: Option<Error>,
}

/// Publishes `lanes`, each of which holds events of one stream in their order. An event goes out when
/// the one before it was acknowledged. What fails holds up its own stream; where the reason is not the
/// event itself, nothing more is begun. Nothing is begun after `until`, and nothing waited for.
pub(super) async fn publish(
    sink: &dyn Sink,
    lanes: impl IntoIterator<Item = VecDeque<Outgoing>>,
    until: Instant,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut ready: VecDeque<_> = lanes.into_iter().collect();
    let mut flying = FuturesUnordered::new();
    let mut end = std::pin::pin!(sleep_until(until));
    loop {
        while outcome.error.is_none() && flying.len() < IN_FLIGHT && Instant::now() < until {
            let Some(mut lane) = ready.pop_front() else {
                break;
            };
            let Some(next) = lane.pop_front() else {
                continue;
            };
            flying.push(async move {
                let id = message_id(&next);
                let published = sink.publish(&next.event, &id).await;
                (next, lane, published)
            });
        }
        let landed = tokio::select! {
            landed = flying.next() => landed,
            () = &mut end => return outcome,
        };
        let Some((next, lane, published)) = landed else {
            return outcome;
        };
        match published {
            Ok(ack) => {
                outcome.published.push(next.waiting);
                outcome.last_sequence = outcome.last_sequence.max(ack.sequence);
                if !ack.duplicate {
                    let least = outcome.first_new.unwrap_or(ack.sequence);
                    outcome.first_new = Some(least.min(ack.sequence));
                }
                ready.push_back(lane);
            }
            Err(error) => {
                outcome.failures += 1;
                let own = matches!(error, Error::TooLarge { .. });
                tracing::debug!(
                    event = %next.event.id,
                    error = &error as &dyn std::error::Error,
                    "an event was not acknowledged"
                );
                if !own {
                    outcome.error.get_or_insert(error);
                }
            }
        }
    }
}

/// JetStream drops what it has seen in the last two minutes, also where it has lost it since: so what it
/// is given again after a loss has another id there. The event's own id stays.
fn message_id(next: &Outgoing) -> String {
    let Outgoing { waiting, event } = next;
    match waiting.refill {
        0 => event.id.to_string(),
        refill => format!("{}:{refill}", event.id),
    }
}
