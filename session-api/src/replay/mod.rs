//! The log folded from its beginning: to check the rows, or to make them anew.
//!
//! Both may be done beside a running service.

mod rebuild;
mod revocations;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use rebuild::rebuild;
pub(crate) use verify::{Difference, verify};

use crate::session::{Event, Fact, Session, Stream, User, state, user};
use crate::store::{Result, SessionRow, Store};
use revocation_events::{Position, SessionId, UserId};
use std::collections::VecDeque;
use uuid::Uuid;

/// Events that are read, and rows that are written, at once.
const BATCH: u32 = 2_000;

/// Events that are read at once for a single stream, most of which are short.
const ONE_STREAM: u32 = 100;

/// Events in the order of their streams.
struct Events<'a> {
    store: &'a dyn Store,
    after: Option<(Uuid, i64)>,
    batch: u32,
    read: VecDeque<Event>,
    ended: bool,
}

impl<'a> Events<'a> {
    fn all(store: &'a dyn Store) -> Self {
        Self::after(store, None, BATCH)
    }

    /// Of this stream, and then of those that come after it.
    fn from(store: &'a dyn Store, stream: Uuid) -> Self {
        Self::after(store, Some((stream, 0)), ONE_STREAM)
    }

    const fn after(store: &'a dyn Store, after: Option<(Uuid, i64)>, batch: u32) -> Self {
        Self {
            store,
            after,
            batch,
            read: VecDeque::new(),
            ended: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Event>> {
        if self.read.is_empty() && !self.ended {
            self.read = self.store.events(self.after, self.batch).await?.into();
            self.ended = self.read.len() < self.batch as usize;
        }
        let next = self.read.pop_front();
        if let Some(event) = &next {
            self.after = Some((event.stream.uuid(), event.version));
        }
        Ok(next)
    }
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

/// The fold of one stream, up to a version.
async fn fold_stream(store: &dyn Store, stream: Uuid, up_to: i64) -> Result<Option<Folded>> {
    let mut folder = Folder::new();
    let mut events = Events::from(store, stream);
    while let Some(event) = events.next().await? {
        if event.stream.uuid() != stream || event.version > up_to {
            break;
        }
        folder.take(&event);
    }
    Ok(folder.finish())
}
