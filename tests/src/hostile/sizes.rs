//! A13: too long, too deep, too many (CVE-2025-30204 and its kin).

use super::forge::and;
use super::{Case, Class, Forge};

/// The longest token that is read, in bytes.
pub(super) const LIMIT: usize = 4096;

/// Two dots and a signature.
const TAIL: usize = 88;

/// A good token of that length.
pub(super) fn of_length(forge: &Forge, length: usize) -> String {
    let filler = |n: usize| format!("\"x\":\"{}\"", "x".repeat(n));
    let room = |header: &String| length - TAIL - (header.len() * 4).div_ceil(3);
    // No text of base64 is 4n + 1 characters long, so the header makes up for it.
    let header = (0..3)
        .map(|n| forge.header_and(&filler(n)))
        .find(|header| room(header) % 4 != 1)
        .unwrap_or_else(|| unreachable!("three lengths of a header are not all 4n + 1 short"));
    let empty = forge.and(&filler(0)).len();
    let payload = forge.and(&filler(room(&header) * 3 / 4 - empty));
    forge.sign(header, payload)
}

pub(super) fn all(forge: &Forge) -> Vec<Case> {
    [too_long(forge), too_deep_or_many(forge)].concat()
}

fn too_long(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let signature = &good[good.len() - 86..];
    let case = |what: &str, text: String| Case::new(Class::Size, what, text, "TooLong");
    let long = |n: usize| {
        let payload = forge.and(&format!("\"x\":\"{}\"", "x".repeat(n)));
        forge.sign(forge.header(), payload)
    };
    let claims: Vec<_> = (0..10_000).map(|n| format!("\"c{n}\":{n}")).collect();
    let audiences = format!("[{}]", vec![forge.claim("aud"); 5_000].join(","));
    vec![
        case("a byte too long", of_length(forge, LIMIT + 1)),
        case("twice too long", long(6_000)),
        case("64 KiB", long(64 << 10)),
        case("1 MiB", long(1 << 20)),
        case("a byte of dots too many", ".".repeat(LIMIT + 1)),
        case("a million dots", ".".repeat(1_000_000)),
        case("a million letters", "A".repeat(1_000_000)),
        case(
            "a long signature",
            format!("{good}{}", signature.repeat(1_000)),
        ),
        case(
            "ten thousand claims",
            forge.sign(forge.header(), forge.and(&claims.join(","))),
        ),
        case(
            "five thousand audiences",
            forge.sign(forge.header(), forge.with("aud", &audiences)),
        ),
        case(
            "a hundred thousand lists",
            forge.sign(forge.header(), nested(&forge.payload(), 100_000)),
        ),
        case(
            "a header of 64 KiB",
            forge.sign(
                forge.header_and(&format!("\"x\":\"{}\"", "x".repeat(65_536))),
                forge.payload(),
            ),
        ),
    ]
}

/// Within the 4 KiB: what makes a parser work, or its stack grow.
fn too_deep_or_many(forge: &Forge) -> Vec<Case> {
    let case = |what: String, text, reason| Case::new(Class::Size, what, text, reason);
    let mut cases = vec![case(
        "four thousand dots".to_owned(),
        ".".repeat(LIMIT),
        "Malformed",
    )];
    let deep_objects = |good: &str, depth: usize| {
        let open = "{\"a\":".repeat(depth);
        and(good, &format!("\"x\":{open}1{}", "}".repeat(depth)))
    };
    let members = |n: usize| {
        let members: Vec<_> = (0..n).map(|n| format!("\"{n}\":0")).collect();
        members.join(",")
    };
    let payloads = [
        ("sixteen lists".to_owned(), nested(&forge.payload(), 16)),
        (
            "a thousand lists".to_owned(),
            nested(&forge.payload(), 1_000),
        ),
        (
            "sixteen objects".to_owned(),
            deep_objects(&forge.payload(), 16),
        ),
        (
            "two hundred objects".to_owned(),
            deep_objects(&forge.payload(), 200),
        ),
        (
            "a thousand lists that do not end".to_owned(),
            and(&forge.payload(), &format!("\"x\":{}", "[".repeat(1_000))),
        ),
        ("65 members".to_owned(), forge.and(&members(64))),
        ("300 members".to_owned(), forge.and(&members(300))),
        (
            "65 members of a member".to_owned(),
            forge.and(&format!("\"x\":{{{}}}", members(65))),
        ),
        (
            "a number of 2,000 digits".to_owned(),
            forge.with("exp", &"1".repeat(2_000)),
        ),
        (
            "a fraction of 2,000 digits".to_owned(),
            forge.with("exp", &format!("1.{}", "1".repeat(2_000))),
        ),
        (
            "a number of 2,000 digits that nobody reads".to_owned(),
            forge.and(&format!("\"x\":{}", "1".repeat(2_000))),
        ),
    ];
    for (what, payload) in payloads {
        cases.push(case(what, forge.sign(forge.header(), payload), "Claims"));
    }
    let headers = [
        ("a header of sixteen lists", nested(&forge.header(), 16)),
        (
            "a header of a thousand lists",
            nested(&forge.header(), 1_000),
        ),
        ("a header of 65 members", forge.header_and(&members(62))),
        ("a header of objects", deep_objects(&forge.header(), 150)),
    ];
    for (what, header) in headers {
        let text = forge.sign(header, forge.payload());
        cases.push(case(what.to_owned(), text, "Malformed"));
    }
    cases
}

/// An object with a member of so many lists within each other.
fn nested(good: &str, depth: usize) -> String {
    and(
        good,
        &format!("\"x\":{}{}", "[".repeat(depth), "]".repeat(depth)),
    )
}
