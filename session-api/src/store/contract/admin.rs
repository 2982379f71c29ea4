//! Keys, clients, reports of verifiers, the schema.

use super::Db;
use super::fixture::*;
use crate::clock;
use crate::store::{ClientRow, Error, KeyPurpose, KeyRow, KeyState, SchemaError, StatusRow, Taken};
use serde_json::json;
use std::time::{Duration, Instant};

fn key(name: &str, purpose: KeyPurpose, state: KeyState) -> KeyRow {
    KeyRow {
        kid: kid(name),
        purpose,
        public: vec![1, 2, 3],
        sealed: vec![0, 255],
        state,
        created_at: clock::now(),
        state_since: clock::now(),
    }
}

pub(super) async fn keys_come_back_as_they_went(db: &Db) {
    use {KeyPurpose as P, KeyState as S};
    let keys = [
        key("a", P::Access, S::Standby),
        key("b", P::Session, S::Active),
        key("c", P::Csrf, S::Retired),
        key("d", P::Access, S::Forgotten),
        key("e", P::Access, S::Revoked),
    ];
    let mut tx = db.store.begin().await.unwrap();
    for key in &keys {
        tx.save_key(key).await.unwrap();
    }
    assert!(tx.keys().await.unwrap() == keys);
    let active = KeyRow {
        state: S::Active,
        sealed: vec![7],
        ..keys[0].clone()
    };
    tx.save_key(&active).await.unwrap();
    tx.commit().await.unwrap();
    let found = db.store.keys().await.unwrap();
    assert!(found[0] == active && found[1..] == keys[1..]);
}

pub(super) async fn a_client_has_a_name_and_a_secret(db: &Db) {
    let row = |name: &str, byte| ClientRow {
        name: name.to_owned(),
        secret_hash: [byte; 32],
        created_at: clock::now(),
    };
    let (orders, billing) = (row("orders", 1), row("billing", 2));
    let store = &db.store;
    assert_eq!(store.add_client(&orders).await.unwrap(), Ok(()));
    assert_eq!(store.add_client(&billing).await.unwrap(), Ok(()));
    assert_eq!(
        store.add_client(&row("orders", 3)).await.unwrap(),
        Err(Taken)
    );
    assert!(store.client("orders").await.unwrap() == Some(orders.clone()));
    assert!(store.clients().await.unwrap() == [billing, orders.clone()]);

    assert!(store.set_client_secret("orders", [9; 32]).await.unwrap());
    assert!(
        store.client("orders").await.unwrap()
            == Some(ClientRow {
                secret_hash: [9; 32],
                ..orders
            })
    );
    assert!(store.remove_client("orders").await.unwrap());
    assert!(store.client("orders").await.unwrap().is_none());
    assert!(!store.remove_client("orders").await.unwrap());
    assert!(!store.set_client_secret("orders", [9; 32]).await.unwrap());
}

pub(super) async fn a_report_replaces_the_one_before(db: &Db) {
    let store = &db.store;
    let began = Instant::now();
    for (client, instance, head, has_room) in [
        ("orders", "one", 1, true),
        ("orders", "two", 2, true),
        // Beyond what one client may have, and known already.
        ("orders", "three", 9, false),
        ("orders", "one", 3, true),
    ] {
        let report = json!({"head": head, "ok": true});
        let taken = store
            .put_status(client, instance, &report, 2)
            .await
            .unwrap();
        assert_eq!(taken, has_room, "{instance}");
    }
    let found = store.statuses(MINUTE).await.unwrap();
    let brief = |row: &StatusRow| {
        (
            row.client.clone(),
            row.instance.clone(),
            row.report["head"].as_i64(),
        )
    };
    let expected = [("orders", "one", 3), ("orders", "two", 2)];
    let expected = expected.map(|(c, i, head)| (c.to_owned(), i.to_owned(), Some(head)));
    assert_eq!(found.iter().map(brief).collect::<Vec<_>>(), expected);
    // The database counts in whole milliseconds.
    let longest = began.elapsed() + Duration::from_millis(1);
    assert!(found.iter().all(|row| row.age <= longest));

    db.execute("update verifier_status set seen_at = seen_at - 61000 where instance = 'two'")
        .await
        .unwrap();
    assert_eq!(store.statuses(MINUTE).await.unwrap().len(), 1);
    let found = store.statuses(HOUR).await.unwrap();
    let ages: Vec<_> = found.iter().map(|row| row.age.as_secs() / 61).collect();
    assert_eq!(ages, [0, 1]);
}

pub(super) async fn a_schema_is_made_once(db: &Db) {
    db.store.check_schema().await.unwrap();
    assert_eq!(db.store.migrate().await.unwrap(), Vec::<i64>::new());
    let versions = db.number("select count(*) from _sqlx_migrations").await;
    assert!(versions >= 1);
}

pub(super) async fn another_schema_is_refused(db: &Db) {
    let newest = db.number("select max(version) from _sqlx_migrations").await;
    let refusal = async || match db.store.check_schema().await {
        Err(Error::Schema(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    };
    db.execute(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         select version + 1, 'of the future', success, checksum, execution_time \
         from _sqlx_migrations order by version desc limit 1",
    )
    .await
    .unwrap();
    let too_new = SchemaError::TooNew {
        found: newest + 1,
        wanted: newest,
    };
    assert_eq!(refusal().await, too_new);
    assert!(matches!(db.store.migrate().await, Err(Error::Schema(error)) if error == too_new));

    db.execute("delete from _sqlx_migrations where description = 'of the future'")
        .await
        .unwrap();
    db.execute("update _sqlx_migrations set checksum = substr(checksum, 1, 1)")
        .await
        .unwrap();
    assert_eq!(refusal().await, SchemaError::Altered { version: 1 });
    assert!(matches!(
        db.store.migrate().await,
        Err(Error::Schema(SchemaError::Altered { version: 1 }))
    ));

    db.execute("delete from _sqlx_migrations").await.unwrap();
    assert_eq!(refusal().await, SchemaError::Missing);
    db.execute("drop table _sqlx_migrations").await.unwrap();
    assert_eq!(refusal().await, SchemaError::Missing);
}
