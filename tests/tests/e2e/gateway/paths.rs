//! A path is one thing: nginx, which judges for the service in Python, and the service in Rust, which
//! judges by itself, say the same of it, and neither serves what it has judged as something else.

use super::wire::{request, says};
use super::{World, variable};

/// A path, and the answers to it: without a token, and with one. `NAME` is a service's.
const TABLE: [(&str, u16, u16); 39] = [
    ("/NAME", 401, 200),
    ("/NAME/", 401, 200),
    ("/NAME/7", 401, 200),
    ("/NAME?to=//..;/%2e%2e%2f#", 401, 200),
    ("/NAME/.hidden", 401, 200),
    ("/NAME/..hidden", 401, 200),
    ("/NAME/a%20b", 401, 200),
    ("/NAME/caf%c3%a9", 401, 200),
    ("http://127.0.0.1/NAME", 401, 200),
    // Second spellings.
    ("//NAME", 400, 400),
    ("/NAME//7", 400, 400),
    ("/NAME//", 400, 400),
    ("/./NAME", 400, 400),
    ("/NAME/.", 400, 400),
    ("/NAME/./7", 400, 400),
    ("/NAME/..", 400, 400),
    ("/nowhere/../NAME", 400, 400),
    ("/NAME/about/../7", 400, 400),
    ("/session/../NAME", 400, 400),
    ("/NAME/about/..;/7", 400, 400),
    ("/NAME;x=y", 400, 400),
    ("/NAME/about/%2e%2e/7", 400, 400),
    ("/NAME/about/.%2E/7", 400, 400),
    ("/%2e/NAME", 400, 400),
    ("/NAME%2f7", 400, 400),
    ("/NAME/about%2F..%2F7", 400, 400),
    ("/NAME/about/..%5c7", 400, 400),
    ("/NAME/about\\..\\7", 400, 400),
    ("/NAME/%252e%252e/7", 400, 400),
    ("/NAME/about%3f/7", 400, 400),
    ("/NAME/about#/../7", 400, 400),
    ("/NAME/about%23/7", 400, 400),
    ("/NAME/about%3b/7", 400, 400),
    ("/NAME%00", 400, 400),
    ("http://127.0.0.1//NAME", 400, 400),
    ("NAME", 400, 400),
    // Nobody's.
    ("/NAMEs", 404, 404),
    ("/nowhere/NAME", 404, 404),
    ("/_verify", 404, 404),
];

#[tokio::test]
async fn a_path_is_the_same_to_nginx_and_to_a_service() {
    let world = World::begins().await;
    let mallory = world.on_phone("mallory").await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    for (path, without, with) in TABLE {
        for name in ["notes", "orders"] {
            let path = path.replace("NAME", name);
            let seen = world.notes.seen().await.len();
            for (lines, wanted) in [(&[][..], without), (&[&*bearer], with)] {
                let heard = says(&world.nginx, request(&format!("GET {path}"), lines)).await;
                assert_eq!(heard.statuses, [wanted], "{path} {lines:?}: {}", heard.text);
            }
            let served = usize::from(name == "notes" && with == 200);
            let seen = world.notes.seen().await.len() - seen;
            assert_eq!(seen, served, "{path}: what was refused is not passed on");
        }
    }
}

/// One page of the service is for everybody. What else is it taken for?
#[tokio::test]
async fn nothing_else_is_taken_for_the_open_page() {
    let world = World::begins().await;
    for (path, status) in [
        ("/notes/about", 200),
        ("/notes/about?x=/../7", 200),
        ("/notes/%61bout", 200),
        ("/notes/about/", 401),
        ("/notes/about/7", 401),
        ("/notes/About", 401),
        ("/notes/about%20", 401),
        ("/notes/about%0a", 401),
        ("/notes/about%09", 401),
        ("/notes/about.html", 401),
        ("/notes/about.", 401),
        ("/notes//about", 400),
        ("/notes/about;", 400),
        ("/notes/about%2f", 400),
        ("/notes/7/../about", 400),
    ] {
        let heard = says(&world.nginx, request(&format!("GET {path}"), &[])).await;
        assert_eq!(heard.statuses, [status], "{path}");
    }
    let seen = world.notes.seen().await;
    assert_eq!(seen.len(), 3, "the page alone: {seen:?}");
    assert!(
        seen.iter()
            .all(|seen| variable(seen, "X-User-Id").is_empty())
    );
}

#[tokio::test]
async fn what_is_not_for_strangers_is_not_to_be_had() {
    let world = World::begins().await;
    for path in [
        "/revocations",
        "/revocations/stream",
        "/revocations/status",
        "/introspect",
        "/metrics",
        "/healthz",
        "/readyz",
        "/verify",
        "/nginx.conf",
    ] {
        let heard = says(&world.nginx, request(&format!("GET {path}"), &[])).await;
        assert_eq!(heard.statuses, [404], "{path}");
        assert!(!heard.text.contains("urn:portcullis"), "{path}: by nginx");
    }
}
