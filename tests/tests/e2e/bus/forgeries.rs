//! Texts that are no page of the service's.

use crate::keys::StolenKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use revocation_events::{KeyId, jws};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What it is, and what is published.
type Forgery = (&'static str, Vec<u8>);

const TYP: &str = "revocations+jwt";

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Everyone is revoked, right now.
fn everyone(issuer: &str) -> Value {
    let (at, to) = (now().as_millis() as u64, now().as_micros() as u64);
    json!({
        "iss": issuer, "at": at, "from": 0, "to": to, "floor": 0,
        "revoked": [{ "pos": to, "everyone": true }],
    })
}

/// From somebody without a key. `real` is a page that the service has published, `token` a good
/// access token.
pub(super) fn by_strangers(
    issuer: &str,
    service: &StolenKey,
    real: &str,
    token: &str,
) -> Vec<Forgery> {
    let stranger = SigningKey::from_bytes(&[66; 32]);
    let own_name: KeyId = "stranger".parse().unwrap();
    let page = everyone(issuer).to_string();
    let parts: Vec<_> = real.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("no page: {real}");
    };
    let flipped = |at: usize| {
        let mut bytes = real.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let text = |what, text: String| (what, text.into_bytes());
    let unsigned = format!(r#"{{"alg":"none","typ":"{TYP}","kid":"{}"}}"#, service.kid);
    vec![
        text("nothing", String::new()),
        text("words", "revoke everyone".to_owned()),
        text("JSON", page.clone()),
        ("no text", vec![0xff; 100]),
        ("zeros", vec![0; 100]),
        text("dots", "..".to_owned()),
        text(
            "a stranger's, by a name of its own",
            jws::sign(TYP, &own_name, page.as_bytes(), &stranger),
        ),
        text(
            "a stranger's, by the service's name",
            jws::sign(TYP, &service.kid, page.as_bytes(), &stranger),
        ),
        text(
            "unsigned",
            format!(
                "{}.{}.",
                URL_SAFE_NO_PAD.encode(unsigned),
                URL_SAFE_NO_PAD.encode(&page)
            ),
        ),
        text(
            "another payload under a real signature",
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(&page)),
        ),
        text("an access token", token.to_owned()),
        text("without its signature", format!("{header}.{payload}.")),
        text("cut in the signature", real[..real.len() - 2].to_owned()),
        text("cut in the payload", real[..header.len() + 20].to_owned()),
        text("cut to one character", real[..1].to_owned()),
        text("twice", format!("{real}{real}")),
        text("with a newline", format!("{real}\n")),
        text("padded", format!("{real}=")),
        text("four parts", format!("{real}.{signature}")),
        ("a letter of the header changed", flipped(3)),
        ("a letter of the payload changed", flipped(header.len() + 9)),
        (
            "a letter of the signature changed",
            flipped(real.len() - 40),
        ),
        ("as long as NATS takes", vec![b'A'; 1_000_000]),
    ]
}

/// Signed by the service's own key, and no page all the same.
pub(super) fn by_a_thief(issuer: &str, key: &StolenKey) -> Vec<Forgery> {
    let good = everyone(issuer);
    let to = good["to"].as_u64().unwrap();
    let signed_as = |typ: &str, payload: &str| {
        jws::sign(typ, &key.kid, payload.as_bytes(), &key.secret).into_bytes()
    };
    let signed = |payload: &str| signed_as(TYP, payload);
    let with = |member: &str, value: Value| {
        let mut page = good.clone();
        page[member] = value;
        signed(&page.to_string())
    };
    let without = |member: &str| {
        let mut page = good.clone();
        page.as_object_mut().unwrap().remove(member);
        signed(&page.to_string())
    };
    let entry = |entry: Value| with("revoked", json!([entry]));
    let mut backwards = good.clone();
    backwards["from"] = json!(to + 1);
    backwards["revoked"] = json!([]);
    let two_days = Duration::from_secs(2 * 86_400).as_micros() as u64;
    let text = good.to_string();
    let many: Vec<_> = (1..=1_001)
        .map(|pos| json!({ "pos": pos, "everyone": true }))
        .collect();
    vec![
        (
            "another issuer's",
            with("iss", json!("https://id.example.com")),
        ),
        ("nobody's", with("iss", json!(""))),
        ("a list of issuers", with("iss", json!([issuer]))),
        ("of another type", signed_as("at+jwt", &text)),
        ("of a shouted type", signed_as("REVOCATIONS+JWT", &text)),
        ("no issuer", without("iss")),
        ("no time", without("at")),
        ("no start", without("from")),
        ("no end", without("to")),
        ("no floor", without("floor")),
        ("no entries", without("revoked")),
        ("backwards", signed(&backwards.to_string())),
        ("a floor above its end", with("floor", json!(to + 1))),
        ("an entry before its start", with("from", json!(to))),
        (
            "an entry after its end",
            entry(json!({ "pos": to + 1, "everyone": true })),
        ),
        (
            "an entry without a position",
            entry(json!({ "everyone": true })),
        ),
        ("an entry that is none", entry(json!(to))),
        (
            "an entry past 2^53",
            entry(json!({ "pos": 1_u64 << 53, "everyone": true })),
        ),
        ("an end past 2^53", with("to", json!(1_u64 << 53))),
        ("an end two days ahead", with("to", json!(to + two_days))),
        ("a time that is a text", with("at", json!("now"))),
        ("a time that is no integer", with("at", json!(1.5))),
        ("a time before 1970", with("at", json!(-1))),
        ("a truth value that is none", with("more", json!(1))),
        (
            "names of keys that are none",
            with("revoked_keys", json!(["", "a b"])),
        ),
        ("too many entries", with("revoked", json!(many))),
        (
            "a member twice",
            signed(&text.replacen('{', "{\"to\":0,", 1)),
        ),
        (
            "deep",
            signed(&text.replacen(
                '{',
                &format!("{{\"x\":{}1{},", "[".repeat(99), "]".repeat(99)),
                1,
            )),
        ),
        ("two pages", signed(&format!("{text}{text}"))),
        ("a list", signed(&format!("[{text}]"))),
        ("half a page", signed(&text[..text.len() / 2])),
        (
            "longer than a page may be",
            signed(&format!("{text}{}", " ".repeat(600_000))),
        ),
    ]
}
