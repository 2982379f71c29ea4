use super::*;

type Lines<'a> = &'a [(&'a str, &'a [u8])];

fn origins() -> Origins {
    Origins::new(
        vec!["https://id.example.com".parse().unwrap()],
        vec!["https://app.example.com:8443".parse().unwrap()],
    )
}

#[test]
fn who_may_have_sent_an_unsafe_request() {
    let cases: &[(Lines<'_>, bool)] = &[
        // No browser.
        (&[], true),
        // Fetch metadata decides where it stands.
        (&[("sec-fetch-site", b"same-origin")], true),
        (&[("sec-fetch-site", b"none")], true),
        (&[("sec-fetch-site", b"same-site")], false),
        (&[("sec-fetch-site", b"cross-site")], false),
        (&[("sec-fetch-site", b"")], false),
        (&[("sec-fetch-site", b"Same-Origin")], false),
        (&[("sec-fetch-site", b"same-origin, cross-site")], false),
        (&[("sec-fetch-site", b"\xff")], false),
        (
            &[
                ("sec-fetch-site", b"same-origin"),
                ("sec-fetch-site", b"cross-site"),
            ],
            false,
        ),
        (
            &[
                ("sec-fetch-site", b"same-origin"),
                ("sec-fetch-site", b"same-origin"),
            ],
            false,
        ),
        (
            &[
                ("sec-fetch-site", b"same-origin"),
                ("origin", b"https://elsewhere.example"),
            ],
            true,
        ),
        // A trusted origin may be another one, even of another site.
        (
            &[
                ("sec-fetch-site", b"same-site"),
                ("origin", b"https://app.example.com:8443"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", b"cross-site"),
                ("origin", b"https://id.example.com"),
            ],
            true,
        ),
        (
            &[
                ("sec-fetch-site", b"cross-site"),
                ("origin", b"https://evil.example"),
            ],
            false,
        ),
        (
            &[("sec-fetch-site", b"cross-site"), ("origin", b"null")],
            false,
        ),
        // An old browser: Origin alone.
        (&[("origin", b"https://id.example.com")], true),
        (&[("origin", b"https://id.example.com:443")], true),
        (&[("origin", b"https://app.example.com:8443")], true),
        (&[("origin", b"https://app.example.com")], false),
        (&[("origin", b"http://id.example.com")], false),
        (&[("origin", b"https://id.example.com:8443")], false),
        (&[("origin", b"null")], false),
        (&[("origin", b"")], false),
        (&[("origin", b"\xff")], false),
        (&[("origin", b"https://x@id.example.com")], false),
        (&[("origin", b"https://id.example.com@evil.example")], false),
        (&[("origin", b"https://id.example.com.evil.example")], false),
        (&[("origin", b"https://evil-id.example.com")], false),
        (&[("origin", b"https://evil.id.example.com")], false),
        (&[("origin", b"https://example.com")], false),
        (&[("origin", b"https://id.example.co")], false),
        (&[("origin", b"https://id.example.com.")], false),
        (&[("origin", b"https://id.example.com/")], false),
        (
            &[
                ("origin", b"https://id.example.com"),
                ("origin", b"https://evil.example"),
            ],
            false,
        ),
        // Host is what a stranger makes it.
        (
            &[
                ("origin", b"https://evil.example"),
                ("host", b"evil.example"),
                ("x-forwarded-host", b"evil.example"),
            ],
            false,
        ),
        // Referer says nothing.
        (&[("referer", b"https://evil.example/")], true),
    ];
    for (headers, passes) in cases {
        for method in [
            "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "PURGE", "get", "", "GET ",
        ] {
            let answer = same_origin(method, *headers, &origins());
            assert_eq!(answer.is_ok(), *passes, "{method} {headers:?}");
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(same_origin(method, *headers, &origins()).is_ok());
            // The handshake of a WebSocket is a GET that any page may send.
            let mut handshake = headers.to_vec();
            handshake.push(("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="));
            let answer = same_origin(method, &handshake[..], &origins());
            assert_eq!(answer.is_ok(), *passes, "websocket {headers:?}");
        }
    }
}

#[test]
fn without_origins_only_fetch_metadata_vouches() {
    let origin: Lines<'_> = &[("origin", b"https://id.example.com")];
    assert!(same_origin("POST", origin, &Origins::default()).is_err());
    let fetch: Lines<'_> = &[("sec-fetch-site", b"same-origin")];
    assert!(same_origin("POST", fetch, &Origins::default()).is_ok());
}

/// RFC-shaped like the service's: base64url of 32 bytes.
const VALUE: &[u8] = b"Zm9yIHRlc3RzIG9ubHkuLi4uLi4uLi4uLi4uLi4uLi4";

fn claim() -> [u8; 32] {
    Sha256::digest(VALUE).into()
}

#[test]
fn the_header_is_compared_with_the_claim() {
    let other: [u8; 32] = Sha256::digest(b"of another session").into();
    let empty: [u8; 32] = Sha256::digest(b"").into();
    let cases: &[(Lines<'_>, Option<[u8; 32]>, bool)] = &[
        (&[("x-csrf-token", VALUE)], Some(claim()), true),
        (&[("X-CSRF-Token", VALUE)], Some(claim()), true),
        (&[], Some(claim()), false),
        (&[("x-csrf-token", b"")], Some(claim()), false),
        (&[("x-csrf-token", &VALUE[1..])], Some(claim()), false),
        (&[("x-csrf-token", &claim())], Some(claim()), false),
        (&[("x-csrf-token", VALUE)], Some(other), false),
        (&[("x-csrf-token", VALUE)], None, false),
        (&[], None, false),
        (&[], Some(empty), false),
        (
            &[("x-csrf-token", VALUE), ("x-csrf-token", VALUE)],
            Some(claim()),
            false,
        ),
        // A cookie is no header: a page of a sister domain can plant one.
        (
            &[(
                "cookie",
                b"__Host-csrf=Zm9yIHRlc3RzIG9ubHkuLi4uLi4uLi4uLi4uLi4uLi4",
            )],
            Some(claim()),
            false,
        ),
    ];
    for (headers, claim, passes) in cases {
        let answer = csrf_header_matches(*headers, claim.as_ref());
        assert_eq!(answer.is_ok(), *passes, "{headers:?} {claim:?}");
        assert!(answer.is_ok() || matches!(answer, Err(Error::Csrf)));
    }
}

#[test]
fn a_body_is_json_or_is_not_there() {
    let cases: &[(Lines<'_>, bool)] = &[
        (&[], true),
        (&[("content-length", b"0")], true),
        (&[("content-type", b"application/json")], true),
        (
            &[("content-type", b"Application/JSON; charset=utf-8")],
            true,
        ),
        (&[("content-type", b"application/json ;")], true),
        (&[("content-length", b"7")], false),
        (&[("content-length", b"00")], false),
        (&[("content-length", b"")], false),
        (&[("content-length", b"0"), ("content-length", b"7")], false),
        (&[("transfer-encoding", b"chunked")], false),
        (&[("content-type", b"")], false),
        (&[("content-type", b"text/plain")], false),
        (
            &[("content-type", b"text/plain"), ("content-length", b"0")],
            false,
        ),
        (&[("content-type", b"text/plain; application/json")], false),
        (&[("content-type", b"application/json, text/plain")], false),
        (&[("content-type", b"application/jsonp")], false),
        (
            &[("content-type", b"application/x-www-form-urlencoded")],
            false,
        ),
        (
            &[("content-type", b"multipart/form-data; boundary=x")],
            false,
        ),
        (
            &[
                ("content-type", b"application/json"),
                ("content-type", b"text/plain"),
            ],
            false,
        ),
        (&[("content-type", b"\xff")], false),
    ];
    for (headers, passes) in cases {
        assert_eq!(has_json_or_no_body(*headers), *passes, "{headers:?}");
    }
}

#[test]
fn a_cookie_call_needs_all_of_them() {
    let all: Lines<'_> = &[
        ("sec-fetch-site", b"same-origin"),
        ("x-csrf-token", VALUE),
        ("content-type", b"application/json"),
    ];
    let slug = |method, headers: Lines<'_>, claim: Option<[u8; 32]>| {
        check_cookie_call(method, headers, &origins(), claim.as_ref())
            .err()
            .map(|error| error.slug())
    };
    assert_eq!(slug("POST", all, Some(claim())), None);
    let without: [Lines<'_>; 3] = [
        &[("sec-fetch-site", b"cross-site"), all[1], all[2]],
        &[all[0], all[2]],
        &[all[0], all[1], ("content-type", b"text/plain")],
    ];
    for headers in without {
        assert_eq!(slug("POST", headers, Some(claim())), Some("csrf"));
        assert_eq!(slug("BREW", headers, Some(claim())), Some("csrf"));
        assert_eq!(slug("GET", headers, Some(claim())), None);
    }
    // A token made for a phone, put into a cookie.
    for method in ["GET", "POST"] {
        assert_eq!(slug(method, all, None), Some("token-invalid"));
    }
    // A WebSocket cannot send the header, so its origin alone is judged.
    let handshake: Lines<'_> = &[
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", b"https://id.example.com"),
    ];
    assert_eq!(slug("GET", handshake, Some(claim())), None);
    let planted: Lines<'_> = &[handshake[0], ("origin", b"https://evil.example.com")];
    assert_eq!(slug("GET", planted, Some(claim())), Some("csrf"));
    // What overrides a method elsewhere does nothing here.
    let overridden: Lines<'_> = &[("x-http-method-override", b"GET")];
    assert_eq!(slug("POST", overridden, Some(claim())), Some("csrf"));
}
