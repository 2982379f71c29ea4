//! Which sessions are alive.

use super::Db;
use super::fixture::*;
use crate::clock;
use crate::session::{CutOffs, EndReason, OpenSession, Session};
use crate::store::{ClientInfo, SessionRow, Store};
use revocation_events::UserId;
use std::time::Duration;
use uuid::Uuid;

/// One of each kind of dead session, and two that live.
async fn dead_and_alive(db: &Db) -> (UserId, Vec<SessionRow>) {
    let user = add_user(&*db.store, "ann").await;
    let before = log_in(&*db.store, &user).await;
    let cut_off = end_sessions(&*db.store, user.id).await;
    let now = clock::now();
    let open = open_session(user.id, cut_off);
    let past = now.minus(Duration::from_secs(1));
    let alive = new_session(Session::Open(open.clone()));
    let dead = [
        Session::Open(OpenSession {
            expires_at: past,
            ..open.clone()
        }),
        Session::Open(OpenSession {
            ends_at: past,
            ..open.clone()
        }),
        Session::Open(OpenSession {
            since: pos(cut_off.get() - 1),
            ..open.clone()
        }),
        Session::Expired {
            was: open.clone(),
            at: now,
        },
        Session::Revoked {
            was: open.clone(),
            at: now,
            position: cut_off,
            reason: EndReason::Logout,
        },
    ]
    .map(new_session);
    let other = new_session(Session::Open(open_session(
        UserId::new(Uuid::new_v4()),
        cut_off,
    )));
    let newest = new_session(Session::Open(open));
    save(&*db.store, &dead).await;
    save(&*db.store, &[alive.clone(), other, newest.clone()]).await;
    assert!(before.session.details().since < cut_off);
    (user.id, vec![newest, alive])
}

async fn listed(store: &dyn Store, user: UserId) -> Vec<SessionRow> {
    let listed = store.alive_sessions(user, None, ALL).await.unwrap();
    listed.into_iter().map(|listed| listed.row).collect()
}

pub(super) async fn alive_sessions_are_listed(db: &Db) {
    let (user, alive) = dead_and_alive(db).await;
    assert_eq!(listed(&*db.store, user).await, alive);
    // The store and the domain agree on what is alive.
    let head = db.store.head().await.unwrap();
    for row in session_rows(&*db.store, None, ALL).await {
        let Some(found) = db.store.session(row.id).await.unwrap() else {
            continue;
        };
        let cut_offs = CutOffs {
            user: found.user.cut_off,
            everyone: head.everyone,
        };
        let lives = row.session.alive(cut_offs, head.now).is_some();
        assert_eq!(lives, alive.contains(&row), "{row:?}");
    }

    end_everyone(&*db.store).await;
    assert_eq!(listed(&*db.store, user).await, []);
}

/// The password was checked before the revocation, the row is inserted after it.
pub(super) async fn a_login_in_flight_does_not_survive_a_revocation(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let found = db.store.user_by_name("ann").await.unwrap().unwrap();
    end_sessions(&*db.store, user.id).await;
    let late = new_session(Session::Open(open_session(user.id, found.head.position)));
    save(&*db.store, std::slice::from_ref(&late)).await;
    assert_eq!(listed(&*db.store, user.id).await, []);
    assert_eq!(db.store.sessions_beyond(user.id, 0).await.unwrap(), []);
    let after = log_in(&*db.store, &user).await;
    assert_eq!(listed(&*db.store, user.id).await, [after]);
}

pub(super) async fn alive_sessions_come_in_pages(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let mut rows = Vec::new();
    for _ in 0..5 {
        rows.push(log_in(&*db.store, &user).await);
    }
    let mut tx = db.store.begin().await.unwrap();
    tx.save_client_info(rows[0].id, &browser(Some("a browser")))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    rows.reverse();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = db.store.alive_sessions(user.id, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.row.id);
        found.extend(page);
    }
    let clients: Vec<_> = found.iter().map(|listed| listed.client.clone()).collect();
    assert_eq!(clients[4], browser(Some("a browser")));
    assert!(
        clients[..4]
            .iter()
            .all(|client| *client == ClientInfo::default())
    );
    let found: Vec<_> = found.into_iter().map(|listed| listed.row).collect();
    assert_eq!(found, rows);
}

pub(super) async fn sessions_beyond_a_number_are_the_oldest(db: &Db) {
    let (user, alive) = dead_and_alive(db).await;
    assert_eq!(db.store.sessions_beyond(user, 2).await.unwrap(), []);
    assert_eq!(
        db.store.sessions_beyond(user, 1).await.unwrap(),
        [alive[1].id]
    );
    assert_eq!(
        db.store.sessions_beyond(user, 0).await.unwrap(),
        [alive[1].id, alive[0].id]
    );
}
