//! A10 and A11: claims that are missing, of the wrong kind, of another time, or somebody else's.

use super::{Case, Class, Forge, Kind};

/// Claims that may be absent.
const OPTIONAL: [&str; 3] = ["nbf", "roles", "csrf"];

/// Claims that are numbers.
const NUMBERS: [&str; 6] = ["iat", "exp", "nbf", "auth_time", "pos", "gen"];

/// Claims that are uuids.
const IDS: [&str; 2] = ["sub", "sid"];

pub(super) fn wrong(forge: &Forge) -> Vec<Case> {
    let mut payloads = missing_or_of_another_type(forge);
    payloads.extend(odd_numbers(forge));
    payloads.extend(odd_texts(forge));
    let mut cases: Vec<_> = payloads
        .into_iter()
        .map(|(what, payload)| case(Class::Claims, forge, what, &payload, "Claims"))
        .collect();
    cases.extend(of_another_time(forge));
    cases
}

fn case(class: Class, forge: &Forge, what: String, payload: &str, reason: &'static str) -> Case {
    Case::new(class, what, forge.sign(forge.header(), payload), reason)
}

/// What is special about a payload, and the payload.
type Payload = (String, String);

fn missing_or_of_another_type(forge: &Forge) -> Vec<Payload> {
    let mut payloads = Vec::new();
    for claim in forge.claims() {
        for value in ["null", "true", "{}", "[[]]", "[null]", "-1", "1.5"] {
            payloads.push((format!("{claim} is {value}"), forge.with(claim, value)));
        }
        if !OPTIONAL.contains(&claim) {
            payloads.push((format!("no {claim}"), forge.without(claim)));
            let shouted = format!("\"{}\":{}", claim.to_uppercase(), forge.claim(claim));
            let payload = forge
                .without(claim)
                .replacen('{', &format!("{{{shouted},"), 1);
            payloads.push((format!("{claim} in capitals"), payload));
        }
    }
    payloads
}

/// CVE-2026-25537 and its kin: what does not fit wraps, or counts as absent.
fn odd_numbers(forge: &Forge) -> Vec<Payload> {
    let mut payloads = Vec::new();
    for claim in forge.claims().filter(|claim| NUMBERS.contains(claim)) {
        let value = forge.claim(claim);
        for odd in [
            format!("\"{value}\""),
            format!("{value}.0"),
            format!("{value}.5"),
            format!("{value}e0"),
            format!("{value}E+0"),
            format!("0{value}"),
            format!("+{value}"),
            format!("-{value}"),
            format!("[{value}]"),
            format!("{{\"value\":{value}}}"),
            "-0".to_owned(),
            "9007199254740992".to_owned(),
            "9007199254740993".to_owned(),
            "9223372036854775807".to_owned(),
            "9223372036854775808".to_owned(),
            "18446744073709551615".to_owned(),
            "18446744073709551616".to_owned(),
            "340282366920938463463374607431768211456".to_owned(),
            "1e400".to_owned(),
            "-1e400".to_owned(),
            "1e-400".to_owned(),
            "NaN".to_owned(),
            "Infinity".to_owned(),
            "0x7fffffff".to_owned(),
            "\"\"".to_owned(),
        ] {
            payloads.push((format!("{claim} is {odd}"), forge.with(claim, &odd)));
        }
    }
    payloads
}

fn odd_texts(forge: &Forge) -> Vec<Payload> {
    let mut payloads = Vec::new();
    let mut all = |claim: &str, values: &[&str]| {
        for value in values {
            payloads.push((format!("{claim} is {value:.60}"), forge.with(claim, value)));
        }
    };
    for claim in IDS {
        let id = forge.claim(claim).trim_matches('"');
        all(
            claim,
            &[
                r#""""#,
                &format!("\"{}\"", id.replace('-', "")),
                &format!("\"{{{id}}}\""),
                &format!("\"urn:uuid:{id}\""),
                &format!("\"{id} \""),
                &format!("\"{id}\\u0000\""),
                &format!("\"{}\"", &id[..35]),
                &format!("\"{id}0\""),
                &format!("[\"{id}\"]"),
                r#""../../../../etc/passwd/../../../../a""#,
                r#""' or 1=1 --                         ""#,
                r#""x\r\nx-injected: 1""#,
            ],
        );
    }
    let long = format!("\"{}\"", "j".repeat(129));
    all(
        "jti",
        &[
            r#""""#,
            r#""a b""#,
            r#""a\u0000""#,
            r#""a\r\n""#,
            r#""é""#,
            &long,
        ],
    );
    if forge.kind() == Kind::Session {
        return payloads;
    }
    all(
        "client_id",
        &[r#""""#, r#""Web""#, r#""web ""#, r#""ios""#, r#"["web"]"#],
    );
    let many = format!("[{}]", vec!["\"r\""; 33].join(","));
    let long = format!("[\"{}\"]", "r".repeat(65));
    all(
        "roles",
        &[
            r#""admin""#,
            r#"{"admin":true}"#,
            r#"["Admin"]"#,
            r#"[""]"#,
            r#"["a b"]"#,
            r#"["a,b"]"#,
            r#"["a\nb"]"#,
            r#"["a\r\nx-roles: admin"]"#,
            r#"["é"]"#,
            r#"["admin",1]"#,
            r#"["admin",null]"#,
            r#"[["admin"]]"#,
            &many,
            &long,
        ],
    );
    let hash = forge.claim("csrf").trim_matches('"');
    all(
        "csrf",
        &[
            r#""""#,
            &format!("\"{}\"", &hash[..42]),
            &format!("\"{hash}=\""),
            &format!("\"{hash}A\""),
            &format!("\"{}+\"", &hash[..42]),
            &format!("\"{}/\"", &hash[..42]),
            // 32 bytes are 43 characters, of which the last carries two bits that must be zero.
            &format!("\"{}B\"", &hash[..42]),
            &format!("[\"{hash}\"]"),
        ],
    );
    payloads
}

fn of_another_time(forge: &Forge) -> Vec<Case> {
    let iat = forge.number("iat").unwrap_or_default();
    // Issued, expires, not before: seconds from when the good one was issued.
    type Times = (&'static str, i64, i64, i64, &'static str);
    let mut times: Vec<Times> = vec![
        ("expired", -1000, -100, -1000, "Expired"),
        ("expired a day ago", -86_400, -86_000, -86_400, "Expired"),
    ];
    // When a session token was issued is not looked at: its key never leaves the service.
    if forge.kind() == Kind::Access {
        let year = 31_536_000;
        times.extend([
            ("issued in the future", 600, 900, 0, "NotYetValid"),
            ("not yet", 0, 900, 600, "NotYetValid"),
            ("not before a year is over", 0, 900, year, "NotYetValid"),
            ("too long a life", 0, 901, 0, "Lifetime"),
            ("a year of life", 0, 31_536_000, 0, "Lifetime"),
            ("no life", 0, 0, 0, "Lifetime"),
            ("ends before it begins", 0, -1, 0, "Lifetime"),
        ]);
    }
    let mut cases: Vec<_> = times
        .into_iter()
        .map(|(what, issued, expires, not_before, reason)| {
            let at = |seconds| iat.saturating_add_signed(seconds).to_string();
            let mut payload = forge.payload();
            for (claim, seconds) in [("iat", issued), ("exp", expires), ("nbf", not_before)] {
                let good = format!("\"{claim}\":{}", forge.claim(claim));
                payload = payload.replacen(&good, &format!("\"{claim}\":{}", at(seconds)), 1);
            }
            case(Class::Claims, forge, what.to_owned(), &payload, reason)
        })
        .collect();
    if forge.kind() == Kind::Access {
        let later = (iat + 600).to_string();
        for (claim, value, reason) in [
            ("auth_time", later.as_str(), "NotYetValid"),
            ("exp", "9007199254740991", "Lifetime"),
            ("exp", "0", "Lifetime"),
            ("iat", "0", "Lifetime"),
            ("nbf", "9007199254740991", "NotYetValid"),
        ] {
            let what = format!("{claim} is {value}");
            let payload = forge.with(claim, value);
            cases.push(case(Class::Claims, forge, what, &payload, reason));
        }
    }
    cases
}

/// Good signatures on tokens that are meant for something, or somebody, else.
pub(super) fn of_another_token(forge: &Forge) -> Vec<Case> {
    let own = match forge.kind() {
        Kind::Access => "at+jwt",
        Kind::Session => "session+jwt",
    };
    let mut cases = Vec::new();
    for typ in [
        "",
        "JWT",
        "jwt",
        "at+jwt",
        "session+jwt",
        "rt+jwt",
        "revocations+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "statuslist+jwt",
        "logout+jwt",
        "id+jwt",
        &format!("application/{own}"),
        &own.to_uppercase(),
        &format!("{own} "),
        &format!(" {own}"),
        &format!("{own},JWT"),
        &format!("{own}\\u0000"),
    ] {
        if typ != own {
            let text = forge.sign(forge.header_with("EdDSA", typ), forge.payload());
            cases.push(Case::new(
                Class::OtherToken,
                format!("typ {typ:?}"),
                text,
                "Header",
            ));
        }
    }
    let absent = forge
        .header()
        .replacen(&format!("\"typ\":\"{own}\","), "", 1);
    let text = forge.sign(absent, forge.payload());
    cases.push(Case::new(Class::OtherToken, "no typ", text, "Header"));
    for raw in ["null", "1", "{}", &format!("[\"{own}\"]")] {
        let header = forge.header().replacen(&format!("\"{own}\""), raw, 1);
        let text = forge.sign(header, forge.payload());
        cases.push(Case::new(
            Class::OtherToken,
            format!("typ {raw}"),
            text,
            "Malformed",
        ));
    }
    cases.extend(of_somebody_else(forge));
    cases
}

/// Of another issuer (CVE-2025-30144: a list that holds the right one), for another audience.
fn of_somebody_else(forge: &Forge) -> Vec<Case> {
    let iss = forge.claim("iss").trim_matches('"');
    let aud = forge.claim("aud").trim_matches('"');
    let near = |text: &str| {
        [
            String::new(),
            format!("{text}/"),
            format!("{text} "),
            format!(" {text}"),
            format!("{text}\\u0000"),
            format!("{text}.evil.example"),
            format!("https://evil.example/?{text}"),
            format!("{text}@evil.example"),
            format!("x{text}"),
            text[..text.len() - 1].to_owned(),
            text.to_uppercase(),
        ]
        .map(|text| format!("\"{text}\""))
    };
    let listed = |text: &str| {
        [
            format!("[\"{text}\"]"),
            format!("[\"{text}\",\"https://evil.example\"]"),
            format!("{{\"value\":\"{text}\"}}"),
        ]
    };
    let mut cases = Vec::new();
    let mut refused = |claim: &str, value: &str, reason| {
        let what = format!("{claim} is {value:.60}");
        let payload = forge.with(claim, value);
        cases.push(case(Class::OtherToken, forge, what, &payload, reason));
    };
    near(iss)
        .iter()
        .for_each(|value| refused("iss", value, "Issuer"));
    listed(iss)
        .iter()
        .for_each(|value| refused("iss", value, "Claims"));
    near(aud)
        .iter()
        .for_each(|value| refused("aud", value, "Audience"));
    if forge.kind() == Kind::Session {
        // A list may hold one's own name in an access token, not here.
        listed(aud)
            .iter()
            .for_each(|value| refused("aud", value, "Claims"));
        refused("aud", "\"api\"", "Audience");
        return cases;
    }
    for (value, reason) in [
        ("[]".to_owned(), "Audience"),
        ("[\"other\"]".to_owned(), "Audience"),
        (format!("[\"{aud}s\",\"x{aud}\"]"), "Audience"),
        (format!("\"other {aud}\""), "Audience"),
        (format!("\"{iss}\""), "Audience"),
        (format!("[\"{aud}\",1]"), "Claims"),
        (format!("[\"{aud}\",null]"), "Claims"),
        (format!("[[\"{aud}\"]]"), "Claims"),
        (format!("{{\"{aud}\":1}}"), "Claims"),
        (
            format!("[{}]", vec![forge.claim("aud"); 17].join(",")),
            "Claims",
        ),
    ] {
        refused("aud", &value, reason);
    }
    cases
}
