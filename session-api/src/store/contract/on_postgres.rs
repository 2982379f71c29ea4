//! What there is of Postgres alone.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::store::{ClientRow, Error, IfMissing, Store, connect};
use revocation_events::Position;
use sqlx::postgres::{PgConnection, PgListener};
use sqlx::{Connection as _, Executor as _};
use std::sync::Arc;
use std::time::Duration;
use tests::Postgres;

async fn raw(db: &Db) -> PgConnection {
    PgConnection::connect(&db.url).await.unwrap()
}

/// Waiting for a session's lock makes its row new and leaves the head old: a `pos` may be too old
/// and never too new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_older_than_the_lock_that_was_waited_for() {
    let db = Db::postgres().await;
    let user = add_user(&*db.store, "ann").await;
    let session = log_in(&*db.store, &user).await;
    let before = revoke(&*db.store, everyone(), Duration::ZERO).await;
    let mut first = db.store.begin().await.unwrap();
    first.lock_sessions(&[session.id]).await.unwrap();
    let (next, _) = refreshed(&session);

    let (store, id) = (db.store.clone(), session.id);
    let waiting = tokio::spawn(async move {
        let mut tx = store.begin().await.unwrap();
        tx.lock_sessions(&[id]).await.unwrap().pop().unwrap()
    });
    db.somebody_waits().await;
    let position = end_sessions(&*db.store, user.id).await;
    first
        .save_sessions(std::slice::from_ref(&next))
        .await
        .unwrap();
    first.commit().await.unwrap();

    let found = waiting.await.unwrap();
    assert_eq!(found.row, next, "the row is the newest");
    assert_eq!(
        found.head.position, before,
        "the head is that of the snapshot"
    );
    assert_eq!(found.user.cut_off, Position::ZERO, "and the user is, too");
    assert!(found.head.position < position);
}

/// Between the clock's reading and the snapshot a revocation is committed: it is in the page, or
/// later than the page's time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_that_waits_does_not_vouch_for_the_time_it_waited() {
    let db = Db::postgres().await;
    let replica = replica(MINUTE);
    cut(&*db.store, replica, Position::ZERO).await;
    let mut holder = raw(&db).await;
    holder.execute("begin").await.unwrap();
    holder
        .execute("select 1 from replica for update")
        .await
        .unwrap();

    let store = db.store.clone();
    let waiting = tokio::spawn(async move { cut(&*store, replica, Position::ZERO).await });
    db.somebody_waits().await;
    let before_commit = clock::now();
    let position = revoke(&*db.store, everyone(), Duration::ZERO).await;
    // Milliseconds later.
    tests::eventually("the clock moves on", BOUND, async || {
        clock::now() > before_commit
    })
    .await;
    holder.execute("commit").await.unwrap();
    let cut = waiting.await.unwrap();
    let held = positions(&cut.revoked).contains(&position);
    assert!(
        held || cut.at <= before_commit,
        "it vouches for {:?} without {position}",
        cut.at
    );
    assert!(
        cut.at <= before_commit,
        "the clock was read before the wait"
    );
}

/// Between the snapshot and the end of the commit a revocation is committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_whose_commit_waits_does_not_vouch_for_the_time_it_waited() {
    let db = Db::postgres().await;
    // The first to write on a new log writes down which database it is in, at its head.
    revoke(&*db.store, everyone(), Duration::ZERO).await;
    db.execute(
        "create function wait() returns trigger language plpgsql as \
             'begin perform pg_advisory_xact_lock(1); return null; end'; \
         create constraint trigger wait after insert on replica \
             deferrable initially deferred for each row execute function wait()",
    )
    .await
    .unwrap();
    let mut holder = raw(&db).await;
    holder.execute("select pg_advisory_lock(1)").await.unwrap();

    let store = db.store.clone();
    let waiting = tokio::spawn(async move { cut(&*store, replica(MINUTE), Position::ZERO).await });
    db.somebody_waits().await;
    let position = revoke(&*db.store, everyone(), Duration::ZERO).await;
    let committed = clock::now();
    tests::eventually("the clock moves on", BOUND, async || {
        clock::now() > committed
    })
    .await;
    holder
        .execute("select pg_advisory_unlock(1)")
        .await
        .unwrap();
    let cut = waiting.await.unwrap();
    assert!(cut.to < position, "its snapshot was before");
    assert!(
        cut.at <= committed,
        "it vouches for {:?} without {position}",
        cut.at
    );
}

/// sqlx 0.9.0 gives a connection whose `BEGIN` was cut off back to the pool with the transaction
/// open: what is done next on it is acknowledged and never seen by others.
#[tokio::test]
async fn a_begin_that_is_cut_off_leaves_no_transaction_open() {
    let db = Db::postgres().await;
    let mut witness = raw(&db).await;
    for round in 0..200_u32 {
        // Dropped after a few polls: somewhere between waiting for a connection and having begun.
        let mut begin = Box::pin(db.store.begin());
        for _ in 0..=round % 4 {
            if futures::poll!(&mut begin).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        let name = format!("client {round}");
        let client = ClientRow {
            name: name.clone(),
            secret_hash: [0; 32],
            created_at: clock::now(),
        };
        db.store.add_client(&client).await.unwrap().unwrap();
        let seen: i64 = sqlx::query_scalar("select count(*) from client where name = $1")
            .bind(&name)
            .fetch_one(&mut witness)
            .await
            .unwrap();
        assert_eq!(seen, 1, "round {round}: acknowledged and not there");
    }
}

#[tokio::test]
async fn a_commit_notifies_and_a_rollback_does_not() {
    let db = Db::postgres().await;
    let mut listener = PgListener::connect(&db.url).await.unwrap();
    listener.listen("portcullis_head").await.unwrap();
    let mut tx = db.store.begin().await.unwrap();
    revoke_in(&mut *tx, &everyone(), clock::now()).await;
    drop(tx);
    let position = revoke(&*db.store, everyone(), Duration::ZERO).await;
    let told = tokio::time::timeout(BOUND, listener.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told.payload(), position.to_string());
}

/// Connections that listen are cut, and listen again.
#[tokio::test]
async fn listening_begins_again_when_the_connection_is_lost() {
    const LISTENS: &str = "select coalesce(max(pid), 0)::bigint from pg_stat_activity \
                           where datname = current_database() and query ilike 'listen%'";
    const TELL: &str = "select pg_notify('portcullis_head', '9000000000000000')";
    let db = Db::postgres().await;
    let mut first = 0;
    tests::eventually("it listens", BOUND, async || {
        first = db.number(LISTENS).await;
        first != 0
    })
    .await;
    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where datname = current_database() and query ilike 'listen%'",
    )
    .await
    .unwrap();
    tests::eventually("it listens on another connection", BOUND, async || {
        let now = db.number(LISTENS).await;
        now != 0 && now != first
    })
    .await;
    // Of a head that is not there, so that the poll cannot have found it.
    let told = Position::new(9_000_000_000_000_000).unwrap();
    let wakeups = db.store.wakeups();
    tests::eventually("it hears what it is told", BOUND, async || {
        db.execute(TELL).await.unwrap();
        *wakeups.borrow() == told
    })
    .await;
}

#[tokio::test]
async fn the_log_cannot_be_truncated() {
    let db = Db::postgres().await;
    revoke(&*db.store, everyone(), Duration::ZERO).await;
    for change in ["truncate event", "truncate revocation"] {
        assert!(db.execute(change).await.is_err(), "{change}");
    }
    assert_eq!(db.store.events(None, ALL).await.unwrap().len(), 1);
}

/// The service needs no superuser: a schema of its own is enough.
#[tokio::test]
async fn a_role_without_privileges_is_enough() {
    let database = Postgres::fresh_database().await;
    let name = format!("role_{}", uuid::Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(database.url()).await.unwrap();
    for statement in [
        format!("create role {name} login"),
        format!("create schema authorization {name}"),
    ] {
        admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    let url = database.url().replace("postgres@", &format!("{name}@"));
    let store = connect(&url, IfMissing::Fail).await.unwrap();
    assert_eq!(store.migrate().await.unwrap(), [1, 2, 3, 4]);
    store.check_schema().await.unwrap();
    let position = revoke(&*store, everyone(), HOUR).await;
    assert_eq!(
        cut(&*store, replica(MINUTE), Position::ZERO).await.floor,
        position
    );
    store.prune().await.unwrap();
}

/// The grant that the migration names was revoked: found out at the start.
#[tokio::test]
async fn a_role_that_may_not_ask_which_database_it_is_is_refused_at_the_start() {
    let cluster = Postgres::start_with(&["fsync=off"]).await;
    let database = cluster.database().await;
    let store = connect(database.url(), IfMissing::Fail).await.unwrap();
    store.migrate().await.unwrap();
    let mut admin = PgConnection::connect(database.url()).await.unwrap();
    for statement in [
        "revoke execute on function pg_control_system() from public",
        "create role plain login",
        "grant all on all tables in schema public to plain",
    ] {
        admin.execute(statement).await.unwrap();
    }
    let plain = connect(
        &database.url().replace("postgres@", "plain@"),
        IfMissing::Fail,
    )
    .await
    .unwrap();
    let error = plain.check_schema().await.unwrap_err();
    let Error::Database(source) = error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("pg_control_system"), "{source}");
    admin
        .execute("grant execute on function pg_control_system() to plain")
        .await
        .unwrap();
    plain.check_schema().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_is_told_from_one_that_refuses() {
    let mut cluster = Postgres::start_with(&["fsync=off"]).await;
    let database = cluster.database().await;
    let store = connect(database.url(), IfMissing::Fail).await.unwrap();
    assert!(
        matches!(store.head().await, Err(Error::Database(_))),
        "there is no schema yet"
    );
    store.migrate().await.unwrap();
    store.head().await.unwrap();

    cluster.stop().await;
    assert!(matches!(store.head().await, Err(Error::Unavailable(_))));
    let refused = connect(database.url(), IfMissing::Fail).await.map(drop);
    assert!(
        matches!(refused, Err(Error::Unavailable(sqlx::Error::Io(_)))),
        "{refused:?}"
    );
    cluster.restart().await;
    tests::eventually("it is back", BOUND, async || store.head().await.is_ok()).await;
}

/// A replica that stops in the middle of a transaction, as a stopped process does, holds the head
/// for seconds and not for good.
#[tokio::test]
async fn an_idle_transaction_does_not_hold_the_head_for_long() {
    let db = Db::postgres().await;
    let mut idle = db.store.begin().await.unwrap();
    idle.take_position(Position::ZERO).await.unwrap();
    tests::eventually("somebody else takes a position", BOUND, async || {
        let mut tx = db.store.begin().await.unwrap();
        tx.take_position(Position::ZERO).await.is_ok()
    })
    .await;
    let error = idle.commit().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

/// A statement that waits too long ends, and says that the database is away.
#[tokio::test]
async fn a_wait_for_a_lock_has_an_end() {
    let db = Db::postgres().await;
    let mut holder = raw(&db).await;
    holder.execute("begin").await.unwrap();
    holder
        .execute("select 1 from log_head for update")
        .await
        .unwrap();
    let mut tx = db.store.begin().await.unwrap();
    let error = tokio::time::timeout(BOUND, tx.take_position(Position::ZERO))
        .await
        .unwrap();
    assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
}

/// The defaults of a database or a role do not change what a statement sees.
#[tokio::test]
async fn the_isolation_is_ours() {
    let db = Db::postgres().await;
    set_default(&db, "default_transaction_isolation", "serializable").await;
    let store: Arc<dyn Store> = db.connect().await;
    let mut tx = store.begin().await.unwrap();
    let before = tx.head().await.unwrap().position;
    let after = revoke(&*db.store, everyone(), Duration::ZERO).await;
    assert!(after > before);
    assert_eq!(
        tx.head().await.unwrap().position,
        after,
        "a statement has a snapshot of its own"
    );
}

/// Else what was acknowledged in the last half second would be gone after a crash of Postgres.
#[tokio::test]
async fn a_commit_waits_for_the_disk_whatever_the_default() {
    let db = Db::postgres().await;
    set_default(&db, "synchronous_commit", "off").await;
    assert_eq!(as_a_writer_has_it(&db, "synchronous_commit").await, "on");
}

/// Compiled, a cut among a million revocations takes 660 ms, twice a second.
#[tokio::test]
async fn no_statement_is_compiled_whatever_the_default() {
    let db = Db::postgres().await;
    set_default(&db, "jit", "on").await;
    assert_eq!(as_a_writer_has_it(&db, "jit").await, "off");
}

/// What a setting is where an event is written.
async fn as_a_writer_has_it(db: &Db, setting: &str) -> String {
    let mut admin = raw(db).await;
    let function = format!(
        "create function note_setting() returns trigger language plpgsql as \
         'begin insert into seen values (current_setting(''{setting}'')); return new; end'"
    );
    for statement in [
        "create table seen (setting text)",
        &function,
        "create trigger note_setting before insert on event \
         for each row execute function note_setting()",
    ] {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        admin.execute(statement).await.unwrap();
    }
    revoke(&*db.connect().await, everyone(), Duration::ZERO).await;
    let seen = sqlx::query_scalar("select setting from seen");
    let mut seen: Vec<String> = seen.fetch_all(&mut admin).await.unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

/// For connections that are made from now on.
async fn set_default(db: &Db, setting: &str, value: &str) {
    let name = db.url.rsplit('/').next().unwrap();
    let name = name.split('?').next().unwrap();
    let statement = format!("alter database {name} set {setting} = '{value}'");
    let statement = sqlx::AssertSqlSafe(statement);
    raw(db).await.execute(statement).await.unwrap();
}
