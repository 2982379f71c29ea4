//! Pages on their way, small enough to be part of millions of states.

use crate::log::{
    Entry, Log, Moment, Stamp, Tick, Whom, kid, millis, position, revocation, signer, target,
};
use crate::set::Set;
use revocation_events::page::SignedPage;
use revocation_events::{Page, Revocation};

/// A signed page, and what no program knows of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Sent {
    pub(crate) at: Stamp,
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) floor: u8,
    pub(crate) revoked: Set,
    pub(crate) more: bool,
    pub(crate) signer: usize,
    pub(crate) forged: Option<Forgery>,
    /// The keys that its entries revoke.
    pub(crate) told: Set,
    /// The keys that it names again, whatever their position: `Page::revoked_keys`.
    pub(crate) again: Set,
    /// The first second in which there could be such a page, whenever it was sent in truth.
    pub(crate) earliest: Tick,
    /// How many revocations must have been committed before.
    pub(crate) commits: u8,
}

/// What a thief says with a stolen key. He cannot undo a true page, so he either says that there is
/// nothing more, or makes verifiers doubt a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Forgery {
    /// "There is nothing up to [`FAR`]."
    Head,
    /// The same, and "all that lies below is too old to matter".
    Floor,
    /// "This key is revoked."
    Key(usize),
    /// "This key was revoked not long ago."
    KeyAgain(usize),
}

/// A position that the log never reaches.
const FAR: u8 = 200;

impl Forgery {
    /// The page, made in that second by a thief whose clock is right. Nothing needs to have been
    /// committed before.
    pub(crate) const fn page(self, now: Tick) -> Sent {
        let read = Moment {
            tick: now,
            commits: 0,
        };
        Sent {
            at: Stamp { at: now, read },
            from: 0,
            to: FAR,
            floor: if matches!(self, Self::Floor) { FAR } else { 0 },
            revoked: Set::EMPTY,
            more: false,
            signer: 0,
            forged: Some(self),
            told: match self {
                Self::Key(key) => Set::of(key),
                _ => Set::EMPTY,
            },
            again: match self {
                Self::KeyAgain(key) => Set::of(key),
                _ => Set::EMPTY,
            },
            earliest: now,
            commits: 0,
        }
    }
}

impl Sent {
    /// [`Page::cut`], with pages of at most `most` revocations, and `Relay::sign` by one who knows of
    /// these revoked keys.
    pub(crate) fn cut(
        at: Stamp,
        (from, to): (u8, u8),
        floor: u8,
        revoked: Set,
        revoked_keys: Set,
        most: usize,
        log: &Log,
    ) -> Vec<Self> {
        let revocations: Vec<Revocation> = revoked
            .iter()
            .map(|index| revocation(&log.entries[index]))
            .collect();
        let ends = (position(from), position(to));
        let at_millis = millis(at.at);
        let pages = Page::cut_by(most, "", at_millis, ends, position(floor), &revocations);
        let mut indices = revoked.iter();
        let small = |page: Page| {
            let revoked: Set = indices.by_ref().take(page.revoked.len()).collect();
            let targets = revoked.iter().map(|index| log.entries[index].whom);
            let mut small = Self {
                at,
                from: u8::try_from(page.from.get()).unwrap(),
                to: u8::try_from(page.to.get()).unwrap(),
                floor: u8::try_from(page.floor.get()).unwrap(),
                revoked,
                more: page.more,
                signer: signer(revoked_keys),
                forged: None,
                told: targets.filter_map(Whom::key).collect(),
                again: revoked_keys,
                earliest: at.read.tick,
                commits: at.read.commits,
            };
            small.look_at(log);
            assert!(small.is_well_formed(log), "verifiers refuse {small:?}");
            small
        };
        pages.into_iter().map(small).collect()
    }

    pub(crate) const fn names(&self) -> Set {
        self.told.or(self.again)
    }

    /// What `Page::verify` wants of a page's positions.
    fn is_well_formed(self, log: &Log) -> bool {
        let mut positions = self.revoked.iter().map(|index| log.entries[index].position);
        let inside = positions.all(|one| one > self.from && one <= self.to);
        inside && self.from <= self.to && self.floor <= self.to
    }

    /// It cannot be older than what it tells of, nor than what took away what it does not tell of.
    fn look_at(&mut self, log: &Log) {
        for (index, entry) in log.entries.iter().enumerate() {
            let again = entry.whom.key().is_some_and(|key| self.again.contains(key));
            if entry.position > self.to && !again {
                continue;
            }
            self.commits = self.commits.max(u8::try_from(index).unwrap() + 1);
            self.earliest = self.earliest.max(entry.acknowledged);
            let inside = entry.position > self.from && entry.position <= self.to;
            if inside && !self.revoked.contains(index) {
                self.earliest = self.earliest.max(log.shrunk_at);
            }
        }
    }

    /// The page as the verifier's library knows it.
    pub(crate) fn signed(&self, entries: &[Entry]) -> SignedPage {
        let revoked = self.revoked.iter().map(|index| revocation(&entries[index]));
        // No entry of the log.
        let forged = self.forged.map_or(Set::EMPTY, |_| self.told);
        let forged = forged.iter().map(|key| Revocation {
            position: position(self.to),
            target: target(Whom::Key(key)),
        });
        let page = Page {
            issuer: String::new(),
            at: millis(self.at.at),
            from: position(self.from),
            to: position(self.to),
            floor: position(self.floor),
            revoked: revoked.chain(forged).collect(),
            revoked_keys: self.again.iter().map(kid).collect(),
            more: self.more,
        };
        SignedPage {
            page,
            kid: kid(self.signer),
        }
    }
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to, at, floor) = (self.from, self.to, self.at, self.floor);
        write!(f, "({from},{to}] at {at:?}, floor {floor}, ")?;
        write!(f, "revokes {:?}, by k{}", self.revoked, self.signer)?;
        write!(f, ", again {:?}", self.again)?;
        f.write_str(if self.more { ", more" } else { "" })
    }
}
