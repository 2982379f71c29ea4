//! Pages on their way into the stored stream.

use super::super::{LivePage, MAX_PAGES, Relay};
use super::StreamSettings;
use revocation_events::Position;
use revocation_events::nats::{Ack, Error, Publisher};

/// What JetStream is to do with a page that it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    Dropped,
    /// For two minutes it remembers pages that it may have lost itself.
    Stored,
}

pub(super) type Published = Result<Taken, Error>;

/// What the stream has taken: everything in `(from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) from: Position,
    pub(super) to: Position,
    /// Of the last page, where there was one.
    pub(super) ack: Option<Ack>,
}

/// One page after the other.
pub(super) async fn store(publisher: Publisher, pages: Vec<LivePage>) -> Published {
    let mut taken = Taken {
        from: pages.first().map_or(Position::ZERO, |page| page.from),
        to: Position::ZERO,
        ack: None,
    };
    for page in pages {
        taken.to = page.to;
        taken.ack = Some(publisher.publish(page.text.to_string(), &page.id).await?);
    }
    Ok(taken)
}

/// Everything from the floor on, as the database has it; nothing from one that is behind the stream.
pub(super) async fn fill(
    relay: Relay,
    publisher: Publisher,
    settings: StreamSettings,
    copies: Copies,
) -> Published {
    publisher
        .ensure_stream(settings.max_age, settings.replicas)
        .await?;
    // Its end tells how far the log had reached, until it is followed by what the log holds now: a
    // database that has lost its end is found out by a replica that has seen nothing else yet.
    if let Some(end) = publisher.stored().await? {
        relay.read(&end.page, crate::clock::now());
    }
    let mut ack = None;
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
                ack = Some(publisher.publish(page.text.to_string(), &id).await?);
            }
            after = Some(page.to);
        }
        if after >= Some(latest.to) {
            return Ok(Taken {
                from: Position::ZERO,
                to: latest.to,
                ack,
            });
        }
    }
}
