//! A replica of the service, as far as pages depend on it: session-api/src/relay.
//!
//! Each function names the one that it follows. What only decides *when* a replica works (timers,
//! wake-ups, `cut_again`, the young heartbeat of another) is left out: here each step may come at
//! any time, or never.

use crate::bounds::Broken;
use crate::log::{Cut, Log, Stamp};
use crate::sent::Sent;
use crate::set::Set;

/// How much fits into one of each. In the service they are 10,000, 10,000, 1,000 and 64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Revocations in the tail.
    pub(crate) tail: usize,
    /// Revocations in a cut.
    pub(crate) cut: usize,
    /// Revocations in a page.
    pub(crate) page: usize,
    /// Pages in an HTTP answer.
    pub(crate) answer: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Replica {
    tail: Tail,
    pub(crate) begun: bool,
    pub(crate) latest: Option<Latest>,
    /// `Shared::sent`.
    sent: u8,
    /// `BusSide::stored`: nothing until the stream was filled.
    pub(crate) stored: Option<u8>,
    /// Committed, but the worker has not got to it yet.
    pub(crate) queue: Vec<Committed>,
    pub(crate) cutting: Option<Cutting>,
    /// As the keys were last read: `KeyRing`.
    revoked_keys: Set,
}

/// `Tail` in tail.rs: all revocations in `(from, to]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Tail {
    from: u8,
    to: u8,
    revoked: Set,
}

/// `Latest` in mod.rs: "at `at`, nothing lay after `to`".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Latest {
    at: Stamp,
    pub(crate) to: u8,
    pub(crate) floor: u8,
}

/// `Committed` in mod.rs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Committed {
    pub(crate) at: Stamp,
    pub(crate) previous: u8,
    pub(crate) index: usize,
}

/// A cut on its way. A replica may freeze between any two of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cutting {
    /// The first cut after a start begins at the head, which a statement of its own has read.
    HeadRead { from: u8 },
    /// The transaction was begun, which read the clock.
    Begun { from: u8, at: Stamp },
    /// The log was read, and the transaction is over.
    Read(Cut),
}

/// What was given does not follow.
struct Gap;

impl Tail {
    const fn starting_at(position: u8) -> Self {
        Self {
            from: position,
            to: position,
            revoked: Set::EMPTY,
        }
    }

    fn add(&mut self, (from, to): (u8, u8), revoked: Set, desk: &Desk<'_>) -> Result<(), Gap> {
        if from > self.to {
            return Err(Gap);
        }
        let position = |index: usize| desk.log.entries[index].position;
        let mut news = revoked;
        news.retain(|index| position(index) > self.to);
        self.revoked = self.revoked.or(news);
        self.to = self.to.max(to);
        while self.revoked.iter().count() > desk.sizes.tail {
            let first = self.revoked.iter().min_by_key(|index| position(*index));
            let first = first.expect("there is one at least");
            self.revoked = self.revoked.without(Set::of(first));
            self.from = position(first);
        }
        Ok(())
    }

    fn since(&self, from: u8, log: &Log) -> Option<Set> {
        let mut revoked = self.revoked;
        revoked.retain(|index| log.entries[index].position > from);
        (from >= self.from).then_some(revoked)
    }

    fn trim(&mut self, below: u8, log: &Log) {
        self.revoked
            .retain(|index| log.entries[index].position > below);
        self.from = self.from.max(below.min(self.to));
    }
}

/// What a replica works with.
pub(crate) struct Desk<'a> {
    pub(crate) log: &'a Log,
    pub(crate) sizes: Sizes,
    pub(crate) broken: Option<Broken>,
    /// Where pages go.
    pub(crate) out: &'a mut Vec<Sent>,
}

impl Replica {
    /// `Worker::cut` after a start: there is no tail to continue.
    pub(crate) fn read_head(&mut self, log: &Log) {
        self.cutting = Some(Cutting::HeadRead { from: log.head });
    }

    /// `Worker::cut`. The task that it spawns begins the transaction.
    pub(crate) fn begin_cut(&mut self, at: Stamp) {
        let from = match self.cutting {
            Some(Cutting::HeadRead { from }) => from,
            _ => self.tail.to,
        };
        self.cutting = Some(Cutting::Begun { from, at });
    }

    /// `Worker::cut_came`.
    pub(crate) fn cut_came(&mut self, cut: Cut, acknowledged: bool, desk: &mut Desk<'_>) {
        let begins = !std::mem::replace(&mut self.begun, true) || cut.from > self.tail.to;
        if begins {
            self.tail = Tail::starting_at(cut.from);
            self.sent = cut.from;
        }
        let mut indices = cut.revoked.iter();
        if begins || indices.any(|index| desk.log.entries[index].whom.key().is_some()) {
            self.reload_keys(desk.log);
        }
        let ends = (cut.from, cut.to);
        let added = self.tail.add(ends, cut.revoked, desk);
        assert!(added.is_ok(), "looked at above");
        self.send(cut.at, cut.floor, cut.more, acknowledged, desk);
    }

    /// `Worker::publish_committed`: all that is queued goes out in one page, but a key's alone, and what
    /// comes before a gap.
    pub(crate) fn publish_committed(&mut self, acknowledged: bool, desk: &mut Desk<'_>) {
        let mut begun: Option<Stamp> = None;
        while !self.queue.is_empty() {
            let committed = self.queue.remove(0);
            let is_key = desk.log.entries[committed.index].whom.key().is_some();
            let revoked = Set::of(committed.index);
            let position = desk.log.entries[committed.index].position;
            let ends = (committed.previous, position);
            let added = self.tail.add(ends, revoked, desk);
            let (Ok(()), Some(latest)) = (added, self.latest) else {
                // It cuts then.
                break;
            };
            let at = begun.unwrap_or(committed.at);
            begun = Some(at);
            if is_key {
                self.send(at, latest.floor, false, acknowledged, desk);
                begun = None;
            }
        }
        if let (Some(at), Some(latest)) = (begun, self.latest) {
            self.send(at, latest.floor, false, acknowledged, desk);
        }
    }

    /// `Worker::send`.
    fn send(&mut self, at: Stamp, floor: u8, more: bool, acknowledged: bool, desk: &mut Desk<'_>) {
        let to = self.tail.to;
        let speaks = !more || desk.broken == Some(Broken::FirstCutSpeaks);
        let before = self.latest.or(speaks.then_some(Latest { at, to, floor }));
        self.latest = before.map(|before| Latest {
            at: if more { before.at } else { at.max(before.at) },
            to: to.max(before.to),
            floor: floor.max(before.floor),
        });
        let from = self
            .stored
            .map_or(self.sent, |stored| stored.min(self.sent))
            .min(to);
        let (from, revoked) = match self.tail.since(from, desk.log) {
            Some(revoked) => (from, revoked),
            None => {
                // `BusSide::fill_again`.
                self.stored = None;
                (self.tail.from, self.tail.revoked)
            }
        };
        let mut pages = self.sign(at, (from, to), floor.min(to), revoked, desk);
        if let Some(last) = pages.last_mut() {
            last.more = more;
        }
        desk.out.append(&mut pages);
        self.sent = to.max(self.sent);
        // `BusSide::needs_after`.
        self.tail.trim(self.stored.unwrap_or(to).min(to), desk.log);
        // `BusSide::published`. A heartbeat is not stored.
        if let Some(stored) = self.stored.as_mut().filter(|_| acknowledged && from < to) {
            *stored = to.max(*stored);
        }
    }

    fn sign(
        &self,
        at: Stamp,
        ends: (u8, u8),
        floor: u8,
        revoked: Set,
        desk: &Desk<'_>,
    ) -> Vec<Sent> {
        let most = desk.sizes.page;
        Sent::cut(at, ends, floor, revoked, self.revoked_keys, most, desk.log)
    }

    /// `Relay::pages_after`. `latest` may be old: nothing is cut for a request.
    pub(crate) fn pages_after(&self, after: Option<u8>, desk: &mut Desk<'_>) {
        let Some(Latest { at, to, floor }) = self.latest else {
            return;
        };
        let from = after
            .filter(|after| *after >= floor)
            .unwrap_or(floor)
            .min(to);
        let mark = match desk.broken {
            Some(Broken::PrunedIsClaimed) => 0,
            _ => desk.log.pruned().min(to),
        };
        let (from, floor) = if mark > from {
            (mark, floor.max(mark))
        } else {
            (from, floor)
        };
        let revoked = desk.log.revocations(from, to);
        let mut pages = self.sign(at, (from, to), floor, revoked, desk);
        pages.truncate(desk.sizes.answer);
        desk.out.append(&mut pages);
    }

    /// `fill` in bus.rs, and `BusSide::filled`: pages from the floor on, for the stored stream. All
    /// of it at once: a revocation that comes meanwhile is a page like any other.
    pub(crate) fn fill(&mut self, desk: &mut Desk<'_>) {
        let Some(latest) = self.latest else {
            return;
        };
        let sizes = Sizes {
            answer: usize::MAX,
            ..desk.sizes
        };
        let mut pages = Vec::new();
        let mut all = Desk {
            sizes,
            out: &mut pages,
            ..*desk
        };
        self.pages_after(None, &mut all);
        desk.out
            .extend(pages.iter().filter(|page| page.from < page.to));
        self.stored = Some(latest.to);
    }

    /// `Worker::others_page`, where another's heartbeat stands in for this replica's.
    pub(crate) fn is_relieved_by(&self, page: &Sent) -> bool {
        let newer = self.latest.is_some_and(|latest| page.at.at > latest.at.at);
        newer && page.to == self.tail.to && !page.more && page.from <= self.sent
    }

    pub(crate) fn hear(&mut self, page: &Sent) {
        if let Some(latest) = &mut self.latest {
            latest.at = page.at;
        }
    }

    /// `Relay::reload_keys`, `Service::watch_keys`.
    pub(crate) fn reload_keys(&mut self, log: &Log) {
        self.revoked_keys = log.revoked_keys();
    }

    pub(crate) fn has_old_keys(&self, log: &Log) -> bool {
        self.revoked_keys != log.revoked_keys()
    }
}
