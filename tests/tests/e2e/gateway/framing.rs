//! A request that hides in the body of another one (request smuggling): nginx refuses it, or hands it
//! over as the body that it is, and no service ever takes it for a request.

use super::wire::{request, says};
use super::{World, id_of, variable};
use tests::figures::{figure, figures};

const TABLE: &str = include_str!("framing.txt");

const FORGED: &str = "00000000-0000-4000-8000-000000000bad";

/// A request of somebody else's, to a path that nothing else asks for.
fn hidden() -> String {
    format!("GET /notes/hidden HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-Id: {FORGED}\r\n\r\n")
}

fn in_a_chunk(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// A request with that body, on a connection that stays open; after it, a plain one that is the last.
fn smuggled(line: &str, lines: &[&str], body: &str) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let last = request("GET /notes/about?last", &[]);
    format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n{body}{last}")
}

struct Row {
    case: String,
    method: &'static str,
    lines: Vec<String>,
    body: String,
    answers: Vec<u16>,
}

fn rows() -> Vec<Row> {
    let ended = format!("0\r\n\r\n{}", hidden());
    let spelled = |text: &str| {
        [
            ("\\r", "\r"),
            ("\\n", "\n"),
            ("\\t", "\t"),
            ("\\v", "\u{b}"),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, sign)| {
            text.replace(name, sign)
        })
        .replace("ALL", &hidden().len().to_string())
        .replace("ENDED", &ended)
        .replace("END", &ended.len().to_string())
        .replace("HIDDEN", &hidden())
        .replace("CHUNKED", &in_a_chunk(&hidden()))
    };
    let row = |line: &'static str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [case, method, lines, body, answers] = cells[..] else {
            return None;
        };
        let lines = lines.split(';').map(|line| spelled(line.trim()));
        let answers = answers.split(' ').map(|status| status.parse().unwrap());
        Some(Row {
            case: format!("{case} ({method})"),
            method,
            lines: lines.collect(),
            body: spelled(body),
            answers: answers.collect(),
        })
    };
    TABLE.lines().filter_map(row).collect()
}

#[tokio::test]
async fn no_request_hides_in_another_one() {
    let world = World::begins().await;
    let rows = rows();
    assert_eq!(rows.len(), 39, "rows of the table");
    for row in rows {
        let lines: Vec<_> = row.lines.iter().map(String::as_str).collect();
        let line = format!("{} /notes/about", row.method);
        let heard = says(&world.nginx, smuggled(&line, &lines, &row.body)).await;
        assert_eq!(heard.statuses, row.answers, "{}: {}", row.case, heard.text);
        for seen in world.notes.seen().await {
            assert_ne!(seen["path"], "/notes/hidden", "{}", row.case);
            let users = variable(&seen, "X-User-Id");
            assert!(users.is_empty(), "{}: {seen}", row.case);
        }
    }
}

/// A service need not know of chunks: nginx counts them before it passes on the first, however many.
#[tokio::test]
async fn a_body_in_chunks_comes_with_its_length() {
    let world = World::begins().await;
    let alice = world.on_phone("alice").await;
    let lines = [
        &format!("Authorization: Bearer {}", alice.access_token()),
        "Transfer-Encoding: chunked",
    ];
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    let body = chunk.repeat(20) + "0\r\n\r\n";
    let heard = says(&world.nginx, request("POST /notes/chunks", &lines) + &body).await;
    assert_eq!(heard.statuses, [200]);
    let seen = world.notes.seen_with("/notes/chunks").await;
    assert_eq!(variable(&seen[0], "Content-Length"), ["200000"]);
    assert_eq!(variable(&seen[0], "Transfer-Encoding"), [""; 0]);
    assert_eq!(seen[0]["body"].as_str().unwrap().len(), 200_000);
}

/// The attacker may have an account, and then gets past the gate.
#[tokio::test]
async fn no_request_hides_behind_a_log_in() {
    let world = World::begins().await;
    let mut mallory = world.on_phone("mallory").await;
    let id = id_of(&mut mallory).await;
    let bearer = format!("Authorization: Bearer {}", mallory.access_token());
    let length = format!("Content-Length: {}", hidden().len());
    let plain = [&*bearer, &length];
    let upgraded = [
        &*bearer,
        &length,
        "Upgrade: websocket",
        "Connection: upgrade",
    ];
    for lines in [&plain[..], &upgraded] {
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            let attack = smuggled(&format!("{method} /notes/7"), lines, &hidden());
            let heard = says(&world.nginx, attack).await;
            assert_eq!(heard.statuses, [200, 200], "{method}: {}", heard.text);
        }
    }
    for seen in world.notes.seen().await {
        assert_ne!(seen["path"], "/notes/hidden");
        let users = variable(&seen, "X-User-Id");
        assert!(users.is_empty() || users == [&*id], "{seen}");
    }
}

/// nginx keeps its connections to the session service open, and not all that is there is for strangers.
#[tokio::test]
async fn no_request_hides_on_a_connection_to_the_session_service() {
    const LOOKS: &str = r#"portcullis_http_request_duration_seconds_count{method="GET",path="/metrics",status="200"}"#;
    let world = World::begins().await;
    let url = world.service.url();
    // From the second look on, the ones before are counted.
    figures(url).await;
    let before = figure(url, LOOKS).await;
    let hidden = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let length = format!("Content-Length: {}", hidden.len());
    let chunk = in_a_chunk(hidden);
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
        for path in ["/", "/session", "/web/page.js", "/session/nowhere"] {
            for (lines, body) in [(&*length, hidden), ("Transfer-Encoding: chunked", &chunk)] {
                let attack = smuggled(&format!("{method} {path}"), &[lines], body);
                let heard = says(&world.nginx, attack).await;
                let answers = (heard.statuses.len(), heard.statuses.last());
                assert_eq!(answers, (2, Some(&200)), "{method} {path}: {}", heard.text);
            }
        }
    }
    let looks = figure(url, LOOKS).await - before;
    assert!(
        (looks - 1.0).abs() < 0.5,
        "{looks} looks, of which one is ours"
    );
}
