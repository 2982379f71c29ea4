//! What goes through the store.

use crate::session::{Event, Session, User};
use revocation_events::{KeyId, Position, Revocation, SessionId, UnixMillis, UserId};
use std::time::Duration;
use uuid::Uuid;

/// A point of the log, from one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    /// The cut-off of everyone.
    pub(crate) everyone: Position,
    /// The database's clock when the transaction or statement began.
    pub(crate) now: UnixMillis,
}

/// A migration that is about to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MigrationStep {
    /// How many of those that are missing were applied before it.
    pub(crate) done: u64,
    /// How many are missing in all.
    pub(crate) of: u64,
    pub(crate) name: String,
}

/// Who is told of each migration.
pub(crate) type TellMigration = dyn Fn(MigrationStep) + Send + Sync;

/// An event as it is stored, whether or not this program knows its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) place: TimedPlace,
    pub(crate) kind: String,
    /// The version of the form of `data`.
    pub(crate) format: i16,
    pub(crate) data: serde_json::Value,
}

/// Where an event stands among all, by its time: `at`, then its stream, then its version there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimedPlace {
    pub(crate) at: UnixMillis,
    pub(crate) stream: Uuid,
    pub(crate) version: i64,
}

impl TimedPlace {
    /// Before all events of that time.
    pub(crate) const fn before(at: UnixMillis) -> Self {
        Self {
            at,
            stream: Uuid::nil(),
            version: 0,
        }
    }
}

/// A user's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserRow {
    pub(crate) id: UserId,
    /// Case-mapped by RFC 8265; unique.
    pub(crate) name: String,
    /// A PHC string.
    pub(crate) password_hash: String,
    /// Of the user's stream.
    pub(crate) version: i64,
    pub(crate) user: User,
}

/// A user, and the head of the log in the same snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundUser {
    pub(crate) row: UserRow,
    pub(crate) head: Head,
}

/// Where tries at a password come from. Each source is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrySource {
    /// The user, or the stand-in for a name that no user has.
    pub(crate) account: UserId,
    /// Nil for strangers; a device or a session that the user has logged in with.
    pub(crate) source: Uuid,
}

/// A session's row, which is the fold of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    /// Of the session's stream.
    pub(crate) version: i64,
    pub(crate) session: Session,
}

/// A session's row as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSession {
    pub(crate) id: SessionId,
    /// Nothing where it does not read as this program would have written it.
    pub(crate) row: Option<SessionRow>,
}

/// A session, its user, and the head of the log **in one snapshot**, or an older snapshot of the
/// latter two: where the session's lock had to be waited for, its row is newer, which is right,
/// for a `pos` may be too old and never too new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundSession {
    pub(crate) row: SessionRow,
    pub(crate) user_name: String,
    pub(crate) user: User,
    pub(crate) head: Head,
}

/// What is known of a session's client. Personal, so it is never in an event, and can be erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientInfo {
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// The name that the client gave itself.
    pub(crate) device: Option<String>,
}

/// One line of a list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedSession {
    pub(crate) row: SessionRow,
    pub(crate) client: ClientInfo,
}

/// A position that was just taken. The head stays locked until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenPosition {
    pub(crate) position: Position,
    /// The head before.
    pub(crate) previous: Position,
    /// The cut-off of everyone.
    pub(crate) everyone: Position,
    pub(crate) now: UnixMillis,
}

/// Events that hold positions and the rows that come of them: written as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The head that they were decided on.
    pub(crate) after: Position,
    /// The head from then on: the greatest of their positions.
    pub(crate) to: Position,
    pub(crate) events: Vec<Event>,
    pub(crate) sessions: Vec<SessionRow>,
    pub(crate) users: Vec<UserRow>,
    /// A new cut-off of everyone.
    pub(crate) everyone: Option<Position>,
}

/// Something that was decided on has changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale;

/// A replica of the service, as it makes itself known when it cuts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replica {
    pub(crate) id: Uuid,
    /// How long the access tokens live that it mints.
    pub(crate) access_ttl: Duration,
}

/// All revocations in `(from, to]`, from one snapshot.
///
/// `from` is not always where the cut was asked to begin: it is the head where that lies below (there
/// is nothing to tell), and the mark of the last prune where that lies above, for a page must not
/// claim what is gone. The mark is never above the floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Read from the clock before the snapshot was taken.
    pub(crate) at: UnixMillis,
    pub(crate) from: Position,
    pub(crate) to: Position,
    /// The greatest position stored at least (longest access TTL in force + leeway + 60 s) ago.
    pub(crate) floor: Position,
    pub(crate) revoked: Vec<Revocation>,
    /// There were more than the limit: `to` is the last one read and not the head.
    pub(crate) more: bool,
}

impl Cut {
    /// `revoked` is one longer than `limit` where there are more.
    pub(super) fn new(
        at: UnixMillis,
        (from, head): (Position, Position),
        floor: Position,
        mut revoked: Vec<Revocation>,
        limit: u32,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = revoked.len() > limit;
        revoked.truncate(limit);
        let last = revoked.last().filter(|_| more);
        let to = last.map_or(head, |last| last.position);
        Self {
            at,
            from,
            to,
            // The end of a cut that goes on is a position that the log had, too.
            floor: floor.min(to),
            revoked,
            more,
        }
    }
}

/// Revocations as they lie in the log, read without a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The head in the same snapshot: nothing is known of what lies above.
    pub(crate) head: Position,
    /// The mark of the last prune in the same snapshot: at or below it some may be gone.
    pub(crate) pruned: Position,
    pub(crate) revoked: Vec<Revocation>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyPurpose {
    /// Signs access tokens and pages; published.
    Access,
    /// Signs session tokens; never published.
    Session,
    /// Makes CSRF values and device tokens (HMAC); never leaves the service.
    Csrf,
}

impl KeyPurpose {
    pub(crate) const ALL: [Self; 3] = [Self::Access, Self::Session, Self::Csrf];
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Known to all ahead of its use.
    Standby,
    /// Signs.
    Active,
    /// Signs no more; what it signed counts until the last of it has expired.
    Retired,
    /// The last of it has expired.
    Forgotten,
    /// Everything that it signed is dead.
    Revoked,
}

/// A key's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) kid: KeyId,
    pub(crate) purpose: KeyPurpose,
    /// The public half; empty for an HMAC key.
    pub(crate) public: Vec<u8>,
    /// The private half as [`crate::keys`] seals it.
    pub(crate) sealed: Vec<u8>,
    pub(crate) state: KeyState,
    pub(crate) created_at: UnixMillis,
    /// When it came into its state.
    pub(crate) state_since: UnixMillis,
}

/// A client of the feed and of introspection.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClientRow {
    pub(crate) name: String,
    /// SHA-256 of the secret, which is 256 random bits: a slow hash would add nothing.
    pub(crate) secret_hash: [u8; 32],
    pub(crate) created_at: UnixMillis,
}

/// A verifier's report that came by HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatusRow {
    pub(crate) client: String,
    pub(crate) instance: String,
    pub(crate) report: serde_json::Value,
    /// How long ago it came, by the database's clock alone: this machine's may differ.
    pub(crate) age: Duration,
}

/// The name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;
