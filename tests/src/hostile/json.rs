//! A07: JSON that no two parsers read alike.

use super::forge::and;
use super::{Case, Class, Forge};

pub(super) fn two_readings(forge: &Forge) -> Vec<Case> {
    [
        headers_twice(forge),
        claims_twice(forge),
        texts(forge),
        bytes(forge),
    ]
    .concat()
}

fn case(what: impl Into<String>, text: String, reason: &'static str) -> Case {
    Case::new(Class::TwoReadings, what, text, reason)
}

fn headers_twice(forge: &Forge) -> Vec<Case> {
    let kid = format!("\"kid\":\"{}\"", forge.kid());
    let typ = forge.header();
    let typ = &typ[typ.find("\"typ\"").unwrap_or_default()..];
    let typ = &typ[..typ.find(',').unwrap_or_default()];
    let doubled = [
        r#""alg":"EdDSA""#,
        r#""alg":"none""#,
        r#""\u0061lg":"EdDSA""#,
        r#""\u0061lg":"none""#,
        typ,
        r#""typ":"JWT""#,
        r#""\u0074yp":"JWT""#,
        &kid,
        r#""kid":"other""#,
        r#""\u006bid":"other""#,
        r#""x":1,"x":1"#,
        r#""x":{"y":1,"y":1}"#,
        r#""x":[{"y":1,"y":1}]"#,
    ];
    let mut cases = Vec::new();
    for members in doubled {
        // Whichever of the two counts, the first or the last.
        let last = format!("{},{members}}}", forge.header().trim_end_matches('}'));
        for header in [forge.header_and(members), last] {
            let text = forge.sign(&header, forge.payload());
            cases.push(case(header, text, "Malformed"));
        }
    }
    cases
}

fn claims_twice(forge: &Forge) -> Vec<Case> {
    let mut payloads = Vec::new();
    for claim in forge.claims() {
        let value = forge.claim(claim);
        let escaped = format!("\\u{:04x}{}", u32::from(claim.as_bytes()[0]), &claim[1..]);
        payloads.push((
            format!("{claim} twice"),
            forge.and(&format!("\"{claim}\":{value}")),
        ));
        payloads.push((
            format!("{claim} twice, once escaped"),
            forge.and(&format!("\"{escaped}\":{value}")),
        ));
        payloads.push((
            format!("{claim} null first"),
            forge.and(&format!("\"{claim}\":null")),
        ));
        let last = format!(
            "{},\"{claim}\":null}}",
            forge.payload().trim_end_matches('}')
        );
        payloads.push((format!("{claim} null last"), last));
    }
    for members in [
        r#""x":1,"x":1"#,
        r#""x":{"y":1,"y":2}"#,
        r#""x":[[{"":1,"":2}]]"#,
    ] {
        payloads.push((members.to_owned(), forge.and(members)));
    }
    payloads
        .into_iter()
        .map(|(what, payload)| case(what, forge.sign(forge.header(), payload), "Claims"))
        .collect()
}

/// What looser parsers let pass, as the header and as the payload.
fn texts(forge: &Forge) -> Vec<Case> {
    type Dialect = (&'static str, fn(&str) -> String);
    let dialects: [Dialect; 22] = [
        ("nothing", |_| String::new()),
        ("null", |_| "null".to_owned()),
        ("an empty object", |_| "{}".to_owned()),
        ("text", |good| format!("{good:?}")),
        ("in a list", |good| format!("[{good}]")),
        ("in an object", |good| format!("{{\"x\":{good}}}")),
        ("two objects", |good| format!("{good}{good}")),
        ("something after it", |good| format!("{good}x")),
        ("a NUL after it", |good| format!("{good}\0")),
        ("a byte order mark", |good| format!("\u{feff}{good}")),
        ("a space that is none", |good| format!("\u{a0}{good}")),
        ("a comma too many", |good| good.replacen('}', ",}", 1)),
        ("a comma first", |good| good.replacen('{', "{,", 1)),
        ("no end", |good| good[..good.len() - 1].to_owned()),
        ("a comment", |good| format!("/* x */{good}")),
        ("a comment to the end", |good| format!("{good}//x")),
        ("single quotes", |good| good.replace('"', "'")),
        ("no quotes", |good| {
            good.replacen("\"typ\"", "typ", 1)
                .replacen("\"exp\"", "exp", 1)
        }),
        ("equals signs", |good| good.replace(':', "=")),
        ("a newline in text", |good| and(good, "\"x\":\"\n\"")),
        ("half a surrogate pair", |good| and(good, r#""x":"\ud800""#)),
        ("a number that is none", |good| and(good, "\"x\":NaN")),
    ];
    let mut cases = Vec::new();
    for (what, change) in dialects {
        let header = match what {
            // Without members it is an object all the same.
            "an empty object" | "in an object" => "Header",
            _ => "Malformed",
        };
        let text = forge.sign(change(&forge.header()), forge.payload());
        cases.push(case(format!("header: {what}"), text, header));
        let text = forge.sign(forge.header(), change(&forge.payload()));
        cases.push(case(format!("payload: {what}"), text, "Claims"));
    }
    cases
}

/// Texts that are no UTF-8 (RFC 8725, section 3.7).
fn bytes(forge: &Forge) -> Vec<Case> {
    let spoilt = |good: &str, bad: &[u8]| {
        let json = and(good, "\"x\":\"?\"").into_bytes();
        let at = json
            .iter()
            .position(|byte| *byte == b'?')
            .unwrap_or_default();
        [&json[..at], bad, &json[at + 1..]].concat()
    };
    let utf_16 = |good: &str| good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf_32 = |good: &str| {
        good.chars()
            .flat_map(|c| u32::from(c).to_be_bytes())
            .collect()
    };
    let mut cases = Vec::new();
    for (part, reason) in [("header", "Malformed"), ("payload", "Claims")] {
        let good = if part == "header" {
            forge.header()
        } else {
            forge.payload()
        };
        let forms: [(&str, Vec<u8>); 7] = [
            ("a byte that is never one", spoilt(&good, &[0xff])),
            ("a continuation alone", spoilt(&good, &[0x80])),
            ("an overlong slash", spoilt(&good, &[0xc0, 0xaf])),
            ("a surrogate in UTF-8", spoilt(&good, &[0xed, 0xa0, 0x80])),
            (
                "past the end of Unicode",
                spoilt(&good, &[0xf4, 0x90, 0x80, 0x80]),
            ),
            ("UTF-16", utf_16(&good)),
            ("UTF-32", utf_32(&good)),
        ];
        for (what, bytes) in forms {
            let text = if part == "header" {
                forge.sign(bytes, forge.payload())
            } else {
                forge.sign(forge.header(), bytes)
            };
            cases.push(case(format!("{part}: {what}"), text, reason));
        }
    }
    cases
}
