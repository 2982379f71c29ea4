//! The transaction of everything that takes a position: the head is locked first, then the user, then
//! sessions.

use super::{Error, Inner, Result};
use crate::relay::Committed;
use crate::session::{
    CutOffs, EndReason, Event, Fact, Session, SessionFact, Stream, UserFact, decide, state, user,
};
use crate::store::{FoundSession, FoundUser, SessionRow, Tx, UserRow};
use revocation_events::{Position, Revocation, SessionId, UnixMillis, UserId};

/// One transaction that has taken a position, and what the relay is told of it after the commit.
///
/// Dropped without a commit, it has done nothing: not even the position is used up.
pub(super) struct Revoking<'a> {
    pub(super) tx: Box<dyn Tx>,
    inner: &'a Inner,
    events: Vec<Event>,
    /// The head before the first position.
    previous: Position,
    /// The clock before that.
    now: UnixMillis,
    position: Position,
}

impl<'a> Revoking<'a> {
    /// Locks the head of the log and takes a position.
    pub(super) async fn begin(inner: &'a Inner) -> Result<Self> {
        let mut tx = inner.store.begin_revoking().await?;
        let taken = tx.take_position(inner.relay.seen()).await?;
        Ok(Self {
            tx,
            inner,
            events: Vec::new(),
            previous: taken.previous,
            now: taken.now,
            position: taken.position,
        })
    }

    /// The position that was taken last.
    pub(super) const fn position(&self) -> Position {
        self.position
    }

    pub(super) async fn lock_user(&mut self, user: UserId) -> Result<FoundUser> {
        self.tx.lock_user(user).await?.ok_or(Error::NotFound)
    }

    pub(super) async fn lock_session(&mut self, session: SessionId) -> Result<FoundSession> {
        self.tx
            .lock_sessions(&[session])
            .await?
            .pop()
            .ok_or(Error::NotFound)
    }

    /// Ends a session; how many live ones that were, and the position of its end. Each session that is
    /// ended in one transaction has a position of its own.
    pub(super) async fn end_session(
        &mut self,
        session: SessionId,
        reason: EndReason,
    ) -> Result<(u64, Position)> {
        if !self.events.is_empty() {
            self.position = self
                .tx
                .take_position(self.inner.relay.seen())
                .await?
                .position;
        }
        let position = self.position;
        let found = self.lock_session(session).await?;
        let cut_offs = CutOffs {
            user: found.user.cut_off,
            everyone: found.head.everyone,
        };
        let alive = found.row.session.alive(cut_offs, found.head.now).is_some();
        let Some(fact) = decide::revoke(&found.row.session, position, reason) else {
            return Ok((
                0,
                ended_at(&found.row.session, self.previous).unwrap_or(position),
            ));
        };
        self.save_session(found.row, fact).await?;
        Ok((u64::from(alive), position))
    }

    /// A session of this user, unless it has ended meanwhile.
    pub(super) async fn living_session(
        &mut self,
        session: SessionId,
        user: &FoundUser,
    ) -> Result<Option<SessionRow>> {
        let found = self.lock_session(session).await?;
        let cut_offs = CutOffs {
            user: user.row.user.cut_off,
            everyone: user.head.everyone,
        };
        let alive = found.row.session.alive(cut_offs, user.head.now).is_some();
        let owned = found.row.session.details().user == user.row.id;
        Ok(Some(found.row).filter(|_| alive && owned))
    }

    pub(super) async fn keep_session(
        &mut self,
        session: SessionId,
        user: &FoundUser,
        position: Position,
    ) -> Result<SessionRow> {
        let found = self.lock_session(session).await?;
        if found.row.session.details().user != user.row.id {
            return Err(Error::NotFound);
        }
        let cut_offs = CutOffs {
            user: user.row.user.cut_off,
            everyone: user.head.everyone,
        };
        // The caller's token was good a moment ago, and is not now.
        let fact = decide::reanchor(&found.row.session, cut_offs, position, user.head.now)
            .map_err(|_| Error::TokenInvalid)?;
        self.save_session(found.row, fact).await
    }

    async fn save_session(&mut self, row: SessionRow, fact: SessionFact) -> Result<SessionRow> {
        let at = self.now;
        let session = state::apply(Some(row.session), at, &fact)
            .unwrap_or_else(|_| unreachable!("the decision was made on this state"));
        let row = SessionRow {
            id: row.id,
            version: row.version + 1,
            session,
        };
        self.tx.save_sessions(std::slice::from_ref(&row)).await?;
        let stream = Stream::Session(row.id);
        self.events.push(Event {
            stream,
            version: row.version,
            at,
            fact: Fact::Session(fact),
        });
        Ok(row)
    }

    pub(super) fn record_user(&mut self, row: &mut UserRow, fact: UserFact) {
        let event = user_event(row, self.now, fact);
        self.events.push(event);
    }

    /// For streams that have no row.
    pub(super) async fn record(&mut self, stream: Stream, fact: Fact) -> Result<()> {
        let version = self.tx.stream_version(stream.uuid()).await? + 1;
        let event = Event {
            stream,
            version,
            at: self.now,
            fact,
        };
        self.events.push(event);
        Ok(())
    }

    /// Appends, commits, and tells the relay, which publishes at once.
    pub(super) async fn commit(self) -> Result<()> {
        let inner = self.inner;
        if let Some(committed) = self.commit_quietly().await? {
            inner.relay.committed(committed);
        }
        Ok(())
    }

    /// Appends and commits; the caller tells the relay what comes back. Where nothing was recorded,
    /// nothing is committed: a position without an event would say "nothing happened up to here" in
    /// the name of a transaction that need not be the newest.
    pub(super) async fn commit_quietly(mut self) -> Result<Option<Committed>> {
        if self.events.is_empty() {
            return Ok(None);
        }
        self.tx.append(&self.events).await?;
        self.tx.commit().await?;
        let revoked: Vec<Revocation> = self.events.iter().filter_map(Event::revocation).collect();
        Ok(Some(Committed {
            at: self.now,
            previous: self.previous,
            revoked,
        }))
    }
}

/// The position of the end of a session that has ended already. An end by time has none, so the head
/// stands for it.
pub(super) const fn ended_at(session: &Session, head: Position) -> Option<Position> {
    match session {
        Session::Open(_) => None,
        Session::Revoked { position, .. } => Some(*position),
        Session::Expired { .. } => Some(head),
    }
}

/// Folds what happened to a user into the row; the event of it.
pub(super) fn user_event(row: &mut UserRow, at: UnixMillis, fact: UserFact) -> Event {
    row.version += 1;
    row.user = user::apply(Some(row.user.clone()), &fact)
        .unwrap_or_else(|_| unreachable!("only a registration cannot follow"));
    Event {
        stream: Stream::User(row.id),
        version: row.version,
        at,
        fact: Fact::User(fact),
    }
}
