//! Each way to end a token, seen from a verifier.

use super::{PASSWORD, World, all_accept, all_refuse};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn all_sessions_of_a_user_and_of_nobody_else() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let (mut phone, mut laptop, mut admin) = (world.alice(), world.alice(), world.admin());
    for user in [&mut phone, &mut laptop, &mut admin] {
        user.logs_in().await;
    }
    phone
        .sends(Method::DELETE, "/sessions", None)
        .await
        .must_be(200);
    for user in [&phone, &laptop] {
        all_refuse(&gates, &user.access_token()).await;
    }
    all_accept(&gates, &admin.access_token()).await;
    laptop.tries_to_refresh().await.must_be(401);
    // A new login is after the cut-off.
    phone.logs_in().await;
    all_accept(&gates, &phone.access_token()).await;
}

#[tokio::test]
async fn all_sessions_but_this_one() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let (mut phone, mut laptop) = (world.alice(), world.alice());
    phone.logs_in().await;
    laptop.logs_in().await;
    let old = phone.access_token();
    phone
        .sends(Method::DELETE, "/sessions?keep=current", None)
        .await
        .must_be(200);
    assert_ne!(
        phone.access_token(),
        old,
        "the answer carries a fresh token"
    );
    for token in [&old, &laptop.access_token()] {
        all_refuse(&gates, token).await;
    }
    all_accept(&gates, &phone.access_token()).await;
    phone.refreshes().await;
    all_accept(&gates, &phone.access_token()).await;
}

#[tokio::test]
async fn everyone() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let (mut alice, mut admin) = (world.alice(), world.admin());
    alice.logs_in().await;
    admin.logs_in().await;
    admin
        .sends(Method::DELETE, "/admin/sessions", None)
        .await
        .must_be(200);
    for user in [&alice, &admin] {
        all_refuse(&gates, &user.access_token()).await;
    }
    alice.tries_to_refresh().await.must_be(401);
    alice.logs_in().await;
    all_accept(&gates, &alice.access_token()).await;
}

#[tokio::test]
async fn changed_roles_are_refused_until_a_refresh_brings_the_new_ones() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let (mut alice, mut admin) = (world.alice(), world.admin());
    let id = alice.logs_in().await.body["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    admin.logs_in().await;
    let old = alice.access_token();
    let path = format!("/admin/users/{id}/roles");
    admin
        .sends(Method::PUT, &path, Some(json!({ "roles": ["editor"] })))
        .await
        .must_be(200);
    all_refuse(&gates, &old).await;
    let answer = alice.refreshes().await;
    assert_eq!(answer.body["user"]["roles"], json!(["editor"]));
    let url = gates[0].url("/verify");
    let verified = reqwest::Client::new()
        .get(url)
        .bearer_auth(alice.access_token())
        .send()
        .await
        .unwrap();
    assert_eq!(
        (verified.status().as_u16(), &verified.headers()["x-roles"]),
        (200, &"editor".parse().unwrap())
    );
}

#[tokio::test]
async fn a_disabled_user_is_out_and_an_enabled_one_logs_in_again() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let (mut alice, mut admin) = (world.alice(), world.admin());
    let id = alice.logs_in().await.body["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    admin.logs_in().await;
    admin
        .sends(Method::POST, &format!("/admin/users/{id}/disable"), None)
        .await
        .must_be(200);
    all_refuse(&gates, &alice.access_token()).await;
    let refused = alice.tries_to_log_in().await.must_be(401);
    assert_eq!(refused.problem(), Some("bad-credentials"));
    admin
        .sends(Method::POST, &format!("/admin/users/{id}/enable"), None)
        .await
        .must_be(200);
    alice.tries_to_refresh().await.must_be(401);
    alice.logs_in().await;
    all_accept(&gates, &alice.access_token()).await;
}

#[tokio::test]
async fn a_changed_password_ends_all_other_sessions() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let (mut phone, mut laptop) = (world.alice(), world.alice());
    phone.logs_in().await;
    laptop.logs_in().await;
    let new = "another horse, another staple";
    let change = json!({ "current": PASSWORD, "new": new });
    phone
        .sends(Method::PUT, "/password", Some(change))
        .await
        .must_be(200);
    all_refuse(&gates, &laptop.access_token()).await;
    all_accept(&gates, &phone.access_token()).await;
    laptop.tries_to_log_in().await.must_be(401);
}

#[tokio::test]
async fn a_stolen_session_token_ends_the_session_when_it_is_used_again() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let mut thief = alice.clone();
    alice.refreshes().await;
    alice.refreshes().await;
    let good = alice.access_token();
    all_accept(&gates, &good).await;
    let refused = thief.tries_to_refresh().await.must_be(401);
    assert_eq!(refused.problem(), Some("session-ended"));
    all_refuse(&gates, &good).await;
    alice.tries_to_refresh().await.must_be(401);
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_along_and_a_refresh_helps() {
    let world = World::begins().await;
    let gates = world.gates::<1>().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let old = alice.access_token();
    all_accept(&gates, &old).await;
    let settings = world.service.settings();
    let listed = settings.must_run(&["keys", "list", "--json"], "").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let active = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["purpose"] == "access" && key["state"] == "active")
        .unwrap();
    settings
        .must_run(&["keys", "revoke", active["kid"].as_str().unwrap()], "")
        .await;
    tests::eventually::eventually("the gate refuses", super::SOON, async || {
        gates[0].verdict(&old).await == 401
    })
    .await;
    alice.refreshes().await;
    let fresh = alice.access_token();
    tests::eventually::eventually("the gate accepts the new key", super::SOON, async || {
        gates[0].verdict(&fresh).await == 200
    })
    .await;
    assert_eq!(gates[0].verdict(&old).await, 401);
}
