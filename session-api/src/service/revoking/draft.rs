//! What a group of revocations comes to. Pure: it decides on rows that were read before, one command
//! after the other, and each finds what those before it made of them.

use super::command::{Command, Decided, Kept, NewPassword};
use crate::service::{Error, Result};
use crate::session::{
    CutOffs, EndReason, Event, Fact, Roles, Session, SessionFact, Stream, UserFact, decide, state,
    user,
};
use crate::store::{Changes, FoundSession, FoundUser, Head, SessionRow, TakenPosition, UserRow};
use revocation_events::{Position, Revocation, SessionId, UnixMillis, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that were read, and what is made of them.
#[derive(Debug)]
pub(super) struct Draft {
    head: Head,
    /// The position of the next revocation. It is taken with the event that holds it.
    next: Position,
    /// The number of events in the stream of everyone.
    everyone_version: i64,
    sessions: BTreeMap<SessionId, FoundSession>,
    users: BTreeMap<UserId, FoundUser>,
    changed: BTreeSet<SessionId>,
    changed_users: BTreeSet<UserId>,
    /// Whose password was changed.
    unlocked: BTreeSet<UserId>,
    changes: Changes,
}

impl Draft {
    /// On what was read without a lock. Positions go on above the head: from
    /// `max(head + 1, min(microseconds since 1970, latest))`.
    pub(super) fn after(head: Head, latest: Position) -> Self {
        let micros = head.now.get().saturating_mul(1_000);
        let clock = Position::new(micros).unwrap_or_default().min(latest);
        Self::new(head, following(head.position).max(clock), 0)
    }

    /// On what was read after the head was locked and moved. Its position is the first one.
    pub(super) fn at(taken: TakenPosition, everyone_version: i64) -> Self {
        let head = Head {
            position: taken.position,
            everyone: taken.everyone,
            now: taken.now,
        };
        Self::new(head, taken.position, everyone_version)
    }

    fn new(head: Head, first: Position, everyone_version: i64) -> Self {
        Self {
            head,
            next: first,
            everyone_version,
            sessions: BTreeMap::new(),
            users: BTreeMap::new(),
            changed: BTreeSet::new(),
            changed_users: BTreeSet::new(),
            unlocked: BTreeSet::new(),
            changes: Changes {
                after: head.position,
                to: head.position,
                ..Changes::default()
            },
        }
    }

    pub(super) fn add_sessions(&mut self, found: impl IntoIterator<Item = FoundSession>) {
        let by_id = found.into_iter().map(|found| (found.row.id, found));
        self.sessions.extend(by_id);
    }

    pub(super) fn add_users(&mut self, found: impl IntoIterator<Item = FoundUser>) {
        let by_id = found.into_iter().map(|found| (found.row.id, found));
        self.users.extend(by_id);
    }

    /// Those whose failed tries at their password are to be forgotten.
    pub(super) fn unlocked(&mut self) -> BTreeSet<UserId> {
        std::mem::take(&mut self.unlocked)
    }

    /// What there is to write; nothing where nothing happened. A position without an event would say
    /// "nothing happened up to here" in the name of a transaction that need not be the newest.
    pub(super) fn changes(mut self) -> Option<Changes> {
        if self.changes.events.is_empty() {
            return None;
        }
        let mut sessions = self.sessions;
        let mut users = self.users;
        let row = |id| Some(sessions.remove(&id)?.row);
        self.changes.sessions = self.changed.into_iter().filter_map(row).collect();
        let row = |id| Some(users.remove(&id)?.row);
        self.changes.users = self.changed_users.into_iter().filter_map(row).collect();
        Some(self.changes)
    }

    /// A command that fails changes nothing.
    pub(super) fn decide(&mut self, command: &Command) -> Result<Decided> {
        match command {
            Command::EndSession {
                session,
                owner,
                reason,
            } => self.end_session(*session, *owner, *reason),
            Command::EndSessions {
                user,
                keep,
                password,
            } => self.end_sessions(*user, *keep, password.as_ref()),
            Command::Disable { user } => {
                let (row, position) = (self.user(*user)?, self.next);
                let Some(fact) = user::disable(&row.user, position) else {
                    return Ok(Decided::at(row.user.cut_off, Some(0)));
                };
                self.change_user(row, [fact]);
                Ok(Decided::at(position, None))
            }
            Command::ChangeRoles { user, roles, own } => self.change_roles(*user, roles, *own),
            Command::EndEveryone => Ok(Decided::at(self.end_everyone(), None)),
        }
    }

    fn end_session(
        &mut self,
        session: SessionId,
        owner: Option<UserId>,
        reason: EndReason,
    ) -> Result<Decided> {
        let row = self.session(session)?;
        if owner.is_some_and(|owner| owner != row.session.details().user) {
            return Err(Error::NotFound);
        }
        let position = self.next;
        let Some(fact) = decide::revoke(&row.session, position, reason) else {
            return Ok(Decided::at(self.end_of(&row.session), Some(0)));
        };
        let alive = row.session.alive(self.cut_offs(session), self.head.now);
        let revoked = u64::from(alive.is_some());
        self.change_session(row, fact);
        Ok(Decided::at(position, Some(revoked)))
    }

    fn end_sessions(
        &mut self,
        user: UserId,
        keep: Option<SessionId>,
        password: Option<&NewPassword>,
    ) -> Result<Decided> {
        let mut row = self.user(user)?;
        let position = self.next;
        let mut facts = Vec::new();
        if let Some(NewPassword { old, new_hash }) = password {
            if old.as_ref().is_some_and(|old| *old != row.password_hash) {
                return Err(Error::Conflict);
            }
            facts.push(UserFact::PasswordChanged {});
            row.password_hash.clone_from(new_hash);
        }
        let kept = match keep {
            None => None,
            Some(session) => Some(self.keep(session, user, position)?),
        };
        facts.push(UserFact::SessionsRevoked {
            position,
            except: keep,
        });
        self.unlocked.extend(password.map(|_| user));
        let user = self.change_user(row, facts);
        Ok(Decided {
            kept: kept.map(|session| self.kept(session, user)),
            ..Decided::at(position, None)
        })
    }

    fn change_roles(
        &mut self,
        user: UserId,
        roles: &Roles,
        own: Option<SessionId>,
    ) -> Result<Decided> {
        let (row, position) = (self.user(user)?, self.next);
        let Some(fact) = user::change_roles(&row.user, roles.clone(), position) else {
            return Ok(Decided::at(row.user.token_cut_off, Some(0)));
        };
        let own = match own {
            None => None,
            Some(session) => self.living_session(session, user)?,
        };
        let user = self.change_user(row, [fact]);
        Ok(Decided {
            kept: own.map(|session| self.kept(session, user)),
            ..Decided::at(position, Some(0))
        })
    }

    fn end_everyone(&mut self) -> Position {
        let position = self.next;
        self.everyone_version += 1;
        self.head.everyone = position;
        self.changes.everyone = Some(position);
        let fact = Fact::EveryoneRevoked { position };
        self.record(Stream::Everyone, self.everyone_version, fact);
        position
    }

    /// The caller's token was good a moment ago; where its session has ended, it is not now.
    fn keep(&mut self, session: SessionId, user: UserId, position: Position) -> Result<SessionRow> {
        let row = self.session(session)?;
        if row.session.details().user != user {
            return Err(Error::NotFound);
        }
        let cut_offs = self.cut_offs(session);
        let fact = decide::reanchor(&row.session, cut_offs, position, self.head.now)
            .map_err(|_| Error::TokenInvalid)?;
        Ok(self.change_session(row, fact))
    }

    /// A session of this user, unless it has ended meanwhile.
    fn living_session(&self, session: SessionId, user: UserId) -> Result<Option<SessionRow>> {
        let row = self.session(session)?;
        let alive = row.session.alive(self.cut_offs(session), self.head.now);
        let alive = alive.is_some_and(|open| open.user == user);
        Ok(alive.then_some(row))
    }

    fn kept(&self, session: SessionRow, user: UserRow) -> Box<Kept> {
        Box::new(Kept {
            session,
            user,
            now: self.head.now,
        })
    }

    fn session(&self, id: SessionId) -> Result<SessionRow> {
        let found = self.sessions.get(&id).ok_or(Error::NotFound)?;
        Ok(found.row.clone())
    }

    fn user(&self, id: UserId) -> Result<UserRow> {
        let found = self.users.get(&id).ok_or(Error::NotFound)?;
        Ok(found.row.clone())
    }

    /// What counts for a session, with what happened to its user in this draft.
    fn cut_offs(&self, session: SessionId) -> CutOffs {
        let found = self.sessions.get(&session);
        let read = found.map_or(Position::ZERO, |found| found.user.cut_off);
        let user = found.and_then(|found| self.users.get(&found.row.session.details().user));
        CutOffs {
            user: user.map_or(read, |user| user.row.user.cut_off.max(read)),
            everyone: self.head.everyone,
        }
    }

    /// The position of the end of a session that has ended already. An end by time has none, so the
    /// head stands for it.
    const fn end_of(&self, session: &Session) -> Position {
        match session {
            Session::Revoked { position, .. } => *position,
            Session::Open(_) | Session::Expired { .. } => self.changes.to,
        }
    }

    fn change_session(&mut self, row: SessionRow, fact: SessionFact) -> SessionRow {
        let session = state::apply(Some(row.session), self.head.now, &fact)
            .unwrap_or_else(|_| unreachable!("the decision was made on this state"));
        let row = SessionRow {
            id: row.id,
            version: row.version + 1,
            session,
        };
        if let Some(found) = self.sessions.get_mut(&row.id) {
            found.row = row.clone();
        }
        self.changed.insert(row.id);
        self.record(Stream::Session(row.id), row.version, Fact::Session(fact));
        row
    }

    fn change_user(&mut self, row: UserRow, facts: impl IntoIterator<Item = UserFact>) -> UserRow {
        let mut row = row;
        for fact in facts {
            let event = user_event(&mut row, self.head.now, fact);
            self.record(event.stream, event.version, event.fact);
        }
        if let Some(found) = self.users.get_mut(&row.id) {
            found.row = row.clone();
        }
        self.changed_users.insert(row.id);
        row
    }

    fn record(&mut self, stream: Stream, version: i64, fact: Fact) {
        let event = Event {
            stream,
            version,
            at: self.head.now,
            fact,
        };
        if let Some(Revocation { position, .. }) = event.revocation() {
            self.changes.to = position;
            self.next = following(position);
        }
        self.changes.events.push(event);
    }
}

/// Where positions end, in two hundred years, the last one comes again, and the log takes none twice.
fn following(position: Position) -> Position {
    Position::new(position.get() + 1).unwrap_or(position)
}

/// Folds what happened to a user into the row; the event of it.
pub(in crate::service) fn user_event(row: &mut UserRow, at: UnixMillis, fact: UserFact) -> Event {
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
