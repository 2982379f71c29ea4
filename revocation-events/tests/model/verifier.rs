//! A verifier: the real [`View`], and around it as little as there can be.

use crate::log::{Entry, Stamp, Tick, Whom, kid, millis};
use crate::sent::Sent;
use crate::set::Set;
use revocation_events::view::{Freshness, KeySetTicket, MAX_AHEAD, Taken};
use revocation_events::{KeyId, Now, View};
use std::time::Duration;

pub(crate) const MAX_STALENESS: Tick = 1;

pub(crate) const SESSIONS: u8 = 2;

/// The machine that it runs on, which outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    /// What its wall clock is ahead of true time.
    pub(crate) clock: Tick,
    /// How long its monotonic clock stood still while it slept.
    pub(crate) slept: Tick,
}

impl Machine {
    pub(crate) fn clocks(&self, tick: Tick) -> Now {
        let awake = u64::try_from(tick - self.slept).unwrap();
        Now {
            wall: millis(tick + self.clock),
            monotonic: Duration::from_secs(awake),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Verifier {
    pub(crate) view: View,
    sessions: [u8; SESSIONS as usize],
    user: u8,
    everyone: u8,
    /// The key set in force: none before the first has come.
    keys: Option<Set>,
    reading: Option<Reading>,
    pub(crate) proof: Option<Known>,
    /// It has seen a gap since it knew nothing.
    pub(crate) saw_gap: bool,
    /// Keys whose revocation has come as an entry in a page of the service's.
    pub(crate) heard_revoked: Set,
    /// Keys that came into doubt, by this model's own count: named by a page, or the signer of such
    /// a page, until a key set that was asked for later.
    doubted: Set,
    /// It builds on a thief's page, and has heard of no key's revocation since. Nothing is promised
    /// to those who do not know that a key was stolen.
    pub(crate) deceived: bool,
}

/// A key set on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reading {
    ticket: KeySetTicket,
    live: Set,
    /// Keys that were in doubt when it was asked for, and were not named again since.
    settles: Set,
}

/// What no verifier knows of its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    pub(crate) at: Stamp,
    /// The monotonic clock when it came first.
    pub(crate) came: Tick,
    /// It was too far ahead of the wall clock when it was looked at.
    pub(crate) impossible: bool,
}

impl Verifier {
    /// `keys` are known from the start where key sets are not what is looked at.
    pub(crate) fn new(keys: Option<Set>) -> Self {
        Self {
            view: View::new(),
            sessions: [0; SESSIONS as usize],
            user: 0,
            everyone: 0,
            keys,
            reading: None,
            proof: None,
            saw_gap: false,
            heard_revoked: Set::EMPTY,
            doubted: Set::EMPTY,
            deceived: false,
        }
    }

    /// `Page::verify` needs the signer's key.
    pub(crate) fn can_read(&self, page: &Sent) -> bool {
        self.keys.is_some_and(|keys| keys.contains(page.signer))
    }

    /// `Follower::take` and `Follower::insert` in verifier-sdk/src/feed/follower.rs.
    pub(crate) fn take(&mut self, page: &Sent, entries: &[Entry], now: Now) {
        let shown_floor = self.view.floor();
        self.look_at_proof(now);
        let news = self.is_news(page);
        let taken = self.view.take(&page.signed(entries), now);
        let taken = taken.expect("positions are small");
        self.note_keys(page, news, taken);
        for index in page.revoked.iter() {
            let entry = &entries[index];
            if u64::from(entry.position) > shown_floor.get() {
                self.insert(entry);
            }
        }
        self.drop_floored();
        self.saw_gap |= taken == Taken::Gap;
        // Neither a copy nor an older page makes a proof younger, whatever the view makes of them.
        let newer = self
            .proof
            .is_none_or(|proof| proof.impossible || page.at.at > proof.at.at);
        match self.view.proof() {
            None => self.proof = None,
            Some(proof) if newer && proof.at == millis(page.at.at) => {
                self.proof = Some(Known {
                    at: page.at,
                    came: Tick::try_from(now.monotonic.as_secs()).unwrap(),
                    impossible: is_impossible(page.at, now),
                });
            }
            Some(_) => {}
        }
    }

    /// What this model remembers of a page that was taken, to know what is promised from now on.
    fn note_keys(&mut self, page: &Sent, news: bool, taken: Taken) {
        if news {
            // It must have forgotten all that a thief told it.
            self.deceived = false;
            let doubted = page.names().or(Set::of(page.signer));
            self.doubted = self.doubted.or(doubted);
            if let Some(reading) = &mut self.reading {
                reading.settles = reading.settles.without(doubted);
            }
        } else if page.forged.is_some()
            && taken != Taken::Distrusted
            && !self.doubted.contains(page.signer)
        {
            self.deceived = true;
        }
        if page.forged.is_none() {
            self.heard_revoked = self.heard_revoked.or(page.told);
        }
    }

    /// Whether the page names a key that was not known to be revoked.
    fn is_news(&self, page: &Sent) -> bool {
        let named = page.names();
        !named.is_empty() && !self.revoked_keys().contains_all(named)
    }

    pub(crate) fn may_want_keys(&self, page: &Sent) -> bool {
        !page.told.is_empty() || self.is_news(page)
    }

    fn revoked_keys(&self) -> Set {
        let number = |known: &KeyId| (0..).find(|key| kid(*key) == *known);
        self.view.revoked_keys().filter_map(number).collect()
    }

    /// The view is about to look at its proof.
    fn look_at_proof(&mut self, now: Now) {
        if let Some(proof) = &mut self.proof {
            proof.impossible |= is_impossible(proof.at, now);
        }
    }

    fn insert(&mut self, entry: &Entry) {
        let cut_off = match entry.whom {
            Whom::Session(number) => &mut self.sessions[usize::from(number)],
            Whom::User => &mut self.user,
            Whom::Everyone => &mut self.everyone,
            // The view itself keeps those.
            Whom::Key(_) => return,
        };
        *cut_off = entry.position.max(*cut_off);
    }

    /// As soon as it may be, which is the worst case; the SDK drops whole buckets, later.
    fn drop_floored(&mut self) {
        let floor = self.floor();
        let cut_offs = self.sessions.iter_mut();
        for cut_off in cut_offs.chain([&mut self.user, &mut self.everyone]) {
            if *cut_off <= floor {
                *cut_off = 0;
            }
        }
    }

    fn floor(&self) -> u8 {
        u8::try_from(self.view.floor().get()).unwrap()
    }

    /// Asks for a key set, which is read at once: one that is read later says no less.
    pub(crate) fn ask_for_keys(&mut self, live: Set) {
        self.reading = self.view.needs().key_set.map(|ticket| Reading {
            ticket,
            live,
            settles: self.doubted,
        });
    }

    pub(crate) fn may_ask_for_keys(&self) -> bool {
        self.reading.is_none() && self.view.needs().key_set.is_some()
    }

    pub(crate) const fn awaits_keys(&self) -> bool {
        self.reading.is_some()
    }

    pub(crate) fn keys_came(&mut self) {
        if let Some(Reading {
            ticket,
            live,
            settles,
        }) = self.reading.take()
        {
            let kids: Vec<KeyId> = live.iter().map(kid).collect();
            self.view.key_set_came(ticket, &kids);
            self.keys = Some(live);
            self.doubted = self.doubted.without(settles);
        }
    }

    /// Whether it has a proof that lies too far in the future by now.
    pub(crate) fn would_forget_proof(&self, now: Now) -> bool {
        self.proof.is_some_and(|proof| is_impossible(proof.at, now))
    }

    /// Somebody verifies a token, which makes the view look at its proof.
    pub(crate) fn use_proof(&mut self, now: Now) {
        self.look_at_proof(now);
        self.view.freshness(now, max_staleness());
        if self.view.proof().is_none() {
            self.proof = None;
        }
    }

    /// Without changing what it remembers.
    pub(crate) fn is_fresh(&self, now: Now) -> bool {
        // A view is worth copying only where it may be fresh.
        self.view.is_complete() && self.view.proof().is_some() && {
            let freshness = self.view.clone().freshness(now, max_staleness());
            matches!(freshness, Freshness::Fresh { .. })
        }
    }

    /// Whether every token that `entry` killed is refused.
    pub(crate) fn refuses(&self, entry: &Entry, floor_rule: bool) -> bool {
        // Whatever refuses a token refuses the older ones too.
        let dead = |session| self.refuses_token(session, entry.before, floor_rule);
        match entry.whom {
            Whom::Session(number) => dead(number),
            Whom::User | Whom::Everyone => (0..SESSIONS).all(dead),
            Whom::Key(key) => self.refuses_key(key),
        }
    }

    pub(crate) fn refuses_key(&self, key: usize) -> bool {
        !self.keys.is_some_and(|keys| keys.contains(key)) || self.revoked_keys().contains(key)
    }

    pub(crate) fn refuses_token(&self, session: u8, pos: u8, floor_rule: bool) -> bool {
        (floor_rule && pos < self.floor())
            || self.sessions[usize::from(session)] > pos
            || self.user > pos
            || self.everyone > pos
    }
}

pub(crate) fn is_impossible(at: Stamp, now: Now) -> bool {
    millis(at.at) > now.wall.plus(MAX_AHEAD)
}

fn max_staleness() -> Duration {
    Duration::from_secs(u64::try_from(MAX_STALENESS).unwrap())
}
