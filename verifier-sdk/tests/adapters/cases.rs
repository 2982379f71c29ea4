//! One table of requests, and what every adapter must answer.

use crate::calls::Answer::{For, Refused};
use crate::calls::{CSRF, Case, app, request, web};
use crate::issuer::{ISSUER, Minted};

/// The token with the first character of its signature changed: all of its six bits count, where the
/// last characters are the same in every sixteenth signature.
fn tampered(token: &str) -> String {
    let signature = token.rfind('.').expect("a token has three parts") + 1;
    let other = if token[signature..].starts_with('A') {
        'B'
    } else {
        'A'
    };
    format!("{}{other}{}", &token[..signature], &token[signature + 1..])
}

/// The cases of a fresh verifier. `ann` is an admin, `bob` is not.
pub(crate) fn fresh(ann: &Minted, bob: &Minted) -> Vec<Case> {
    let anns = app(ann, &["admin"]);
    let anns_web = web(ann, &["admin"]);
    let auditor = app(ann, &["auditor", "admin"]);
    let bobs = app(bob, &["staff"]);
    let bobs_web = web(bob, &[]);
    let tampered = tampered(&anns);
    let who = |method| request(method, "/whoami");
    let both_cookies = format!("__Host-Http-access={anns_web}; __Host-Http-access={bobs_web}");
    let crowded = format!("__Host-Http-access={anns_web}; x={}", "x".repeat(8_192));
    vec![
        ("nothing", who("GET"), Refused(401, "token-missing")),
        (
            "more cookies than are read",
            who("GET").header("cookie", &crowded),
            Refused(400, "bad-request"),
        ),
        (
            "the same beside a bearer",
            who("GET").header("cookie", &crowded).bearer(&anns),
            For(ann.user),
        ),
        ("bearer", who("GET").bearer(&anns), For(ann.user)),
        ("another's bearer", who("GET").bearer(&bobs), For(bob.user)),
        ("bearer POST", who("POST").bearer(&anns), For(ann.user)),
        ("bearer DELETE", who("DELETE").bearer(&anns), For(ann.user)),
        ("bearer HEAD", who("HEAD").bearer(&anns), For(ann.user)),
        (
            "bearer OPTIONS",
            who("OPTIONS").bearer(&anns),
            For(ann.user),
        ),
        (
            "bearer, unknown method",
            who("BREW").bearer(&anns),
            For(ann.user),
        ),
        (
            "bearer POST from a page of another site",
            who("POST")
                .bearer(&anns)
                .header("sec-fetch-site", "cross-site"),
            For(ann.user),
        ),
        (
            "a token for cookies as bearer",
            who("GET").bearer(&anns_web),
            For(ann.user),
        ),
        (
            "HEAD without a token",
            who("HEAD"),
            Refused(401, "token-missing"),
        ),
        ("preflight", who("OPTIONS"), Refused(401, "token-missing")),
        (
            "no token",
            who("GET").bearer("x"),
            Refused(401, "token-invalid"),
        ),
        (
            "empty token",
            who("GET").bearer(""),
            Refused(401, "token-invalid"),
        ),
        (
            "tampered",
            who("GET").bearer(&tampered),
            Refused(401, "token-invalid"),
        ),
        (
            "too long",
            who("GET").bearer(&"x".repeat(5_000)),
            Refused(401, "token-invalid"),
        ),
        (
            "another scheme",
            who("GET").header("authorization", "Basic dTpw"),
            Refused(401, "token-missing"),
        ),
        (
            "not text",
            who("GET").header("authorization", b"Bearer \xff"),
            Refused(401, "token-invalid"),
        ),
        (
            "two headers",
            who("GET").bearer(&anns).bearer(&anns),
            Refused(400, "bad-request"),
        ),
        ("cookie", who("GET").cookie(&anns_web), For(ann.user)),
        ("cookie HEAD", who("HEAD").cookie(&anns_web), For(ann.user)),
        (
            "cookie OPTIONS",
            who("OPTIONS").cookie(&anns_web),
            For(ann.user),
        ),
        (
            "cookie GET by a link from another site",
            who("GET")
                .cookie(&anns_web)
                .header("sec-fetch-site", "cross-site"),
            For(ann.user),
        ),
        (
            "the token of an app in a cookie",
            who("GET").cookie(&anns),
            Refused(401, "token-invalid"),
        ),
        (
            "two cookies",
            who("GET").header("cookie", &both_cookies),
            Refused(400, "bad-request"),
        ),
        (
            "two cookies in two headers",
            who("GET").cookie(&anns_web).cookie(&bobs_web),
            Refused(400, "bad-request"),
        ),
        (
            "a cookie in another case",
            who("GET").header("cookie", format!("__host-http-access={anns_web}")),
            Refused(401, "token-missing"),
        ),
        (
            "both: the header alone counts",
            who("POST").bearer(&bobs).cookie(&anns_web),
            For(bob.user),
        ),
        (
            "a bad header and a good cookie",
            who("GET").bearer(&tampered).cookie(&anns_web),
            Refused(401, "token-invalid"),
        ),
        (
            "a foreign scheme and a good cookie",
            who("GET")
                .header("authorization", "Basic dTpw")
                .cookie(&anns_web),
            Refused(401, "token-missing"),
        ),
        (
            "cookie POST",
            who("POST").cookie(&anns_web).own_page(),
            For(ann.user),
        ),
        (
            "cookie POST of JSON",
            who("POST")
                .cookie(&anns_web)
                .own_page()
                .header("content-type", "application/json"),
            For(ann.user),
        ),
        (
            "cookie POST of a form",
            who("POST")
                .cookie(&anns_web)
                .own_page()
                .header("content-type", "application/x-www-form-urlencoded"),
            Refused(403, "csrf"),
        ),
        (
            "cookie POST without X-CSRF-Token",
            who("POST")
                .cookie(&anns_web)
                .header("sec-fetch-site", "same-origin"),
            Refused(403, "csrf"),
        ),
        (
            "cookie POST with another X-CSRF-Token",
            who("POST").cookie(&anns_web).header("x-csrf-token", "x"),
            Refused(403, "csrf"),
        ),
        (
            "cookie POST from another site",
            who("POST")
                .cookie(&anns_web)
                .header("x-csrf-token", CSRF)
                .header("sec-fetch-site", "cross-site")
                .header("origin", "https://evil.example"),
            Refused(403, "csrf"),
        ),
        (
            "cookie POST from an allowed origin",
            who("POST")
                .cookie(&anns_web)
                .header("x-csrf-token", CSRF)
                .header("sec-fetch-site", "same-site")
                .header("origin", "https://app.example.com"),
            For(ann.user),
        ),
        (
            "cookie POST from the issuer's origin",
            who("POST")
                .cookie(&anns_web)
                .header("x-csrf-token", CSRF)
                .header("origin", ISSUER),
            For(ann.user),
        ),
        (
            "cookie POST from an origin that is Host",
            who("POST")
                .cookie(&anns_web)
                .header("x-csrf-token", CSRF)
                .header("host", "evil.example")
                .header("origin", "http://evil.example"),
            Refused(403, "csrf"),
        ),
        (
            "cookie, unknown method",
            who("BREW").cookie(&anns_web),
            Refused(403, "csrf"),
        ),
        (
            "cookie POST that says it is a GET",
            who("POST")
                .cookie(&anns_web)
                .header("x-http-method-override", "GET"),
            Refused(403, "csrf"),
        ),
        (
            "a WebSocket from another site",
            who("GET")
                .cookie(&anns_web)
                .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
                .header("origin", "https://evil.example"),
            Refused(403, "csrf"),
        ),
        (
            "identity headers of the caller's own",
            who("GET")
                .bearer(&bobs)
                .header("x-user-id", ann.user.to_string()),
            For(bob.user),
        ),
        (
            "a role",
            request("GET", "/admin").bearer(&anns),
            For(ann.user),
        ),
        (
            "a role by cookie",
            request("POST", "/admin").cookie(&anns_web).own_page(),
            For(ann.user),
        ),
        (
            "a role that is missing",
            request("GET", "/admin").bearer(&bobs),
            Refused(403, "forbidden"),
        ),
        (
            "two roles",
            request("GET", "/audit").bearer(&auditor),
            For(ann.user),
        ),
        (
            "one role of two",
            request("GET", "/audit").bearer(&anns),
            Refused(403, "forbidden"),
        ),
        (
            "a role, without a token",
            request("GET", "/admin"),
            Refused(401, "token-missing"),
        ),
    ]
}

/// An unsafe call by cookie, right in all but the page that it may come from.
pub(crate) fn origins(ann: &Minted) -> Vec<Case> {
    let token = web(ann, &[]);
    let call = || {
        request("POST", "/whoami")
            .cookie(&token)
            .header("x-csrf-token", CSRF)
    };
    let trusted = [
        ISSUER,
        "https://app.example.com",
        "https://app.example.com:443",
    ];
    let strange = [
        "null",
        "",
        "*",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://app.example.co",
        "https://evil-app.example.com",
        "https://evil.app.example.com",
        "https://example.com",
        "https://app.example.com.",
        "https://app.example.com/",
        "https://x@app.example.com",
        "https://app.example.com@evil.example",
        "https://evil.example https://app.example.com",
    ];
    let mut cases = vec![
        ("no browser", call(), For(ann.user)),
        (
            "two origins",
            call()
                .header("origin", ISSUER)
                .header("origin", "https://evil.example"),
            Refused(403, "csrf"),
        ),
    ];
    for site in ["same-origin", "none"] {
        cases.push((site, call().header("sec-fetch-site", site), For(ann.user)));
    }
    for site in ["same-site", "cross-site", "Same-Origin", "", "x"] {
        let call = call().header("sec-fetch-site", site);
        cases.push((site, call, Refused(403, "csrf")));
    }
    for origin in trusted {
        cases.push((origin, call().header("origin", origin), For(ann.user)));
    }
    for origin in strange {
        let refused = Refused(403, "csrf");
        cases.push((origin, call().header("origin", origin), refused));
        let from_site = call().header("sec-fetch-site", "cross-site");
        cases.push((origin, from_site.header("origin", origin), refused));
    }
    cases
}
