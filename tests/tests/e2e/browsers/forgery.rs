//! Cross-site request forgery, tried by a browser in which the user is logged in.
//!
//! The page on another port of the same host is the strongest attacker: it is of the same site, so
//! every cookie goes along with what it sends, and it reads the CSRF value out of its own
//! `document.cookie`. What stops it is that it is of another origin.
//!
//! The service has three defences: the origin, the type of the body, the CSRF value. Each wish is
//! barred by two of them at least, so a test here is red only once two have fallen; the tests in
//! `session-api/src/http/tests/browsers.rs` try each by itself.

use super::*;

/// From where, and by which means.
#[derive(Clone, Copy, Debug)]
enum Page {
    /// Another port of the host.
    OtherOrigin,
    /// Another host.
    OtherSite,
    /// A frame without an origin, in a page of the application: what a user may have uploaded.
    Sandbox,
}

const PAGES: [Page; 3] = [Page::OtherOrigin, Page::OtherSite, Page::Sandbox];

/// What a page can send without asking, and what it has to ask for. Each of them is to answer the
/// body of a call; a script in a frame cannot.
const MEANS: [(&str, &str); 5] = [
    (
        "a call that asks first",
        r#"await fetch(url, { method, body, credentials: "include",
            headers: { ...json, "X-CSRF-Token": csrf } }).catch(() => {});"#,
    ),
    (
        "a call that asks first, without the value",
        r#"await fetch(url, { method, body, credentials: "include", headers: json }).catch(() => {});"#,
    ),
    (
        "a call that asks nobody",
        r#"await fetch(url, { method: method === "POST" ? "POST" : "GET", mode: "no-cors", credentials: "include",
            body: method === "POST" ? body : undefined }).catch(() => {});"#,
    ),
    (
        "a beacon",
        r#"navigator.sendBeacon(url, new Blob([body ?? ""], { type: "text/plain" }));
           await fetch(url, { mode: "no-cors" }).catch(() => {});"#,
    ),
    (
        // The body of such a form is `name=value`, and the name can be nearly a whole JSON.
        "a form",
        r#"const frame = Object.assign(document.createElement("iframe"), { name: "target" });
           document.body.append(frame);
           const form = Object.assign(document.createElement("form"),
               { method: "post", action: url, target: "target", enctype: "text/plain" });
           const trick = (body ?? "{}").replace(/}$/, ',"x":"');
           form.append(Object.assign(document.createElement("input"), { name: trick, value: '"}' }));
           document.body.append(form);
           const loaded = new Promise((resolve) => { frame.onload = resolve });
           form.submit();
           await loaded;"#,
    ),
];

/// What a stranger would like to happen.
fn wishes() -> [(&'static str, &'static str, Option<Value>); 8] {
    let mallory = json!({ "username": "mallory", "password": PASSWORD });
    let new_user = json!({ "username": "trudy", "password": PASSWORD });
    let password = json!({ "current": PASSWORD, "new": "the password of a stranger" });
    [
        ("log in as another", "POST /session", Some(mallory)),
        ("log out", "DELETE /session", None),
        ("refresh", "POST /session/refresh", None),
        ("end all others", "DELETE /sessions?keep=current", None),
        ("end all", "DELETE /sessions", None),
        ("take over", "PUT /password", Some(password)),
        ("register", "POST /users", Some(new_user)),
        ("revoke", "POST /revoke", None),
    ]
}

/// Runs `script` in a page of that kind, and waits until it has sent what it wanted.
async fn attacks(world: &World, browser: &Browser, page: Page, script: &str, arguments: &[Value]) {
    let prelude = r#"const [method, url, body] = arguments;
        const json = body ? { "Content-Type": "application/json" } : {};
        let csrf = "x";
        try { csrf = document.cookie.match(/__Host-csrf=([^;]*)/)?.[1] ?? "x" } catch {}"#;
    let attack = format!("{prelude}\n{script}");
    match page {
        Page::OtherOrigin => browser.visits(&world.stranger.url("/")).await,
        Page::OtherSite => browser.visits(&world.stranger.url_elsewhere("/")).await,
        Page::Sandbox => {
            browser.visits(&world.app.url("/")).await;
            let framed = r#"
                const [script, ...rest] = arguments;
                const frame = document.createElement("iframe");
                frame.sandbox = "allow-scripts allow-forms";
                const code = `(async function () { ${script} }).apply(null, ${JSON.stringify(rest)})
                    .then(() => parent.postMessage("done", "*"))`;
                frame.srcdoc = `<body><script>${code}<\/script>`;
                const done = new Promise((resolve) => { onmessage = resolve });
                document.body.append(frame);
                await done;
            "#;
            let arguments = [&[attack.into()], arguments].concat();
            browser.runs(framed, &arguments).await;
            return;
        }
    }
    browser.runs(&attack, arguments).await;
}

#[tokio::test]
async fn no_foreign_page_gets_its_wish() {
    let world = World::begins().await;
    let witness = world.browser_of("alice").await;
    let browser = world.browser_of("alice").await;
    let cookies = browser.cookies().await;
    for page in PAGES {
        for (what, call, body) in wishes() {
            let (method, path) = call.split_once(' ').unwrap();
            let url = format!("{}{path}", world.service.url());
            let body = body.map_or(Value::Null, |body| body.to_string().into());
            let arguments = [method.into(), url.into(), body];
            for (means, script) in MEANS {
                attacks(&world, &browser, page, script, &arguments).await;
                let case = format!("{what} from {page:?} by {means}");
                assert_eq!(browser.cookies().await, cookies, "{case}");
            }
        }
        let list = world.calls(&witness, "GET", "/sessions", None).await;
        let sessions = list.must_be(200)["items"].as_array().unwrap().len();
        assert_eq!(sessions, 2, "{page:?}: neither session has ended");
    }
    browser.visits(&world.app.url("/")).await;
    assert_eq!(world.user_in(&browser).await.as_deref(), Some("alice"));
    let new_user = json!({ "username": "trudy", "password": PASSWORD });
    let free = world
        .calls(&browser, "POST", "/users", Some(new_user))
        .await;
    free.must_be(201);
}

/// What the attacks send is right in itself: from the application's own page the same calls do all of
/// it.
#[tokio::test]
async fn the_applications_page_gets_the_same_wishes() {
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    for (what, call, body) in wishes() {
        let (method, path) = call.split_once(' ').unwrap();
        let answer = world.calls(&browser, method, path, body).await;
        let status = answer.status.unwrap();
        if path == "/revoke" {
            // It reads no cookie, and there is nothing in the form.
            assert_eq!(status, 400, "{what}: {}", answer.body);
            continue;
        }
        assert!((200..300).contains(&status), "{what}: {}", answer.body);
        if path == "/password" {
            let back = json!({ "current": "the password of a stranger", "new": PASSWORD });
            let answer = world.calls(&browser, "PUT", "/password", Some(back)).await;
            answer.must_be(200);
        }
        world.logs_in(&browser, "alice").await;
    }
}

/// To read is not to change; but a stranger may not read either.
#[tokio::test]
async fn no_foreign_page_reads_an_answer() {
    let world = World::begins().await;
    let browser = world.browser_of("alice").await;
    for url in [world.stranger.url("/"), world.stranger.url_elsewhere("/")] {
        browser.visits(&url).await;
        for path in ["/session", "/sessions", "/healthz", "/nowhere"] {
            let answer = world.calls(&browser, "GET", path, None).await;
            assert_eq!(answer.status, None, "{url} {path}: {}", answer.body);
        }
    }
}
