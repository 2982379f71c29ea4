//! A verifier as small as it can be: the view, the cut-offs, the keys.

use crate::log::{self, Entry, Log};
use revocation_events::page::SignedPage;
use revocation_events::view::{Freshness, KeySetTicket, Taken};
use revocation_events::{KeyId, Now, Position, SessionId, Target, UserId, View};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) struct Verifier {
    pub(crate) view: View,
    sessions: BTreeMap<SessionId, Position>,
    users: BTreeMap<UserId, Position>,
    everyone: Position,
    /// The keys of the newest key set by the order of *asking*, and that order.
    keys: BTreeSet<KeyId>,
    keys_asked: u64,
    /// Keys whose revocation is in the log and came in a page.
    heard_revoked: BTreeSet<KeyId>,
    /// Named by a page that tells of a key's revocation, or its signer, and when: until a key set
    /// that was asked for later.
    doubted: BTreeMap<KeyId, u64>,
    /// A page came from a key that it does not know.
    pub(crate) saw_unknown_key: bool,
    /// It builds on pages that thieves signed with these keys, and has heard of no key's revocation
    /// since. Nothing is promised then.
    pub(crate) deceived_by: BTreeSet<KeyId>,
    /// It took a thief's page at some time, so that it may refuse too much.
    slandered: bool,
}

impl Verifier {
    pub(crate) fn new() -> Self {
        Self {
            view: View::new(),
            sessions: BTreeMap::new(),
            users: BTreeMap::new(),
            everyone: Position::ZERO,
            keys: BTreeSet::new(),
            keys_asked: 0,
            heard_revoked: BTreeSet::new(),
            doubted: BTreeMap::new(),
            saw_unknown_key: false,
            deceived_by: BTreeSet::new(),
            slandered: false,
        }
    }

    /// Takes a page as the `order`th thing that happens. Answers whether the view has seen it.
    pub(crate) fn take(
        &mut self,
        signed: &SignedPage,
        forged: bool,
        (now, order): (Now, u64),
    ) -> bool {
        if !self.keys.contains(&signed.kid) {
            self.saw_unknown_key = true;
            return false;
        }
        let named = |entry: &revocation_events::Revocation| match &entry.target {
            Target::Key(kid) => Some(kid.clone()),
            _ => None,
        };
        let told: BTreeSet<_> = signed.page.revoked.iter().filter_map(named).collect();
        let again = signed.page.revoked_keys.iter().cloned();
        let named: BTreeSet<_> = told.iter().cloned().chain(again).collect();
        let known: BTreeSet<_> = self.view.revoked_keys().cloned().collect();
        let Ok(taken) = self.view.take(signed, now) else {
            return false;
        };
        for entry in &signed.page.revoked {
            self.insert(&entry.target, entry.position);
        }
        self.drop_at(self.view.floor());
        if !named.is_subset(&known) {
            // It must have forgotten all that a thief told it.
            self.deceived_by.clear();
            let doubted = named.iter().chain([&signed.kid]);
            self.doubted.extend(doubted.map(|kid| (kid.clone(), order)));
        } else if forged
            && !matches!(taken, Taken::Distrusted)
            && !self.doubted.contains_key(&signed.kid)
        {
            self.deceived_by.insert(signed.kid.clone());
        }
        self.slandered |= forged;
        if !forged {
            self.heard_revoked.extend(told);
        }
        true
    }

    fn insert(&mut self, target: &Target, position: Position) {
        let cut_off = match target {
            Target::Session(id) => self.sessions.entry(*id).or_default(),
            Target::User { id, .. } => self.users.entry(*id).or_default(),
            Target::Everyone => &mut self.everyone,
            // The view itself keeps those.
            Target::Key(_) => return,
        };
        *cut_off = position.max(*cut_off);
    }

    fn drop_at(&mut self, floor: Position) {
        self.sessions.retain(|_, cut_off| *cut_off > floor);
        self.users.retain(|_, cut_off| *cut_off > floor);
        if self.everyone <= floor {
            self.everyone = Position::ZERO;
        }
    }

    pub(crate) fn key_set_came(
        &mut self,
        asked: u64,
        ticket: Option<KeySetTicket>,
        live: &[KeyId],
    ) {
        if asked > self.keys_asked {
            self.keys_asked = asked;
            self.keys = live.iter().cloned().collect();
            self.doubted.retain(|_, since| *since > asked);
        }
        if let Some(ticket) = ticket {
            self.view.key_set_came(ticket, live);
        }
    }

    /// Without changing what it remembers: whoever verifies may come or not.
    pub(crate) fn is_fresh(&self, now: Now, max_staleness: Duration) -> bool {
        let freshness = self.view.clone().freshness(now, max_staleness);
        matches!(freshness, Freshness::Fresh { .. })
    }

    /// Whether the tokens that `entry` killed are refused here.
    pub(crate) fn refuses(&self, entry: &Entry) -> bool {
        match &entry.revocation.target {
            Target::Key(kid) => {
                !self.keys.contains(kid) || self.view.revoked_keys().any(|revoked| revoked == kid)
            }
            Target::Session(id) => {
                let numbers = (0..log::SESSIONS).filter(|number| log::session(*number) == *id);
                numbers
                    .into_iter()
                    .all(|number| self.refuses_token(number, entry.before))
            }
            Target::User { id, .. } => {
                let numbers = (0..log::SESSIONS).filter(|number| log::user_of(*number) == *id);
                numbers
                    .into_iter()
                    .all(|number| self.refuses_token(number, entry.before))
            }
            Target::Everyone => {
                (0..log::SESSIONS).all(|number| self.refuses_token(number, entry.before))
            }
        }
    }

    fn refuses_token(&self, session: u8, pos: Position) -> bool {
        pos < self.view.floor()
            || self
                .sessions
                .get(&log::session(session))
                .is_some_and(|cut_off| *cut_off > pos)
            || self
                .users
                .get(&log::user_of(session))
                .is_some_and(|cut_off| *cut_off > pos)
            || self.everyone > pos
    }

    /// What holds at any time, fresh or not.
    ///
    /// # Panics
    /// Where it does not.
    pub(crate) fn check_soundness(&self, log: &Log) {
        let revoked: BTreeSet<_> = self.view.revoked_keys().collect();
        for heard in &self.heard_revoked {
            assert!(
                revoked.contains(heard),
                "{heard} was revoked, and lives again"
            );
        }
        if self.deceived_by.is_empty() {
            let (head, floor) = (self.view.head().unwrap_or_default(), self.view.floor());
            assert!(log.had(head), "the head is no position of the log");
            assert!(log.had(floor), "the floor is no position of the log");
        }
        if self.slandered {
            return;
        }
        let last = |matches: &dyn Fn(&Target) -> bool| {
            let entries = log.entries.iter().map(|entry| &entry.revocation);
            let hits = entries
                .filter(|one| matches(&one.target))
                .map(|one| one.position);
            hits.max().unwrap_or_default()
        };
        for (id, cut_off) in &self.sessions {
            let last = last(&|target| *target == Target::Session(*id));
            assert!(
                *cut_off <= last,
                "a session is refused that was not revoked"
            );
        }
        for (user, cut_off) in &self.users {
            let last = last(&|target| matches!(target, Target::User { id, .. } if id == user));
            assert!(*cut_off <= last, "a user is refused who was not revoked");
        }
        let last = last(&|target| *target == Target::Everyone);
        assert!(self.everyone <= last, "everyone is refused");
        let live = log.live_keys();
        assert!(
            !live.iter().any(|kid| revoked.contains(kid)),
            "a live key is refused"
        );
    }
}
