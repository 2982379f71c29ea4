//! The life of keys.

use super::{PASSWORD, Place, add_user, login, refresh, service, takes};
use crate::keys::Sealer;
use crate::password::Hasher;
use crate::service::key_admin::open_keys;
use crate::store::{KeyPurpose, KeyState};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_make_one_set_of_keys() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = place.store().await;
        let starting = (0..4).map(|_| async { service(place.store().await, Hasher::new(1)).await });
        futures::future::join_all(starting).await;
        assert_eq!(store.keys().await.unwrap().len(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_from_before_there_was_a_key_encryption_key_are_encrypted() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = &*place.store().await;
        let sealer = || Sealer::new(&"x".repeat(32).parse().unwrap());
        let clear = open_keys(store, Sealer::none()).await.unwrap();
        let encrypted = open_keys(store, sealer()).await.unwrap();
        assert_eq!(clear.ring().access.kid, encrypted.ring().access.kid);
        for row in store.keys().await.unwrap() {
            assert!(Sealer::none().open(&row.kid, &row.sealed).is_err());
        }
        // No more is written where all is well.
        let before = store.keys().await.unwrap();
        open_keys(store, sealer()).await.unwrap();
        assert!(store.keys().await.unwrap() == before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_refuses_no_good_token() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    add_user(&service, "alice").await;
    let before = service.log_in(login("alice", PASSWORD)).await.unwrap();
    let standby = service.published_keys().await.unwrap();
    service.rotate_keys().await.unwrap();
    assert!(takes(&service, &before).await);
    let after = refresh(&service, &before).await.unwrap();
    assert!(takes(&service, &after).await);
    let kid = super::token_of(&service, &after).kid().clone();
    let text = serde_json::to_string(&standby).unwrap();
    assert!(
        text.contains(kid.as_str()),
        "the new key was published before it was used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_takes_its_tokens_along_and_no_session() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    add_user(&service, "alice").await;
    let before = service.log_in(login("alice", PASSWORD)).await.unwrap();
    let kid = super::token_of(&service, &before).kid().clone();
    service.revoke_key(kid.clone()).await.unwrap();
    assert!(service.read_access_token(&before.access.token).is_err());
    assert!(takes(&service, &refresh(&service, &before).await.unwrap()).await);
    let rows = service.store().keys().await.unwrap();
    let count = |state| {
        rows.iter()
            .filter(|row| row.purpose == KeyPurpose::Access && row.state == state)
            .count()
    };
    assert_eq!(
        (
            count(KeyState::Active),
            count(KeyState::Standby),
            count(KeyState::Revoked)
        ),
        (1, 1, 1)
    );
}
