//! Browsers and phones go through nginx to both services, until their sessions end.

use super::{PASSWORD, SOON, World, becomes, id_of};
use reqwest::Method;
use serde_json::Value;
use tests::{Browser, eventually};

/// A call as the application's page makes it: `[status, whose it was to the service, the problem]`.
const CALL: &str = r#"
    const { session } = await import("/web/page.js");
    const [method, path, proof] = arguments;
    const init = { method, headers: {} };
    if (method !== "GET") init.headers["Content-Type"] = "application/json", init.body = "{}";
    const answer = await (proof ? session.fetch(path, init) : fetch(path, init));
    const text = await answer.text();
    const body = text.startsWith("{") ? JSON.parse(text) : {};
    return [answer.status, body.user ?? body.variables?.HTTP_X_USER_ID?.[0], body.type];
"#;

/// What the page says where it shows a user's sessions, and where nobody is logged in.
const ACCOUNT: &str = "Where you are logged in";
const OUT: &str = "Log in";

/// A browser on the account page behind nginx, in which alice has logged in.
async fn browser_of_alice(world: &World) -> Browser {
    let browser = Browser::opens_at(&world.nginx.url("/")).await;
    browser.fills("User name", "alice").await;
    browser.fills("Password", PASSWORD).await;
    browser.presses("Log in").await;
    browser.shows(ACCOUNT).await;
    browser
}

/// The call, with what the page of the application adds.
async fn calls(browser: &Browser, method: &str, path: &str) -> Value {
    browser
        .runs(CALL, &[method.into(), path.into(), true.into()])
        .await
}

/// The call, as any script in the page could make it.
async fn calls_without_proof(browser: &Browser, method: &str, path: &str) -> Value {
    browser
        .runs(CALL, &[method.into(), path.into(), false.into()])
        .await
}

#[tokio::test]
async fn a_browsers_cookies_are_good_at_both_services_until_the_session_ends() {
    let world = World::begins().await;
    let mut phone = world.on_phone("alice").await;
    let id = id_of(&mut phone).await;
    let browser = browser_of_alice(&world).await;
    for path in ["/notes", "/orders"] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = calls(&browser, method, path).await;
            assert_eq!(answer[0], 200, "{method} {path}: {answer}");
            assert_eq!(answer[1], *id, "{method} {path}: {answer}");
        }
        let answer = calls_without_proof(&browser, "POST", path).await;
        assert_eq!(answer[0], 403, "{path}: {answer}");
        assert_eq!(answer[2], "urn:portcullis:csrf", "{path}: {answer}");
    }
    let seen = world.notes.seen().await;
    assert!(
        seen.iter()
            .all(|seen| super::variable(seen, "Cookie").is_empty())
    );

    // Its access token has a quarter of an hour to live.
    let others = "/sessions?keep=current";
    phone.sends(Method::DELETE, others, None).await.must_be(200);
    for path in ["/notes", "/orders"] {
        eventually(&format!("{path} refuses it"), SOON, async || {
            let answer = calls_without_proof(&browser, "GET", path).await;
            assert!(answer[0] == 200 || answer[0] == 401, "{path}: {answer}");
            answer[0] == 401
        })
        .await;
    }
    browser.hides(ACCOUNT).await;
    becomes(&mut phone, "/notes", 200, &[401]).await;
}

#[tokio::test]
async fn a_phones_token_is_good_at_both_services_until_the_session_ends() {
    let world = World::begins().await;
    let mut phone = world.on_phone("alice").await;
    let mut thief = phone.clone();
    for path in ["/notes", "/orders"] {
        becomes(&mut phone, path, 200, &[]).await;
    }
    phone.logs_out().await;
    for path in ["/notes", "/orders"] {
        becomes(&mut thief, path, 401, &[200]).await;
    }
}

#[tokio::test]
async fn a_browser_stays_logged_in_while_the_gate_is_away() {
    let mut world = World::begins().await;
    let browser = browser_of_alice(&world).await;
    let cookies = browser.cookies().await;
    world.gate.program().kill();
    for _ in 0..3 {
        let answer = calls(&browser, "GET", "/notes").await;
        assert_eq!(answer[0], 503, "{answer}");
    }
    assert_eq!(calls(&browser, "GET", "/orders").await[0], 200);
    assert_eq!(browser.cookies().await, cookies, "nothing was refreshed");
    browser.shows(ACCOUNT).await;
    world.gate.program().restart().await;
    eventually("the gate is back", SOON, async || {
        calls(&browser, "GET", "/notes").await[0] == 200
    })
    .await;
    browser.visits(&world.nginx.url("/")).await;
    browser.shows(ACCOUNT).await;
    browser.hides(OUT).await;
}

/// Opens one and returns what it says first, or null where it is not opened.
const SOCKET: &str = r#"
    const socket = new WebSocket(arguments[0]);
    const said = await new Promise((resolve) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => resolve(null);
    });
    socket.close();
    return said;
"#;

#[tokio::test]
async fn a_websocket_opens_for_the_own_page_and_for_no_other() {
    let world = World::begins().await;
    let mut phone = world.on_phone("alice").await;
    let id = id_of(&mut phone).await;
    let browser = browser_of_alice(&world).await;
    let url = world.nginx.url("/notes/live").replace("http:", "ws:");
    let said = browser.runs(SOCKET, &[url.as_str().into()]).await;
    assert_eq!(said, *id);

    // Another port of the same host: every cookie goes along.
    browser.visits(world.notes.url()).await;
    let said = browser.runs(SOCKET, &[url.as_str().into()]).await;
    assert_eq!(said, Value::Null);
    let opened = world.notes.seen_with("/notes/live").await;
    assert_eq!(
        opened.len(),
        1,
        "the gate has refused the other: {opened:?}"
    );
}
