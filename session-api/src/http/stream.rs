//! One client of the feed: the pages that it misses, then live ones.
//!
//! A task of its own reads and waits, and hands over one event at a time. A server asks a body for
//! more only while its client takes what was sent, so whoever reads nothing would otherwise keep its
//! place and its pages for good.

use super::places::Place;
use super::standing::Standing;
use crate::relay::{Latest, LivePage, Relay};
use crate::store;
use bytes::Bytes;
use futures::stream::{self, Stream};
use revocation_events::Position;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Pages that are read at a time. The next ones are read while these are sent, so one client can hold
/// twice as many in memory: a megabyte at most.
const READ: usize = 4;

/// For so long an event waits for its client, after what the network holds.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Ends where the service stops, where the client has lost its credential, and where it is too slow: it
/// asks again with the id of the last event, and catches up from the log, which costs less than to
/// remember for it.
pub(super) struct PageStream {
    relay: Relay,
    latest: Latest,
    /// The end of what was put into `pages`.
    to: Position,
    /// Not yet sent.
    pages: VecDeque<LivePage>,
    /// What follows them in a long catch-up, being read.
    ahead: Option<JoinHandle<store::Result<Vec<LivePage>>>>,
    live: Receiver<LivePage>,
    stopping: CancellationToken,
    /// Nothing where the feed is open and nobody said who it is.
    standing: Option<Standing>,
    _place: Place,
}

impl PageStream {
    /// Reads the first pages, so that a database that does not answer is an error and no stream.
    pub(super) async fn begin(
        relay: Relay,
        after: Option<Position>,
        latest: Latest,
        live: Receiver<LivePage>,
        stopping: CancellationToken,
        standing: Option<Standing>,
        place: Place,
    ) -> store::Result<Self> {
        let pages: VecDeque<_> = relay.pages_after(after, latest, READ).await?.into();
        let to = pages.back().map_or(latest.to, |page| page.to);
        let mut stream = Self {
            relay,
            latest,
            to,
            pages,
            ahead: None,
            live,
            stopping,
            standing,
            _place: place,
        };
        stream.read_ahead();
        Ok(stream)
    }

    /// The body of the answer. An event that its client has not taken after `patience` is the last.
    pub(super) fn events(
        self,
        patience: Duration,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let (sender, mut events) = mpsc::channel(1);
        tokio::spawn(self.hand_over(sender, patience));
        stream::poll_fn(move |context| events.poll_recv(context).map(|event| event.map(Ok)))
    }

    async fn hand_over(mut self, events: mpsc::Sender<Bytes>, patience: Duration) {
        loop {
            let page = tokio::select! {
                page = self.next() => page,
                // The client has gone away.
                () = events.closed() => return,
            };
            let Some(page) = page else { return };
            let event = format!("id: {}\ndata: {}\n\n", page.to, page.text);
            let stopping = self.stopping.clone();
            let taken = timeout(patience, events.send(event.into()));
            // Nothing where the service stops; an error where the client is too slow, or gone.
            if !matches!(stopping.run_until_cancelled(taken).await, Some(Ok(Ok(())))) {
                return;
            }
        }
    }

    async fn next(&mut self) -> Option<LivePage> {
        if self.stopping.is_cancelled() {
            return None;
        }
        if self.pages.is_empty()
            && let Some(read) = self.ahead.take()
        {
            self.have_read(read.await.ok()?)?;
        }
        if let Some(page) = self.pages.pop_front() {
            return Some(page);
        }
        tokio::select! {
            () = self.stopping.cancelled() => None,
            () = lost(&mut self.standing) => None,
            // An error: it fell behind, or the service is ending.
            page = self.live.recv() => page.ok(),
        }
    }

    /// Begins to read the next pages of a long catch-up.
    fn read_ahead(&mut self) {
        if self.to < self.latest.to {
            let (relay, to, latest) = (self.relay.clone(), self.to, self.latest);
            // A task, also because a stream is dropped when its client goes away (see `crate::store`).
            let read = async move { relay.pages_after(Some(to), latest, READ).await };
            self.ahead = Some(tokio::spawn(read));
        }
    }

    fn have_read(&mut self, pages: store::Result<Vec<LivePage>>) -> Option<()> {
        let pages = pages.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a stream of pages broke off"
            );
        });
        self.pages = pages.ok()?.into();
        self.to = self.pages.back()?.to;
        self.read_ahead();
        Some(())
    }
}

async fn lost(standing: &mut Option<Standing>) {
    match standing {
        Some(standing) => standing.lost().await,
        None => std::future::pending().await,
    }
}
