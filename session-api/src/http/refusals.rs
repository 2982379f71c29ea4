//! The refusals that an auditor reads of; see `crate::audit`. In one place, for all are errors by then.

use super::problem::{AdminRefusal, Error};
use crate::{audit, service};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use verifier_sdk::Reason;

/// Lines of one kind: so many at once, and then one a second.
const LINES: NonZeroU32 = NonZeroU32::new(20).expect("above zero");

/// What strangers can cause without end is written with a bound.
pub(super) struct Refusals {
    csrf: Lines,
    throttled: Lines,
    client: Lines,
    admin: Lines,
    mixed: Lines,
    twice: Lines,
    forged: Lines,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            csrf: Lines::new(),
            throttled: Lines::new(),
            client: Lines::new(),
            admin: Lines::new(),
            mixed: Lines::new(),
            twice: Lines::new(),
            forged: Lines::new(),
        }
    }

    /// Writes the line of a refusal that has one.
    pub(super) fn note(&self, error: &Error) {
        match error {
            Error::Request(verifier_sdk::Error::Csrf) => self.csrf.write(audit::csrf_refused),
            Error::Throttled(by, _) => {
                let write = |left_out| audit::login_throttled(by.as_str(), left_out);
                self.throttled.write(write);
            }
            Error::Client => self.client.write(audit::client_refused),
            Error::Admin(AdminRefusal { by, why }) => {
                let write = |left_out| audit::admin_refused(*by, why.as_str(), left_out);
                self.admin.write(write);
            }
            _ => self.note_credential(error),
        }
    }

    /// What no client of ours shows of its own accord.
    fn note_credential(&self, error: &Error) {
        let (lines, reason) = match error {
            Error::Mixed(_) => (&self.mixed, "mixed"),
            Error::Request(verifier_sdk::Error::Ambiguous) => (&self.twice, "twice"),
            Error::Service(service::Error::Forged) => (&self.forged, "forged"),
            Error::Request(verifier_sdk::Error::Invalid(reason)) if is_forged(*reason) => {
                (&self.forged, "forged")
            }
            _ => return,
        };
        lines.write(|left_out| audit::credential_refused(reason, left_out));
    }
}

/// Unlike a token that has had its time.
const fn is_forged(reason: Reason) -> bool {
    use Reason as R;
    matches!(
        reason,
        R::TooLong
            | R::Malformed
            | R::Header
            | R::Claims
            | R::Issuer
            | R::Audience
            | R::Lifetime
            | R::UnknownKey
            | R::Signature
            | R::NotForCookies
    )
}

/// Lines of one kind.
struct Lines {
    limiter: DefaultDirectRateLimiter,
    left_out: AtomicU64,
}

impl Lines {
    fn new() -> Self {
        let quota = Quota::per_second(NonZeroU32::MIN).allow_burst(LINES);
        Self {
            limiter: RateLimiter::direct(quota),
            left_out: AtomicU64::new(0),
        }
    }

    /// Writes one, which is told how many were left out before it; or leaves this one out.
    fn write(&self, write: impl FnOnce(u64)) {
        if self.limiter.check().is_ok() {
            write(self.left_out.swap(0, Ordering::Relaxed));
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written() {
        let lines = Lines::new();
        let mut written = Vec::new();
        for _ in 0..1_000 {
            lines.write(|left_out| written.push(left_out));
        }
        // More than the burst only where this took seconds.
        assert!((20..40).contains(&written.len()), "{written:?}");
        let counted = written.iter().sum::<u64>() + lines.left_out.load(Ordering::Relaxed);
        assert_eq!(usize::try_from(counted).unwrap() + written.len(), 1_000);
    }
}
