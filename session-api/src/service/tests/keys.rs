//! The life of keys.

use super::{PASSWORD, Place, add_user, login, refresh, service, takes};
use crate::keys::Sealer;
use crate::password::Hasher;
use crate::service::access::Purpose;
use crate::service::key_admin::open_keys;
use crate::service::{Error, Granted, Service};
use crate::session::Delivery;
use crate::store::{KeyPurpose, KeyRow, KeyState};
use revocation_events::{KeyId, UnixMillis};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_make_one_set_of_keys() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = place.store().await;
        let starting = (0..4).map(|_| async { service(place.store().await, Hasher::new(1)).await });
        futures::future::join_all(starting).await;
        assert_eq!(store.keys().await.unwrap().len(), 6);
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

/// One who has read the keys before they changed, and is slow to put them to use.
#[tokio::test]
async fn an_older_reading_of_the_keys_takes_no_newer_ones_place() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    let elsewhere = super::service(place.store().await, Hasher::new(1)).await;
    let reading = service.keys().reading().await;
    let old = service.store().keys().await.unwrap();
    elsewhere.rotate_keys(KeyPurpose::Access).await.unwrap();
    let mut again = std::pin::pin!(service.inner.reload_keys());
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(1), &mut again);
    assert!(in_time.await.is_err(), "it waits for its turn");
    reading.put_to_use(&old).unwrap();
    again.await.unwrap();
    let signs = |service: &Service| service.keys().ring().access.kid.clone();
    assert_eq!(signs(&service), signs(&elsewhere));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_refuses_no_good_token() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    add_user(&service, "alice").await;
    let before = service.log_in(login("alice", PASSWORD)).await.unwrap();
    let standby = service.published_keys().await.unwrap();
    service.rotate_keys(KeyPurpose::Access).await.unwrap();
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

/// The key of a purpose that is in use.
async fn in_use(service: &Service, purpose: KeyPurpose) -> KeyId {
    let rows = service.store().keys().await.unwrap();
    let in_use = |row: &&KeyRow| row.purpose == purpose && row.state == KeyState::Active;
    let mut in_use = rows.iter().filter(in_use);
    let row = in_use.next().unwrap();
    assert!(in_use.next().is_none(), "one at a time");
    row.kid.clone()
}

async fn knows_session_of(service: &Service, granted: &Granted) -> bool {
    let token = match service.read_session_token(&granted.session_token.token) {
        Ok(token) => token,
        Err(Error::Forged) => return false,
        Err(error) => panic!("{error}"),
    };
    let caller = service.caller_by_session_token(token, Purpose::Any).await;
    caller.unwrap().session_id == granted.session_id
}

fn in_browser(name: &str) -> crate::service::login::Login {
    crate::service::login::Login {
        delivery: Delivery::Cookie,
        ..login(name, PASSWORD)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_keys_of_before_made_counts_after_a_rotation() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    add_user(&service, "alice").await;
    let before = service.log_in(in_browser("alice")).await.unwrap();
    let old_value = before.csrf_token.clone().unwrap();
    let device = before.device_token.clone().unwrap();
    for purpose in [KeyPurpose::Session, KeyPurpose::Csrf] {
        let (old, other) = (
            in_use(&service, purpose).await,
            in_use(&service, KeyPurpose::Access).await,
        );
        let rows = service.store().keys().await.unwrap();
        let standby = rows
            .iter()
            .find(|row| row.purpose == purpose && row.state == KeyState::Standby);
        service.rotate_keys(purpose).await.unwrap();
        assert_eq!(in_use(&service, purpose).await, standby.unwrap().kid);
        assert_ne!(in_use(&service, purpose).await, old);
        assert_eq!(
            in_use(&service, KeyPurpose::Access).await,
            other,
            "left alone"
        );
    }
    assert!(knows_session_of(&service, &before).await);
    assert!(service.device("alice", &device).is_some());
    let values = service.csrf_values(before.session_id);
    assert!(values.contains(&old_value));

    // What a page is told goes with the access token that it has.
    let token = service.read_session_token(&before.session_token.token);
    let caller = service
        .caller_by_session_token(token.unwrap(), Purpose::Any)
        .await
        .unwrap();
    let claim = |granted: &Granted| {
        let token = service.read_access_token(&granted.access.token).unwrap();
        token.csrf().copied()
    };
    assert_eq!(
        service.csrf_token(&caller, claim(&before)),
        Some(old_value.clone())
    );
    let after = refresh(&service, &before).await.unwrap();
    assert_ne!(after.csrf_token, Some(old_value));
    assert_eq!(service.csrf_token(&caller, claim(&after)), after.csrf_token);
    assert!(knows_session_of(&service, &after).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_key_takes_its_session_tokens_along_and_nothing_else() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    add_user(&service, "alice").await;
    let before = service.log_in(in_browser("alice")).await.unwrap();
    let head = service.store().head().await.unwrap().position;
    let kid = in_use(&service, KeyPurpose::Session).await;
    assert!(service.revoke_key(kid.clone()).await.unwrap().is_none());
    assert!(!knows_session_of(&service, &before).await);
    assert!(matches!(
        refresh(&service, &before).await,
        Err(Error::Forged)
    ));
    assert!(takes(&service, &before).await, "its access token lives on");
    let now = service.store().head().await.unwrap().position;
    assert_eq!(now, head, "verifiers need not know");
    let again = service.revoke_key(kid).await;
    assert!(matches!(again, Err(Error::Conflict)));

    let after = service.log_in(in_browser("alice")).await.unwrap();
    assert!(knows_session_of(&service, &after).await);
    assert_eq!(after.csrf_token.map(|value| value.len()), Some(43));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_csrf_key_takes_values_and_devices_along() {
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    add_user(&service, "alice").await;
    let before = service.log_in(in_browser("alice")).await.unwrap();
    let kid = in_use(&service, KeyPurpose::Csrf).await;
    assert!(service.revoke_key(kid).await.unwrap().is_none());
    let value = before.csrf_token.clone().unwrap();
    assert!(!service.csrf_values(before.session_id).contains(&value));
    assert!(
        service
            .device("alice", &before.device_token.clone().unwrap())
            .is_none()
    );
    assert!(knows_session_of(&service, &before).await, "an app goes on");
}

/// Each for as long as something that it made can be of use.
#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_is_forgotten_when_its_last_token_has_ended() {
    const DAY: u64 = 86_400_000;
    let place = Place::sqlite();
    let service = service(place.store().await, Hasher::new(1)).await;
    for (purpose, counts_for) in [
        (KeyPurpose::Access, 1),
        (KeyPurpose::Session, 30),
        (KeyPurpose::Csrf, 400),
    ] {
        service.rotate_keys(purpose).await.unwrap();
        let states_after = async |days: u64| {
            let mut tx = service.store().begin().await.unwrap();
            let now = tx.lock_head().await.unwrap().now;
            let retired =
                |row: &KeyRow| row.purpose == purpose && matches!(row.state, KeyState::Retired);
            for row in tx.keys().await.unwrap().into_iter().filter(retired) {
                let state_since = UnixMillis::new(now.get() - days * DAY);
                tx.save_key(&KeyRow { state_since, ..row }).await.unwrap();
            }
            tx.commit().await.unwrap();
            service.housekeeping_step().await.unwrap();
            let rows = service.store().keys().await.unwrap();
            rows.iter()
                .any(|row| row.purpose == purpose && row.state == KeyState::Forgotten)
        };
        assert!(!states_after(counts_for - 1).await, "{purpose:?}");
        assert!(states_after(counts_for + 1).await, "{purpose:?}");
    }
    let rows = service.store().keys().await.unwrap();
    let published = service.published_keys().await.unwrap();
    let published = serde_json::to_string(&published).unwrap();
    for row in rows.iter().filter(|row| row.purpose == KeyPurpose::Access) {
        let forgotten = row.state == KeyState::Forgotten;
        assert_ne!(
            published.contains(row.kid.as_str()),
            forgotten,
            "{}",
            row.kid
        );
    }
}

/// A database whose keys were made before there was a standby of every purpose.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_did_not_make_is_made_at_the_start() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let store = &*place.store().await;
        let keys = open_keys(store, Sealer::none()).await.unwrap();
        let in_use = keys.ring().session.kid.clone();
        let mut tx = store.begin().await.unwrap();
        for row in tx.keys().await.unwrap() {
            if row.purpose != KeyPurpose::Access && row.state == KeyState::Standby {
                let state = KeyState::Forgotten;
                tx.save_key(&KeyRow { state, ..row }).await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        let keys = open_keys(store, Sealer::none()).await.unwrap();
        assert_eq!(keys.ring().session.kid, in_use);
        let rows = store.keys().await.unwrap();
        let standing_by = rows.iter().filter(|row| row.state == KeyState::Standby);
        assert_eq!(standing_by.count(), 3);
    }
}
