//! The same attacks in frames: what HTTP/1.1 has no room for, HTTP/2 has (RFC 9113, section 10.3).
//!
//! Frames are written by hand, since no library sends such things.

use super::{PASSWORD, SOON, World, id_of, variable};
use tests::User;
use tests::nginx::Nginx;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const FORGED: &str = "00000000-0000-4000-8000-000000000bad";

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What comes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered(u16),
    /// The stream or the connection is given up.
    Reset,
}
use Fate::{Answered, Reset};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A length with a prefix of seven bits (RFC 7541, section 5.1), and the text.
fn text(text: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    if text.len() < 127 {
        encoded.push(u8::try_from(text.len()).unwrap());
    } else {
        encoded.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            encoded.push(u8::try_from(rest % 128 + 128).unwrap());
            rest /= 128;
        }
        encoded.push(u8::try_from(rest).unwrap());
    }
    encoded.extend(text.as_bytes());
    encoded
}

/// Of the first header of an answer, which is its status: in the static table, or in digits.
fn status(block: &[u8]) -> u16 {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match block {
        [index @ 0x88..=0x8e, ..] => STATIC[usize::from(index - 0x88)],
        [0x48, 3, digits @ ..] => std::str::from_utf8(&digits[..3]).unwrap().parse().unwrap(),
        other => panic!("no status first: {other:?}"),
    }
}

async fn says(nginx: &Nginx, headers: &[(String, String)], body: Option<&str>) -> Fate {
    let mut block = Vec::new();
    for (name, value) in headers {
        // Literal, and not to be remembered (section 6.2.2).
        block.push(0);
        block.extend(text(name));
        block.extend(text(value));
    }
    let ends = if body.is_none() { END_STREAM } else { 0 };
    let mut request = PREFACE.to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    request.extend(frame(HEADERS, END_HEADERS | ends, 1, &block));
    if let Some(body) = body {
        request.extend(frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    let talk = async {
        let address = nginx.url("");
        let address = address.trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&request).await.unwrap();
        loop {
            let mut head = [0; 9];
            if socket.read_exact(&mut head).await.is_err() {
                return Reset;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            socket.read_exact(&mut payload).await.unwrap();
            match head[3] {
                HEADERS => return Answered(status(&payload)),
                RST_STREAM | GOAWAY => return Reset,
                _ => {}
            }
        }
    };
    let fate = tokio::time::timeout(SOON, talk).await;
    fate.unwrap_or_else(|_| panic!("no answer to {headers:?}"))
}

/// What is changed of `GET /notes/about`, or added to it, with which body, and what comes of it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>, Fate);

fn cases<'a>(hidden: &'a str, ended: &'a str) -> Vec<Case<'a>> {
    const POST: (&str, &str) = (":method", "POST");
    const EVIL: &str = "b\r\nX-User-Id: 00000000-0000-4000-8000-000000000bad";
    let hidden = Some(hidden);
    vec![
        ("as it should be", &[], None, Answered(200)),
        ("a body without a length", &[POST], hidden, Answered(200)),
        (
            "H2.CL: a length of none",
            &[POST, ("content-length", "0")],
            hidden,
            Answered(400),
        ),
        (
            "H2.CL: too short",
            &[POST, ("content-length", "5")],
            hidden,
            Answered(400),
        ),
        (
            "H2.CL: too long",
            &[POST, ("content-length", "999")],
            hidden,
            Answered(400),
        ),
        (
            "two lengths",
            &[POST, ("content-length", "5"), ("content-length", "6")],
            hidden,
            Answered(400),
        ),
        (
            "H2.TE",
            &[POST, ("transfer-encoding", "chunked")],
            Some(ended),
            Answered(200),
        ),
        ("a line in a value", &[("x-a", EVIL)], None, Reset),
        (
            "a line feed in a value",
            &[("x-a", "b\nx-user-id: c")],
            None,
            Reset,
        ),
        ("a zero in a value", &[("x-a", "b\0c")], None, Reset),
        (
            "a line in a name",
            &[("x-a: b\r\nx-user-id", FORGED)],
            None,
            Reset,
        ),
        ("capitals in a name", &[("X-User-Id", FORGED)], None, Reset),
        (
            "a line in the path",
            &[(":path", "/notes/about HTTP/1.1\r\nX-User-Id: b")],
            None,
            Reset,
        ),
        (
            "a space in the path",
            &[(":path", "/notes/about b")],
            None,
            Answered(400),
        ),
        (
            "a path of another host",
            &[(":path", "http://127.0.0.1/notes/about")],
            None,
            Answered(400),
        ),
        ("no path", &[(":path", "notes/about")], None, Answered(400)),
        (
            "a second spelling",
            &[(":path", "/notes//about")],
            None,
            Answered(400),
        ),
        (
            "another second spelling",
            &[(":path", "/notes/about/..;/7")],
            None,
            Answered(400),
        ),
        (
            "two paths",
            &[(":path", "/notes/about"), (":path", "/notes/7")],
            None,
            Answered(400),
        ),
        (
            "a path after the headers",
            &[("x-a", "b"), (":path", "/notes/7")],
            None,
            Answered(400),
        ),
        (
            "a request in the method",
            &[(":method", "GET /notes/hidden HTTP/1.1\r\n\r\nGET")],
            None,
            Reset,
        ),
        (
            "a request in the scheme",
            &[(":scheme", "http://x HTTP/1.1\r\n\r\nGET")],
            None,
            Reset,
        ),
        (
            "a line in the host",
            &[(":authority", "127.0.0.1\r\nX-User-Id: b")],
            None,
            Reset,
        ),
        (
            "a strange host",
            &[(":authority", "evil.example")],
            None,
            Answered(421),
        ),
        (
            "two hosts",
            &[("host", "evil.example")],
            None,
            Answered(400),
        ),
        (
            "CONNECT",
            &[(":method", "CONNECT"), (":protocol", "websocket")],
            None,
            Answered(400),
        ),
        (
            "a stranger at a protected path",
            &[(":path", "/notes/7")],
            None,
            Answered(401),
        ),
    ]
}

/// The changes made to `GET /notes/about`: the first of a name replaces, what comes then is added.
fn request(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut headers: Vec<_> = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/notes/about"),
        (":authority", "127.0.0.1"),
    ]
    .map(own)
    .to_vec();
    let mut replaced = Vec::new();
    let mut late = false;
    for (name, value) in changes.iter().copied() {
        late |= !name.starts_with(':');
        match headers.iter_mut().find(|header| header.0 == name) {
            Some(header) if !late && !replaced.contains(&name) => {
                value.clone_into(&mut header.1);
                replaced.push(name);
            }
            _ => headers.push(own((name, value))),
        }
    }
    headers
}

#[tokio::test]
async fn in_frames_no_request_hides_and_no_header_either() {
    let nginx = Nginx::with().with("127.0.0.1:8000;\n", "127.0.0.1:8000 http2;\n");
    let nginx = nginx.with("default_server;", "default_server http2;");
    let issuer = nginx.url();
    let world = World::begins_behind(nginx, &issuer).await;
    let mut mallory = User::on_phone(&world.service, "mallory", PASSWORD);
    mallory.logs_in().await;
    let id = id_of(&mut mallory).await;

    let hidden = format!("GET /notes/hidden HTTP/1.1\r\nHost: a\r\nX-User-Id: {FORGED}\r\n\r\n");
    let ended = format!("0\r\n\r\n{hidden}");
    for (case, changes, body, fate) in cases(&hidden, &ended) {
        let headers = request(changes);
        assert_eq!(says(&world.nginx, &headers, body).await, fate, "{case}");
        for seen in world.notes.seen().await {
            assert_eq!(seen["path"], "/notes/about", "{case}");
            assert_eq!(variable(&seen, "X-User-Id"), [""; 0], "{case}");
        }
    }

    let bearer = format!("Bearer {}", mallory.access_token());
    let names = [
        "x-user-id",
        "x_user_id",
        "x.user.id",
        "x-session-id",
        "x-roles",
    ];
    let mut changes = vec![(":path", "/notes/7"), ("authorization", &bearer)];
    changes.extend(names.map(|name| (name, FORGED)));
    changes.push(("connection", "x-user-id"));
    let fate = says(&world.nginx, &request(&changes), None).await;
    assert_eq!(fate, Answered(200));
    let seen = world.notes.seen_with("/notes/7").await;
    assert_eq!(variable(&seen[0], "X-User-Id"), [&*id]);
    assert!(!seen[0].to_string().contains(FORGED), "{}", seen[0]);
}
