//! Keys that the service alone knows: of session tokens, and of CSRF values and devices.

use super::{World, keys_of};
use crate::revocation::{PASSWORD, SOON};
use reqwest::Method;
use tests::eventually;
use tests::user::User;

/// By `keys rotate --purpose`, while a second replica answers too.
#[tokio::test]
async fn nobody_notices_that_an_inner_key_was_exchanged() {
    let world = World::begins().await;
    let other = world.service.replica().await;
    let settings = world.service.settings();
    let mut alice = User::in_browser(&world.service, "alice", PASSWORD);
    alice.logs_in().await;
    for purpose in ["session", "csrf"] {
        let (before, next) = (
            keys_of(&world.service, purpose, "active").await,
            keys_of(&world.service, purpose, "standby").await,
        );
        let rotate = ["keys", "rotate", "--purpose", purpose];
        settings.must_run(&rotate, "").await;
        assert_eq!(keys_of(&world.service, purpose, "active").await, next);
        assert_eq!(keys_of(&world.service, purpose, "retired").await, before);
        // Whoever signs with the new key already, the other one knows it.
        let value = alice.csrf_value();
        let what = format!("{purpose}: what a refresh gives is new");
        let token = alice.session_token();
        eventually(&what, SOON, async || {
            for replica in [&world.service, &other] {
                alice.moves_to(replica);
                alice.refreshes().await;
                let changed = alice.sends(Method::PUT, "/password", None).await;
                assert_eq!(
                    changed.problem(),
                    Some("bad-request"),
                    "past the check: {changed:?}"
                );
            }
            match purpose {
                "csrf" => alice.csrf_value() != value,
                _ => super::kid_of(&alice.session_token()) != super::kid_of(&token),
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_revoked_session_key_is_refused_by_every_replica_within_seconds() {
    let world = World::begins().await;
    let other = world.service.replica().await;
    let mut alice = User::in_browser(&world.service, "alice", PASSWORD);
    alice.logs_in().await;
    let kid = super::kid_of(&alice.session_token());
    let revoke = ["keys", "revoke", &kid];
    world.service.settings().must_run(&revoke, "").await;
    for replica in [&world.service, &other] {
        let mut thief = alice.clone();
        thief.moves_to(replica);
        let what = "the session token is refused";
        eventually(what, SOON, async || {
            let answer = thief.sends(Method::GET, "/session", None).await;
            answer.problem() == Some("session-ended")
        })
        .await;
        let access = thief.sends(Method::GET, "/sessions", None).await;
        assert_eq!(access.status, 200, "its access token lives on");
    }
    alice.logs_in().await;
    alice.refreshes().await;
}
