//! A session that is ended elsewhere: the page learns it at once, and says so.

use super::*;
use reqwest::Method;
use std::time::Instant;
use tests::Postgres;

/// Far longer than it takes on a busy machine, and shorter than the twenty seconds after which a page
/// does not believe in a silent line any more.
const AT_ONCE: Duration = Duration::from_secs(15);

const BY_ANOTHER: &str = "This session was ended from another browser or device of yours.";

#[tokio::test]
async fn one_browser_ends_the_others_session_and_the_other_learns_it() {
    let world = World::begins().await;
    let (one, other) = (
        world.browser_of("alice").await,
        world.browser_of("alice").await,
    );
    one.visits(&world.page()).await;
    one.shows("End all other sessions").await;
    let path = path_of(&other).await;
    hears(&other).await;
    let before = Instant::now();
    one.runs("document.querySelector('.end:not([hidden])').click()", &[])
        .await;
    other.shows(BY_ANOTHER).await;
    let taken = before.elapsed();
    assert!(taken < AT_ONCE, "{taken:?}");
    other.shows("You were logged out").await;
    other.shows("Log in").await;
    other.hides(ACCOUNT).await;
    one.shows("The session was ended.").await;
    one.shows(ACCOUNT).await;
    let history = "return (await session.fetch(`${arguments[0]}/events`)).json()";
    let history = with_session(&one, history, &[path.into()]).await;
    assert_eq!(history["items"][1]["data"]["reason"], "user");
}

/// Whichever replica each of them talks to.
#[tokio::test]
async fn through_another_replica_too() {
    let database = Postgres::fresh_database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    let replica = service.replica().await;
    service.has_user("alice", PASSWORD, None).await;
    let browser = Browser::opens_at(&format!("{}/", replica.url())).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    hears(&browser).await;
    let mut phone = User::on_phone(&service, "alice", PASSWORD);
    phone.logs_in().await;
    let path = path_of(&browser).await;
    let before = Instant::now();
    phone.sends(Method::DELETE, &path, None).await.must_be(200);
    browser.shows(BY_ANOTHER).await;
    let taken = before.elapsed();
    assert!(taken < AT_ONCE, "{taken:?}");
}

#[tokio::test]
async fn the_page_says_why() {
    let world = World::begins().await;
    let mut root = world.phone_of("root").await;
    let mut phone = world.phone_of("alice").await;
    let browser = world.browser_of("alice").await;
    let alice = with_session(&browser, "return session.who.user.id", &[]).await;
    let alice = alice.as_str().unwrap();
    for (by, method, path, words) in [
        (
            &mut phone,
            Method::DELETE,
            "/sessions?keep=current".to_owned(),
            "Your sessions were ended",
        ),
        (
            &mut root,
            Method::POST,
            format!("/admin/users/{alice}/disable"),
            "Your sessions were ended",
        ),
    ] {
        hears(&browser).await;
        by.sends(method, &path, None).await.must_be(200);
        browser.shows(words).await;
        let enable = format!("/admin/users/{alice}/enable");
        root_enables(&world, &enable).await;
        logs_in(&browser, "alice").await;
        browser.shows(ACCOUNT).await;
    }
    // A token that was stolen, and used again after its successor.
    hears(&browser).await;
    let cookies = browser.cookies().await;
    let stolen = cookies
        .iter()
        .find(|cookie| cookie.name == "__Secure-session");
    let csrf = cookies.iter().find(|cookie| cookie.name == "__Host-csrf");
    for _ in 0..2 {
        let refresh = "return (await session.fetch('/session/refresh', { method: 'POST' })).status";
        assert_eq!(with_session(&browser, refresh, &[]).await, 200);
    }
    let theft = reqwest::Client::new()
        .post(format!("{}/session/refresh", world.service.url()))
        .header(
            "cookie",
            format!("__Secure-session={}", stolen.unwrap().value),
        )
        .header("x-csrf-token", &csrf.unwrap().value);
    assert_eq!(theft.send().await.unwrap().status(), 401);
    browser.shows("because somebody used a copy of it").await;
}

async fn root_enables(world: &World, path: &str) {
    let mut root = world.phone_of("root").await;
    root.sends(Method::POST, path, None).await.must_be(200);
}

/// Where the line does not stand, the next call tells.
#[tokio::test]
async fn a_call_that_is_refused_is_enough_to_know() {
    let world = World::begins().await;
    let mut phone = world.phone_of("alice").await;
    let browser = Browser::opens().await;
    browser.blocks(&["*/session/stream"]).await;
    for path in ["/session", "/sessions"] {
        browser.visits(&world.page()).await;
        logs_in(&browser, "alice").await;
        browser.shows("Not connected to the service.").await;
        let ended = path_of(&browser).await;
        phone.sends(Method::DELETE, &ended, None).await.must_be(200);
        browser.shows(ACCOUNT).await;
        let call = "return (await session.fetch(arguments[0])).status";
        let status = with_session(&browser, call, &[path.into()]).await;
        assert_eq!(status, 401);
        browser.shows("Your session has ended.").await;
    }
}

/// What was being typed is not sent, and its user is told.
#[tokio::test]
async fn in_the_middle_of_a_form() {
    let world = World::begins().await;
    let mut phone = world.phone_of("alice").await;
    let browser = world.browser_of("alice").await;
    hears(&browser).await;
    let fills = async || {
        browser.fills("Current password", PASSWORD).await;
        browser
            .fills("New password", "another horse, another battery")
            .await;
    };
    fills().await;
    phone
        .sends(Method::DELETE, &path_of(&browser).await, None)
        .await
        .must_be(200);
    browser.shows("Your new password was not saved.").await;
    let left = "return document.getElementById('current-password').value";
    assert_eq!(browser.runs(left, &[]).await, "");

    // The same, where the page could not be told before it is sent.
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    let path = path_of(&browser).await;
    browser.blocks(&["*/session/stream"]).await;
    browser.visits(&world.page()).await;
    browser.shows("Not connected to the service.").await;
    fills().await;
    phone.sends(Method::DELETE, &path, None).await.must_be(200);
    browser.presses("Change the password").await;
    browser.shows("You were logged out").await;
    browser.shows("Your new password was not saved.").await;

    browser.blocks(&[]).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    browser.hides("Nothing was changed.").await;

    // Nor does what was saved before say anything of what is typed now.
    fills().await;
    browser.presses("Change the password").await;
    browser.shows("The password was changed").await;
    fills().await;
    let alice = with_session(&browser, "return session.who.user.id", &[]).await;
    let path = format!("/admin/users/{}/sessions", alice.as_str().unwrap());
    let mut root = world.phone_of("root").await;
    root.sends(Method::DELETE, &path, None).await.must_be(200);
    browser.shows("Your sessions were ended").await;
    browser.shows("Your new password was not saved.").await;
}

/// Between its being done and its answer: nobody is told that it was not.
#[tokio::test]
async fn while_a_new_password_is_on_its_way() {
    const HOLDS: &str = "const real = fetch;
        globalThis.fetch = async (request) => {
            const answer = await real(request);
            if (request.method === 'PUT') await new Promise((go) => { globalThis.answers = go; });
            return answer;
        }";
    let world = World::begins().await;
    let mut root = world.phone_of("root").await;
    let browser = world.browser_of("alice").await;
    hears(&browser).await;
    let alice = with_session(&browser, "return session.who.user.id", &[]).await;
    let path = format!("/admin/users/{}/sessions", alice.as_str().unwrap());
    browser.runs(HOLDS, &[]).await;
    browser.fills("Current password", PASSWORD).await;
    browser
        .fills("New password", "another horse, another battery")
        .await;
    browser.presses("Change the password").await;
    eventually("it is changed", SOON, async || {
        browser.runs("return 'answers' in globalThis", &[]).await == true
    })
    .await;
    root.sends(Method::DELETE, &path, None).await.must_be(200);
    browser.shows("Your sessions were ended").await;
    browser.hides("not saved").await;
    browser.runs("answers()", &[]).await;
    browser.shows("Your new password was saved.").await;
}
