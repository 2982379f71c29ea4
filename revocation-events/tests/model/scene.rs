//! A verifier in its world, and what can be said of it.

use crate::bounds::{Bounds, Broken};
use crate::history::History;
use crate::life::Life;
use crate::log::{Entry, Tick};
use crate::verifier::{Known, MAX_STALENESS, SESSIONS, is_impossible};
use crate::world::World;

/// A state in which somebody may verify.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'s> {
    pub(crate) bounds: &'s Bounds,
    history: &'s History,
    life: &'s Life,
}

impl<'s> Scene<'s> {
    pub(crate) fn of(bounds: &'s Bounds, world: &'s World) -> Option<Self> {
        match world {
            World::Service(_) => None,
            World::Verifier(concluded, life) => Some(Self {
                bounds,
                history: &concluded.history,
                life,
            }),
        }
    }

    fn proof(self) -> Option<&'s Known> {
        self.life.verifier.proof.as_ref()
    }

    fn committed(self) -> &'s [Entry] {
        self.history.committed(self.life.now)
    }

    fn before_proof(self) -> &'s [Entry] {
        let commits = self.proof().map_or(0, |proof| proof.at.read.commits);
        &self.history.entries[..usize::from(commits)]
    }

    pub(crate) const fn now(self) -> Tick {
        self.life.now
    }

    /// The revocations that break the promise, with their indices.
    pub(crate) fn missed(self) -> impl Iterator<Item = (usize, &'s Entry)> {
        let entries = self.committed().iter().enumerate();
        entries.filter(move |(_, entry)| self.accepts_long_dead(entry))
    }

    fn knows_the_head(self) -> bool {
        let head = self.life.verifier.view.head().map(|head| head.get());
        let there = self.history.head(self.life.now).map(u64::from);
        there.is_some() && head == there
    }
}

impl Scene<'_> {
    pub(crate) fn keeps_promise(self) -> bool {
        !(self.missed().next().is_some() && self.is_fresh())
    }

    fn accepts_long_dead(self, entry: &Entry) -> bool {
        let lasts = self.proof().map_or(0, |proof| self.lasts(proof));
        self.life.now - entry.acknowledged > lasts && self.accepts_dead(entry)
    }

    pub(crate) fn knows_all(self) -> bool {
        let mut entries = self.before_proof().iter();
        !(entries.any(|entry| self.accepts_dead(entry)) && self.is_fresh())
    }

    pub(crate) fn believes_no_future(self) -> bool {
        let clocks = self.life.clocks(self.bounds);
        let future = |proof: &Known| proof.impossible || is_impossible(proof.at, clocks);
        !(self.proof().is_some_and(future) && self.is_fresh())
    }

    /// Except between a failover and the first transaction that finds it: tokens that are minted
    /// then may be refused for what was lost.
    pub(crate) fn refuses_no_living_token(self) -> bool {
        let head = self.history.head(self.life.now);
        let verifier = &self.life.verifier;
        head.is_none_or(|head| !(0..SESSIONS).any(|one| verifier.refuses_token(one, head, true)))
    }

    /// Except where a failover loses the revocation.
    pub(crate) fn forgets_no_key(self) -> bool {
        let verifier = &self.life.verifier;
        let mut heard = verifier.heard_revoked.iter();
        self.bounds.budget.failovers > 0 || heard.all(|key| verifier.refuses_key(key))
    }

    pub(crate) fn is_fresh_and_refuses(self) -> bool {
        self.committed().iter().any(|entry| self.refuses(entry)) && self.is_fresh()
    }

    pub(crate) fn is_stale_for_a_reason(self) -> bool {
        let long_ago = |entry: &Entry| self.life.now - entry.acknowledged > MAX_STALENESS;
        let mut entries = self.committed().iter();
        let missed = entries.any(|entry| long_ago(entry) && !self.refuses(entry));
        missed && self.proof().is_some() && !self.is_fresh()
    }

    pub(crate) fn refuses_by_floor(self) -> bool {
        let verifier = &self.life.verifier;
        let by_floor =
            |entry: &Entry| verifier.refuses(entry, true) && !verifier.refuses(entry, false);
        self.committed().iter().any(by_floor) && self.is_fresh()
    }

    pub(crate) fn is_healed(self) -> bool {
        let healed = self.life.verifier.saw_gap && self.knows_the_head();
        healed && !self.committed().is_empty() && self.is_fresh()
    }

    pub(crate) fn has_outlived_a_failover(self) -> bool {
        let lost = |entry: &&Entry| self.is_lost(entry);
        let mut lost = self.committed().iter().filter(lost);
        let knew = lost.any(|entry| self.refuses(entry));
        let later = self.before_proof().iter().any(|entry| !self.is_lost(entry));
        knew && later && self.knows_the_head() && self.is_fresh()
    }

    pub(crate) fn has_heard_of_a_key(self) -> bool {
        !self.life.verifier.heard_revoked.is_empty()
    }

    pub(crate) fn is_deceived(self) -> bool {
        self.life.verifier.deceived
    }

    /// For how long, after its clock was read, a proof may make a verifier fresh: `max_staleness`,
    /// and longer by what the clock that stamped it runs ahead of the verifier's, but never by more
    /// than the page was under way and the verifier's machine asleep.
    fn lasts(self, proof: &Known) -> Tick {
        let (machine, read) = (self.life.machine, proof.at.read.tick);
        let ahead = proof.at.at - read - machine.clock;
        let unseen = proof.came + machine.slept - read;
        MAX_STALENESS + ahead.min(unseen).max(0)
    }

    pub(crate) fn claims_to_be_fresh(self) -> bool {
        self.life.verifier.is_fresh(self.life.clocks(self.bounds))
    }

    /// Fresh, and not by the word of a thief.
    pub(crate) fn is_fresh(self) -> bool {
        !self.is_deceived() && self.claims_to_be_fresh()
    }

    fn refuses(self, entry: &Entry) -> bool {
        let floor_rule = !self.bounds.breaks(Broken::NoFloorRule);
        self.life.verifier.refuses(entry, floor_rule)
    }

    /// What a failover has lost is promised to nobody.
    fn accepts_dead(self, entry: &Entry) -> bool {
        !self.is_lost(entry) && !self.refuses(entry)
    }

    fn is_lost(self, entry: &Entry) -> bool {
        entry.lost_at.is_some_and(|lost| lost <= self.life.now)
    }
}
