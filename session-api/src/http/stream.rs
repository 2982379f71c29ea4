//! One client of the feed: the pages that it misses, then live ones.

use crate::relay::{Latest, LivePage, Relay};
use crate::store;
use bytes::Bytes;
use futures::stream::{self, Stream};
use revocation_events::Position;
use std::collections::VecDeque;
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;

/// Ends where the service stops and where the client is too slow: it asks again with the id of the
/// last event, and catches up from the log, which costs less than to remember for it.
pub(super) struct PageStream {
    relay: Relay,
    latest: Latest,
    /// The end of what was put into `pages`.
    to: Position,
    /// Not yet sent.
    pages: VecDeque<LivePage>,
    live: Receiver<LivePage>,
    stopping: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl PageStream {
    /// Reads the first pages, so that a database that does not answer is an error and no stream.
    pub(super) async fn begin(
        relay: Relay,
        after: Option<Position>,
        latest: Latest,
        live: Receiver<LivePage>,
        stopping: CancellationToken,
        place: OwnedSemaphorePermit,
    ) -> store::Result<Self> {
        let pages: VecDeque<_> = relay.pages_after(after, latest).await?.into();
        let to = pages.back().map_or(latest.to, |page| page.to);
        Ok(Self {
            relay,
            latest,
            to,
            pages,
            live,
            stopping,
            _place: place,
        })
    }

    /// The body of the answer.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut stream| async move {
            let page = stream.next().await?;
            let event = format!("id: {}\ndata: {}\n\n", page.to, page.text);
            Some((Ok(event.into()), stream))
        })
    }

    async fn next(&mut self) -> Option<LivePage> {
        if self.stopping.is_cancelled() {
            return None;
        }
        if self.pages.is_empty() && self.to < self.latest.to {
            self.read_more().await?;
        }
        if let Some(page) = self.pages.pop_front() {
            return Some(page);
        }
        tokio::select! {
            () = self.stopping.cancelled() => None,
            // An error: it fell behind, or the service is ending.
            page = self.live.recv() => page.ok(),
        }
    }

    /// The next pages of a long catch-up.
    async fn read_more(&mut self) -> Option<()> {
        let (relay, to, latest) = (self.relay.clone(), self.to, self.latest);
        // In a task of its own, for a client that goes away drops this future (see `crate::store`).
        let read = tokio::spawn(async move { relay.pages_after(Some(to), latest).await });
        let read = read.await.ok()?.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a stream of pages broke off"
            );
        });
        self.pages = read.ok()?.into();
        self.to = self.pages.back()?.to;
        Some(())
    }
}
