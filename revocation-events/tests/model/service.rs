//! The service: a database, two replicas, and everything that they ever sent.

use crate::bounds::{Bounds, Broken, Budget};
use crate::history::History;
use crate::log::{Log, Stamp, Tick, Whom};
use crate::replica::{Committed, Cutting, Desk, Replica};
use crate::sent::Sent;

const REPLICAS: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Service {
    now: Tick,
    log: Log,
    replicas: [Replica; REPLICAS],
    history: History,
    left: Budget,
}

/// What happens next to the service. The number is the replica's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Tick,
    SetDatabaseClock(Tick),
    FailOver {
        lost: u8,
    },
    Prune,
    /// A replica commits a revocation and publishes it at once.
    Revoke(usize, Whom, PubAck),
    /// A replica commits a revocation, and its worker does not get to it before `Publish`.
    Commit(usize, Whom),
    Publish(usize, PubAck),
    /// A cut, from its beginning to the sending of its pages, in one moment.
    Cut(usize, PubAck),
    /// The same in steps, with a freeze between them. A replica that has just started reads the head
    /// first, in a statement of its own.
    ReadHead(usize),
    BeginCut(usize),
    ReadLog(usize),
    SendCut(usize, PubAck),
    FillStream(usize),
    FindStreamGone(usize),
    /// A verifier asks over HTTP for the pages after a position.
    Answer(usize, Option<u8>),
    /// Another's heartbeat, which stands in for the replica's own.
    Hear(usize, Sent),
    Restart(usize),
    ReloadKeys(usize),
}

/// Whether the stream's acknowledgment of what was just sent comes to the replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PubAck {
    Comes,
    IsLost,
}

impl Service {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            now: 0,
            log: Log::new(),
            replicas: Default::default(),
            history: History::default(),
            left: bounds.budget,
        }
    }

    /// Time is over, and nothing is left that sends or commits. A run that ends sooner needs no
    /// verifier of its own: one that misses a page is in the runs with that page too.
    pub(crate) fn is_over(&self, bounds: &Bounds) -> bool {
        self.now == bounds.end && {
            let mut events = Vec::new();
            self.work(bounds, &mut events);
            events.is_empty()
        }
    }

    pub(crate) fn conclude(&self) -> History {
        self.history.clone().concluded(&self.log)
    }

    pub(crate) fn events(&self, bounds: &Bounds, events: &mut Vec<Event>) {
        if self.now < bounds.end {
            events.push(Event::Tick);
        }
        self.work(bounds, events);
        self.trouble(bounds, events);
    }

    /// Replicas that are alike need not be told apart.
    fn who_is_who(&self) -> impl Iterator<Item = (usize, &Replica)> {
        let alike = self.replicas[0] == self.replicas[1];
        let count = if alike { 1 } else { REPLICAS };
        self.replicas.iter().enumerate().take(count)
    }

    /// What commits or sends.
    fn work(&self, bounds: &Bounds, events: &mut Vec<Event>) {
        let left = &self.left;
        for (number, replica) in self.who_is_who() {
            let acks: &[PubAck] = match replica.stored {
                Some(_) => &[PubAck::Comes, PubAck::IsLost],
                // Before the stream was filled an acknowledgment says nothing.
                None => &[PubAck::IsLost],
            };
            let revoked = self.log.revoked_keys();
            let dead = |whom: &Whom| whom.key().is_some_and(|key| revoked.contains(key));
            let choices = bounds.revocations.get(self.log.entries.len());
            for whom in choices.into_iter().flatten().filter(|whom| !dead(whom)) {
                events.extend(acks.iter().map(|ack| Event::Revoke(number, *whom, *ack)));
                if left.freezes > 0 {
                    events.push(Event::Commit(number, *whom));
                }
            }
            if !replica.queue.is_empty() {
                events.extend(acks.iter().map(|ack| Event::Publish(number, *ack)));
            }
            match replica.cutting {
                None if left.cuts > 0 => {
                    events.extend(acks.iter().map(|ack| Event::Cut(number, *ack)));
                    if left.freezes > 0 {
                        let begin = if replica.begun {
                            Event::BeginCut
                        } else {
                            Event::ReadHead
                        };
                        events.push(begin(number));
                    }
                }
                None => {}
                Some(Cutting::HeadRead { .. }) => events.push(Event::BeginCut(number)),
                Some(Cutting::Begun { .. }) => events.push(Event::ReadLog(number)),
                Some(Cutting::Read(_)) => {
                    events.extend(acks.iter().map(|ack| Event::SendCut(number, *ack)));
                }
            }
            if left.fills > 0 && replica.stored.is_none() && replica.latest.is_some() {
                events.push(Event::FillStream(number));
            }
            if let Some(latest) = replica.latest.filter(|_| left.answers > 0) {
                // Below the floor it is as if it were absent, and above the end as if it were that.
                let inside = |after: &u8| (latest.floor + 1..=latest.to).contains(after);
                let positions = self.log.entries.iter().map(|entry| entry.position);
                events.push(Event::Answer(number, None));
                let positions = positions.filter(inside);
                events.extend(positions.map(|after| Event::Answer(number, Some(after))));
            }
        }
    }

    /// Faults, and what only changes how replicas work.
    fn trouble(&self, bounds: &Bounds, events: &mut Vec<Event>) {
        let left = &self.left;
        if left.database_clock_steps > 0 {
            let clocks = bounds.database_clocks.iter();
            let others = clocks.filter(|clock| **clock != self.log.clock);
            events.extend(others.map(|clock| Event::SetDatabaseClock(*clock)));
        }
        if left.failovers > 0 {
            let here = self.log.entries.iter();
            let here = here.filter(|entry| entry.lost_at.is_none()).count();
            let most = bounds.lost_commits.min(u8::try_from(here).unwrap());
            events.extend((0..=most).map(|lost| Event::FailOver { lost }));
        }
        if left.prunes > 0 && self.log.has_to_prune(self.now) {
            events.push(Event::Prune);
        }
        for (number, replica) in self.who_is_who() {
            if left.wipes > 0 && replica.stored.is_some() {
                events.push(Event::FindStreamGone(number));
            }
            if left.reliefs > 0 {
                let sent = self.history.sent();
                let reliefs = sent.filter(|page| replica.is_relieved_by(page));
                events.extend(reliefs.map(|page| Event::Hear(number, *page)));
            }
            if left.restarts > 0 && *replica != Replica::default() {
                events.push(Event::Restart(number));
            }
            if replica.has_old_keys(&self.log) {
                events.push(Event::ReloadKeys(number));
            }
        }
    }

    pub(crate) fn happen(&mut self, bounds: &Bounds, event: Event) {
        match event {
            Event::Tick => {
                self.history.end_tick(&self.log);
                self.now += 1;
            }
            Event::SetDatabaseClock(to) => {
                self.left.database_clock_steps -= 1;
                self.log.clock = to;
            }
            Event::FailOver { lost } => {
                self.left.failovers -= 1;
                self.fail_over(lost);
            }
            Event::Prune => {
                self.left.prunes -= 1;
                self.log.prune(self.now);
            }
            Event::Revoke(number, whom, ack) => {
                self.commit(bounds, number, whom);
                self.publish(bounds, number, ack);
            }
            Event::Commit(number, whom) => {
                self.left.freezes -= 1;
                self.commit(bounds, number, whom);
            }
            Event::Publish(number, ack) => self.publish(bounds, number, ack),
            Event::Cut(number, ack) => {
                self.left.cuts -= 1;
                if !self.replicas[number].begun {
                    self.replicas[number].read_head(&self.log);
                }
                self.begin_cut(number);
                self.read_log(bounds, number);
                self.send_cut(bounds, number, ack);
            }
            Event::ReadHead(number) => {
                self.left.cuts -= 1;
                self.left.freezes -= 1;
                self.replicas[number].read_head(&self.log);
            }
            Event::BeginCut(number) => {
                if self.replicas[number].cutting.is_none() {
                    self.left.cuts -= 1;
                    self.left.freezes -= 1;
                }
                self.begin_cut(number);
            }
            Event::ReadLog(number) => self.read_log(bounds, number),
            Event::SendCut(number, ack) => self.send_cut(bounds, number, ack),
            Event::FillStream(number) => {
                self.left.fills -= 1;
                self.at_desk(bounds, number, Replica::fill);
            }
            Event::FindStreamGone(number) => {
                self.left.wipes -= 1;
                self.replicas[number].stored = None;
            }
            Event::Answer(number, after) => {
                self.left.answers -= 1;
                let answer = |replica: &mut Replica, desk: &mut Desk<'_>| {
                    replica.pages_after(after, desk);
                };
                self.at_desk(bounds, number, answer);
            }
            Event::Hear(number, page) => {
                self.left.reliefs -= 1;
                self.replicas[number].hear(&page);
            }
            Event::Restart(number) => {
                self.left.restarts -= 1;
                self.replicas[number] = Replica::default();
                self.replicas[number].reload_keys(&self.log);
            }
            Event::ReloadKeys(number) => self.replicas[number].reload_keys(&self.log),
        }
    }

    fn clock(&self) -> Stamp {
        self.log.read_clock(self.now)
    }

    fn fail_over(&mut self, lost: u8) {
        self.log.fail_over(lost, self.now);
        for replica in &mut self.replicas {
            // A transaction does not survive its database.
            let begun = matches!(replica.cutting, Some(Cutting::Begun { .. }));
            replica.cutting = replica.cutting.filter(|_| !begun);
        }
    }

    fn commit(&mut self, bounds: &Bounds, number: usize, whom: Whom) {
        let at = self.clock();
        let raises = !bounds.breaks(Broken::NoRaise);
        let previous = self.log.commit(whom, self.now, raises);
        let replica = &mut self.replicas[number];
        if whom.key().is_some() {
            // `revoke_key` in session-api/src/service/key_admin.rs: before the worker hears of it.
            replica.reload_keys(&self.log);
        }
        replica.queue.push(Committed {
            at,
            previous,
            index: self.log.entries.len() - 1,
        });
    }

    fn publish(&mut self, bounds: &Bounds, number: usize, ack: PubAck) {
        let publish = |replica: &mut Replica, desk: &mut Desk<'_>| {
            replica.publish_committed(ack == PubAck::Comes, desk);
        };
        self.at_desk(bounds, number, publish);
    }

    fn begin_cut(&mut self, number: usize) {
        let at = self.clock();
        self.replicas[number].begin_cut(at);
    }

    fn read_log(&mut self, bounds: &Bounds, number: usize) {
        let cutting = &mut self.replicas[number].cutting;
        if let Some(Cutting::Begun { from, at }) = *cutting {
            let raises = !bounds.breaks(Broken::NoRaise);
            let cut = self.log.cut(at, from, bounds.sizes.cut, raises);
            *cutting = Some(Cutting::Read(cut));
        }
    }

    fn send_cut(&mut self, bounds: &Bounds, number: usize, ack: PubAck) {
        let now = self.clock();
        let Some(Cutting::Read(mut cut)) = self.replicas[number].cutting.take() else {
            return;
        };
        if bounds.breaks(Broken::AtAfterLog) {
            cut.at = now;
        }
        let send = |replica: &mut Replica, desk: &mut Desk<'_>| {
            replica.cut_came(cut, ack == PubAck::Comes, desk);
        };
        self.at_desk(bounds, number, send);
    }

    fn at_desk(
        &mut self,
        bounds: &Bounds,
        number: usize,
        work: impl FnOnce(&mut Replica, &mut Desk<'_>),
    ) {
        let mut out = Vec::new();
        let mut desk = Desk {
            log: &self.log,
            sizes: bounds.sizes,
            broken: bounds.broken,
            out: &mut out,
        };
        work(&mut self.replicas[number], &mut desk);
        for mut page in out {
            page.more &= !bounds.breaks(Broken::NoMore);
            self.history.send(page);
        }
    }
}
