//! NATS, its streams, and the events that wait for it.

use super::{Args, Finding, Verdict, running};
use crate::cli::{Failure, bus, chain};
use crate::store::Store;
use revocation_events::nats::{Bus, Error, EventPublisher, Publisher, StreamState};
use std::time::Duration;

/// Events that wait for longer are not being published.
const LATE: Duration = Duration::from_secs(60);

/// Whether the service's streams are there.
pub(super) async fn look(
    bus: &Bus,
    args: &Args,
    store: Option<&dyn Store>,
    findings: &mut Vec<Finding>,
) -> Result<bool, Failure> {
    let mut find = |what, verdict| findings.push(Finding { what, verdict });
    if let Err(why) = bus::is_up(bus).await {
        find("nats", Verdict::Wrong(why));
        return Ok(false);
    }
    find("nats", Verdict::Well);
    let max_age = args.access_ttl + running::STREAM_SLACK;
    let replicas = args.bus.nats_replicas;
    let pages = Publisher::new(bus).stream_state(max_age, replicas).await;
    if let Err(error) = &pages
        && !matches!(error, Error::UnusableStream { .. })
    {
        find("jetstream", Verdict::Wrong(chain(error)));
        return Ok(false);
    }
    find("jetstream", Verdict::Well);
    let there = matches!(pages, Ok(StreamState::There { .. }));
    find("stream", verdict(pages));
    let events = EventPublisher::new(bus);
    let events = verdict(events.stream_state(args.events_max_age, replicas).await);
    find(
        "events",
        match (&events, store) {
            (Verdict::Wrong(_), _) | (_, None) => events,
            (_, Some(store)) => wrong_with_events(store)
                .await?
                .map_or(events, Verdict::Wrong),
        },
    );
    Ok(there)
}

fn verdict(state: Result<StreamState, Error>) -> Verdict {
    match state {
        Err(error) => Verdict::Wrong(chain(&error)),
        Ok(StreamState::There {
            differences,
            behind,
        }) => {
            let mut wrong = Vec::new();
            if !differences.is_empty() {
                wrong.push(format!(
                    "{}; a replica changes that when it connects: start one again, and its log says why where it may not",
                    differences.join(", ")
                ));
            }
            if !behind.is_empty() {
                wrong.push(format!(
                    "{} lack the end of it or are away: does each run, and has its disk room?",
                    behind.join(", ")
                ));
            }
            match wrong.as_slice() {
                [] => Verdict::Well,
                wrong => Verdict::Wrong(wrong.join("; ")),
            }
        }
        Ok(_) => Verdict::Wrong(
            "it is not there or does not store this --nats-prefix; `serve` makes or changes it once it is connected"
                .to_owned(),
        ),
    }
}

/// Whether events for other programs are published.
async fn wrong_with_events(store: &dyn Store) -> Result<Option<String>, Failure> {
    let outbox = store.outbox_size().await?;
    Ok((outbox.oldest > LATE).then(|| {
        format!(
            "{} wait to be published, the oldest for {} s; does a replica run with this --nats-url, and is there room in the stream? Its log says why",
            outbox.events,
            outbox.oldest.as_secs()
        )
    }))
}
