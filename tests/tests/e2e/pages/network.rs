//! A network that is dead and a service that is busy: the page stays truthful, and nobody is logged
//! out.

use super::*;
use tests::link::{Condition, Link};
use tests::{Postgres, until};

const NOT_CONNECTED: &str = "Not connected to the service.";

/// Longer than the page takes to believe that nothing comes any more.
const SILENCE: Duration = Duration::from_secs(60);

/// A browser whose line to the service is `link`.
async fn browser_behind(link: &Link) -> Browser {
    let browser = Browser::opens_at(&format!("{}/", link.url())).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    hears(&browser).await;
    browser
}

#[tokio::test]
async fn a_cut_line_is_no_log_out() {
    let world = World::begins().await;
    let mut phone = world.phone_of("alice").await;
    let link = Link::before(world.service.url()).await;
    let browser = browser_behind(&link).await;
    link.becomes(Condition::CUT);
    browser.shows(NOT_CONNECTED).await;
    browser.presses("Log out").await;
    browser.shows("You are not logged out yet.").await;
    browser.fills("Current password", PASSWORD).await;
    browser
        .fills("New password", "another horse, another battery")
        .await;
    browser.presses("Change the password").await;
    browser.shows("No answer came.").await;
    browser.shows(ACCOUNT).await;

    let path = path_of_alices_newest(&mut phone).await;
    phone
        .sends(reqwest::Method::DELETE, &path, None)
        .await
        .must_be(200);
    browser.shows(ACCOUNT).await;
    link.becomes(Condition::WELL);
    browser.shows("You were logged out").await;
    // It may have got through, and its answer not.
    browser.shows("saved is not known").await;
}

async fn path_of_alices_newest(phone: &mut User) -> String {
    let list = phone
        .sends(reqwest::Method::GET, "/sessions", None)
        .await
        .must_be(200);
    let items = list.body["items"].as_array().unwrap().clone();
    let other = items.iter().find(|item| item["current"] == false).unwrap();
    format!("/sessions/{}", other["id"].as_str().unwrap())
}

/// Nobody is told that a cable was pulled, so the page has to notice.
#[tokio::test]
async fn a_silent_line_is_noticed_and_comes_back() {
    let world = World::begins().await;
    let link = Link::before(world.service.url()).await;
    let browser = browser_behind(&link).await;
    link.becomes(Condition::FROZEN);
    until("it is noticed", SILENCE, async || {
        browser.text().await.contains(NOT_CONNECTED).then_some(())
    })
    .await;
    browser.shows(ACCOUNT).await;
    link.becomes(Condition::WELL);
    browser.hides(NOT_CONNECTED).await;
    hears(&browser).await;
}

#[tokio::test]
async fn a_page_that_is_opened_while_the_line_is_cut_waits_for_it() {
    let world = World::begins().await;
    let link = Link::before(world.service.url()).await;
    let browser = browser_behind(&link).await;
    // The page itself comes, and then nothing does.
    browser.blocks(&[&format!("{}/session", link.url())]).await;
    browser.runs("location.reload()", &[]).await;
    browser.shows("The service does not answer").await;
    browser.shows("Nobody is logged out by that.").await;
    browser.blocks(&[]).await;
    browser.shows(ACCOUNT).await;
}

/// 503 is not a log-out: not at a call, not at a refresh, not at the line.
#[tokio::test]
async fn a_service_without_its_database_logs_nobody_out() {
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    service.has_user("alice", PASSWORD, None).await;
    let browser = Browser::opens_at(&format!("{}/", service.url())).await;
    logs_in(&browser, "alice").await;
    browser.shows(ACCOUNT).await;
    let cookies = browser.cookies().await;
    postgres.kill_immediate().await;
    let statuses = "const calls = [];
        calls.push((await session.fetch('/sessions')).status);
        calls.push((await session.fetch('/session')).status);
        return calls";
    assert_eq!(
        with_session(&browser, statuses, &[]).await,
        serde_json::json!([503, 503])
    );
    let access = cookies
        .iter()
        .find(|cookie| cookie.name == "__Host-Http-access");
    browser.forgets(access.unwrap()).await;
    assert_eq!(
        with_session(&browser, statuses, &[]).await,
        serde_json::json!([503, 503])
    );
    browser.presses("Log out").await;
    browser
        .shows("You are not logged out yet. The service cannot answer now.")
        .await;
    browser.shows(ACCOUNT).await;

    postgres.restart().await;
    eventually("it answers again", SOON, async || {
        with_session(&browser, statuses, &[]).await == serde_json::json!([200, 200])
    })
    .await;
    browser.shows(ACCOUNT).await;
}
