//! Rows of sessions, locks, snapshots.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::session::{Delivery, EndReason, OpenSession, Session};
use crate::store::{ClientInfo, FoundSession, SessionRow};
use revocation_events::{Position, SessionId, UserId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

pub(super) async fn a_session_comes_back_as_it_went(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let open = open_session(user.id, pos(5));
    let bare = OpenSession {
        retry_key: None,
        delivery: Delivery::Body,
        ..open.clone()
    };
    let at = clock::now();
    let rows: Vec<_> = [
        Session::Open(open.clone()),
        Session::Open(bare.clone()),
        Session::Expired { was: bare, at },
        Session::Revoked {
            was: open,
            at,
            position: pos(9),
            reason: EndReason::Reuse,
        },
    ]
    .map(new_session)
    .into();
    save(&*db.store, &rows).await;
    for row in &rows {
        let found = db.store.session(row.id).await.unwrap().unwrap();
        assert_eq!(found.row, *row);
    }
    let all = session_rows(&*db.store, None, ALL).await;
    let mut expected = rows.clone();
    expected.sort_by_key(|row| row.id);
    assert_eq!(all, expected);
    let first = session_rows(&*db.store, None, 2).await;
    let rest = session_rows(&*db.store, Some(first[1].id), ALL).await;
    assert_eq!([first, rest].concat(), expected);
    assert_eq!(
        db.store
            .session(SessionId::new(Uuid::now_v7()))
            .await
            .unwrap(),
        None
    );
}

pub(super) async fn an_older_row_does_not_replace_a_newer_one(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let first = new_session(Session::Open(open_session(user.id, Position::ZERO)));
    let (second, _) = refreshed(&first);
    let (third, _) = refreshed(&second);
    let other = new_session(Session::Open(open_session(user.id, Position::ZERO)));
    save(&*db.store, std::slice::from_ref(&second)).await;
    // One of several.
    save(&*db.store, &[first, other.clone()]).await;
    assert_eq!(
        db.store.session(second.id).await.unwrap().unwrap().row,
        second
    );
    assert_eq!(
        db.store.session(other.id).await.unwrap().unwrap().row,
        other
    );
    let same = SessionRow {
        session: Session::Expired {
            was: second.session.details().clone(),
            at: clock::now(),
        },
        ..second.clone()
    };
    save(&*db.store, &[same]).await;
    assert_eq!(
        db.store.session(second.id).await.unwrap().unwrap().row,
        second
    );
    save(&*db.store, std::slice::from_ref(&third)).await;
    assert_eq!(
        db.store.session(second.id).await.unwrap().unwrap().row,
        third
    );
}

pub(super) async fn sessions_are_locked_in_order(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(log_in(&*db.store, &user).await.id);
    }
    let mut asked = ids.clone();
    asked.reverse();
    asked.push(SessionId::new(Uuid::new_v4()));
    asked.push(ids[2]);
    let mut tx = db.store.begin().await.unwrap();
    let found = tx.lock_sessions(&asked).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|found| found.row.id).collect();
    assert_eq!(found, ids);
    assert_eq!(tx.lock_sessions(&[]).await.unwrap(), []);
}

pub(super) async fn a_locked_session_is_waited_for(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let mut tx = db.store.begin().await.unwrap();
    let found = tx.lock_sessions(&[session.id]).await.unwrap();
    assert_eq!(found[0].row, session);
    let (next, _) = refreshed(&session);

    let other = db.connect().await;
    let id = session.id;
    let mut waiting = tokio::spawn(async move {
        let mut tx = other.begin().await.unwrap();
        tx.lock_sessions(&[id]).await.unwrap()
    });
    db.somebody_waits().await;
    assert!(futures::poll!(&mut waiting).is_pending());
    // It can be read all the same.
    assert_eq!(db.store.session(id).await.unwrap().unwrap().row, session);
    tx.save_sessions(std::slice::from_ref(&next)).await.unwrap();
    tx.commit().await.unwrap();
    let found = tokio::time::timeout(BOUND, waiting).await.unwrap().unwrap();
    assert_eq!(
        found[0].row, next,
        "what was committed meanwhile was not seen"
    );
}

pub(super) async fn a_session_comes_with_its_user_and_the_head(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let cut_off = end_sessions(&*db.store, user.id).await;
    let everyone = end_everyone(&*db.store).await;

    let before = clock::now();
    let found = db.store.session(session.id).await.unwrap().unwrap();
    let unknown = SessionId::new(Uuid::new_v4());
    let of_many = db.store.sessions(&[session.id, unknown]).await.unwrap();
    assert_eq!(of_many.len(), 1);
    let mut tx = db.store.begin().await.unwrap();
    let locked = tx
        .lock_sessions(&[session.id])
        .await
        .unwrap()
        .pop()
        .unwrap();
    for FoundSession {
        row,
        user_name,
        user: state,
        head,
    } in [found, locked].into_iter().chain(of_many)
    {
        assert_eq!((&row, user_name.as_str()), (&session, "ann"));
        assert_eq!((state.cut_off, state.token_cut_off), (cut_off, cut_off));
        assert_eq!(state.roles, user.user.roles);
        assert_eq!((head.position, head.everyone), (everyone, everyone));
        assert!(head.now >= before && head.now <= clock::now());
    }
}

/// The one rule: the `pos` that goes into a token is of the snapshot in which its user was checked.
/// So the cut-off that was seen is the last one that the head holds, in each of the three ways to
/// read it, however they race with revocations.
pub(super) async fn head_and_state_are_from_one_snapshot(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicUsize::new(0));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let store = db.store.clone();
        let (done, reads, id) = (done.clone(), reads.clone(), session.id);
        readers.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let found = store.user_by_name("ann").await.unwrap().unwrap();
                seen.push((found.row.user.cut_off, found.head.position));
                let found = store.session(id).await.unwrap().unwrap();
                seen.push((found.user.cut_off, found.head.position));
                // As a refresh does, so that others wait for it.
                let mut tx = store.begin().await.unwrap();
                let found = tx.lock_sessions(&[id]).await.unwrap().pop().unwrap();
                seen.push((found.user.cut_off, found.head.position));
                tx.save_sessions(&[refreshed(&found.row).0]).await.unwrap();
                tx.commit().await.unwrap();
                reads.fetch_add(3, Ordering::Relaxed);
            }
            seen
        }));
    }
    let mut cut_offs = vec![Position::ZERO];
    // However slow the readers are, some of it is while they are ended.
    let few = |ended: usize| reads.load(Ordering::Relaxed) <= 100 && ended < 5_000;
    while cut_offs.len() <= 150 || few(cut_offs.len()) {
        cut_offs.push(end_sessions(&*db.store, user.id).await);
        // And one that moves the head alone.
        revoke(&*db.store, some_session(), Duration::ZERO).await;
    }
    done.store(true, Ordering::Relaxed);
    let mut read = 0;
    for reader in readers {
        for (cut_off, head) in reader.await.unwrap() {
            let last = cut_offs
                .iter()
                .rev()
                .find(|cut_off| **cut_off <= head)
                .unwrap();
            assert_eq!(
                cut_off, *last,
                "a token of {head} would outlive a revocation"
            );
            read += 1;
        }
    }
    assert!(read > 100, "hardly anything was read");
}

pub(super) async fn overdue_sessions_are_found(db: &Db) {
    let user = UserId::new(Uuid::new_v4());
    let open = open_session(user, Position::ZERO);
    let now = clock::now();
    let ago = |secs| now.minus(Duration::from_secs(secs));
    let sliding = new_session(Session::Open(OpenSession {
        expires_at: ago(5),
        ..open.clone()
    }));
    let absolute = new_session(Session::Open(OpenSession {
        ends_at: ago(9),
        ..open.clone()
    }));
    let expired = OpenSession {
        expires_at: ago(20),
        ..open.clone()
    };
    let rows = [
        sliding.clone(),
        absolute.clone(),
        new_session(Session::Open(open)),
        new_session(Session::Expired {
            was: expired,
            at: now,
        }),
    ];
    save(&*db.store, &rows).await;
    assert_eq!(
        db.store.overdue_sessions(ALL).await.unwrap(),
        [absolute.id, sliding.id]
    );
    assert_eq!(db.store.overdue_sessions(1).await.unwrap(), [absolute.id]);
}

pub(super) async fn a_client_is_known_by_its_user_agent(db: &Db) {
    let (ann, bob) = (
        add_user(&*db.store, "ann").await,
        add_user(&*db.store, "bob").await,
    );
    let long = "x".repeat(5_000);
    let (longer, head) = (format!("{long}y"), db.store.head().await.unwrap());
    let sessions = [
        log_in(&*db.store, &ann).await,
        log_in(&*db.store, &ann).await,
    ];
    let mut tx = db.store.begin().await.unwrap();
    tx.save_client_info(sessions[0].id, &browser(Some("a browser")))
        .await
        .unwrap();
    tx.save_client_info(sessions[1].id, &browser(Some(&long)))
        .await
        .unwrap();
    let ended = Session::Expired {
        was: sessions[0].session.details().clone(),
        at: clock::now(),
    };
    let ended = SessionRow {
        id: sessions[0].id,
        version: 2,
        session: ended,
    };
    tx.save_sessions(&[ended]).await.unwrap();
    let known = [Some("a browser"), Some(&long)];
    let unknown = [
        Some("another"),
        Some(&longer),
        Some(&long[..128]),
        Some(""),
        None,
    ];
    for (user_agents, expected) in [(&known[..], true), (&unknown[..], false)] {
        for user_agent in user_agents {
            let (found, at) = tx.knows_client(ann.id, *user_agent).await.unwrap();
            assert_eq!(
                (found, at.position),
                (expected, head.position),
                "{user_agent:?}"
            );
            assert!(!tx.knows_client(bob.id, *user_agent).await.unwrap().0);
        }
    }
    // One without a user agent is a client like others.
    tx.save_client_info(sessions[1].id, &browser(None))
        .await
        .unwrap();
    assert!(tx.knows_client(ann.id, None).await.unwrap().0);
    assert!(!tx.knows_client(ann.id, Some("")).await.unwrap().0);
    // Info on a session that is not there is a mistake.
    let nobody = SessionId::new(Uuid::new_v4());
    tx.save_client_info(nobody, &ClientInfo::default())
        .await
        .unwrap_err();
}

pub(super) async fn rows_can_be_cleared_and_built_again(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let mut tx = db.store.begin().await.unwrap();
    tx.save_client_info(session.id, &browser(Some("a browser")))
        .await
        .unwrap();
    tx.delete_session(session.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(session_rows(&*db.store, None, ALL).await, []);
    assert_eq!(db.store.history(session.id, 0, ALL).await.unwrap().len(), 1);
    save(&*db.store, std::slice::from_ref(&session)).await;
    let listed = db.store.alive_sessions(user.id, None, ALL).await.unwrap();
    let found: HashMap<_, _> = listed
        .into_iter()
        .map(|listed| (listed.row.id, listed))
        .collect();
    assert_eq!(found[&session.id].row, session);
    assert_eq!(found[&session.id].client, browser(Some("a browser")));
}

pub(super) async fn a_row_that_is_distrusted_is_older_than_any(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let mut tx = db.store.begin().await.unwrap();
    let again = std::slice::from_ref(&session);
    assert_eq!(tx.save_sessions(again).await.unwrap(), 0);
    tx.distrust_session(session.id).await.unwrap();
    assert_eq!(tx.save_sessions(again).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(session_rows(&*db.store, None, ALL).await, again);
}
