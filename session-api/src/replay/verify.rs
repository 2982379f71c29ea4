//! The rows compared with the log.
//!
//! Rows and events are read in many parts, between which a running service goes on. So what differs
//! at first is only a suspect, and is looked at again by itself.

use super::revocations::Revocations;
use super::{BATCH, Events, Folded, Folder, fold_stream};
use crate::session::User;
use crate::store::{Error, Result, SessionRow, Store, StoredSession};
use revocation_events::{Position, SessionId, UserId};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use uuid::Uuid;

/// A row that is not what its stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Session {
        id: SessionId,
        what: &'static str,
    },
    User {
        id: UserId,
        what: &'static str,
    },
    Everyone {
        row: Position,
        log: Position,
    },
    /// What pages are cut from. Verifiers that start are told the rows, and not the events.
    Revocation {
        position: Position,
        what: &'static str,
    },
    /// The head lies below what was given out.
    Head {
        head: Position,
        log: Position,
    },
    Stream {
        id: Uuid,
        what: &'static str,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { id, what } => write!(f, "session {id}: {what}"),
            Self::User { id, what } => write!(f, "user {id}: {what}"),
            Self::Everyone { row, log } => {
                write!(f, "everyone: the cut-off is {row}, and {log} in the log")
            }
            Self::Revocation { position, what } => write!(f, "revocation {position}: {what}"),
            Self::Head { head, log } => {
                write!(f, "head: it is {head}, and {log} was given out")
            }
            Self::Stream { id, what } => write!(f, "stream {id}: {what}"),
        }
    }
}

/// What `verify` found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) events: u64,
    pub(crate) differences: Vec<Difference>,
}

const MISSING: &str = "the row is missing";
const UNREADABLE: &str = "the row cannot be read";
const BEHIND: &str = "the row is behind its stream";
const DIFFERS: &str = "the row differs from its stream";
const NO_STREAM: &str = "there is a row and no stream";

/// Folds every stream and compares. `progress` is told how many events were read since its last
/// call.
pub(crate) async fn verify(store: &dyn Store, progress: impl Fn(u64)) -> Result<Report> {
    let mut report = Report::default();
    let everyone_before = store.head().await?.everyone;
    let mut rows = SessionRows::new(store);
    let mut users = all_users(store).await?;
    let mut suspects = Vec::new();
    let mut revocations = Revocations::begin(store).await?;
    let mut folder = Folder::new();
    let mut events = Events::all(store);
    loop {
        let event = events.next().await?;
        let folded = match &event {
            Some(event) => folder.take(event),
            None => folder.finish(),
        };
        match folded {
            Some(Folded::Session(folded)) => {
                suspects.extend(rows.differing_up_to(&folded).await?);
            }
            Some(Folded::User(id, version, folded)) => {
                if users.remove(&id) != Some((version, folded)) {
                    suspects.push(Suspect::User(id, version));
                }
            }
            Some(Folded::Other) | None => {}
        }
        let Some(event) = event else { break };
        revocations.take(&event);
        report.events += 1;
        progress(1);
    }
    while let Some(alone) = rows.next().await? {
        suspects.push(Suspect::Session(alone.id, 0));
    }
    suspects.extend(users.into_keys().map(|id| Suspect::User(id, 0)));
    for suspect in suspects {
        report.differences.extend(suspect.look_again(store).await?);
    }
    report.differences.append(&mut folder.broken);
    report
        .differences
        .extend(revocations.differences(store).await?);

    // It may have been raised meanwhile, and is never lowered.
    let everyone = everyone_before..=store.head().await?.everyone;
    if !everyone.contains(&folder.everyone) {
        report.differences.push(Difference::Everyone {
            row: *everyone.end(),
            log: folder.everyone,
        });
    }
    Ok(report)
}

/// A row that was not what its stream said, with the version that its stream had.
enum Suspect {
    Session(SessionId, i64),
    User(UserId, i64),
}

impl Suspect {
    /// A row is written together with its stream's newest event. So a row that is read after an
    /// event is at least as new, and is the fold of its stream up to its own version.
    async fn look_again(self, store: &dyn Store) -> Result<Option<Difference>> {
        Ok(match self {
            Self::Session(id, seen) => {
                let what = match store.session(id).await.map(|found| Some(found?.row)) {
                    Err(Error::Corrupt(_)) => Some(UNREADABLE),
                    Err(error) => return Err(error),
                    Ok(None) => Some(MISSING),
                    Ok(Some(row)) if row.version < seen => Some(BEHIND),
                    Ok(Some(row)) => match fold_stream(store, id.uuid(), row.version).await? {
                        Some(Folded::Session(fold)) => (fold != row).then_some(DIFFERS),
                        _ => Some(NO_STREAM),
                    },
                };
                what.map(|what| Difference::Session { id, what })
            }
            Self::User(id, seen) => {
                let what = match store.user(id).await?.map(|found| found.row) {
                    None => Some(MISSING),
                    Some(row) if row.version < seen => Some(BEHIND),
                    Some(row) => match fold_stream(store, id.uuid(), row.version).await? {
                        Some(Folded::User(_, version, fold)) => {
                            let same = (version, &fold) == (row.version, &row.user);
                            (!same).then_some(DIFFERS)
                        }
                        _ => Some(NO_STREAM),
                    },
                };
                what.map(|what| Difference::User { id, what })
            }
        })
    }
}

/// All rows of sessions, in the order of their streams.
struct SessionRows<'a> {
    store: &'a dyn Store,
    after: Option<SessionId>,
    read: VecDeque<StoredSession>,
    ended: bool,
}

impl<'a> SessionRows<'a> {
    const fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            after: None,
            read: VecDeque::new(),
            ended: false,
        }
    }

    async fn peek(&mut self) -> Result<Option<&StoredSession>> {
        if self.read.is_empty() && !self.ended {
            self.read = self.store.session_rows(self.after, BATCH).await?.into();
            self.ended = self.read.len() < BATCH as usize;
            self.after = self.read.back().map(|row| row.id);
        }
        Ok(self.read.front())
    }

    async fn next(&mut self) -> Result<Option<StoredSession>> {
        self.peek().await?;
        Ok(self.read.pop_front())
    }

    /// The rows before the one of this fold, which have no stream, and that one, if it is another.
    async fn differing_up_to(&mut self, folded: &SessionRow) -> Result<Vec<Suspect>> {
        let mut differing = Vec::new();
        let mut same = false;
        while self.peek().await?.is_some_and(|row| row.id <= folded.id) {
            if let Some(row) = self.read.pop_front() {
                if row.id < folded.id {
                    differing.push(Suspect::Session(row.id, 0));
                }
                same = row.row.as_ref() == Some(folded);
            }
        }
        if !same {
            differing.push(Suspect::Session(folded.id, folded.version));
        }
        Ok(differing)
    }
}

async fn all_users(store: &dyn Store) -> Result<HashMap<UserId, (i64, User)>> {
    let mut users = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let part = store.users(after.as_deref(), BATCH).await?;
        let Some(last) = part.last() else {
            return Ok(users);
        };
        after = Some(last.name.clone());
        users.extend(
            part.into_iter()
                .map(|row| (row.id, (row.version, row.user))),
        );
    }
}
