//! The log folded from its beginning: to check the rows, or to make them anew.

use crate::session::{Event, Fact, Session, Stream, User, state, user};
use crate::store::{Result, SessionRow, Store};
use revocation_events::{Position, SessionId, UserId};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use uuid::Uuid;

/// Events that are read, and rows that are written, at once.
const BATCH: u32 = 2_000;

/// All events in the order of their streams.
pub(crate) struct Events<'a> {
    store: &'a dyn Store,
    after: Option<(Uuid, i64)>,
    read: VecDeque<Event>,
    ended: bool,
}

impl<'a> Events<'a> {
    pub(crate) fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            after: None,
            read: VecDeque::new(),
            ended: false,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        if self.read.is_empty() && !self.ended {
            self.read = self.store.events(self.after, BATCH).await?.into();
            self.ended = self.read.len() < BATCH as usize;
        }
        let next = self.read.pop_front();
        if let Some(event) = &next {
            self.after = Some((event.stream.uuid(), event.version));
        }
        Ok(next)
    }
}

/// A row that is not what its stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Session { id: SessionId, what: &'static str },
    User { id: UserId, what: &'static str },
    Everyone { row: Position, log: Position },
    Stream { id: Uuid, what: &'static str },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { id, what } => write!(f, "session {id}: {what}"),
            Self::User { id, what } => write!(f, "user {id}: {what}"),
            Self::Everyone { row, log } => {
                write!(f, "everyone: the cut-off is {row}, and {log} in the log")
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

/// One stream, folded so far.
enum Folding {
    Session(SessionId, Option<Session>),
    User(UserId, Option<User>),
    Other,
}

/// The fold of a whole stream.
enum Folded {
    Session(SessionRow),
    User(UserId, i64, User),
    Other,
}

/// Folds streams one after the other.
struct Folder {
    current: Option<(Uuid, i64, Folding)>,
    everyone: Position,
    broken: Vec<Difference>,
}

impl Folder {
    const fn new() -> Self {
        Self {
            current: None,
            everyone: Position::ZERO,
            broken: Vec::new(),
        }
    }

    /// Takes the next event; gives the stream before it, where it has ended.
    fn take(&mut self, event: &Event) -> Option<Folded> {
        let stream = event.stream.uuid();
        let same = self
            .current
            .as_ref()
            .is_some_and(|(current, ..)| *current == stream);
        let ended = if same { None } else { self.finish() };
        let (_, version, folding) = self.current.get_or_insert_with(|| {
            let folding = match event.stream {
                Stream::Session(id) => Folding::Session(id, None),
                Stream::User(id) => Folding::User(id, None),
                Stream::Everyone | Stream::Key(_) => Folding::Other,
            };
            // The first events of a session may have been dropped, so any may come first.
            (stream, event.version - 1, folding)
        });
        let follows = event.version == *version + 1;
        *version = event.version;
        let applied = match (folding, &event.fact) {
            (Folding::Session(_, state), Fact::Session(fact)) => {
                fold(state, |old| state::apply(old, event.at, fact))
            }
            (Folding::User(_, state), Fact::User(fact)) => {
                fold(state, |old| user::apply(old, fact))
            }
            (Folding::Other, Fact::EveryoneRevoked { position }) => {
                self.everyone = self.everyone.max(*position);
                true
            }
            (Folding::Other, _) => true,
            _ => false,
        };
        if !follows || !applied {
            let what = if follows {
                "an event does not follow from those before"
            } else {
                "an event is missing"
            };
            self.broken.push(Difference::Stream { id: stream, what });
        }
        ended
    }

    fn finish(&mut self) -> Option<Folded> {
        let (_, version, folding) = self.current.take()?;
        Some(match folding {
            Folding::Session(id, Some(session)) => Folded::Session(SessionRow {
                id,
                version,
                session,
            }),
            Folding::User(id, Some(user)) => Folded::User(id, version, user),
            _ => Folded::Other,
        })
    }
}

/// Replaces the state by its successor; whether there is one.
fn fold<S, E>(
    state: &mut Option<S>,
    apply: impl FnOnce(Option<S>) -> std::result::Result<S, E>,
) -> bool {
    match apply(state.take()) {
        Ok(next) => {
            *state = Some(next);
            true
        }
        Err(_) => false,
    }
}

/// Folds every stream and compares. `progress` is told how many events were read since its last
/// call.
pub(crate) async fn verify(store: &dyn Store, progress: impl Fn(u64)) -> Result<Report> {
    let mut report = Report::default();
    let mut rows = all_sessions(store).await?;
    let mut users = all_users(store).await?;
    let mut folder = Folder::new();
    let mut events = Events::new(store);
    let mut check = |folded: Folded, report: &mut Report| match folded {
        Folded::Session(folded) => match rows.remove(&folded.id) {
            Some(row) if row == folded => {}
            row => {
                let what = if row.is_none() {
                    "the row is missing"
                } else {
                    "the row differs from its stream"
                };
                report.differences.push(Difference::Session {
                    id: folded.id,
                    what,
                });
            }
        },
        Folded::User(id, version, folded) => {
            if users.remove(&id) != Some((version, folded)) {
                report.differences.push(Difference::User {
                    id,
                    what: "the row differs from its stream",
                });
            }
        }
        Folded::Other => {}
    };
    while let Some(event) = events.next().await? {
        report.events += 1;
        progress(1);
        if let Some(folded) = folder.take(&event) {
            check(folded, &mut report);
        }
    }
    if let Some(folded) = folder.finish() {
        check(folded, &mut report);
    }
    report
        .differences
        .extend(rows.into_keys().map(|id| Difference::Session {
            id,
            what: "there is a row and no stream",
        }));
    report
        .differences
        .extend(users.into_keys().map(|id| Difference::User {
            id,
            what: "there is a row and no stream",
        }));
    report.differences.append(&mut folder.broken);
    let row = store.head().await?.everyone;
    if row != folder.everyone {
        report.differences.push(Difference::Everyone {
            row,
            log: folder.everyone,
        });
    }
    Ok(report)
}

/// Folds every session's stream and stores the rows; how many. A row that is newer than what was
/// read stays, so that it can be done beside a running service.
pub(crate) async fn rebuild(store: &dyn Store, progress: impl Fn(u64)) -> Result<u64> {
    let mut folder = Folder::new();
    let mut events = Events::new(store);
    let mut rows = Vec::new();
    let mut rebuilt = 0;
    loop {
        let event = events.next().await?;
        let folded = match &event {
            Some(event) => folder.take(event),
            None => folder.finish(),
        };
        if let Some(Folded::Session(row)) = folded {
            rows.push(row);
        }
        if rows.len() == BATCH as usize || (event.is_none() && !rows.is_empty()) {
            rebuilt += rows.len() as u64;
            let mut tx = store.begin().await?;
            tx.save_sessions(&rows).await?;
            tx.commit().await?;
            rows.clear();
        }
        if event.is_none() {
            return Ok(rebuilt);
        }
        progress(1);
    }
}

async fn all_sessions(store: &dyn Store) -> Result<HashMap<SessionId, SessionRow>> {
    let mut rows = HashMap::new();
    let mut after = None;
    loop {
        let part = store.session_rows(after, BATCH).await?;
        let Some(last) = part.last() else {
            return Ok(rows);
        };
        after = Some(last.id);
        rows.extend(part.into_iter().map(|row| (row.id, row)));
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
