//! What a verifier says about itself to the program that it sits in.

use revocation_events::Position;
use revocation_events::status::Counts;
use std::time::Duration;

/// Whether a verifier's word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It has not caught up since its start: it judges no token.
    Starting,
    /// It knows every revocation that was in the log at most `max_staleness` ago.
    Fresh,
    /// It learns the log again, because a signing key was revoked, or because it was away for longer
    /// than revocations are kept. Until it has, tokens are answered as by one that is stale.
    CatchingUp,
    /// It has no proof that its view is recent enough.
    Stale,
}

/// A verifier at one moment. For health checks and logs; each call to `verify` looks for itself.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether its word counts.
    pub freshness: Freshness,
    /// How old its proof is, where it has one.
    pub age: Option<Duration>,
    /// The end of what it knows of the log; `None` before the first page.
    pub head: Option<Position>,
    /// Tokens from below are refused as too old.
    pub floor: Position,
    /// How many sessions and users have a cut-off in memory.
    pub cutoffs: usize,
    /// What it has counted since its start.
    pub counts: Counts,
    /// In words for an operator: why it is not fresh, or that it is.
    pub reason: String,
}
