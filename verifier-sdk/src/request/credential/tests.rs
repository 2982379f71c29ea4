use super::*;

type Lines<'a> = &'a [(&'a str, &'a [u8])];

/// What came out, in words that a table can hold.
fn way(presented: Result<Presented<'_>, Error>) -> String {
    let way = |presented: Presented<'_>| {
        let token = presented.text()?;
        Ok(match presented {
            Presented::Bearer(_) => format!("bearer {token}"),
            Presented::Cookie(_) => format!("cookie {token}"),
        })
    };
    presented
        .and_then(way)
        .unwrap_or_else(|error: Error| error.slug().to_owned())
}

#[test]
fn the_credential_that_a_request_is_judged_by() {
    let cases: &[(Lines<'_>, &str)] = &[
        (&[], "token-missing"),
        (&[("authorization", b"Bearer t")], "bearer t"),
        (&[("Authorization", b"bEARER  t")], "bearer t"),
        (&[("cookie", b"__Host-Http-access=t")], "cookie t"),
        // The header alone counts, even where it is bad.
        (
            &[
                ("authorization", b"Bearer t"),
                ("cookie", b"__Host-Http-access=u"),
            ],
            "bearer t",
        ),
        (
            &[
                ("authorization", b"Bearer"),
                ("cookie", b"__Host-Http-access=u"),
            ],
            "bearer ",
        ),
        (
            &[
                ("authorization", b"Basic dTpw"),
                ("cookie", b"__Host-Http-access=u"),
            ],
            "token-missing",
        ),
        (
            &[("authorization", b""), ("cookie", b"__Host-Http-access=u")],
            "token-missing",
        ),
        (
            &[
                ("authorization", b"Bearer t"),
                ("cookie", b"__Host-Http-access=u; __Host-Http-access=v"),
            ],
            "bearer t",
        ),
        // Not ours to repair: the decoder refuses what is left.
        (
            &[("authorization", b"Bearer t, Bearer u")],
            "bearer t, Bearer u",
        ),
        (&[("authorization", b"Bearer\tt")], "token-missing"),
        (&[("authorization", b"Bearert")], "token-missing"),
        (&[("authorization", b"Bearer \xff")], "token-invalid"),
        (
            &[
                ("authorization", b"Bearer t"),
                ("authorization", b"Bearer t"),
            ],
            "bad-request",
        ),
        (
            &[
                ("authorization", b"Bearer t"),
                ("authorization", b"Basic dTpw"),
            ],
            "bad-request",
        ),
        // Names that a proxy or a framework might fold into the real one.
        (&[("x-authorization", b"Bearer t")], "token-missing"),
        (&[("authorization_", b"Bearer t")], "token-missing"),
    ];
    for (headers, expected) in cases {
        assert_eq!(way(present(*headers)), *expected, "{headers:?}");
    }
}

#[test]
fn one_cookie_of_that_very_name() {
    let cases: &[(Lines<'_>, &str)] = &[
        (&[("cookie", b"a=1; __Host-Http-access=t; b=2")], "cookie t"),
        (&[("cookie", b"a=1;__Host-Http-access=t;b=2")], "cookie t"),
        (
            &[("cookie", b" \t__Host-Http-access \t= t\t ;")],
            "cookie t",
        ),
        (
            &[("cookie", b"a=1"), ("cookie", b"__Host-Http-access=t")],
            "cookie t",
        ),
        (&[("cookie", b"__Host-Http-access=t=u")], "cookie t=u"),
        (&[("cookie", b"__Host-Http-access=")], "cookie "),
        (&[("cookie", b"")], "token-missing"),
        (&[("cookie", b";;; = ;=;")], "token-missing"),
        // Twice, in whatever way.
        (
            &[("cookie", b"__Host-Http-access=t; __Host-Http-access=u")],
            "bad-request",
        ),
        (
            &[("cookie", b"__Host-Http-access=t; __Host-Http-access=t")],
            "bad-request",
        ),
        (
            &[
                ("cookie", b"__Host-Http-access=t"),
                ("Cookie", b"b=2; __Host-Http-access=u"),
            ],
            "bad-request",
        ),
        (
            &[("cookie", b"__Host-Http-access=t; __Host-Http-access=")],
            "bad-request",
        ),
        (
            &[("cookie", b"__Host-Http-access=t; __Host-Http-access=\xff")],
            "bad-request",
        ),
        // Other names, however like ours.
        (&[("cookie", b"__host-http-access=t")], "token-missing"),
        (&[("cookie", b"__HoSt-HtTp-access=t")], "token-missing"),
        (&[("cookie", b"__SeCuRe-Http-access=t")], "token-missing"),
        (&[("cookie", b"__Host-access=t")], "token-missing"),
        (&[("cookie", b"__Host-Http-access2=t")], "token-missing"),
        (&[("cookie", b"\"__Host-Http-access\"=t")], "token-missing"),
        (&[("cookie", b"%5f_Host-Http-access=t")], "token-missing"),
        (
            &[("cookie", b"\xc2\xa0__Host-Http-access=t")],
            "token-missing",
        ),
        (
            &[("cookie", b"\xe2\x80\x80__Host-Http-access=t")],
            "token-missing",
        ),
        (&[("cookie", b"\x0b__Host-Http-access=t")], "token-missing"),
        (
            &[("cookie", b"__host-http-access=u; __Host-Http-access=t")],
            "cookie t",
        ),
        // Without a name: a value, whatever it looks like.
        (&[("cookie", b"=__Host-Http-access=t")], "token-missing"),
        (&[("cookie", b"__Host-Http-access")], "token-missing"),
        (
            &[("cookie", b"=__Host-Http-access=u; __Host-Http-access=t")],
            "cookie t",
        ),
        // Quotes and commas do not join or part cookies (RFC 2109 is long gone).
        (
            &[("cookie", b"$Version=1; a=\"x; __Host-Http-access=t; y\"")],
            "cookie t",
        ),
        (&[("cookie", b"a=1, __Host-Http-access=t")], "token-missing"),
        // Bytes that are no text.
        (&[("cookie", b"a=\xff; __Host-Http-access=t")], "cookie t"),
        (&[("cookie", b"__Host-Http-access=\xff")], "token-invalid"),
    ];
    for (headers, expected) in cases {
        assert_eq!(way(present(*headers)), *expected, "{headers:?}");
    }
}

#[test]
fn one_cookie_among_a_hundred() {
    let mut crowd: Vec<String> = (0..100).map(|n| format!("c{n}=v{n}")).collect();
    crowd.insert(57, format!("{ACCESS_COOKIE}=t"));
    assert_eq!(
        way(present(&[("cookie", crowd.join("; "))][..])),
        "cookie t"
    );
    let lines: Vec<_> = crowd.iter().map(|pair| ("cookie", pair)).collect();
    assert_eq!(way(present(&lines[..])), "cookie t");
    crowd.push(format!("{ACCESS_COOKIE}=u"));
    assert_eq!(
        way(present(&[("cookie", crowd.join("; "))][..])),
        "bad-request"
    );
}

/// What is longer is not looked at, wherever the cookie stands; and a header is judged alone.
#[test]
fn eight_kilobytes_of_cookies_are_read_and_no_more() {
    let access = format!("{ACCESS_COOKIE}=t");
    let rest = |total: usize| "x".repeat(total - access.len());
    for (total, expected) in [(8 * 1024, "cookie t"), (8 * 1024 + 1, "bad-request")] {
        let lines = [("cookie", access.clone()), ("cookie", rest(total))];
        assert_eq!(way(present(&lines[..])), expected);
        let lines = [("Cookie", rest(total)), ("cookie", access.clone())];
        assert_eq!(way(present(&lines[..])), expected);
        let line = format!("{access}; {}", rest(total - 2));
        assert_eq!(way(present(&[("cookie", line)][..])), expected);
    }
    let long = [
        ("cookie", "x".repeat(100_000)),
        ("authorization", "Bearer t".to_owned()),
    ];
    assert_eq!(way(present(&long[..])), "bearer t");
}

#[test]
fn any_cookie_is_read_by_the_same_rules() {
    let headers: Lines<'_> = &[("cookie", b"__Secure-session=s; x=1; x=2")];
    assert_eq!(cookie(headers, "__Secure-session").unwrap(), Some("s"));
    assert_eq!(cookie(headers, "__secure-session").unwrap(), None);
    assert_eq!(cookie(headers, "x").unwrap_err().slug(), "bad-request");
}

#[test]
fn a_token_does_not_reach_a_log_through_debug() {
    assert_eq!(format!("{:?}", Presented::Bearer(b"t0ken")), "Bearer(..)");
    assert_eq!(format!("{:?}", Presented::Cookie(b"t0ken")), "Cookie(..)");
}
