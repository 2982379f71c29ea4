//! What an operator sees and does on `/admin`.

use super::*;
use reqwest::Method;
use serde_json::json;
use tests::Gate;

async fn operates(world: &World) -> Browser {
    let browser = Browser::opens_at(&format!("{}/admin", world.service.url())).await;
    logs_in(&browser, "root").await;
    browser.shows("Verifiers").await;
    browser
}

#[tokio::test]
async fn the_fleet_is_shown_as_it_is() {
    let world = World::begins().await;
    let credential = world.service.has_client("orders").await;
    let browser = operates(&world).await;
    browser.shows("No verifier has reported.").await;
    let gate = Gate::beside(&world.service, &credential).start().await;
    browser.shows("1 live, 0 stale, 0 behind.").await;
    browser.shows("Fresh").await;
    browser.shows("Everything").await;

    // One that is stale and has not heard of the newest revocation.
    let mut phone = world.phone_of("alice").await;
    let ended = phone.logs_out().await;
    let head = ended.body["position"].as_u64().unwrap();
    let report = json!({
        "service": "billing", "instance": "i-1", "version": "9.9.9", "head": head - 1, "fresh": false,
        "age_ms": 12_345, "max_staleness_ms": 600_000, "counts": {
            "accepted": 1_234_567, "refused": 8, "unavailable": 9, "pages": 0, "pages_refused": 0,
        },
    });
    let reports = async || {
        let url = format!("{}/revocations/status", world.service.url());
        let request = reqwest::Client::new().post(url).json(&report);
        let request = request.basic_auth(&credential.client, Some(&credential.secret));
        assert_eq!(request.send().await.unwrap().status(), 204);
    };
    reports().await;
    browser
        .shows(&format!(
            "2 live, 1 stale, 1 behind. The log stands at {head}."
        ))
        .await;
    for cell in [
        "billing",
        "Stale",
        "12.3 s",
        "Not the newest",
        "1,234,567",
        "9.9.9",
    ] {
        browser.shows(cell).await;
    }
    drop(gate);
    reports().await;
    browser.shows("1 live, 1 stale, 1 behind.").await;
}

#[tokio::test]
async fn a_user_is_found_logged_out_disabled_and_enabled() {
    let world = World::begins().await;
    let credential = world.service.has_client("orders").await;
    let _gate = Gate::beside(&world.service, &credential).start().await;
    let mut phone = world.phone_of("alice").await;
    let mut newer = world.phone_of("alice").await;
    let browser = operates(&world).await;
    browser.shows("1 live").await;
    browser.fills("User name", "nobody").await;
    browser.presses("Find").await;
    browser.shows("There is no user of that name.").await;
    browser.fills("User name", "").await;
    browser.presses("Find").await;
    browser.shows("3 users.").await;
    browser.fills("User name", "ALICE").await;
    browser.presses("Find").await;
    browser.shows("Sessions of alice").await;
    assert_eq!(sessions_shown(&browser).await, 2);
    // The newest comes first.
    browser
        .runs("document.querySelector('#sessions .end').click()", &[])
        .await;
    browser
        .shows("The session was ended. 1 of 1 verifiers have applied it.")
        .await;
    assert_eq!(sessions_shown(&browser).await, 1);
    newer
        .sends(Method::GET, "/sessions", None)
        .await
        .must_be(401);
    browser.presses("End all of them").await;
    browser.presses("Leave it").await;
    phone
        .sends(Method::GET, "/sessions", None)
        .await
        .must_be(200);
    browser.presses("End all of them").await;
    browser.presses("End them").await;
    browser
        .shows("The sessions of alice were ended. 1 of 1 verifiers have applied it.")
        .await;
    browser.shows("No session is open.").await;
    phone
        .sends(Method::GET, "/sessions", None)
        .await
        .must_be(401);

    browser.presses("Disable the user").await;
    browser.presses("Disable").await;
    browser.shows("alice is disabled.").await;
    browser.shows("Disabled").await;
    phone.tries_to_log_in().await.must_be(401);
    browser.presses("Enable the user").await;
    browser.shows("alice can log in again.").await;
    phone.logs_in().await;
}

/// Ten minutes after the log-in the service asks for another (RFC 9470), and the page for the password.
#[tokio::test]
async fn an_operator_gives_the_password_again_and_goes_on() {
    const AGAIN: &str = "Your password again";
    let world = World::begins().await;
    let mut phone = world.phone_of("alice").await;
    let mut calls = async |expected| {
        let call = phone.sends(Method::GET, "/sessions", None).await;
        call.must_be(expected);
    };
    let browser = operates(&world).await;
    browser.fills("User name", "alice").await;
    browser.presses("Find").await;
    browser.shows("Sessions of alice").await;
    let before = session_in(&browser).await;
    world.logged_in_long_ago().await;

    // What goes on by itself asks for nothing.
    browser
        .shows("You logged in a while ago; the list stands still.")
        .await;
    browser.hides(AGAIN).await;
    browser.presses("Disable the user").await;
    browser.presses("Disable").await;
    browser.shows(AGAIN).await;
    browser.presses("Cancel").await;
    browser
        .shows("That was not done: it needs your password.")
        .await;
    calls(200).await;

    browser.presses("Disable the user").await;
    browser.presses("Disable").await;
    browser.shows(AGAIN).await;
    browser.fills("Password", "not the one that it is").await;
    browser.presses("Go on").await;
    browser
        .shows("The user name or the password is wrong.")
        .await;
    calls(200).await;
    browser.fills("Password", PASSWORD).await;
    browser.presses("Go on").await;
    browser.shows("alice is disabled.").await;
    browser.hides(AGAIN).await;
    calls(401).await;
    assert_ne!(session_in(&browser).await, before, "another session");
    browser.hides("the list stands still").await;
}

#[tokio::test]
async fn a_user_is_no_operator() {
    let world = World::begins().await;
    let browser = Browser::opens_at(&format!("{}/admin", world.service.url())).await;
    logs_in(&browser, "alice").await;
    browser.shows("You are not an operator").await;
    browser.presses("Your account").await;
    browser.shows(ACCOUNT).await;
    browser.hides("Operate").await;
    browser.presses("Log out").await;
    logs_in(&browser, "root").await;
    browser.shows(ACCOUNT).await;
    assert!(!browser.text().await.contains("You are logged out"));
    browser.presses("Operate").await;
    browser.shows("Verifiers").await;
    browser.presses("Log out").await;
    browser.shows("You are logged out.").await;
    logs_in(&browser, "root").await;
    browser.shows("Verifiers").await;
    assert!(!browser.text().await.contains("You are logged out"));

    // Who logs in after an operator finds nothing of what that one saw.
    browser.fills("User name", "alice").await;
    browser.presses("Find").await;
    browser.shows("Sessions of alice").await;
    let (operators, page) = (browser.tab().await, format!("{}/", world.service.url()));
    browser.opens_tab(&page).await;
    let replaces = "await session.logIn('alice', arguments[0])";
    with_session(&browser, replaces, &[PASSWORD.into()]).await;
    browser.goes_to(&operators).await;
    browser.shows("You are not an operator").await;
    let left = browser.runs("return document.body.textContent", &[]).await;
    assert!(!left.as_str().unwrap().contains("Sessions of alice"));
    let asked = "const [real, asked] = [fetch, []];
        globalThis.fetch = (request) => { asked.push(request.url); return real(request); };
        document.dispatchEvent(new Event('visibilitychange'));
        return asked";
    assert_eq!(
        browser.runs(asked, &[]).await,
        json!([]),
        "the fleet is left alone"
    );
}
