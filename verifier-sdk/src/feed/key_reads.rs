//! When the key set is read, and why.
//!
//! One read at a time, for three reasons: the view needs one before its pages prove anything; a
//! token or a page names a key that is not known; the set has stood for a while.

use crate::backoff::Backoff;
use crate::keys::{Keys, ReadNumber};
use crate::service::{Failed, Service};
use crate::task::Task;
use revocation_events::jwk::KeySet;
use revocation_events::view::KeySetTicket;
use std::time::Duration;
use tokio::time::Instant;

/// Unknown keys cause at most one read in this time, however many tokens name one.
pub(crate) const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(1);

/// How long a good set stands before it is read again.
const REFRESH: Duration = Duration::from_secs(5 * 60);

/// The answer of a read, and what was drawn before it was sent.
pub(crate) struct Answer {
    pub(crate) set: Result<KeySet, Failed>,
    pub(crate) number: ReadNumber,
    pub(crate) ticket: Option<KeySetTicket>,
}

pub(crate) struct KeyReads {
    service: Service,
    reading: Option<Task<Answer>>,
    /// A read was asked for because of an unknown key, and has not begun.
    unknown_key: bool,
    last_for_unknown_key: Option<Instant>,
    refresh_at: Instant,
    backoff: Backoff,
    /// After a failure: not before.
    resting_until: Instant,
}

impl KeyReads {
    pub(crate) fn new(service: Service) -> Self {
        let now = Instant::now();
        Self {
            service,
            reading: None,
            unknown_key: false,
            last_for_unknown_key: None,
            refresh_at: now + REFRESH,
            backoff: Backoff::default(),
            resting_until: now,
        }
    }

    /// A token or a page named a key that is not known.
    pub(crate) fn unknown_key(&mut self) {
        self.unknown_key = true;
    }

    /// Whether it is of use to hear of unknown keys: a flood of them is heard once for each read.
    pub(crate) const fn listens(&self) -> bool {
        !self.unknown_key
    }

    /// Begins a read if one is due. `ticket` is what the view needs now.
    pub(crate) fn begin_if_due(&mut self, ticket: Option<KeySetTicket>, keys: &Keys) {
        let now = Instant::now();
        if self.reading.is_some() || self.due(ticket.is_some()) > now {
            return;
        }
        if std::mem::take(&mut self.unknown_key) {
            self.last_for_unknown_key = Some(now);
        }
        let (service, number) = (self.service.clone(), keys.begin_read());
        self.reading = Some(Task::spawn(async move {
            Answer {
                set: service.key_set().await,
                number,
                ticket,
            }
        }));
    }

    fn due(&self, needed: bool) -> Instant {
        let for_unknown_key = || {
            let last = self
                .last_for_unknown_key
                .map(|last| last + UNKNOWN_KEY_INTERVAL);
            last.unwrap_or(self.resting_until)
        };
        let mut due = self.refresh_at;
        if needed {
            due = self.resting_until;
        }
        if self.unknown_key {
            due = due.min(for_unknown_key());
        }
        due.max(self.resting_until)
    }

    /// Waits until a read has ended, or until one is due: then begin it. May be cancelled.
    pub(crate) async fn next(&mut self, needed: bool) -> Option<Answer> {
        let due = self.due(needed);
        let Some(reading) = &mut self.reading else {
            tokio::time::sleep_until(due).await;
            return None;
        };
        let answer = reading.finished().await;
        self.reading = None;
        let now = Instant::now();
        // A read that panicked counts as one that failed.
        let answer = answer.ok();
        if answer.as_ref().is_some_and(|answer| answer.set.is_ok()) {
            self.backoff.reset();
            self.refresh_at = now + REFRESH;
        } else {
            self.resting_until = now + self.backoff.next();
            self.refresh_at = self.refresh_at.max(self.resting_until);
        }
        answer
    }
}
