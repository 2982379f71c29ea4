//! How replicas make pages, and what the bus and thieves do with them.

use crate::log::FLOOR_AGE;
use crate::world::{Event, World, shifted};
use revocation_events::page::SignedPage;
use revocation_events::{KeyId, Page, Position, Revocation, UnixMillis};
use std::rc::Rc;

pub(crate) const REPLICAS: usize = 3;
/// The most pages of one HTTP answer; 64 in the contract.
const ANSWER_PAGES: usize = 2;

#[derive(Clone, Copy, Default)]
pub(crate) struct Replica {
    pub(crate) clock: i64,
    /// The greatest `to` that it knows to be stored.
    pub(crate) stored_to: Position,
}

#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) page: Rc<SignedPage>,
    pub(crate) forged: bool,
}

/// How a replica makes pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// What the clock that gives `at` is ahead of true time.
    pub(crate) clock: i64,
    pub(crate) origin: Origin,
    /// Revocations in a page.
    pub(crate) split: usize,
    /// Which of the two oldest live keys signs.
    pub(crate) signer: usize,
    /// From the reading of the clock to that of the log.
    pub(crate) thinking: u64,
    /// From there to the bus, or to the end of the answer.
    pub(crate) held: u64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    /// After what this replica knows to be stored.
    Stored(usize),
    /// Everything from the floor on.
    Floor,
    /// After the head that a verifier names, over HTTP.
    After(Option<Position>),
}

/// What the bus does with the pages of a cut.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    pub(crate) fates: Vec<Fate>,
    pub(crate) acknowledged: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Lost,
    After(u16),
    Twice(u16, u16),
}

impl World {
    /// Begins to make pages, for the bus or for an HTTP answer: reads the clock.
    pub(crate) fn cut(&mut self, cut: Cut, bus: Option<Bus>) {
        let at = UnixMillis::new(shifted(self.now, cut.clock));
        let moment = self.moment();
        self.stamps.entry(at).or_insert(moment);
        self.arrange(cut.thinking, Event::Snapshot(cut, at, bus));
    }

    pub(crate) fn snapshot(&mut self, cut: Cut, at: UnixMillis, bus: Option<Bus>) {
        let (head, floor) = (self.log.head(), self.log.floor(self.database_now()));
        let from = match cut.origin {
            Origin::Stored(replica) => self.replicas[replica].stored_to,
            Origin::Floor => floor,
            Origin::After(after) => after.map_or(floor, |after| after.max(floor).min(head)),
        };
        let kid = self.log.live_keys().swap_remove(cut.signer % 2);
        let revoked = self.log.revocations(from, head);
        let revoked_keys = self.log.revoked_keys();
        let pages: Vec<_> = Page::cut_by(cut.split, "", at, (from, head), floor, &revoked)
            .into_iter()
            .map(|page| Sent {
                page: Rc::new(SignedPage {
                    page: Page {
                        revoked_keys: revoked_keys.clone(),
                        ..page
                    },
                    kid: kid.clone(),
                }),
                forged: false,
            })
            .collect();
        let Some(bus) = bus else {
            let answer = pages.into_iter().take(ANSWER_PAGES).collect();
            self.arrange(cut.held, Event::Arrive(answer));
            return;
        };
        for (sent, fate) in pages.into_iter().zip(bus.fates.iter().cycle()) {
            let page = &sent.page.page;
            if let (Origin::Stored(replica), true) = (cut.origin, bus.acknowledged) {
                let stored_to = &mut self.replicas[replica].stored_to;
                *stored_to = page.to.max(*stored_to);
            }
            if !page.revoked.is_empty() {
                self.stream.push(sent.clone());
            }
            self.publish(&sent, cut.held, *fate);
        }
    }

    fn publish(&mut self, sent: &Sent, held: u64, fate: Fate) {
        self.history.push(sent.clone());
        if self.is_cut_off() {
            return;
        }
        let (first, second) = match fate {
            Fate::Lost => (None, None),
            Fate::After(late) => (Some(late), None),
            Fate::Twice(late, later) => (Some(late), Some(later)),
        };
        for late in first.into_iter().chain(second) {
            self.arrange(held + u64::from(late), Event::Arrive(vec![sent.clone()]));
        }
    }

    /// A thief who holds `kid` puts a page of his own on the bus.
    pub(crate) fn forge(&mut self, page: Page, kid: KeyId, late: u16) {
        let inside = |one: &Revocation| one.position > page.from && one.position <= page.to;
        // Whatever is not well formed gets no further than the parser.
        if page.from <= page.to && page.floor <= page.to && page.revoked.iter().all(inside) {
            let page = Rc::new(SignedPage { page, kid });
            self.publish(&Sent { page, forged: true }, 0, Fate::After(late));
        }
    }

    /// An old page comes once more.
    pub(crate) fn repeat(&mut self, which: usize, late: u16) {
        let known = self.history.len();
        if known > 0 && !self.is_cut_off() {
            let sent = self.history[which % known].clone();
            self.arrange(u64::from(late), Event::Arrive(vec![sent]));
        }
    }

    /// The stored stream is lost.
    pub(crate) fn wipe(&mut self) {
        self.stream.clear();
    }

    /// The stored stream is read from its beginning to its end.
    pub(crate) fn replay(&mut self, held: u64) {
        let oldest = self.database_now().saturating_sub(FLOOR_AGE * 3 / 2);
        self.stream.retain(|sent| sent.page.page.at.get() >= oldest);
        if !self.is_cut_off() {
            self.arrange(held, Event::Arrive(self.stream.clone()));
        }
    }
}
