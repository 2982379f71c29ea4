//! What a page of another site may make a browser send. For the service in Python nginx asks the gate,
//! which must judge the real request; the service in Rust judges by itself. They say the same.

use super::wire::{request, says};
use super::{World, variable};

/// What the application's own page sends beside its cookie.
const OWN: [&str; 2] = ["Sec-Fetch-Site: same-origin", "X-CSRF-Token: VALUE"];
const JSON: &str = "Content-Type: application/json";

/// A method, the lines of the header beside the cookie, a body, and the answer.
fn table() -> Vec<(&'static str, Vec<&'static str>, &'static str, u16)> {
    let own = |more: &[&'static str]| [&OWN, more].concat();
    let foreign = |site: &'static str| vec![site, OWN[1]];
    vec![
        // Whoever only looks needs no proof.
        ("GET", vec![], "", 200),
        ("HEAD", vec![], "", 200),
        ("OPTIONS", vec![], "", 200),
        ("GET", vec!["Sec-Fetch-Site: cross-site"], "", 200),
        // Whoever changes something does, by whatever method.
        ("POST", vec![], "", 403),
        ("PUT", vec![], "", 403),
        ("PATCH", vec![], "", 403),
        ("DELETE", vec![], "", 403),
        ("BREW", vec![], "", 403),
        ("GETT", vec![], "", 403),
        ("POST", own(&[]), "", 200),
        ("PUT", own(&[]), "", 200),
        ("DELETE", own(&[]), "", 200),
        ("POST", own(&[JSON, "Content-Length: 2"]), "{}", 200),
        // The method is the real one, whatever is said of it.
        ("POST", vec!["X-Original-Method: GET"], "", 403),
        ("POST", vec!["x-original-method: GET"], "", 403),
        ("POST", vec!["X_Original_Method: GET"], "", 403),
        ("POST", vec!["X-Forwarded-Method: GET"], "", 403),
        ("POST", vec!["X-HTTP-Method-Override: GET"], "", 403),
        (
            "POST",
            vec!["X-Original-Method: GET", "X-Forwarded-Method: GET"],
            "",
            403,
        ),
        (
            "DELETE",
            vec!["X-Original-Method: GET", "Connection: X-Original-Method"],
            "",
            403,
        ),
        ("GET", vec!["X-Original-Method: POST"], "", 200),
        ("GET", vec!["X-Forwarded-Method: DELETE"], "", 200),
        // The proof is whole, and there once.
        ("POST", vec![OWN[0]], "", 403),
        ("POST", vec![OWN[0], "X-CSRF-Token: x"], "", 403),
        ("POST", vec![OWN[0], "X_CSRF_Token: VALUE"], "", 403),
        ("POST", vec![OWN[0], OWN[1], OWN[1]], "", 403),
        ("POST", vec![OWN[0], OWN[0], OWN[1]], "", 403),
        (
            "POST",
            vec![OWN[0], "Sec-Fetch-Site: cross-site", OWN[1]],
            "",
            403,
        ),
        ("POST", foreign("Sec-Fetch-Site: cross-site"), "", 403),
        ("POST", foreign("Sec-Fetch-Site: same-site"), "", 403),
        ("POST", foreign("Origin: https://evil.example"), "", 403),
        ("POST", foreign("Origin: null"), "", 403),
        ("POST", foreign("Origin: ISSUER"), "", 200),
        // What a form can send is no JSON, and says so or says nothing.
        (
            "POST",
            own(&["Content-Type: text/plain", "Content-Length: 2"]),
            "{}",
            403,
        ),
        (
            "POST",
            own(&["Content-Type: application/x-www-form-urlencoded"]),
            "",
            403,
        ),
        ("POST", own(&["Content-Length: 2"]), "{}", 403),
        (
            "POST",
            own(&["Transfer-Encoding: chunked"]),
            "2\r\n{}\r\n0\r\n\r\n",
            403,
        ),
        (
            "POST",
            own(&["Content-Type:", "Content-Length: 2"]),
            "{}",
            403,
        ),
        (
            "POST",
            own(&["Content-Type: text/plain", JSON, "Content-Length: 2"]),
            "{}",
            403,
        ),
        // Of two the first is the one that is judged, and then the only one.
        (
            "POST",
            own(&[JSON, "Content-Type: text/plain", "Content-Length: 2"]),
            "{}",
            200,
        ),
        // Anybody's page may open a WebSocket, and hears what it says.
        (
            "GET",
            vec!["Sec-WebSocket-Key: x", "Sec-Fetch-Site: cross-site"],
            "",
            403,
        ),
        (
            "GET",
            vec!["Sec-WebSocket-Key: x", "Origin: https://evil.example"],
            "",
            403,
        ),
        (
            "GET",
            vec!["Sec-WebSocket-Key: x", "Origin: ISSUER"],
            "",
            200,
        ),
    ]
}

#[tokio::test]
async fn a_forged_request_is_judged_by_what_it_is() {
    let world = World::begins().await;
    let alice = world.in_browser("alice").await;
    let cookie = format!("Cookie: __Host-Http-access={}", alice.access_token());
    for (nth, (method, lines, body, wanted)) in table().iter().enumerate() {
        let mut lines: Vec<_> = lines
            .iter()
            .map(|line| line.replace("VALUE", &alice.csrf_value()))
            .map(|line| line.replace("ISSUER", &world.nginx.url("")))
            .collect();
        lines.push(cookie.clone());
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        for name in ["notes", "orders"] {
            let path = format!("/{name}/{nth}.");
            let text = request(&format!("{method} {path}"), &lines) + body;
            let heard = says(&world.nginx, text).await;
            let case = format!("{method} {path} {lines:?}: {}", heard.text);
            assert_eq!(heard.statuses, [*wanted], "{case}");
            let seen = world.notes.seen_with(&path).await;
            let served = usize::from(name == "notes" && *wanted == 200);
            assert_eq!(seen.len(), served, "{case}");
            if let Some(seen) = seen.first() {
                assert_eq!(seen["method"], *method, "{case}");
                assert_eq!(variable(seen, "X-HTTP-Method-Override"), [""; 0]);
            } else if *wanted == 403 && *method != "HEAD" {
                assert!(heard.text.contains("urn:portcullis:csrf"), "{case}");
            }
        }
    }
}

/// A token in a header is sent by no page that was not given it.
#[tokio::test]
async fn a_bearer_needs_no_proof() {
    let world = World::begins().await;
    let alice = world.on_phone("alice").await;
    let bearer = format!("Authorization: Bearer {}", alice.access_token());
    for path in ["/notes", "/orders"] {
        for method in ["POST", "DELETE"] {
            let lines = [&*bearer, "Sec-Fetch-Site: cross-site"];
            let text = request(&format!("{method} {path}"), &lines);
            let heard = says(&world.nginx, text).await;
            assert_eq!(heard.statuses, [200], "{method} {path}: {}", heard.text);
        }
    }
}
