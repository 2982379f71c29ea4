//! What is written with a position: in a transaction that has locked the head, or as a transaction of
//! its own, where nothing has changed since it was decided.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::session::{EndReason, Event, Fact, SessionFact, Stream, UserFact, state, user};
use crate::store::{Changes, Error, SessionRow, Stale, Store, UserRow};
use revocation_events::{Position, Revocation, Target, UnixMillis};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;

/// The end of `sessions`, each at a position of its own, decided at `after`.
fn ends(sessions: &[SessionRow], after: Position) -> Changes {
    let mut changes = Changes {
        after,
        to: after,
        ..Changes::default()
    };
    for row in sessions {
        changes.to = pos(changes.to.get() + 1);
        let fact = SessionFact::Revoked {
            position: changes.to,
            reason: EndReason::User,
        };
        let at = clock::now();
        let row = SessionRow {
            id: row.id,
            version: row.version + 1,
            session: state::apply(Some(row.session.clone()), at, &fact).unwrap(),
        };
        changes.events.push(session_event(&row, fact));
        changes.sessions.push(row);
    }
    changes
}

/// Adds the end of all sessions of a user.
fn and_of_user(mut changes: Changes, row: &UserRow) -> Changes {
    changes.to = pos(changes.to.get() + 1);
    let fact = UserFact::SessionsRevoked {
        position: changes.to,
        except: None,
    };
    let mut row = row.clone();
    row.version += 1;
    row.user = user::apply(Some(row.user), &fact).unwrap();
    changes.events.push(Event {
        stream: Stream::User(row.id),
        version: row.version,
        at: clock::now(),
        fact: Fact::User(fact),
    });
    changes.users.push(row);
    changes
}

/// A database of Postgres has to have been written to once, to be known again.
async fn head(store: &dyn Store) -> Position {
    revoke(store, some_session(), Duration::ZERO).await
}

/// Again where there was no turn; see [`begin`].
async fn write(store: &dyn Store, changes: &Changes) -> Result<UnixMillis, Stale> {
    let written = async {
        loop {
            match store.write(changes).await {
                Err(Error::Unavailable(_)) => {}
                written => return written.unwrap(),
            }
        }
    };
    tokio::time::timeout(BOUND, written).await.expect("a turn")
}

/// Everything that a write could have changed.
async fn everything(db: &Db) -> (Position, Vec<Event>, Vec<Revocation>, Vec<SessionRow>) {
    let head = db.store.head().await.unwrap();
    let events = db.store.events(None, ALL).await.unwrap();
    let revoked = cut(&*db.store, replica(MINUTE), Position::ZERO)
        .await
        .revoked;
    let sessions = session_rows(&*db.store, None, ALL).await;
    (head.position, events, revoked, sessions)
}

pub(super) async fn a_write_is_there_as_a_whole(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let other = add_user(&*db.store, "bob").await;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(log_in(&*db.store, &user).await);
    }
    let after = head(&*db.store).await;
    let changes = and_of_user(ends(&sessions[..2], after), &user);
    let before = clock::now();
    let at = db.store.write(&changes).await.unwrap().unwrap();
    assert!(before <= at && at <= clock::now());

    let there = db.store.head().await.unwrap();
    assert_eq!(
        (there.position, there.everyone),
        (changes.to, Position::ZERO)
    );
    for row in changes.sessions.iter().chain(&sessions[2..]) {
        let found = db.store.session(row.id).await.unwrap().unwrap();
        assert_eq!(found.row, *row);
    }
    let found = db.store.user(user.id).await.unwrap().unwrap();
    assert_eq!(found.row, changes.users[0]);
    let found = db.store.user(other.id).await.unwrap().unwrap();
    assert_eq!(found.row, other);
    let cut = cut(&*db.store, replica(MINUTE), after).await;
    let revoked: Vec<_> = changes
        .events
        .iter()
        .filter_map(Event::revocation)
        .collect();
    assert_eq!((cut.to, cut.revoked), (changes.to, revoked));
    let events = db.store.events(None, ALL).await.unwrap();
    assert!(changes.events.iter().all(|event| events.contains(event)));
    let mut tx = db.store.begin().await.unwrap();
    let taken = tx.take_position(Position::ZERO).await.unwrap();
    assert_eq!(taken.previous, changes.to);
}

pub(super) async fn nothing_is_written_after_another_head(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let first = head(&*db.store).await;
    let newest = head(&*db.store).await;
    let before = everything(db).await;
    for wrong in [Position::ZERO, first, pos(newest.get() + 1)] {
        let mut changes = ends(std::slice::from_ref(&session), wrong);
        changes.everyone = Some(changes.to);
        assert_eq!(db.store.write(&changes).await.unwrap(), Err(Stale));
        assert_eq!(everything(db).await, before);
    }
    assert_eq!(db.store.head().await.unwrap().everyone, Position::ZERO);
    let changes = ends(&[session], newest);
    db.store.write(&changes).await.unwrap().unwrap();
}

/// One of several streams has grown: none of the others is added to either.
pub(super) async fn nothing_is_written_to_a_stream_that_has_grown(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let sessions = [
        log_in(&*db.store, &user).await,
        log_in(&*db.store, &user).await,
    ];
    let (next, fact) = refreshed(&sessions[1]);
    let mut tx = db.store.begin().await.unwrap();
    tx.append(&[session_event(&next, fact)]).await.unwrap();
    tx.save_sessions(std::slice::from_ref(&next)).await.unwrap();
    tx.commit().await.unwrap();
    let position = end_sessions(&*db.store, user.id).await;
    let before = everything(db).await;

    let grown_session = ends(&sessions, position);
    let grown_user = and_of_user(ends(&sessions[..1], position), &user);
    for changes in [grown_session, grown_user] {
        assert_eq!(db.store.write(&changes).await.unwrap(), Err(Stale));
        assert_eq!(everything(db).await, before);
    }
    let changes = ends(&[sessions[0].clone(), next], position);
    db.store.write(&changes).await.unwrap().unwrap();
}

pub(super) async fn what_is_written_in_a_transaction_is_there_after_its_commit(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let mut tx = db.store.begin().await.unwrap();
    let taken = tx.take_position(Position::ZERO).await.unwrap();
    let changes = and_of_user(ends(&[session], taken.position), &user);
    tx.write(&changes).await.unwrap();
    drop(tx);
    assert_eq!(everything(db).await.0, Position::ZERO);

    let mut tx = db.store.begin().await.unwrap();
    let taken = tx.take_position(Position::ZERO).await.unwrap();
    let changes = Changes {
        after: taken.position,
        ..changes
    };
    tx.write(&changes).await.unwrap();
    tx.commit().await.unwrap();
    let (head, _, revoked, sessions) = everything(db).await;
    assert_eq!((head, sessions), (changes.to, changes.sessions));
    assert_eq!(revoked.len(), 2);
}

pub(super) async fn everyones_cut_off_only_rises(db: &Db) {
    let mut after = head(&*db.store).await;
    let first = after.get();
    for (set, expected) in [(5, 5), (9, 9), (7, 9)] {
        let changes = Changes {
            after,
            to: pos(after.get() + 1),
            everyone: Some(pos(first + set)),
            ..Changes::default()
        };
        db.store.write(&changes).await.unwrap().unwrap();
        let head = db.store.head().await.unwrap();
        assert_eq!(head.everyone, pos(first + expected));
        after = head.position;
    }
}

/// Whoever reads a position has all positions before it, whichever way each was written.
pub(super) async fn positions_are_in_the_order_of_commits_however_they_are_written(db: &Db) {
    const EACH: usize = 30;
    head(&*db.store).await;
    let user = add_user(&*db.store, "ann").await;
    let running = Arc::new(AtomicUsize::new(3));
    // Both have read a head before either writes for the first time, so one of them is late.
    let both_have_read = Arc::new(Barrier::new(2));
    let mut writers = Vec::new();
    for store in [db.store.clone(), db.connect().await] {
        let (user, running) = (user.clone(), running.clone());
        let both_have_read = both_have_read.clone();
        writers.push(tokio::spawn(async move {
            let (mut written, mut stale) = (0, 0);
            while written < EACH {
                let session = log_in(&*store, &user).await;
                let after = store.head().await.unwrap().position;
                if written + stale == 0 {
                    both_have_read.wait().await;
                }
                match write(&*store, &ends(&[session], after)).await {
                    Ok(_) => written += 1,
                    Err(Stale) => stale += 1,
                }
            }
            running.fetch_sub(1, Ordering::Relaxed);
            stale
        }));
    }
    let (store, done) = (db.connect().await, running.clone());
    writers.push(tokio::spawn(async move {
        for _ in 0..EACH {
            revoke(&*store, some_session(), Duration::ZERO).await;
        }
        done.fetch_sub(1, Ordering::Relaxed);
        0
    }));
    let all = async || {
        let far = pos(1 << 52);
        let all = db.store.revocations(Position::ZERO, far, ALL).await;
        positions(&all.unwrap().revoked)
    };
    let mut seen = Vec::new();
    while running.load(Ordering::Relaxed) > 0 {
        let head = db.store.head().await.unwrap().position;
        let now = all().await;
        assert!(now.last().is_some_and(|last| *last >= head));
        seen.push(now);
    }
    let mut stale = 0;
    for writer in writers {
        stale += writer.await.unwrap();
    }
    let end = all().await;
    assert_eq!(end.len(), 1 + 3 * EACH);
    assert!(end.is_sorted_by(|a, b| a < b));
    assert!(stale > 0, "that was no race");
    for some in seen {
        assert_eq!(some, end[..some.len()], "a position came late");
    }
}

/// A statement whose snapshot is older than what it waited for must not go by its snapshot.
pub(super) async fn a_write_waits_for_a_refresh_and_finds_it(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let after = head(&*db.store).await;
    let mut tx = db.store.begin().await.unwrap();
    tx.lock_sessions(&[session.id]).await.unwrap();
    let (store, changes) = (
        db.connect().await,
        ends(std::slice::from_ref(&session), after),
    );
    let mut waiting = tokio::spawn(async move { store.write(&changes).await });
    db.somebody_waits().await;
    assert!(futures::poll!(&mut waiting).is_pending());
    let (next, fact) = refreshed(&session);
    tx.append(&[session_event(&next, fact)]).await.unwrap();
    tx.save_sessions(std::slice::from_ref(&next)).await.unwrap();
    tx.commit().await.unwrap();
    let written = tokio::time::timeout(BOUND, waiting).await.unwrap().unwrap();
    assert_eq!(written.unwrap(), Err(Stale));
    let found = db.store.session(session.id).await.unwrap().unwrap();
    assert_eq!(found.row, next);
    assert_eq!(found.head.position, after);
}

pub(super) async fn a_write_wakes_others(db: &Db) {
    let after = head(&*db.store).await;
    let other = db.connect().await;
    let mut wakeups = other.wakeups();
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let changes = ends(&[session], after);
    db.store.write(&changes).await.unwrap().unwrap();
    db.store.wake_others(changes.to).await;
    let woken = wakeups.wait_for(|head| *head == changes.to);
    tokio::time::timeout(BOUND, woken).await.unwrap().unwrap();
    let target = |revoked: &Revocation| matches!(revoked.target, Target::Session(_));
    let cut = cut(&*other, replica(MINUTE), after).await;
    assert!(cut.revoked.iter().all(target));
}
