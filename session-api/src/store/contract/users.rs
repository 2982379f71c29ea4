//! Rows of users.

use super::fixture::*;
use super::{BOUND, Db};
use crate::clock;
use crate::session::User;
use crate::store::{Error, FoundUser, Taken, UserRow};
use revocation_events::{Position, UserId};
use uuid::Uuid;

pub(super) async fn a_user_comes_back_as_it_went(db: &Db) {
    let row = add_user(&*db.store, "ann").await;
    let head = revoke(&*db.store, everyone(), MINUTE).await;
    let changed = UserRow {
        password_hash: "another".to_owned(),
        version: 7,
        user: User {
            roles: roles(&["admin", "a:b_c-d"]),
            disabled: true,
            cut_off: pos(4),
            token_cut_off: pos(5),
        },
        ..row.clone()
    };
    let before = clock::now();
    let by_name = db.store.user_by_name("ann").await.unwrap().unwrap();
    let by_id = db.store.user(row.id).await.unwrap().unwrap();
    let unknown = UserId::new(Uuid::new_v4());
    let of_many = db.store.users_by_id(&[unknown, row.id]).await.unwrap();
    assert_eq!(of_many.len(), 1);
    let mut tx = db.store.begin().await.unwrap();
    let locked = tx.lock_users(&[row.id, unknown, row.id]).await.unwrap();
    assert_eq!(locked.len(), 1);
    for FoundUser {
        row: found,
        head: at,
    } in [by_name, by_id].into_iter().chain(of_many).chain(locked)
    {
        assert_eq!(found, row);
        assert_eq!((at.position, at.everyone), (head, Position::ZERO));
        assert!(at.now >= before && at.now <= clock::now());
    }
    tx.save_user(&changed).await.unwrap();
    let nobody = UserRow {
        id: UserId::new(Uuid::new_v4()),
        name: "bob".to_owned(),
        ..row.clone()
    };
    let error = tx.save_user(&nobody).await.unwrap_err();
    assert!(matches!(error, Error::Database(_)), "{error:?}");
    tx.commit().await.unwrap();
    assert_eq!(db.store.user(row.id).await.unwrap().unwrap().row, changed);
    assert_eq!(db.store.user(nobody.id).await.unwrap(), None);
    assert_eq!(db.store.user_by_name("Ann").await.unwrap(), None);
}

pub(super) async fn a_name_is_taken_once(db: &Db) {
    let first = add_user(&*db.store, "ann").await;
    let mut tx = db.store.begin().await.unwrap();
    assert_eq!(tx.add_user(&new_user("ann")).await.unwrap(), Err(Taken));
    // The transaction is none the worse.
    assert_eq!(tx.add_user(&new_user("bob")).await.unwrap(), Ok(()));
    tx.commit().await.unwrap();
    assert_eq!(
        db.store.user_by_name("ann").await.unwrap().unwrap().row,
        first
    );
    assert!(db.store.user_by_name("bob").await.unwrap().is_some());
}

/// By code point, in both databases.
pub(super) async fn users_come_in_pages_by_name(db: &Db) {
    for name in ["b", "Ä", "a", "B", "é", "a-b", "ab"] {
        add_user(&*db.store, name).await;
    }
    let mut names = Vec::new();
    loop {
        let after = names.last().map(String::as_str);
        let page = db.store.users(after, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        names.extend(page.into_iter().map(|row| row.name));
    }
    assert_eq!(names, ["B", "a", "a-b", "ab", "b", "Ä", "é"]);
}

pub(super) async fn a_locked_user_is_waited_for(db: &Db) {
    let user = add_user(&*db.store, "ann").await;
    let mut tx = db.store.begin().await.unwrap();
    let mut row = tx.lock_users(&[user.id]).await.unwrap().pop().unwrap().row;
    let (other, id) = (db.connect().await, user.id);
    let mut waiting = tokio::spawn(async move {
        let mut tx = other.begin().await.unwrap();
        tx.lock_users(&[id]).await.unwrap().pop().unwrap().row
    });
    db.somebody_waits().await;
    assert!(futures::poll!(&mut waiting).is_pending());
    row.version = 2;
    row.user.disabled = true;
    tx.save_user(&row).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        tokio::time::timeout(BOUND, waiting).await.unwrap().unwrap(),
        row
    );
}

pub(super) async fn a_hash_is_replaced_where_it_is_still_the_same(db: &Db) {
    let (ann, bob) = (
        add_user(&*db.store, "ann").await,
        add_user(&*db.store, "bob").await,
    );
    let hash = async |id| db.store.user(id).await.unwrap().unwrap().row.password_hash;
    let replace = async |old: &str, new: &str| {
        db.store
            .replace_password_hash(ann.id, old, new)
            .await
            .unwrap();
    };
    replace("another", "of another").await;
    assert_eq!(hash(ann.id).await, ann.password_hash);
    replace(&ann.password_hash, "the same, hashed anew").await;
    assert_eq!(hash(ann.id).await, "the same, hashed anew");
    assert_eq!(hash(bob.id).await, bob.password_hash);
}
