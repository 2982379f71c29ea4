//! The whole route table against everything that a stranger can send: a problem of the documented
//! status, never a 500.

use super::*;
use crate::http::json::MAX_LEN;

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// One endpoint, and whoever may call it.
struct Target {
    method: String,
    path: String,
    form: bool,
    body: bool,
}

impl Target {
    fn all() -> Vec<Self> {
        let target = |endpoint: &super::super::endpoint::Endpoint| Self {
            method: endpoint.method.to_string(),
            path: path_with(endpoint.path, ID),
            form: matches!(endpoint.path, "/revoke" | "/introspect"),
            body: matches!(endpoint.method.as_str(), "POST" | "PUT"),
        };
        endpoints().iter().map(target).collect()
    }

    /// With the right credential, so that nothing is refused for its lack.
    fn request(&self, world: &World, root: &Phone, path: &str) -> RequestBuilder {
        let for_clients = self.path == "/introspect" || self.path.starts_with("/revocations");
        if for_clients {
            world.client(&self.method, path)
        } else {
            root.request(world, &self.method, path)
        }
    }
}

#[track_caller]
fn assert_4xx(answer: &Answer, status: u16, case: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.body);
    assert_eq!(
        header(answer, "content-type"),
        "application/problem+json",
        "{case}"
    );
    assert_eq!(answer.body["status"], status, "{case}");
    assert_eq!(
        header(answer, "x-content-type-options"),
        "nosniff",
        "{case}"
    );
    assert!(answer.headers.contains_key("x-request-id"), "{case}");
}

#[tokio::test]
async fn another_method_is_405_and_says_which_there_are() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    let targets = Target::all();
    for target in &targets {
        let there_are = |method: &str| {
            let same = |other: &&Target| other.path == target.path;
            targets
                .iter()
                .filter(same)
                .any(|other| other.method == method || (other.method == "GET" && method == "HEAD"))
        };
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "get",
            "BREW",
        ] {
            if there_are(method) {
                continue;
            }
            let request = root
                .request(&world, method, &target.path)
                .header("x-http-method-override", &target.method);
            let answer = Answer::of(request).await;
            let case = format!("{method} {}", target.path);
            let allowed = header(&answer, "allow");
            assert!(
                allowed.split(", ").any(|name| name == target.method),
                "{case}: {allowed}"
            );
            if method != "HEAD" {
                assert_4xx(&answer, 405, &case);
            }
            assert_eq!(answer.status, 405, "{case}");
        }
    }
}

#[tokio::test]
async fn another_spelling_of_a_path_is_404() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    for spelling in [
        "//",
        "/.",
        "/./",
        "/;x=1",
        "/%2f",
        "/%2e",
        "/index.html",
        "/web",
        "/web/",
    ] {
        let answer = raw(&world, "GET", spelling, &root.access).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{spelling}: {answer}");
    }
    for target in Target::all()
        .into_iter()
        .filter(|target| target.path != "/")
    {
        let path = &target.path;
        let (head, tail) = path.split_at(2);
        for spelling in [
            format!("{path}/"),
            format!("/{path}"),
            format!("{head}%{:02x}{}", tail.as_bytes()[0], &tail[1..]),
            format!("{path}%2f"),
            format!("{path};x=1"),
            format!("{path}/./"),
            format!("/.{path}"),
            format!("{path}%00"),
            path.to_uppercase(),
            format!("/x/..;{path}"),
            format!("/nowhere{path}"),
        ] {
            // A client library would tidy some of these away.
            let answer = raw(&world, &target.method, &spelling, &root.access).await;
            assert!(
                answer.starts_with("HTTP/1.1 404 "),
                "{} {spelling}: {answer}",
                target.method
            );
            assert!(
                answer.contains("application/problem+json"),
                "{spelling}: {answer}"
            );
        }
    }
}

/// Nobody here speaks another protocol, and what comes after such a request is not looked at.
#[tokio::test]
async fn who_asks_for_a_websocket_gets_the_same_answer() {
    let world = World::begins().await;
    let phone = world.phone("alice").await;
    let follows = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    for (path, status) in [("/sessions", "200"), ("/admin/users", "403")] {
        let began = std::time::Instant::now();
        let lines = format!("Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n{follows}");
        let answer = raw_with(&world, "GET", path, &phone.access, &lines).await;
        let case = format!("{path}: {answer}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{case}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{case}");
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "waits for a body: {case}"
        );
    }
}

/// Sends a request line as it stands.
async fn raw(world: &World, method: &str, path: &str, access: &str) -> String {
    let lines = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    raw_with(world, method, path, access, lines).await
}

/// The same with other lines, and what follows them.
async fn raw_with(world: &World, method: &str, path: &str, access: &str, lines: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = world.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {access}\r\n{lines}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn an_unknown_query_parameter_is_400_everywhere() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    for target in Target::all() {
        for query in [
            "x=1",
            "after=1&x",
            "%00=1",
            "keep=current&after=1&username=a",
        ] {
            let path = format!("{}?{query}", target.path);
            let answer = Answer::of(target.request(&world, &root, &path)).await;
            assert_4xx(&answer, 400, &format!("{} {path}", target.method));
        }
    }
    root.sends(&world, "GET", "/session").await.must_be(200);
}

#[tokio::test]
async fn bodies_of_the_wrong_size_type_or_shape() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    // Before any of it has come.
    let length = MAX_LEN + 1;
    let lines = format!(
        "Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let announced = raw_with(&world, "PUT", "/password", &root.access, &lines).await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    for target in Target::all() {
        let request = || target.request(&world, &root, &target.path);
        let case = |what: &str| format!("{} {}: {what}", target.method, target.path);
        let kind = if target.form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let sent = |body: Vec<u8>| Answer::of(request().header(CONTENT_TYPE, kind).body(body));
        let takes_none = !target.body || target.path.ends_with("able");
        if takes_none {
            assert_4xx(&sent(b"{}".to_vec()).await, 400, &case("a body"));
            if target.method != "GET" {
                assert_4xx(
                    &Answer::of(request().header(CONTENT_TYPE, "text/plain")).await,
                    415,
                    &case("text"),
                );
            }
        }
        assert_4xx(&sent(vec![b' '; MAX_LEN + 1]).await, 413, &case("large"));
        assert_4xx(&sent(vec![b'['; 1024 * 1024]).await, 413, &case("huge"));
        let chunks =
            futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1024])));
        let streamed = request()
            .header(CONTENT_TYPE, kind)
            .body(reqwest::Body::wrap_stream(chunks));
        // (The client library sends no such body with a GET.)
        if target.method != "GET" {
            let streamed = Answer::of(streamed).await;
            assert_4xx(&streamed, 413, &case("without a length"));
        }
        let encoded = request()
            .header(CONTENT_TYPE, kind)
            .header("content-encoding", "gzip")
            .body(b"x".to_vec());
        let encoded = Answer::of(encoded).await;
        if target.method != "GET" {
            assert_4xx(&encoded, 415, &case("encoded"));
        }
        if takes_none || target.form {
            continue;
        }
        for (what, body) in [
            ("nothing", &b""[..]),
            ("half an object", br#"{"username":"#),
            ("a list", b"[]"),
            ("text", br#""x""#),
            ("null", b"null"),
            ("a number", b"1e999"),
            ("two objects", b"{}{}"),
            ("not UTF-8", b"{\"username\":\"\xff\",\"password\":\"x\"}"),
            ("half a surrogate pair", br#"{"username":"\ud800","password":"x"}"#),
            ("a byte order mark", b"\xef\xbb\xbf{}"),
            ("a member that is not known", br#"{"username":"alice","password":"x","current":"x","new":"x","roles":[],"session_token":"x","x":1}"#),
            ("a member twice", br#"{"username":"alice","username":"bob","password":"x","password":"x","current":"x","current":"x","roles":[],"roles":[],"session_token":"x","session_token":"y"}"#),
            ("nested deep", &[b'['; 10_000]),
            ("nested deep in a member", br#"{"username":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"#),
        ] {
            let answer = sent(body.to_vec()).await;
            if what == "nothing" && target.path == "/session/refresh" {
                assert_4xx(&answer, 401, &case(what));
                continue;
            }
            assert_4xx(&answer, 400, &case(what));
            let told = answer.body.to_string();
            assert!(!told.contains("alice") && !told.contains("bob"), "{}: it repeats what was sent: {told}", case(what));
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "text/json",
            "application/json+x",
        ] {
            let answer = Answer::of(request().header(CONTENT_TYPE, kind).body("{}")).await;
            assert_4xx(&answer, 415, &case(kind));
        }
        let untyped = Answer::of(request().body("{}")).await;
        assert_4xx(&untyped, 415, &case("no type"));
        let twice = request()
            .header(CONTENT_TYPE, kind)
            .header(CONTENT_TYPE, kind)
            .body("{}");
        assert_4xx(&Answer::of(twice).await, 415, &case("two types"));
        let with_charset = request()
            .header(CONTENT_TYPE, "Application/JSON; charset=utf-8")
            .body("{}");
        let expected = if target.path == "/session/refresh" {
            401
        } else {
            400
        };
        assert_4xx(
            &Answer::of(with_charset).await,
            expected,
            &case("with a charset"),
        );
    }
    root.sends(&world, "GET", "/session").await.must_be(200);
}

/// A zero byte is a character like others, but no database takes it in a text.
#[tokio::test]
async fn names_that_no_database_takes() {
    let database = tests::Postgres::fresh_database().await;
    let world = World::begins_with(|plan| plan.database = Some(database)).await;
    let root = world.phone("root").await;
    for path in ["/revocations", "/revocations/stream"] {
        let request = world.request("GET", path).basic_auth("\0", Some("x"));
        assert_4xx(&Answer::of(request).await, 401, path);
    }
    let request = world
        .request("POST", "/introspect")
        .basic_auth("\0", Some("\0"));
    assert_4xx(
        &Answer::of(request.form(&[("token", "x")])).await,
        401,
        "/introspect",
    );
    for query in ["after=%00", "after=%ff", "after=a%0ab"] {
        let answer = root
            .sends(&world, "GET", &format!("/admin/users?{query}"))
            .await;
        assert_4xx(&answer, 400, query);
    }
    let answer = root.sends(&world, "GET", "/admin/users?username=%00").await;
    assert_eq!(answer.must_be(200).body["items"], serde_json::json!([]));
    let login = serde_json::json!({ "username": "a\0", "password": "\0", "device": "\0" });
    let answer = Answer::of(world.request("POST", "/session").json(&login)).await;
    assert_4xx(&answer, 400, "a device");
}

#[tokio::test]
async fn headers_that_are_no_text() {
    let world = World::begins().await;
    let root = world.phone("root").await;
    for target in Target::all()
        .iter()
        .filter(|target| !target.path.starts_with("/revocations"))
    {
        for name in [
            "authorization",
            "cookie",
            "origin",
            "x-csrf-token",
            "content-type",
            "x-request-id",
            "user-agent",
            "x-forwarded-for",
            "last-event-id",
            "idempotency-key",
            "sec-fetch-site",
        ] {
            for value in [&b"\xff\xfe"[..], b"", b"\t", &[b'x'; 8_000]] {
                let request = world
                    .request(&target.method, &target.path)
                    .header(name, value);
                let answer = Answer::of(request).await;
                assert!(
                    answer.status < 500,
                    "{} {} {name}: {}",
                    target.method,
                    target.path,
                    answer.body
                );
            }
        }
    }
    root.sends(&world, "GET", "/session").await.must_be(200);
}
