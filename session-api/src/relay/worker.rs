//! The loop that cuts and sends.

use super::bus::{BusSide, Heard};
use super::tail::{Gap, Tail};
use super::{Committed, HEARTBEAT, Latest, LivePage, PUBLISH_WAIT, Relay};
use crate::store::{self, Cut, Replica};
use futures::future::BoxFuture;
use revocation_events::{Page, Position, Revocation, Target, UnixMillis};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Revocations that are read in one cut.
const CUT_LIMIT: u32 = 10_000;

/// Another replica's heartbeat stands in for ours while it is younger than this.
const YOUNG: Duration = Duration::from_millis(400);

/// So far may another's clock be ahead of this one's, as a verifier has it.
const AHEAD: Duration = Duration::from_secs(1);

/// Our own heartbeats that may be left out in a row: half a minute of them.
const MAX_SKIPPED: u32 = 60;

/// Cuts pages and sends them until it is told to stop.
pub(crate) struct Worker {
    relay: Relay,
    replica: Replica,
    commits: mpsc::Receiver<Committed>,
    /// The greatest position that is known to be committed, by whomever.
    wakeups: watch::Receiver<Position>,
    bus: Option<BusSide>,
    tail: Tail,
    /// A cut has come since the start: the tail has its beginning.
    begun: bool,
    /// A cut on its way from the store.
    cutting: Option<BoxFuture<'static, store::Result<Cut>>>,
    /// Something happened while a cut was on its way: it may not hold it.
    cut_again: bool,
    /// Until when another replica's newest heartbeat stands in for ours.
    relieved: Option<Instant>,
    /// Our own heartbeats that were left out, in a row.
    skipped: u32,
    failing: bool,
}

impl Worker {
    pub(crate) fn new(
        relay: Relay,
        commits: mpsc::Receiver<Committed>,
        replica: Replica,
        bus: Option<BusSide>,
    ) -> Self {
        let wakeups = relay.shared.store.wakeups();
        Self {
            relay,
            replica,
            commits,
            wakeups,
            bus,
            tail: Tail::default(),
            begun: false,
            cutting: None,
            cut_again: false,
            relieved: None,
            skipped: 0,
            failing: false,
        }
    }

    /// Works until `stop`, which must come after the last commit.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watching = true;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.finish().await,
                Some(committed) = self.commits.recv() => self.publish_committed(committed).await,
                cut = async { self.cutting.as_mut().unwrap_or_else(|| unreachable!("looked at below")).await },
                    if self.cutting.is_some() =>
                {
                    self.cutting = None;
                    self.cut_came(cut).await;
                }
                heard = BusSide::hear(&mut self.bus), if self.bus.is_some() => self.heard(heard).await,
                changed = self.wakeups.changed(), if watching => {
                    watching = changed.is_ok();
                    if *self.wakeups.borrow_and_update() > self.tail.to() {
                        self.cut();
                    }
                }
                _ = heartbeat.tick() => self.beat(),
            }
        }
    }

    /// Straight from the commit to the wire, where it continues what is known.
    async fn publish_committed(&mut self, first: Committed) {
        let mut committed = first;
        let mut unsent = None;
        loop {
            let floor = self.relay.latest_now().map(|latest| latest.floor);
            let (Ok(()), Some(floor)) = (self.tail.add_committed(&committed), floor) else {
                // Another replica committed before us, or nothing was cut yet. What came before that
                // need not wait for the database.
                if let Some((at, floor)) = unsent {
                    self.send(at, floor, false).await;
                }
                return self.cut();
            };
            let key_revoked = committed
                .revoked
                .iter()
                .any(|entry| matches!(entry.target, Target::Key(_)));
            // Whatever else is queued goes out in the same page; a key's goes alone, and in haste.
            match self.commits.try_recv() {
                Ok(next) if !key_revoked => {
                    unsent = Some((committed.at, floor));
                    committed = Committed {
                        at: committed.at,
                        ..next
                    }
                }
                Ok(next) => {
                    self.send(committed.at, floor, false).await;
                    unsent = None;
                    committed = next;
                }
                Err(_) => return self.send(committed.at, floor, false).await,
            }
        }
    }

    /// Another replica's heartbeat is as good as ours; but now and then the database must hear of
    /// this replica too, for the floor depends on who mints tokens.
    fn beat(&mut self) {
        let relieved = self.relieved.is_some_and(|until| Instant::now() < until);
        if relieved && self.skipped < MAX_SKIPPED {
            self.skipped += 1;
        } else {
            self.skipped = 0;
            self.cut();
        }
    }

    /// What was committed goes out before the process ends, if that can be had in time: else another
    /// replica or the next start publishes it.
    async fn finish(mut self) {
        let last = async {
            while let Ok(committed) = self.commits.try_recv() {
                self.publish_committed(committed).await;
            }
            while let Some(cut) = self.cutting.take() {
                self.cut_came(cut.await).await;
            }
            if let Some(bus) = &mut self.bus {
                bus.settle().await;
            }
        };
        let _late = tokio::time::timeout(PUBLISH_WAIT, last).await;
    }

    /// Begins a cut after the tail's end, or remembers to.
    fn cut(&mut self) {
        if self.cutting.is_some() {
            self.cut_again = true;
            return;
        }
        self.cut_again = false;
        let store = self.relay.shared.store.clone();
        let (replica, seen) = (self.replica, self.relay.seen());
        // The first cut after a start has no tail to continue: it begins at the head of the moment.
        let from = self.begun.then(|| self.tail.to());
        // In a task of its own: this loop may end while the database is at work.
        let cut = tokio::spawn(async move {
            let from = match from {
                Some(from) => from,
                None => store.head().await?.position,
            };
            store.cut(replica, from, seen, CUT_LIMIT).await
        });
        self.cutting = Some(Box::pin(async move {
            cut.await
                .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }));
    }

    async fn cut_came(&mut self, cut: store::Result<Cut>) {
        let cut = match cut {
            Ok(cut) => cut,
            Err(error) => {
                self.relay
                    .shared
                    .counters
                    .cut_failures
                    .fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "no page can be cut; verifiers will go stale"
                    );
                }
                return;
            }
        };
        if std::mem::take(&mut self.failing) {
            tracing::info!("pages are cut again");
        }
        // What lay between was pruned where this replica could not cut for longer than tokens live.
        let begins = !std::mem::replace(&mut self.begun, true) || cut.from > self.tail.to();
        if begins {
            self.tail = Tail::starting_at(cut.from);
            self.relay.shared.sent.send_replace(cut.from);
        }
        // Where the tail begins anew, a key may have been revoked that no cut will tell of.
        let revokes_key = |entry: &Revocation| matches!(entry.target, Target::Key(_));
        if begins || cut.revoked.iter().any(revokes_key) {
            self.relay.reload_keys().await;
        }
        if self.tail.add_cut(&cut) == Err(Gap) {
            // The tail only grows, so what did not lie beyond its end does not now.
            unreachable!("looked at above");
        }
        self.send(cut.at, cut.floor, cut.more).await;
        if cut.more || self.cut_again {
            self.cut();
        }
    }

    /// Sends what SSE clients and the bus do not have yet.
    async fn send(&mut self, at: UnixMillis, floor: Position, more: bool) {
        let to = self.tail.to();
        let shared = &self.relay.shared;
        shared.latest.send_modify(|latest| {
            // Two true statements make one: nothing lay after the greater `to` at the later `at`.
            // A cut that goes on says nothing of its `at`; where it is the first, nothing is said yet.
            let before = latest.or((!more).then_some(Latest { at, to, floor }));
            *latest = before.map(|before| Latest {
                at: if more { before.at } else { at.max(before.at) },
                to: to.max(before.to),
                floor: floor.max(before.floor),
            });
        });
        self.relay.note_seen(to);
        let sent = *shared.sent.borrow();
        let begins = self.bus.as_ref().map(|bus| bus.begins_at(sent));
        let from = begins.unwrap_or(sent).min(to);
        let (from, revoked) = self.tail.since(from).unwrap_or_else(|| {
            // So much came at once, or went out without an acknowledgment, that the tail dropped its
            // beginning. What it holds goes out: whoever misses the rest finds a gap, and asks.
            if let Some(bus) = &mut self.bus {
                bus.fill_again();
            }
            self.tail.all()
        });
        let floor = floor.min(to);
        let mut pages = Page::cut(&shared.issuer, at, (from, to), floor, &revoked);
        if let Some(last) = pages.last_mut() {
            last.more = more;
        }
        let signed: Vec<_> = pages
            .into_iter()
            .map(|page| self.relay.sign(page))
            .collect();
        for live in &signed {
            let counter = if live.from == live.to {
                &shared.counters.heartbeats
            } else {
                &shared.counters.pages
            };
            counter.fetch_add(1, Ordering::Relaxed);
            // Without a receiver there is no SSE client.
            let _nobody = shared.live.send(live.clone());
        }
        shared.sent.send_replace(to.max(sent));
        if let Some(bus) = &mut self.bus {
            bus.publish(&signed).await;
        }
        let needed = self.bus.as_ref().map_or(to, |bus| bus.needs_after(to));
        self.tail.trim(needed.min(to));
    }

    async fn heard(&mut self, heard: Heard) {
        let shared = &self.relay.shared;
        match heard {
            Heard::Stored(to) => self.relay.note_stored(to),
            Heard::PublishFailed => {
                shared
                    .counters
                    .publish_failures
                    .fetch_add(1, Ordering::Relaxed);
            }
            Heard::Connected(connected) => {
                shared.bus_connected.store(connected, Ordering::Relaxed);
                if connected {
                    self.cut();
                }
            }
            Heard::Page(text) => self.others_page(&text),
            Heard::End(text) => self.end_of_stream(&text),
        }
    }

    /// Nobody may have listened when it was sent, this replica least of all where it has just started.
    fn end_of_stream(&mut self, text: &str) {
        let end = self.relay.read(text, crate::clock::now());
        if end.is_some_and(|signed| signed.page.to > self.tail.to()) {
            self.cut();
        }
    }

    /// A page from the bus: another replica's, or a stranger's. (And our own where the connection has an
    /// echo, which that of `serve` has not.)
    fn others_page(&mut self, text: &str) {
        let now = crate::clock::now();
        let shared = &self.relay.shared;
        let Some(signed) = self.relay.read(text, now) else {
            shared
                .counters
                .foreign_pages_refused
                .fetch_add(1, Ordering::Relaxed);
            return;
        };
        let page = &signed.page;
        if page.to > self.tail.to() {
            return self.cut();
        }
        let newer = self
            .relay
            .latest_now()
            .is_some_and(|latest| page.at > latest.at);
        let complete = page.to == self.tail.to() && !page.more;
        // Its age is reckoned from here on by a clock that only goes forward: a database ahead of this
        // machine would else relieve it for as long as the two differ.
        let young_for = YOUNG.saturating_sub(now.since(page.at));
        let of_now = !young_for.is_zero() && page.at <= now.plus(AHEAD);
        if newer && complete && of_now && page.from <= *shared.sent.borrow() {
            self.relieved = Some(Instant::now() + young_for);
            // Of what others say, only what ends by itself: a floor of a stolen key's would stand.
            shared.latest.send_modify(|latest| {
                if let Some(latest) = latest {
                    latest.at = page.at;
                }
            });
            let id = page.message_id(&signed.kid);
            let live = LivePage {
                from: page.from,
                to: page.to,
                id,
                text: text.into(),
                revoked: page.revoked.as_slice().into(),
            };
            let _nobody = shared.live.send(live);
        }
    }
}

#[cfg(test)]
mod tests;
