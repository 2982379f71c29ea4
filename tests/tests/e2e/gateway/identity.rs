//! Identity headers of the sender's own, in every spelling, never reach a service.

use super::wire::{request, says};
use super::{World, id_of, variable};
use serde_json::Value;

/// What every line of an attacker holds.
const FORGED: &str = "00000000-0000-4000-8000-000000000bad";

const NAMES: [&str; 3] = ["X-User-Id", "X-Session-Id", "X-Roles"];

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It is passed on, and the lines are gone.
    Cleaned,
    /// nginx answers 400.
    Refused,
}
use Fate::{Cleaned, Refused};

/// Ways to write the header `name`, each as the lines of a request.
fn spellings(name: &str) -> Vec<(&'static str, String, Fate)> {
    let low = name.replace('-', "_");
    let dots = name.replace('-', ".");
    let line = |name: &str| format!("{name}: {FORGED}");
    let plain = line(name);
    vec![
        ("as it is", plain.clone(), Cleaned),
        ("small", line(&name.to_lowercase()), Cleaned),
        ("capitals", line(&name.to_uppercase()), Cleaned),
        ("low lines", line(&low), Cleaned),
        ("small, low lines", line(&low.to_lowercase()), Cleaned),
        ("a low line", line(&name.replacen('-', "_", 1)), Cleaned),
        ("dots", line(&dots), Cleaned),
        ("small, dots", line(&dots.to_lowercase()), Cleaned),
        ("a dot", line(&name.replacen('-', ".", 1)), Cleaned),
        ("other signs", line(&name.replace('-', "~")), Cleaned),
        ("as CGI has it", line(&format!("HTTP_{low}")), Cleaned),
        (
            "not in ASCII",
            line(&name.replace('-', "\u{2010}")),
            Cleaned,
        ),
        ("no space", format!("{name}:{FORGED}"), Cleaned),
        ("twice", [&*plain; 2].join("\r\n"), Cleaned),
        ("twice, low lines", [&*line(&low); 2].join("\r\n"), Cleaned),
        ("twice, dots", [&*line(&dots); 2].join("\r\n"), Cleaned),
        (
            "in two spellings",
            [&*plain, &line(&low), &line(&dots)].join("\r\n"),
            Cleaned,
        ),
        ("a hundred times", [&*plain; 100].join("\r\n"), Cleaned),
        ("empty, then not", format!("{name}:\r\n{plain}"), Cleaned),
        (
            "listed in Connection",
            format!("{plain}\r\nConnection: {name}"),
            Cleaned,
        ),
        (
            "listed in Connection before, among others",
            format!("Connection: close, {name}, upgrade\r\n{plain}"),
            Cleaned,
        ),
        (
            "listed in Connection with low lines",
            format!("{}\r\nConnection: {low}", line(&low)),
            Cleaned,
        ),
        (
            "listed as a trailer",
            format!("{plain}\r\nTE: trailers\r\nTrailer: {name}"),
            Cleaned,
        ),
        (
            "after a mere line feed",
            format!("X-Nothing: a\n{plain}"),
            Cleaned,
        ),
        ("a space after it", format!("{name} : {FORGED}"), Refused),
        ("a tab after it", format!("{name}\t: {FORGED}"), Refused),
        ("a space before it", format!(" {plain}"), Refused),
        (
            "a folded line",
            format!("X-Nothing: a\r\n {plain}"),
            Refused,
        ),
        (
            "after a mere carriage return",
            format!("X-Nothing: a\r{plain}"),
            Refused,
        ),
        ("after a zero", format!("X-Nothing: a\0{plain}"), Refused),
        ("a zero in it", line(&name.replace('-', "\0")), Refused),
    ]
}

/// Each spelling, of all three headers at once.
fn attacks() -> Vec<(&'static str, String, Fate)> {
    let mut attacks = spellings(NAMES[0]);
    for name in &NAMES[1..] {
        for (attack, (_, lines, _)) in attacks.iter_mut().zip(spellings(name)) {
            attack.1 = format!("{}\r\n{lines}", attack.1);
        }
    }
    attacks
}

/// The one request that the service in Python has seen with this mark.
async fn only(world: &World, mark: &str, case: &str) -> Value {
    let mut seen = world.notes.seen_with(mark).await;
    assert_eq!(seen.len(), 1, "{case}: {seen:?}");
    seen.remove(0)
}

#[tokio::test]
async fn no_spelling_of_an_identity_header_reaches_a_service() {
    let world = World::begins().await;
    let mut mallory = world.on_phone("mallory").await;
    let id = id_of(&mut mallory).await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    for (nth, (case, lines, fate)) in attacks().iter().enumerate() {
        for (path, credential, is_protected) in [
            (format!("/notes/{nth}-protected"), &*bearer, true),
            (format!("/notes/about?{nth}-open"), "X-Nothing: b", false),
            (format!("/orders/{nth}"), &*bearer, true),
        ] {
            let case = format!("{case}: {path}");
            let line = format!("GET {path}");
            let heard = says(&world.nginx, request(&line, &[lines, credential])).await;
            assert!(!heard.text.contains(FORGED), "{case}: {}", heard.text);
            let wanted = if *fate == Refused { 400 } else { 200 };
            assert_eq!(heard.statuses, [wanted], "{case}");
            if path.starts_with("/orders") {
                continue;
            }
            if *fate == Refused {
                assert!(world.notes.seen_with(&path).await.is_empty(), "{case}");
                continue;
            }
            let seen = only(&world, &path, &case).await;
            let identity = if is_protected { vec![&*id] } else { vec![] };
            assert_eq!(variable(&seen, "X-User-Id"), identity, "{case}");
            let sessions = variable(&seen, "X-Session-Id").len();
            assert_eq!(sessions, identity.len(), "{case}");
            // Mallory has none.
            assert!(variable(&seen, "X-Roles").is_empty(), "{case}");
            assert!(!seen.to_string().contains(FORGED), "{case}: {seen}");
        }
    }
}

/// Without a token nobody is asked whose name they would like to have.
#[tokio::test]
async fn a_forged_identity_alone_is_no_log_in() {
    let world = World::begins().await;
    for (case, lines, fate) in attacks() {
        for path in ["/notes", "/orders"] {
            let heard = says(&world.nginx, request(&format!("GET {path}"), &[&lines])).await;
            let wanted = if fate == Refused { 400 } else { 401 };
            assert_eq!(heard.statuses, [wanted], "{case}: {path}");
        }
    }
    assert_eq!(world.notes.seen().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_trailer_is_no_header() {
    let world = World::begins().await;
    let mut mallory = world.on_phone("mallory").await;
    let id = id_of(&mut mallory).await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    let lines = [
        &*bearer,
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        "Trailer: X-User-Id",
    ];
    let body = format!("2\r\n{{}}\r\n0\r\nX-User-Id: {FORGED}\r\nX_User_Id: {FORGED}\r\n\r\n");
    let post = request("POST /notes/trailer", &lines) + &body;
    assert_eq!(says(&world.nginx, post).await.statuses, [200]);
    let seen = only(&world, "/notes/trailer", "a trailer").await;
    assert_eq!(seen["body"], "{}");
    assert_eq!(variable(&seen, "X-User-Id"), [id]);
    assert!(!seen.to_string().contains(FORGED), "{seen}");
}

/// What other gateways tell services, or frameworks take for the method and the path.
#[tokio::test]
async fn no_other_name_for_a_user_a_method_or_a_path_reaches_a_service() {
    let world = World::begins().await;
    let mallory = world.on_phone("mallory").await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    let names = [
        "Forwarded",
        "Proxy",
        "Remote-User",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Method",
        "X-Forwarded-Prefix",
        "X-Forwarded-Proto",
        "X-Forwarded-Uri",
        "X-Forwarded-User",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Original-Method",
        "X-Original-URI",
        "X-Original-URL",
        "X-Real-IP",
        "X-Remote-User",
        "X-Rewrite-URL",
        "X-User",
    ];
    let mut lines: Vec<_> = names
        .iter()
        .map(|name| format!("{name}: {FORGED}"))
        .collect();
    lines.push(bearer);
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    for path in ["/notes/names", "/notes/about?names", "/orders/names"] {
        let heard = says(&world.nginx, request(&format!("GET {path}"), &lines)).await;
        assert_eq!(heard.statuses, [200], "{path}");
        assert!(!heard.text.contains(FORGED), "{path}: {}", heard.text);
    }
}

/// `Upgrade: h2c` would be a line to the service that nobody watches any more.
#[tokio::test]
async fn no_other_protocol_than_websocket_is_spoken_to_a_service() {
    let world = World::begins().await;
    let mallory = world.on_phone("mallory").await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    for upgrade in [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\nConnection: Upgrade, HTTP2-Settings",
        "Upgrade: TLS/1.2\r\nConnection: Upgrade",
        "Upgrade: websocket, h2c\r\nConnection: Upgrade",
        "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: Upgrade",
    ] {
        for path in ["/notes/upgrade", "/notes/about?upgrade", "/orders/upgrade"] {
            let text = request(&format!("GET {path}"), &[&bearer, upgrade]);
            let heard = says(&world.nginx, text).await;
            assert_eq!(heard.statuses, [200], "{upgrade}: {path}: {}", heard.text);
            let body = heard.text.split("\r\n\r\n").nth(1).unwrap();
            assert!(
                !body.to_lowercase().contains("\"upgrade\""),
                "{upgrade}: {body}"
            );
        }
    }
}
