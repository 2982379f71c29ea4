//! Rows that were damaged in every way, found and put right.

use super::{Difference, rebuild, verify};
use crate::password::Hasher;
use crate::service::tests::{PASSWORD, Place, add_user, login, refresh, service};
use crate::session::Session;
use crate::store::{SessionRow, Store};
use revocation_events::SessionId;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

/// Replaces a row by another for the same session, whatever their versions.
async fn damage(store: &dyn Store, row: &SessionRow) {
    let mut tx = store.begin().await.unwrap();
    tx.distrust_session(row.id).await.unwrap();
    assert_eq!(
        tx.save_sessions(std::slice::from_ref(row)).await.unwrap(),
        1
    );
    tx.commit().await.unwrap();
}

/// Does what no program of ours does.
async fn execute(place: &Place, statement: &'static str) {
    match place {
        Place::Postgres(database) => {
            let mut connection = PgConnection::connect(database.url()).await.unwrap();
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        Place::Sqlite(_) => {
            let mut connection = SqliteConnection::connect(&place.url()).await.unwrap();
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
}

async fn rows(store: &dyn Store) -> Vec<SessionRow> {
    let stored = store.session_rows(None, 100).await.unwrap();
    stored
        .into_iter()
        .map(|stored| stored.row.unwrap())
        .collect()
}

async fn differing(store: &dyn Store) -> Vec<(SessionId, &'static str)> {
    let report = verify(store, |_| {}).await.unwrap();
    let session = |difference| match difference {
        Difference::Session { id, what } => (id, what),
        other => panic!("{other}"),
    };
    report.differences.into_iter().map(session).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_named_and_put_right() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = &*place.store().await;
        let service = service(place.store().await, Hasher::new(2)).await;
        add_user(&service, "alice").await;
        for _ in 0..5 {
            let granted = service.log_in(login("alice", PASSWORD)).await.unwrap();
            refresh(&service, &granted).await.unwrap();
        }
        let good = rows(store).await;
        assert_eq!(differing(store).await, []);

        let [missing, altered, ahead, behind, _] = &good[..] else {
            panic!("five sessions")
        };
        let mut tx = store.begin().await.unwrap();
        tx.delete_session(missing.id).await.unwrap();
        tx.commit().await.unwrap();
        let mut row = altered.clone();
        let Session::Open(session) = &mut row.session else {
            panic!("it is open")
        };
        session.generation += 1;
        damage(store, &row).await;
        let version = ahead.version + 5;
        damage(
            store,
            &SessionRow {
                version,
                ..ahead.clone()
            },
        )
        .await;
        let version = behind.version - 1;
        damage(
            store,
            &SessionRow {
                version,
                ..behind.clone()
            },
        )
        .await;
        let alone = SessionId::new(Uuid::max());
        damage(
            store,
            &SessionRow {
                id: alone,
                ..missing.clone()
            },
        )
        .await;

        assert_eq!(
            differing(store).await,
            [
                (missing.id, "the row is missing"),
                (altered.id, "the row differs from its stream"),
                (ahead.id, "the row differs from its stream"),
                (behind.id, "the row is behind its stream"),
                (alone, "there is a row and no stream"),
            ]
        );
        let rebuilt = rebuild(store, |_| {}).await.unwrap();
        assert_eq!((rebuilt.rows, rebuilt.left), (5, vec![]));
        assert_eq!(rows(store).await, good);
        assert_eq!(rebuild(store, |_| {}).await.unwrap().rows, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_named_and_put_right() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = &*place.store().await;
        let service = service(place.store().await, Hasher::new(2)).await;
        add_user(&service, "alice").await;
        let granted = service.log_in(login("alice", PASSWORD)).await.unwrap();
        execute(&place, "update session set delivery = 'by hand'").await;
        let named = (granted.session_id, "the row cannot be read");
        assert_eq!(differing(store).await, [named]);
        assert_eq!(rebuild(store, |_| {}).await.unwrap().rows, 1);
        assert_eq!(differing(store).await, []);
    }
}

/// Verifiers that start are told these rows, and nothing of the events.
#[tokio::test(flavor = "multi_thread")]
async fn revocations_that_pages_would_lack_are_named() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = &*place.store().await;
        let service = service(place.store().await, Hasher::new(2)).await;
        let user = add_user(&service, "alice").await;
        let first = service.end_sessions(user, None).await.unwrap().position;
        let last = service.end_sessions(user, None).await.unwrap().position;
        let told = async || {
            let report = verify(store, |_| {}).await.unwrap();
            report
                .differences
                .into_iter()
                .map(|d| d.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(told().await, [""; 0]);
        execute(
            &place,
            "delete from revocation where position = (select max(position) from revocation)",
        )
        .await;
        assert_eq!(
            told().await,
            [format!("revocation {last}: the row is missing")]
        );
        execute(
            &place,
            "insert into revocation (position, at, kind, subject) values (7, 0, 'everyone', '')",
        )
        .await;
        assert_eq!(told().await.len(), 2);
        execute(&place, "update log_head set position = 8").await;
        assert!(
            told()
                .await
                .contains(&format!("head: it is 8, and {last} was given out")),
            "{first}"
        );
    }
}
