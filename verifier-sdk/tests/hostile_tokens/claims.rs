//! Claims that are not an access token's, under a good header.

use crate::mint::*;
use verifier_sdk::Reason;

pub(crate) fn of_the_wrong_kind() -> Vec<Case> {
    let mut payloads = Vec::new();
    for required in [
        "iss",
        "aud",
        "sub",
        "sid",
        "client_id",
        "jti",
        "iat",
        "exp",
        "pos",
        "auth_time",
    ] {
        payloads.push(without(required));
    }
    for (claim, _) in CLAIMS {
        for value in ["null", "true", "{}", "[[]]", "-1", "1.5"] {
            payloads.push(with(claim, value));
        }
    }
    for number in ["iat", "exp", "nbf", "pos", "auth_time"] {
        for value in [
            r#""1764000000""#,
            "1764000000.0",
            "1.764e9",
            "9007199254740992",
            "9223372036854775808",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            "1e400",
            "NaN",
            "[1764000000]",
            "01764000000",
        ] {
            payloads.push(with(number, value));
        }
    }
    for id in ["sub", "sid"] {
        for value in [
            r#""""#,
            r#""67e5504410b1426f9247bb680e5fe0c8""#,
            r#""{67e55044-10b1-426f-9247-bb680e5fe0c8}""#,
            r#""urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8""#,
            r#""67e55044-10b1-426f-9247-bb680e5fe0c8 ""#,
            r#""../../../../etc/passwd/../../../../a""#,
            r#"["67e55044-10b1-426f-9247-bb680e5fe0c8"]"#,
        ] {
            payloads.push(with(id, value));
        }
    }
    for value in [r#""""#, r#""Web""#, r#""web ""#, r#""ios""#, r#"["web"]"#] {
        payloads.push(with("client_id", value));
    }
    let long = format!("\"{}\"", "j".repeat(129));
    for value in [
        r#""""#,
        r#""a b""#,
        r#""a\u0000""#,
        r#""a\r\n""#,
        r#""é""#,
        &long,
    ] {
        payloads.push(with("jti", value));
    }
    let many = format!("[{}]", vec!["\"r\""; 33].join(","));
    let long = format!("[\"{}\"]", "r".repeat(65));
    for value in [
        r#""admin""#,
        r#"{"admin":true}"#,
        r#"["Admin"]"#,
        r#"[""]"#,
        r#"["a b"]"#,
        r#"["a,b"]"#,
        r#"["a\nb"]"#,
        r#"["é"]"#,
        r#"["admin",1]"#,
        r#"["admin",null]"#,
        &many,
        &long,
    ] {
        payloads.push(with("roles", value));
    }
    let hash = |change: &dyn Fn(&str) -> String| format!("\"{}\"", change(CSRF));
    for value in [
        r#""""#.to_owned(),
        hash(&|h| h[..42].to_owned()),
        hash(&|h| format!("{h}=")),
        hash(&|h| format!("{h}A")),
        hash(&|h| h.replace('-', "+")),
        hash(&|h| h.replace('_', "/")),
        // The last character of 32 bytes carries two bits that must be zero.
        hash(&|h| format!("{}V", &h[..42])),
        format!("[\"{CSRF}\"]"),
    ] {
        payloads.push(with("csrf", &value));
    }
    let many = format!("[{}]", vec!["\"api\""; 17].join(","));
    for value in [
        r#"["api",1]"#,
        r#"["api",null]"#,
        r#"[["api"]]"#,
        r#"{"api":1}"#,
        &many,
    ] {
        payloads.push(with("aud", value));
    }
    payloads
        .into_iter()
        .map(|p| (p.clone(), sign(HEADER, &p), Reason::Claims))
        .collect()
}

pub(crate) fn that_no_two_parsers_read_alike() -> Vec<Case> {
    let deep = format!("\"x\":{}{}", "[".repeat(16), "]".repeat(16));
    let wide: Vec<_> = (0..64).map(|i| format!("\"m{i}\":0")).collect();
    let payloads = [
        and(r#""iss":"https://evil.example""#),
        and(r#""exp":1764000900"#),
        and(r#""\u0065xp":1764000900"#),
        and(r#""p\u006fs":1764000000000001"#),
        and(r#""sub":"67e55044-10b1-426f-9247-bb680e5fe0c8""#),
        and(r#""x":1,"x":1"#),
        and(r#""x":{"y":1,"y":2}"#),
        and(r#""x":"\ud800""#),
        and(&deep),
        and(&wide.join(",")),
        format!("{}{{}}", good_claims()),
        format!("{}\u{0}", good_claims()),
        format!("\u{feff}{}", good_claims()),
        format!("[{}]", good_claims()),
        good_claims().replacen("{", "{,", 1),
        good_claims().replacen("}", ",}", 1),
        good_claims().replace(':', "="),
        String::new(),
        "null".to_owned(),
    ];
    let mut table: Vec<_> = payloads
        .into_iter()
        .map(|p| (p.clone(), sign(HEADER, &p), Reason::Claims))
        .collect();
    let mut broken = and(r#""x":"?""#).into_bytes();
    let at = broken.iter().position(|b| *b == b'?').unwrap();
    broken[at] = 0xff;
    table.push((
        "invalid UTF-8".to_owned(),
        sign(HEADER, broken),
        Reason::Claims,
    ));
    table
}

pub(crate) fn of_somebody_else() -> Vec<Case> {
    let cases = [
        ("iss", r#""https://id.example.com/""#, Reason::Issuer),
        ("iss", r#""https://ID.example.com""#, Reason::Issuer),
        ("iss", r#""http://id.example.com""#, Reason::Issuer),
        ("iss", r#""https://id.example.com\u0000""#, Reason::Issuer),
        (
            "iss",
            r#""https://id.example.com.evil.example""#,
            Reason::Issuer,
        ),
        ("iss", r#""""#, Reason::Issuer),
        ("aud", r#""API""#, Reason::Audience),
        ("aud", r#""api ""#, Reason::Audience),
        ("aud", r#""apis""#, Reason::Audience),
        ("aud", r#""https://id.example.com""#, Reason::Audience),
        ("aud", r#""""#, Reason::Audience),
        ("aud", "[]", Reason::Audience),
        ("aud", r#"["other"]"#, Reason::Audience),
        ("exp", "1764000901", Reason::Lifetime),
        ("exp", "1764000000", Reason::Lifetime),
        ("exp", "1763999999", Reason::Lifetime),
        ("exp", "0", Reason::Lifetime),
        ("exp", "9007199254740991", Reason::Lifetime),
        ("iat", "0", Reason::Lifetime),
        ("iat", "1764000006", Reason::NotYetValid),
        ("iat", "1764000899", Reason::NotYetValid),
        ("nbf", "1764000006", Reason::NotYetValid),
        ("nbf", "9007199254740991", Reason::NotYetValid),
        ("auth_time", "1764000006", Reason::NotYetValid),
    ];
    let mut table: Vec<_> = cases
        .into_iter()
        .map(|(claim, value, reason)| {
            (
                format!("{claim} {value}"),
                sign(HEADER, with(claim, value)),
                reason,
            )
        })
        .collect();
    let past = with("iat", "1763999000").replace("1764000900", "1763999900");
    table.push(("expired".to_owned(), sign(HEADER, past), Reason::Expired));
    table
}
