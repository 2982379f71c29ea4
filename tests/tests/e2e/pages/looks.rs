//! Every page and state in light and dark, on a desk and on a phone: axe-core finds nothing serious
//! there, nothing sticks out, nothing comes from elsewhere, and the page's policy is never offended.
//!
//! With `$SCREENSHOTS` the pictures are kept in that folder, to be looked at.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::path::PathBuf;
use std::sync::LazyLock;
use tests::Gate;

const LOOKS: [(&str, u32, u32, bool); 4] = [
    ("light", 1200, 900, false),
    ("dark", 1200, 900, true),
    ("phone-light", 360, 780, false),
    ("phone-dark", 360, 780, true),
];

/// `$AXE_CORE`, or the one that `tests/run` has brought.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let brought = concat!(env!("CARGO_MANIFEST_DIR"), "/.tools/axe.min.js");
    let path = std::env::var("AXE_CORE").unwrap_or_else(|_| brought.to_owned());
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}: run tests/run once, or set AXE_CORE"))
});

/// Looks at the page as it is, in every way.
async fn looks_right(browser: &Browser, state: &str) {
    const FINDINGS: &str = "
        const { violations } = await axe.run({ resultTypes: ['violations'] });
        const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
        return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)";
    const STICKING_OUT: &str = "
        const widest = document.documentElement.clientWidth;
        const sticks = (element) => !element.closest('.scrolls') && element.getBoundingClientRect().right > widest + 1;
        return [...document.querySelectorAll('body *')].filter(sticks).map((element) => element.outerHTML.slice(0, 80))";
    const ELSEWHERE: &str = "
        const loaded = performance.getEntriesByType('resource').map(({ name }) => new URL(name));
        return loaded.filter(({ origin }) => origin !== location.origin).map(String)";
    browser.runs(&AXE, &[]).await;
    for (look, width, height, dark) in LOOKS {
        browser.looks(width, height, dark).await;
        keep(&browser.picture().await, &format!("{state}-{look}"));
        let findings = browser.runs(FINDINGS, &[]).await;
        assert_eq!(findings, json!([]), "{state}, {look}");
        let sticking_out = browser.runs(STICKING_OUT, &[]).await;
        assert_eq!(sticking_out, json!([]), "{state}, {look}");
    }
    browser.looks(1200, 900, false).await;
    let elsewhere = browser.runs(ELSEWHERE, &[]).await;
    assert_eq!(elsewhere, json!([]), "{state}");
    for line in browser.console().await {
        let offends = line.contains("Content Security Policy") || line.contains("Uncaught");
        assert!(!offends, "{state}: {line}");
    }
}

fn keep(picture: &str, name: &str) {
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        let file = PathBuf::from(folder).join(format!("{name}.png"));
        std::fs::write(file, STANDARD.decode(picture).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn the_account_page() {
    let world = World::begins().await;
    for agent in [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    ] {
        let login = json!({ "username": "alice", "password": PASSWORD, "delivery": "body" });
        let url = format!("{}/session", world.service.url());
        let login = reqwest::Client::new()
            .post(url)
            .header("user-agent", agent)
            .json(&login);
        assert_eq!(login.send().await.unwrap().status(), 201);
    }
    let mut phone = world.phone_of("alice").await;
    let browser = world.browser().await;
    browser.shows("Log in").await;
    looks_right(&browser, "log-in").await;
    browser.fills("User name", "alice").await;
    browser.fills("Password", "wrong").await;
    browser.presses("Log in").await;
    browser.shows("is wrong").await;
    looks_right(&browser, "log-in-refused").await;
    browser.presses("Create an account").await;
    looks_right(&browser, "register").await;
    browser.visits(&world.page()).await;
    logs_in(&browser, "alice").await;
    browser.shows("End all other sessions").await;
    hears(&browser).await;
    looks_right(&browser, "account").await;
    browser.presses("End all other sessions").await;
    browser.shows("Keep them").await;
    looks_right(&browser, "account-dialog").await;
    browser.presses("Keep them").await;
    browser.fills("Current password", "x").await;
    let path = path_of(&browser).await;
    phone
        .sends(reqwest::Method::DELETE, &path, None)
        .await
        .must_be(200);
    browser.shows("You were logged out").await;
    looks_right(&browser, "logged-out").await;
}

#[tokio::test]
async fn the_account_page_without_a_connection() {
    let mut world = World::begins().await;
    let browser = world.browser_of("alice").await;
    hears(&browser).await;
    world.service.kill();
    browser.shows("Not connected").await;
    browser.presses("Log out").await;
    browser.shows("You are not logged out yet.").await;
    looks_right(&browser, "not-connected").await;
}

#[tokio::test]
async fn the_reference() {
    let world = World::begins().await;
    let browser = Browser::opens_at(&format!("{}/docs", world.service.url())).await;
    browser.shows("Find a call").await;
    looks_right(&browser, "reference").await;
    for call in ["post_session", "get_sessions", "get_sessions_id_events"] {
        browser
            .runs("location.hash = arguments[0]", &[json!(call)])
            .await;
    }
    browser.shows("The history of one of my sessions").await;
    looks_right(&browser, "reference-calls").await;
    const OPEN: &str = "for (const call of document.querySelectorAll('.call')) call.open = true";
    browser.runs(OPEN, &[]).await;
    looks_right(&browser, "reference-whole").await;
    browser.fills("Find a call", "nothing like that").await;
    browser.shows("0 calls").await;
    looks_right(&browser, "reference-nothing-found").await;
}

#[tokio::test]
async fn a_page_without_an_answer() {
    let world = World::begins().await;
    let browser = Browser::opens().await;
    let session = format!("{}/session", world.service.url());
    browser.blocks(&[&session]).await;
    for (path, state) in [("/", "unreachable"), ("/admin", "operator-unreachable")] {
        let url = format!("{}{path}", world.service.url());
        browser.visits(&url).await;
        browser.shows("The service does not answer").await;
        looks_right(&browser, state).await;
    }
}

#[tokio::test]
async fn the_operators_page() {
    let world = World::begins().await;
    let credential = world.service.has_client("orders").await;
    let _gate = Gate::beside(&world.service, &credential).start().await;
    world.phone_of("alice").await;
    let browser = Browser::opens_at(&format!("{}/admin", world.service.url())).await;
    browser.shows("Log in as an operator").await;
    looks_right(&browser, "operator-log-in").await;
    logs_in(&browser, "alice").await;
    browser.shows("You are not an operator").await;
    looks_right(&browser, "operator-forbidden").await;
    browser.presses("Log out").await;
    logs_in(&browser, "root").await;
    browser.shows("1 live").await;
    browser.presses("Find").await;
    browser.shows("bob").await;
    browser.presses("Sessions of alice").await;
    browser.shows("End all of them").await;
    looks_right(&browser, "operator").await;
    browser.presses("Disable the user").await;
    browser.shows("Disable alice?").await;
    looks_right(&browser, "operator-dialog").await;
    browser.presses("Leave it").await;
    world.logged_in_long_ago().await;
    browser.shows("the list stands still").await;
    browser.presses("Show them again").await;
    browser.shows("Your password again").await;
    looks_right(&browser, "operator-password").await;
}
