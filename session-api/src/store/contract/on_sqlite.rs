//! What there is of SQLite alone.

use super::Db;
use super::fixture::*;
use crate::clock;
use crate::store::{Error, IfMissing, SchemaError, connect};
use revocation_events::Position;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[tokio::test]
async fn a_file_that_is_missing_is_made_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.db");
    let url = format!("sqlite:{}", path.display());
    let refused = connect(&url, IfMissing::Fail).await.map(drop);
    assert!(
        matches!(refused, Err(Error::Schema(SchemaError::Missing))),
        "{refused:?}"
    );
    assert!(!path.exists());
    let store = connect(&url, IfMissing::Create).await.unwrap();
    let refused = store.check_schema().await;
    assert!(
        matches!(refused, Err(Error::Schema(SchemaError::Missing))),
        "{refused:?}"
    );
    assert_eq!(store.migrate().await.unwrap(), [1, 2, 3, 4]);
    store.check_schema().await.unwrap();
}

/// It holds password hashes and keys.
#[tokio::test]
async fn nobody_else_may_read_the_file() {
    let db = Db::sqlite().await;
    revoke(&*db.store, everyone(), Duration::ZERO).await;
    let path = db.url.strip_prefix("sqlite:").unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{path}{suffix}"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn an_address_of_no_known_kind_is_refused() {
    for url in [
        "",
        "sqlite::memory:",
        "mysql://localhost/db",
        "portcullis.db",
        "postgres://h:port/db",
        "sqlite:x?mode=no",
    ] {
        let refused = connect(url, IfMissing::Fail).await.map(drop);
        assert!(matches!(refused, Err(Error::Url(_))), "{url}: {refused:?}");
    }
}

/// `insert or replace` deletes without the trigger on deletes.
#[tokio::test]
async fn the_log_cannot_be_replaced() {
    let db = Db::sqlite().await;
    revoke(&*db.store, everyone(), Duration::ZERO).await;
    let before = db.store.events(None, ALL).await.unwrap();
    for change in [
        "insert or replace into event select stream, version, kind, format, 0, data from event",
        "insert or replace into revocation select position, 0, kind, subject from revocation",
    ] {
        assert!(db.execute(change).await.is_err(), "{change}");
    }
    assert_eq!(db.store.events(None, ALL).await.unwrap(), before);
}

/// The transaction's clock is read when it has the lock: it vouches for what it sees, and is not old.
#[tokio::test]
async fn the_clock_is_read_when_the_lock_is_had() {
    let db = Db::sqlite().await;
    let mut first = db.store.begin().await.unwrap();
    let other = db.connect().await;
    let waiting = tokio::spawn(async move { cut(&*other, replica(MINUTE), Position::ZERO).await });
    let position = revoke_in(&mut *first, &everyone(), clock::now()).await;
    let before = clock::now();
    tests::eventually("the clock moves on", super::BOUND, async || {
        clock::now() > before
    })
    .await;
    first.commit().await.unwrap();
    let cut = waiting.await.unwrap();
    // It may have come first.
    assert!(cut.to == position && cut.at > before || cut.to == Position::ZERO);
}

/// Raising the head is the restore command's alone.
#[tokio::test]
async fn what_others_have_seen_does_not_move_the_head() {
    let db = Db::sqlite().await;
    let far = pos(1 << 52);
    let mut tx = db.store.begin().await.unwrap();
    assert!(matches!(tx.take_position(far).await, Err(Error::Behind)));
    drop(tx);
    let cut = db.store.cut(replica(MINUTE), far, far, ALL).await;
    assert!(matches!(cut, Err(Error::Behind)));
    assert_eq!(db.store.head().await.unwrap().position, Position::ZERO);
}
