//! The transaction of everything that takes a position: the head is locked first, then the user, then
//! sessions.

use super::{Error, Inner, Result};
use crate::relay::Committed;
use crate::session::{
    CutOffs, EndReason, Event, Fact, Session, SessionFact, Stream, UserFact, decide, state, user,
};
use crate::store::{FoundSession, FoundUser, SessionRow, Tx, UserRow};
use revocation_events::{Position, Revocation, SessionId, UnixMillis, UserId};

/// One transaction that takes positions, and what the relay is told of it after the commit.
pub(super) struct Revoking<'a> {
    pub(super) tx: Box<dyn Tx>,
    inner: &'a Inner,
    events: Vec<Event>,
    /// The head before the first position, and the clock before that.
    start: Option<(Position, UnixMillis)>,
}

impl<'a> Revoking<'a> {
    pub(super) async fn begin(inner: &'a Inner) -> Result<Self> {
        Ok(Self {
            tx: inner.store.begin_revoking().await?,
            inner,
            events: Vec::new(),
            start: None,
        })
    }

    pub(super) async fn take_position(&mut self) -> Result<Position> {
        let taken = self.tx.take_position(self.inner.relay.seen()).await?;
        self.start.get_or_insert((taken.previous, taken.now));
        Ok(taken.position)
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.start
            .map(|(_, now)| now)
            .unwrap_or_else(|| unreachable!("a position was taken first"))
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

    /// Ends a session at a new position; how many live ones that were, and the position of its end.
    pub(super) async fn end_session(
        &mut self,
        session: SessionId,
        reason: EndReason,
    ) -> Result<(u64, Position)> {
        let position = self.take_position().await?;
        let found = self.lock_session(session).await?;
        let cut_offs = CutOffs {
            user: found.user.cut_off,
            everyone: found.head.everyone,
        };
        let alive = found.row.session.alive(cut_offs, found.head.now).is_some();
        let Some(fact) = decide::revoke(&found.row.session, position, reason) else {
            return Ok((0, ended_at(&found).unwrap_or(position)));
        };
        self.save_session(found.row, fact).await?;
        Ok((u64::from(alive), position))
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
        let at = self.now();
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
        let event = user_event(row, self.now(), fact);
        self.events.push(event);
    }

    /// For streams that have no row.
    pub(super) async fn record(&mut self, stream: Stream, fact: Fact) -> Result<()> {
        let version = self.tx.stream_version(stream.uuid()).await? + 1;
        let event = Event {
            stream,
            version,
            at: self.now(),
            fact,
        };
        self.events.push(event);
        Ok(())
    }

    /// Appends, commits, and tells the relay, which publishes at once.
    pub(super) async fn commit(self) -> Result<()> {
        let inner = self.inner;
        inner.relay.committed(self.commit_quietly().await?);
        Ok(())
    }

    /// Appends and commits; the caller tells the relay what comes back.
    pub(super) async fn commit_quietly(mut self) -> Result<Committed> {
        self.tx.append(&self.events).await?;
        self.tx.commit().await?;
        let (previous, at) = self
            .start
            .unwrap_or_else(|| unreachable!("nothing is recorded without a position"));
        let revoked: Vec<Revocation> = self.events.iter().filter_map(Event::revocation).collect();
        Ok(Committed {
            at,
            previous,
            revoked,
        })
    }
}

/// The position of the end of a session that has ended already. An end by time has none, so the head
/// stands for it.
pub(super) fn ended_at(found: &FoundSession) -> Option<Position> {
    match &found.row.session {
        Session::Open(_) => None,
        Session::Revoked { position, .. } => Some(*position),
        Session::Expired { .. } => Some(found.head.position),
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
