//! Users, sessions and revocations to work with.

use super::BOUND;
use crate::clock;
use crate::session::{
    Delivery, EndReason, Event, Fact, OpenSession, RetryKey, Roles, Session, SessionFact, Stream,
    User, UserFact, state, user,
};
use crate::store::{Changes, ClientInfo, Cut, Error, Replica, SessionRow, Store, Tx, UserRow};
use revocation_events::{KeyId, Position, Revocation, SessionId, Target, UnixMillis, UserId};
use std::time::Duration;
use uuid::Uuid;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// More than any test has.
pub(super) const ALL: u32 = 10_000;

/// Begins a transaction, again where the store has waited for its turn in vain: SQLite lets one write at
/// a time and sees to it that somebody does, but not that everyone does who has a file open.
pub(super) async fn begin(store: &dyn Store) -> Box<dyn Tx> {
    let begun = async {
        loop {
            match store.begin().await {
                Err(Error::Unavailable(_)) => {}
                begun => return begun.unwrap(),
            }
        }
    };
    tokio::time::timeout(BOUND, begun).await.expect("a turn")
}

pub(super) fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

pub(super) fn roles(names: &[&str]) -> Roles {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.try_into().unwrap()
}

pub(super) fn new_user(name: &str) -> UserRow {
    UserRow {
        id: UserId::new(Uuid::new_v4()),
        name: name.to_owned(),
        password_hash: format!("hash of {name}"),
        version: 1,
        user: User {
            roles: roles(&["reader"]),
            disabled: false,
            cut_off: Position::ZERO,
            token_cut_off: Position::ZERO,
        },
    }
}

pub(super) async fn add_user(store: &dyn Store, name: &str) -> UserRow {
    let row = new_user(name);
    let mut tx = begin(store).await;
    tx.add_user(&row).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    row
}

/// A session of `user` as of now.
pub(super) fn open_session(user: UserId, since: Position) -> OpenSession {
    let now = clock::now();
    OpenSession {
        user,
        delivery: Delivery::Cookie,
        since,
        opened_at: now,
        generation: 1,
        rotated_at: now,
        retry_key: Some(RetryKey::of("a key")),
        expires_at: now.plus(HOUR),
        ends_at: now.plus(DAY),
    }
}

pub(super) fn new_session(session: Session) -> SessionRow {
    SessionRow {
        id: SessionId::new(Uuid::now_v7()),
        version: 1,
        session,
    }
}

pub(super) async fn save(store: &dyn Store, rows: &[SessionRow]) {
    let mut tx = begin(store).await;
    tx.save_sessions(rows).await.unwrap();
    tx.commit().await.unwrap();
}

/// A new session with its event, opened at the head.
pub(super) async fn log_in(store: &dyn Store, user: &UserRow) -> SessionRow {
    let since = store.head().await.unwrap().position;
    let open = open_session(user.id, since);
    let row = new_session(Session::Open(open.clone()));
    let fact = SessionFact::Opened {
        session: open,
        new_device: true,
    };
    let mut tx = begin(store).await;
    tx.append(&[session_event(&row, fact)]).await.unwrap();
    tx.save_sessions(std::slice::from_ref(&row)).await.unwrap();
    tx.commit().await.unwrap();
    row
}

pub(super) fn session_event(row: &SessionRow, fact: SessionFact) -> Event {
    Event {
        stream: Stream::Session(row.id),
        version: row.version,
        at: clock::now(),
        fact: Fact::Session(fact),
    }
}

/// Takes a position and appends what revokes `target`, as of `at`.
pub(super) async fn revoke_in(tx: &mut dyn Tx, target: &Target, at: UnixMillis) -> Position {
    let position = tx.take_position(Position::ZERO).await.unwrap().position;
    let (stream, fact) = match target {
        Target::Session(id) => {
            let fact = SessionFact::Revoked {
                position,
                reason: EndReason::User,
            };
            (Stream::Session(*id), Fact::Session(fact))
        }
        Target::User { id, refresh: true } => {
            let fact = UserFact::RolesChanged {
                roles: roles(&["writer"]),
                position,
            };
            (Stream::User(*id), Fact::User(fact))
        }
        Target::User { id, refresh: false } => {
            let fact = UserFact::SessionsRevoked {
                position,
                except: None,
            };
            (Stream::User(*id), Fact::User(fact))
        }
        Target::Key(kid) => (
            Stream::of_key(kid),
            Fact::KeyRevoked {
                kid: kid.clone(),
                position,
            },
        ),
        Target::Everyone => (Stream::Everyone, Fact::EveryoneRevoked { position }),
    };
    let version = tx.stream_version(stream.uuid()).await.unwrap() + 1;
    tx.append(&[Event {
        stream,
        version,
        at,
        fact,
    }])
    .await
    .unwrap();
    position
}

/// Revokes `target`, `ago`.
pub(super) async fn revoke(store: &dyn Store, target: Target, ago: Duration) -> Position {
    let mut tx = begin(store).await;
    let position = revoke_in(&mut *tx, &target, clock::now().minus(ago)).await;
    tx.commit().await.unwrap();
    position
}

/// Ends all sessions of a user as the service does: locked, folded, saved.
pub(super) async fn end_sessions(store: &dyn Store, id: UserId) -> Position {
    let mut tx = begin(store).await;
    let position = tx.take_position(Position::ZERO).await.unwrap().position;
    let mut row = tx.lock_users(&[id]).await.unwrap().pop().unwrap().row;
    let fact = UserFact::SessionsRevoked {
        position,
        except: None,
    };
    row.version += 1;
    row.user = user::apply(Some(row.user), &fact).unwrap();
    let (stream, fact) = (Stream::User(id), Fact::User(fact));
    tx.append(&[Event {
        stream,
        version: row.version,
        at: clock::now(),
        fact,
    }])
    .await
    .unwrap();
    tx.save_user(&row).await.unwrap();
    tx.commit().await.unwrap();
    position
}

/// Ends everyone's sessions as the service does.
pub(super) async fn end_everyone(store: &dyn Store) -> Position {
    let mut tx = begin(store).await;
    let after = tx.take_position(Position::ZERO).await.unwrap().position;
    let to = pos(after.get() + 1);
    let version = tx.stream_version(Uuid::nil()).await.unwrap() + 1;
    let event = Event {
        stream: Stream::Everyone,
        version,
        at: clock::now(),
        fact: Fact::EveryoneRevoked { position: to },
    };
    let changes = Changes {
        after,
        to,
        events: vec![event],
        everyone: Some(to),
        ..Changes::default()
    };
    tx.write(&changes).await.unwrap();
    tx.commit().await.unwrap();
    to
}

/// The next generation of a session.
pub(super) fn refreshed(row: &SessionRow) -> (SessionRow, SessionFact) {
    let open = row.session.details();
    let fact = SessionFact::Refreshed(OpenSession {
        generation: open.generation + 1,
        ..open.clone()
    });
    let session = state::apply(Some(row.session.clone()), clock::now(), &fact).unwrap();
    (
        SessionRow {
            id: row.id,
            version: row.version + 1,
            session,
        },
        fact,
    )
}

pub(super) fn everyone() -> Target {
    Target::Everyone
}

pub(super) fn some_session() -> Target {
    Target::Session(SessionId::new(Uuid::now_v7()))
}

pub(super) fn some_key() -> Target {
    Target::Key(kid("thumbprint"))
}

pub(super) fn kid(text: &str) -> KeyId {
    text.parse().unwrap()
}

pub(super) fn replica(access_ttl: Duration) -> Replica {
    Replica {
        id: Uuid::new_v4(),
        access_ttl,
    }
}

/// A cut without limit.
pub(super) async fn cut(store: &dyn Store, replica: Replica, from: Position) -> Cut {
    store.cut(replica, from, Position::ZERO, ALL).await.unwrap()
}

pub(super) fn positions(revoked: &[Revocation]) -> Vec<Position> {
    revoked
        .iter()
        .map(|revocation| revocation.position)
        .collect()
}

pub(super) fn browser(user_agent: Option<&str>) -> ClientInfo {
    ClientInfo {
        ip: Some("192.0.2.7".to_owned()),
        user_agent: user_agent.map(str::to_owned),
        device: Some("a phone".to_owned()),
    }
}

/// Session rows, all of which can be read.
pub(super) async fn session_rows(
    store: &dyn Store,
    after: Option<SessionId>,
    limit: u32,
) -> Vec<SessionRow> {
    let stored = store.session_rows(after, limit).await.unwrap();
    stored
        .into_iter()
        .map(|stored| stored.row.unwrap())
        .collect()
}
