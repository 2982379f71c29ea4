//! A verifier's life: what comes to it, and when.

use crate::bounds::{Bounds, Broken};
use crate::history::History;
use crate::log::{ALL_KEYS, Tick, revoked_keys};
use crate::sent::Sent;
use crate::verifier::{Machine, Verifier};
use revocation_events::Now;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Life {
    pub(crate) now: Tick,
    pub(crate) machine: Machine,
    pub(crate) verifier: Verifier,
    /// So many revocations were committed before what it learned last. Counted only where it
    /// matters, which is for key sets.
    commits: u8,
    clock_steps: u8,
    sleeps: u8,
    key_pages: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Tick,
    /// A second in which its machine sleeps.
    TickAsleep,
    SetClock(Tick),
    Deliver(Sent),
    /// The key set is read after so many revocations.
    AskForKeys {
        commits: u8,
    },
    KeysCome,
    /// Somebody verifies a token, and the view forgets its proof. Otherwise that changes nothing.
    VerifyToken,
    Restart,
}

impl Life {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            now: 0,
            machine: Machine::default(),
            verifier: new_verifier(bounds),
            commits: 0,
            clock_steps: bounds.budget.verifier_clock_steps,
            sleeps: bounds.budget.sleeps,
            key_pages: bounds.budget.key_pages,
        }
    }

    pub(crate) fn events(&self, bounds: &Bounds, history: &History, events: &mut Vec<Event>) {
        if self.now < bounds.end {
            events.push(Event::Tick);
            if self.sleeps > 0 {
                events.push(Event::TickAsleep);
            }
        }
        if self.clock_steps > 0 {
            let clocks = bounds.verifier_clocks.iter();
            let others = clocks.filter(|clock| **clock != self.machine.clock);
            events.extend(others.map(|clock| Event::SetClock(*clock)));
        }
        let there = history.sent_by(self.now).copied();
        let forged = bounds
            .forgeries
            .iter()
            .map(|forgery| forgery.page(self.now));
        let readable = there
            .chain(forged)
            .filter(|page| self.verifier.can_read(page))
            .filter(|page| self.key_pages > 0 || !self.verifier.may_want_keys(page));
        events.extend(readable.map(Event::Deliver));
        if bounds.slow_key_sets && self.verifier.may_ask_for_keys() {
            let latest = u8::try_from(history.committed(self.now).len()).unwrap();
            let reads = self.commits..=latest;
            events.extend(reads.map(|commits| Event::AskForKeys { commits }));
        }
        if self.verifier.awaits_keys() {
            events.push(Event::KeysCome);
        }
        if self.verifier.would_forget_proof(self.clocks(bounds)) {
            events.push(Event::VerifyToken);
        }
        if self.verifier != new_verifier(bounds) {
            events.push(Event::Restart);
        }
    }

    pub(crate) fn happen(&mut self, bounds: &Bounds, history: &History, event: Event) {
        match event {
            Event::Tick => self.tick(bounds, history),
            Event::TickAsleep => {
                self.sleeps -= 1;
                self.machine.slept += 1;
                self.tick(bounds, history);
            }
            Event::SetClock(to) => {
                self.clock_steps -= 1;
                self.machine.clock = to;
            }
            Event::Deliver(page) => {
                self.learn(bounds, page.commits.into());
                if self.verifier.may_want_keys(&page) {
                    self.key_pages -= 1;
                }
                let taken = as_the_view_gets_it(bounds, page, &self.verifier);
                let clocks = self.clocks(bounds);
                self.verifier.take(&taken, &history.entries, clocks);
            }
            Event::AskForKeys { commits } => {
                self.learn(bounds, commits.into());
                let before = history.entries[..usize::from(commits)].iter();
                let here = before.filter(|entry| entry.lost_at.is_none_or(|at| at > self.now));
                self.verifier
                    .ask_for_keys(ALL_KEYS.without(revoked_keys(here)));
            }
            Event::KeysCome => self.verifier.keys_came(),
            Event::VerifyToken => self.verifier.use_proof(self.clocks(bounds)),
            Event::Restart => self.verifier = new_verifier(bounds),
        }
        if !bounds.slow_key_sets && self.verifier.may_ask_for_keys() {
            self.verifier.ask_for_keys(ALL_KEYS);
            self.verifier.keys_came();
        }
    }

    pub(crate) fn clocks(&self, bounds: &Bounds) -> Now {
        let clocks = self.machine.clocks(self.now);
        if bounds.clocks_may_be_wrong() {
            return clocks;
        }
        // By the wall clock a proof is then always as old as it is, and older than by the monotonic
        // one: which may stand still, so that there are fewer states.
        Now {
            monotonic: Duration::ZERO,
            ..clocks
        }
    }

    fn tick(&mut self, bounds: &Bounds, history: &History) {
        self.learn(bounds, history.committed(self.now).len());
        self.now += 1;
    }

    fn learn(&mut self, bounds: &Bounds, commits: usize) {
        if bounds.slow_key_sets {
            self.commits = u8::try_from(commits).unwrap().max(self.commits);
        }
    }
}

fn new_verifier(bounds: &Bounds) -> Verifier {
    Verifier::new((!bounds.slow_key_sets).then_some(ALL_KEYS))
}

fn as_the_view_gets_it(bounds: &Bounds, sent: Sent, verifier: &Verifier) -> Sent {
    let mut page = sent;
    if bounds.breaks(Broken::AdvanceOverGap) {
        let head = verifier
            .view
            .head()
            .map_or(0, revocation_events::Position::get);
        let reached = u8::try_from(head).unwrap().max(page.floor);
        page.from = page.from.min(reached);
    }
    page
}
