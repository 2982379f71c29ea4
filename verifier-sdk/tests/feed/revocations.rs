//! All goes well.

use crate::issuer::{Issuer, key, kid};
use crate::{builder, eventually, refused, soon, start};
use revocation_events::Target;
use std::time::Duration;
use verifier_sdk::{Ended, Freshness, Reason};

#[tokio::test]
async fn a_good_token_is_accepted_and_described() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let minted = issuer.mint();
    let token = minted.token();
    for _ in 0..3 {
        let session = verifier.verify(&token).unwrap();
        assert_eq!(session.session_id(), minted.session);
        assert_eq!(session.user_id(), minted.user);
        assert_eq!(session.position(), minted.position);
        assert!(session.has_role("user") && !session.has_role("admin"));
    }
    let status = verifier.status();
    assert_eq!(
        (status.freshness, status.counts.accepted),
        (Freshness::Fresh, 3)
    );
    assert_eq!(status.head, Some(issuer.head()));
}

#[tokio::test]
async fn a_revoked_session_is_refused_and_others_are_not() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let [one, other] = [issuer.mint(), issuer.mint()];
    let tokens = [one.token(), other.token()];
    let session = verifier.verify(&tokens[0]).unwrap();
    assert!(verifier.verify(&tokens[1]).is_ok());
    issuer.revoke(Target::Session(one.session));
    let ended = soon("the session ends", verifier.on_ended(&session)).await;
    assert_eq!(ended, Ended::Revoked);
    assert_eq!(refused(&verifier, &tokens[0]), Some(Reason::Revoked));
    assert!(verifier.verify(&tokens[1]).is_ok());
    // What the client's refresh would give, had the session lived.
    let mut later = one;
    later.position = issuer.head();
    assert!(
        verifier.verify(&later.token()).is_ok(),
        "a later token is above the cut-off"
    );
}

#[tokio::test]
async fn a_revoked_user_and_everyone_are_refused() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let [one, other] = [issuer.mint(), issuer.mint()];
    let sessions = [&one, &other].map(|minted| verifier.verify(&minted.token()).unwrap());
    issuer.revoke(Target::User {
        id: one.user,
        refresh: false,
    });
    assert_eq!(
        soon("user", verifier.on_ended(&sessions[0])).await,
        Ended::Revoked
    );
    assert!(verifier.verify(&other.token()).is_ok());
    issuer.revoke(Target::Everyone);
    assert_eq!(
        soon("everyone", verifier.on_ended(&sessions[1])).await,
        Ended::Revoked
    );
    assert_eq!(refused(&verifier, &other.token()), Some(Reason::Revoked));
}

#[tokio::test]
async fn changed_roles_end_the_token_and_not_the_session() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let mut minted = issuer.mint();
    let session = verifier.verify(&minted.token()).unwrap();
    issuer.revoke(Target::User {
        id: minted.user,
        refresh: true,
    });
    assert_eq!(
        soon("roles", verifier.on_ended(&session)).await,
        Ended::RolesChanged
    );
    assert_eq!(
        refused(&verifier, &minted.token()),
        Some(Reason::RolesChanged)
    );
    minted.position = issuer.head();
    assert!(verifier.verify(&minted.token()).is_ok());
}

#[tokio::test]
async fn a_token_expires() {
    let issuer = Issuer::start().await;
    let verifier = start(&issuer).await;
    let mut minted = issuer.mint();
    // With the leeway of five seconds, three to four seconds are left.
    minted.expires_in = -1;
    let token = minted.token();
    let session = verifier.verify(&token).unwrap();
    assert_eq!(
        soon("it expires", verifier.on_ended(&session)).await,
        Ended::Expired
    );
    assert_eq!(refused(&verifier, &token), Some(Reason::Expired));
}

#[tokio::test]
async fn a_verifier_that_starts_later_knows_what_was_revoked_before() {
    let issuer = Issuer::start().await;
    let minted = issuer.mint();
    for _ in 0..2_500 {
        issuer.revoke(Target::Session(issuer.mint().session));
    }
    issuer.revoke(Target::Session(minted.session));
    let verifier = start(&issuer).await;
    assert_eq!(refused(&verifier, &minted.token()), Some(Reason::Revoked));
    assert_eq!(verifier.status().cutoffs, 2_501);
}

#[tokio::test]
async fn below_the_floor_nothing_is_accepted_or_remembered() {
    let issuer = Issuer::start().await;
    let old = issuer.mint();
    let revoked = issuer.mint();
    let verifier = start(&issuer).await;
    assert!(verifier.verify(&old.token()).is_ok());
    let floor = issuer.revoke(Target::Session(revoked.session));
    eventually("the cut-off is there", || verifier.status().cutoffs == 1).await;
    issuer.log().floor = floor;
    eventually("the floor is there", || verifier.status().floor == floor).await;
    assert_eq!(refused(&verifier, &old.token()), Some(Reason::BelowFloor));
    // Each bucket goes when another has taken its place.
    issuer.revoke(Target::Session(issuer.mint().session));
    eventually("old cut-offs are dropped", || {
        verifier.status().cutoffs == 1
    })
    .await;
    assert!(verifier.verify(&issuer.mint().token()).is_ok());
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_with_it() {
    let issuer = Issuer::start().await;
    issuer.log().keys.push(key(2));
    let verifier = builder(&issuer)
        .max_staleness(Duration::from_secs(5))
        .start()
        .await
        .unwrap();
    let old = issuer.mint();
    let session = verifier.verify(&old.token()).unwrap();
    {
        let mut log = issuer.log();
        log.signer = key(2);
        log.keys.remove(0);
    }
    let new = issuer.mint();
    issuer.revoke(Target::Key(kid(&key(1))));
    assert_eq!(
        soon("the key", verifier.on_ended(&session)).await,
        Ended::Revoked
    );
    eventually("it is fresh again", || {
        verifier.verify(&new.token()).is_ok()
    })
    .await;
    assert_eq!(refused(&verifier, &old.token()), Some(Reason::KeyRevoked));
    let other = verifier.verify(&new.token()).unwrap();
    issuer.revoke(Target::Session(new.session));
    assert_eq!(
        soon("it follows", verifier.on_ended(&other)).await,
        Ended::Revoked
    );
}
