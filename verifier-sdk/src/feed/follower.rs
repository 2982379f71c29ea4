//! One step of the feed: a page or a key set comes, and what it means is shown to the others.

use super::Progress;
use crate::keys::ReadNumber;
use crate::revoked_set::Expired;
use crate::shared::Shared;
use crate::trouble::Trouble;
use crate::waiters::Waiters;
use revocation_events::jwk::KeySet;
use revocation_events::page::{self, Page};
use revocation_events::view::{FarAhead, KeySetTicket, MAX_AHEAD, Needs, Proof, Taken};
use revocation_events::{Now, Position, UnixMillis, View};
use std::sync::Arc;
use tokio::sync::watch;

/// Why nothing of a page was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a page {0}")]
    Page(#[from] page::Error),
    #[error("a page {0}; compare it with the issuer's")]
    FarAhead(#[from] FarAhead),
}

/// Owns the view, and keeps its promises to the threads that verify.
pub(crate) struct Follower {
    shared: Arc<Shared>,
    waiters: Arc<Waiters>,
    trouble: Arc<Trouble>,
    progress: watch::Sender<Progress>,
    view: View,
    /// The proof that was shown last and not withdrawn.
    shown: Option<Proof>,
    /// A proof that a verifying thread found ahead of the clock: never shown again.
    disowned: Option<Proof>,
    /// The newest proof that was ever shown: what was known then was true then.
    last: Option<Proof>,
    /// How often it became fresh again. Nobody waits for a verifier that was silent for long, so it has to
    /// say at once that it is back.
    returns: u64,
    /// What the page that was taken last proves, where it proves anything.
    proves: Option<UnixMillis>,
}

impl Follower {
    pub(crate) fn new(
        shared: Arc<Shared>,
        waiters: Arc<Waiters>,
        trouble: Arc<Trouble>,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            shared,
            waiters,
            trouble,
            progress,
            view: View::new(),
            shown: None,
            disowned: None,
            last: None,
            returns: 0,
            proves: None,
        }
    }

    pub(crate) fn needs(&self) -> Needs {
        self.view.needs()
    }

    pub(crate) fn head(&self) -> Option<Position> {
        self.view.head()
    }

    /// The time that the page which was taken last proves, and the newest that is proven.
    pub(crate) fn proofs(&self) -> (Option<UnixMillis>, Option<UnixMillis>) {
        (self.proves, self.view.proof().map(|proof| proof.at))
    }

    /// Takes the text of a page, from wherever it came.
    pub(crate) fn page(&mut self, text: &str, now: Now) -> Result<Taken, Refused> {
        let taken = self.take(text, now);
        match &taken {
            Ok(_) => self.shared.counters.page_taken(),
            Err(refused) => {
                self.shared.counters.page_refused();
                self.trouble.is(refused);
            }
        }
        self.show(now);
        taken
    }

    fn take(&mut self, text: &str, now: Now) -> Result<Taken, Refused> {
        let signed = Page::verify(text, &self.shared.expected.issuer, |kid| {
            let key = self.shared.keys.for_page(kid);
            if key.is_none() {
                self.shared.keys.want_read();
            }
            key
        })?;
        let taken = self.view.take(&signed, now)?;
        self.insert(&signed.page);
        if self.shared.keys.set_revoked(self.view.revoked_keys()) {
            self.shared.cutoffs.next_generation();
            self.waiters.wake_all();
        }
        let advanced = matches!(taken, Taken::Advanced { .. });
        self.proves = (advanced && !signed.page.more).then_some(signed.page.at);
        if advanced {
            self.compare_clocks(&signed.page, now);
        }
        Ok(taken)
    }

    /// The cut-offs come before whatever the page proves.
    fn insert(&self, page: &Page) {
        // Tokens from below the floor are refused anyhow. Where the floor is forgotten, everything
        // above the new one comes again before anything is proven.
        let floor = self.shared.published.floor();
        let above = || page.revoked.iter().filter(|entry| entry.position > floor);
        if self.shared.cutoffs.insert(above()) {
            for entry in above() {
                self.waiters.wake(&entry.target);
            }
        }
    }

    /// A clock that is wrong looks like a feed that is dead, unless somebody says so.
    fn compare_clocks(&self, page: &Page, now: Now) {
        let (ahead, old) = (page.at.since(now.wall), now.wall.since(page.at));
        // Other pages are stored, and may be old when they are read.
        let heartbeat = page.from == page.to;
        if !page.more && ahead > MAX_AHEAD {
            self.trouble.is(&format!(
                "the issuer's clock is {} s ahead of this machine's; set both right (NTP)",
                ahead.as_secs()
            ));
        } else if heartbeat && old > self.shared.max_staleness {
            self.trouble.is(&format!(
                "heartbeats are {} s old by this machine's clock; compare it with the issuer's (NTP)",
                old.as_secs()
            ));
        }
    }

    /// A key set came that was requested after `number` and `ticket` were drawn.
    pub(crate) fn key_set(
        &mut self,
        set: KeySet,
        number: ReadNumber,
        ticket: Option<KeySetTicket>,
        now: Now,
    ) {
        if let Some(ticket) = ticket {
            self.view.key_set_came(ticket, set.kids());
        }
        let mut news = self.shared.keys.replace(set, now);
        news |= self.shared.keys.set_revoked(self.view.revoked_keys());
        if news {
            self.shared.cutoffs.next_generation();
            self.waiters.wake_all();
        }
        self.shared.keys.read_answered(number);
        self.show(now);
    }

    /// What must be done now and then: call it a few times in each `max_staleness`. Freeing what it
    /// gives may take a while: drop it where nobody waits.
    pub(crate) fn keep_house(&mut self, now: Now) -> Option<Expired> {
        if self.shared.keys.drop_outdated(now) {
            self.trouble
                .is(&"the key set could not be read for a day, and was dropped");
            self.shared.cutoffs.next_generation();
            self.waiters.wake_all();
        }
        let lost = self
            .last
            .is_none_or(|proof| proof.age(now) > self.shared.max_staleness);
        self.waiters.set_lost(lost);
        if lost {
            self.trouble.goes_on();
        }
        self.shared.cache.sweep(now.wall);
        // The floor was shown long ago.
        self.shared.cutoffs.take_out(self.shared.published.floor())
    }

    /// Shows what the view knows: see [`Published`](crate::published) for the order.
    fn show(&mut self, now: Now) {
        let published = &self.shared.published;
        if self.shown.is_some() && !published.has_proof() {
            self.disowned = self.shown.take();
        }
        let proof = self
            .view
            .proven()
            .filter(|proof| Some(*proof) != self.disowned);
        let goes_back = match (proof, self.shown) {
            (Some(proof), Some(shown)) => proof.at < shown.at,
            (None, shown) => shown.is_some(),
            (Some(_), None) => false,
        };
        if goes_back {
            published.withdraw();
        }
        published.show_floor(self.view.floor());
        if let Some(proof) = proof.filter(|proof| Some(*proof) != self.shown) {
            published.show_proof(proof);
            let recent = |proof: Proof| proof.age(now) <= self.shared.max_staleness;
            let was_stale = self.last.replace(proof).is_some_and(|last| !recent(last));
            // The newest proof may be an old one, where a clock is wrong.
            if recent(proof) {
                self.returns += u64::from(was_stale);
                self.waiters.set_lost(false);
                self.trouble.over();
            }
        }
        self.shown = proof;
        let came = Progress {
            head: self.view.head(),
            proven: self.last.is_some(),
            complete: self.view.is_complete(),
            returns: self.returns,
        };
        self.progress
            .send_if_modified(|progress| std::mem::replace(progress, came) != came);
    }
}

#[cfg(test)]
mod tests;
