//! Rotation as its clients meet it.

use super::{PASSWORD, Place, add_user, login, refresh, service, takes};
use crate::keys::ring::Signer;
use crate::password::Hasher;
use crate::service::access::Purpose;
use crate::service::{Error, Granted, Service, Snapshot};
use crate::session::{Delivery, OpenSession, RetryKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use revocation_events::{Position, UnixMillis};
use serde_json::Value;
use verifier_sdk::Reason;

async fn logged_in(place: &Place) -> (Service, Granted) {
    let service = service(place.store().await, Hasher::new(2)).await;
    add_user(&service, "alice").await;
    let granted = service.log_in(login("alice", PASSWORD)).await.unwrap();
    (service, granted)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refreshes_at_once_have_one_successor() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let (service, first) = logged_in(&place).await;
        let at_once = futures::future::join_all((0..20).map(|_| refresh(&service, &first))).await;
        let generations: Vec<_> = at_once
            .into_iter()
            .map(|granted| granted.unwrap().session.generation)
            .collect();
        assert_eq!(generations, [2; 20]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_successor_was_used_ends_the_session() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let (service, first) = logged_in(&place).await;
        let second = refresh(&service, &first).await.unwrap();
        let third = refresh(&service, &second).await.unwrap();
        assert!(matches!(
            refresh(&service, &first).await,
            Err(Error::SessionEnded)
        ));
        assert!(!takes(&service, &third).await);
        assert!(matches!(
            refresh(&service, &third).await,
            Err(Error::SessionEnded)
        ));
        let history = service
            .history(first.session_id, None, None)
            .await
            .unwrap()
            .items;
        let kinds: Vec<_> = history.iter().map(|event| event.fact.kind()).collect();
        assert_eq!(
            kinds,
            [
                "session.opened",
                "session.refreshed",
                "session.refreshed",
                "session.revoked"
            ]
        );
        assert_eq!(history[3].fact.data()["reason"], "reuse");
    }
}

/// A replica stood still with the request, and its sender had the answer from another.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_comes_late_gets_nothing_and_ends_nothing() {
    for place in [Place::postgres().await, Place::sqlite()] {
        let (service, first) = logged_in(&place).await;
        let [one, two] = ["its own", "the next one"].map(|key| Some(RetryKey::of(key)));
        let refresh = async |granted: &Granted, key| {
            let token = service.read_session_token(&granted.session_token.token)?;
            service.refresh(token, Delivery::Body, key).await
        };
        let second = refresh(&first, one).await.unwrap();
        let third = refresh(&second, two).await.unwrap();
        let fourth = refresh(&third, None).await.unwrap();
        for (late, key) in [(&first, one), (&second, two)] {
            assert!(matches!(refresh(late, key).await, Err(Error::SessionEnded)));
        }
        assert!(takes(&service, &fourth).await, "nothing has ended");
        let fifth = refresh(&fourth, None).await.unwrap();

        // A key of another refresh proves nothing.
        let stolen = refresh(&second, one).await;
        assert!(matches!(stolen, Err(Error::SessionEnded)));
        assert!(!takes(&service, &fifth).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_token_goes_back_the_way_it_came() {
    let place = Place::sqlite();
    let (service, first) = logged_in(&place).await;
    let token = service
        .read_session_token(&first.session_token.token)
        .unwrap();
    let by_cookie = service.refresh(token, Delivery::Cookie, None).await;
    assert!(matches!(by_cookie, Err(Error::SessionEnded)));
    assert!(
        refresh(&service, &first).await.is_ok(),
        "the attempt did no harm"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_no_session_token_and_the_other_way_round() {
    let place = Place::sqlite();
    let (service, first) = logged_in(&place).await;
    let read = service.read_session_token(&first.access.token);
    assert!(matches!(read, Err(Error::Forged)));
    assert!(
        service
            .read_access_token(&first.session_token.token)
            .is_err()
    );
}

/// What most of those read who do not use the SDK.
#[tokio::test(flavor = "multi_thread")]
async fn the_usual_library_reads_an_access_token() {
    let place = Place::sqlite();
    let (service, first) = logged_in(&place).await;
    let header = jsonwebtoken::decode_header(&first.access.token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = service
        .keys()
        .ring()
        .access_key(&header.kid.unwrap().parse().unwrap());
    let key = DecodingKey::from_ed_der(key.unwrap().as_bytes());
    let issuer = &service.settings().issuer;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&[&issuer.issuer]);
    rules.set_audience(&[&issuer.audience]);
    let read = jsonwebtoken::decode::<Value>(&first.access.token, &key, &rules).unwrap();
    assert_eq!(read.claims["sid"], first.session_id.to_string());
    assert_eq!(read.claims["sub"], first.session.user.to_string());
}

/// What a token says, signed with this key and under its name.
fn signed_with(signer: &Signer, token: &str) -> String {
    let parts: Vec<_> = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
        .collect();
    let header: Value = serde_json::from_slice(&parts[0]).unwrap();
    signer.token(header["typ"].as_str().unwrap(), &parts[1])
}

/// Whoever steals one key makes tokens of one kind.
#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_token_has_keys_of_its_own() {
    let place = Place::sqlite();
    let (service, first) = logged_in(&place).await;
    let ring = service.keys().ring();
    let session = |signer| {
        let text = signed_with(signer, &first.session_token.token);
        service.read_session_token(&text).map(|token| token.session)
    };
    assert_eq!(session(&ring.session).unwrap(), first.session_id);
    assert!(matches!(session(&ring.access), Err(Error::Forged)));
    let access = |signer| {
        let text = signed_with(signer, &first.access.token);
        service.read_access_token(&text).err()
    };
    assert_eq!(access(&ring.access), None);
    assert_eq!(access(&ring.session), Some(Reason::UnknownKey));
}

/// A token of this service's making that says something else of the session.
fn minted(service: &Service, granted: &Granted, change: impl FnOnce(&mut OpenSession)) -> String {
    let mut session = granted.session.clone();
    change(&mut session);
    let snapshot = Snapshot {
        id: granted.session_id,
        session: &session,
        user_name: &granted.user_name,
        roles: &[],
        position: Position::ZERO,
        now: granted.now,
        until: None,
    };
    service.inner.grant(&snapshot).session_token.token
}

/// The session is alive: whose time is over may be an older token, and whose generation has not come is
/// one of which a log has lost the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_token_counts_neither_after_its_time_nor_before_its_generation() {
    let place = Place::sqlite();
    let (service, first) = logged_in(&place).await;
    let over = minted(&service, &first, |session| {
        session.expires_at = UnixMillis::new(first.now.get() - 6_000);
    });
    let to_come = minted(&service, &first, |session| session.generation += 1);
    for text in [&over, &to_come] {
        let token = service.read_session_token(text).unwrap();
        for purpose in [Purpose::Any, Purpose::End] {
            let caller = service.caller_by_session_token(token, purpose).await;
            assert!(matches!(caller, Err(Error::SessionEnded)), "{purpose:?}");
        }
        let refreshed = service.refresh(token, Delivery::Body, None).await;
        assert!(matches!(refreshed, Err(Error::SessionEnded)));
    }
    let named = service.session_still_named_by(&over).await;
    assert!(matches!(named, Err(Error::SessionEnded)));
    assert!(
        refresh(&service, &first).await.is_ok(),
        "the attempts did no harm"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_its_key_gets_the_same_successor() {
    let place = Place::sqlite();
    let (service, first) = logged_in(&place).await;
    let key = Some(RetryKey::of("0123456789abcdef"));
    let token = service
        .read_session_token(&first.session_token.token)
        .unwrap();
    let again = || service.refresh(token, Delivery::Body, key);
    let (one, two) = (again().await.unwrap(), again().await.unwrap());
    assert_eq!((one.session.generation, two.session.generation), (2, 2));
    assert_eq!(one.session, two.session);
}
