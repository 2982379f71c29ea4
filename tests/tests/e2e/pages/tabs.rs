//! All tabs of a browser are one: they refresh once, listen once, and leave together.

use super::*;
use reqwest::Method;
use serde_json::json;
use tests::browser::Tab;
use tests::link::{Condition, Link};

const TABS: usize = 20;

/// A browser of alice's with so many tabs on the account page, which is at `page`.
async fn with_tabs(page: &str, count: usize) -> (Browser, Vec<Tab>) {
    let browser = Browser::opens_at(page).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    let mut tabs = vec![browser.tab().await];
    while tabs.len() < count {
        tabs.push(browser.opens_tab(page).await);
        browser.shows(ACCOUNT).await;
    }
    (browser, tabs)
}

async fn loses_access(browser: &Browser) {
    let cookies = browser.cookies().await;
    let access = cookies
        .iter()
        .find(|cookie| cookie.name == "__Host-Http-access");
    browser.forgets(access.unwrap()).await;
}

#[tokio::test]
async fn twenty_tabs_refresh_at_once_and_nobody_is_logged_out() {
    // Each tab waits for the word, so that all of them begin together. Each asks for something else,
    // or else the browser's cache lets one ask after the other: a session that there is not.
    const WAITS: &str = "globalThis.channel = new BroadcastChannel('test');
        channel.onmessage = async ({ data }) => {
            if (data !== 'now') return;
            const answer = await session.fetch(`/sessions/${crypto.randomUUID()}/events`);
            channel.postMessage(answer.status);
        }";
    const COLLECTS: &str = "globalThis.channel = new BroadcastChannel('test');
        channel.onmessage = ({ data }) => answers.push(data)";
    let world = World::begins().await;
    let link = Link::before(world.service.url()).await;
    let (browser, tabs) = with_tabs(&format!("{}/", link.url()), TABS).await;
    for tab in &tabs {
        browser.goes_to(tab).await;
        with_session(&browser, WAITS, &[]).await;
    }
    let caller = format!("{}/healthz", link.url());
    browser.opens_tab(&caller).await;
    browser.runs(COLLECTS, &[]).await;
    // So that all are refused before the first of them has refreshed.
    link.becomes(Condition {
        delay: Duration::from_millis(200),
        ..Condition::WELL
    });
    let mut known = 0;
    for _ in 0..3 {
        loses_access(&browser).await;
        let says = "globalThis.answers = []; channel.postMessage('now')";
        browser.runs(says, &[]).await;
        eventually("the answers", 3 * SOON, async || {
            browser.runs("return answers", &[]).await == json!(vec![404; TABS])
        })
        .await;
        // One; a tab that has not yet seen that there was one makes another, and how many see it is
        // a matter of the machine's speed.
        let made = refreshes(&world).await - known;
        println!("{made} refreshes for {TABS} tabs");
        assert!((1..TABS).contains(&made), "{made} for all of them");
        known += made;
    }
    link.becomes(Condition::WELL);
    for tab in &tabs {
        browser.goes_to(tab).await;
        browser.shows(ACCOUNT).await;
    }
}

/// How many refreshes the service was asked for.
async fn refreshes(world: &World) -> usize {
    let counter = r#"portcullis_http_request_duration_seconds_count{method="POST",path="/session/refresh",status="200"} "#;
    figure(world, counter).await
}

async fn figure(world: &World, name: &str) -> usize {
    let url = format!("{}/metrics", world.service.url());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let figure = text.lines().find_map(|line| line.strip_prefix(name));
    figure.map_or(0, |figure| figure.parse().unwrap())
}

#[tokio::test]
async fn what_one_tab_does_the_others_learn() {
    let world = World::begins().await;
    let (browser, tabs) = with_tabs(&world.page(), 3).await;
    browser.presses("Log out").await;
    for tab in &tabs {
        browser.goes_to(tab).await;
        browser.shows("You are logged out").await;
    }
    logs_in(&browser, "bob").await;
    for tab in &tabs {
        browser.goes_to(tab).await;
        browser.shows(ACCOUNT).await;
        browser.shows("bob").await;
    }
    // Another user in the same browser, without a log-out in between.
    let login = "return (await session.logIn(...arguments)).user.username";
    let login = with_session(&browser, login, &["alice".into(), PASSWORD.into()]).await;
    assert_eq!(login, "alice");
    for tab in &tabs {
        browser.goes_to(tab).await;
        browser.shows("alice").await;
        browser.hides("bob").await;
    }
}

#[tokio::test]
async fn one_tab_listens_for_all_and_another_takes_over() {
    let world = World::begins().await;
    let mut phone = world.phone_of("alice").await;
    let (browser, tabs) = with_tabs(&world.page(), 3).await;
    let path = path_of(&browser).await;
    let lines = async || figure(&world, "portcullis_session_stream_clients ").await;
    for tab in &tabs {
        browser.goes_to(tab).await;
        hears(&browser).await;
    }
    assert_eq!(lines().await, 1);
    browser.goes_to(&tabs[0]).await;
    browser.closes_tab().await;
    for tab in &tabs[1..] {
        browser.goes_to(tab).await;
        hears(&browser).await;
    }
    eventually("the next one listens", SOON, async || {
        let held = "return (await navigator.locks.query()).held.map((lock) => lock.name)";
        browser.runs(held, &[]).await == json!(["portcullis-line"]) && lines().await == 1
    })
    .await;
    phone.sends(Method::DELETE, &path, None).await.must_be(200);
    for tab in &tabs[1..] {
        browser.goes_to(tab).await;
        browser
            .shows("This session was ended from another browser")
            .await;
    }
}

/// The answer to a refresh is lost, with the cookies in it: the same key brings the same tokens.
#[tokio::test]
async fn a_refresh_without_an_answer_is_repeated_with_its_key() {
    const LOSES_ANSWERS: &str = "globalThis.keys = [];
        globalThis.lost = 2;
        const real = fetch;
        globalThis.fetch = async (request, init) => {
            const answer = await real(request, init);
            if (!request.url?.endsWith('/session/refresh')) return answer;
            keys.push(request.headers.get('Idempotency-Key'));
            if (lost-- > 0) throw new TypeError('lost');
            return answer;
        }";
    const CALL: &str =
        "return session.fetch('/sessions').then((answer) => answer.status, () => 'lost')";
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    hears(&browser).await;
    browser.runs(LOSES_ANSWERS, &[]).await;
    let before = browser.cookies().await;
    for expected in [json!("lost"), json!("lost"), json!(200)] {
        // As if the cookies had been lost with the answer.
        for cookie in &before {
            browser.holds(cookie).await;
        }
        loses_access(&browser).await;
        assert_eq!(with_session(&browser, CALL, &[]).await, expected);
    }
    loses_access(&browser).await;
    assert_eq!(with_session(&browser, CALL, &[]).await, 200);
    let keys = browser.runs("return keys", &[]).await;
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 4);
    assert!(keys[0] == keys[1] && keys[1] == keys[2], "{keys:?}");
    assert_ne!(keys[2], keys[3]);
    browser.shows(ACCOUNT).await;
}
