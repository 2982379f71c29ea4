//! Tokens that must be refused, each for the reason that it was made for: a token that is refused
//! for another reason would hide that its own check is missing. The generator is `tests::hostile`;
//! the end-to-end tests send the same tokens to a gate and to the service.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic like the test itself"
)]

mod cost;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use revocation_events::UnixMillis;
use tests::hostile::{self, Forge, Kind};
use verifier_sdk::Reason;
use verifier_sdk::token::{AccessToken, ClientId, Expected};

const NOW: u64 = 1_764_000_000;
const CSRF: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
const PAYLOAD: &str = r#"{
    "iss": "https://id.example.com", "aud": "api",
    "sub": "67e55044-10b1-426f-9247-bb680e5fe0c8", "sid": "936da01f-9abd-4d9d-80c7-02af85c822a8",
    "client_id": "web", "jti": "t-1", "iat": 1764000000, "exp": 1764000900,
    "pos": 1764000000000001, "auth_time": 1763990000,
    "roles": ["admin", "orders:read"], "csrf": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
}"#;

fn forge() -> Forge {
    let lure = "http://127.0.0.1:1";
    Forge::new(Kind::Access, "k1", [7; 32], PAYLOAD, lure)
}

fn expected() -> Expected {
    Expected::new("https://id.example.com", "api")
}

fn decode_at(text: &str, now: u64) -> Result<AccessToken, Reason> {
    let key = forge().key().verifying_key();
    AccessToken::decode(text, &expected(), UnixMillis::new(now), |kid| {
        (kid.as_str() == "k1").then_some(key)
    })
}

fn decode(text: &str) -> Result<AccessToken, Reason> {
    decode_at(text, NOW * 1_000)
}

/// A token of these claims.
fn of(payload: &str) -> String {
    forge().sign(forge().header(), payload)
}

#[test]
fn a_good_token_is_read_in_full() {
    let token = decode(&forge().good()).unwrap();
    assert_eq!(
        token.user_id().to_string(),
        "67e55044-10b1-426f-9247-bb680e5fe0c8"
    );
    assert_eq!(
        token.session_id().to_string(),
        "936da01f-9abd-4d9d-80c7-02af85c822a8"
    );
    assert_eq!(token.position().get(), 1_764_000_000_000_001);
    assert_eq!(token.issued_at(), UnixMillis::from_secs(1_764_000_000));
    assert_eq!(token.expires_at(), UnixMillis::from_secs(1_764_000_900));
    assert_eq!(token.auth_time(), UnixMillis::from_secs(1_763_990_000));
    assert_eq!(token.client_id(), ClientId::Web);
    assert_eq!(token.jti(), "t-1");
    assert_eq!(token.roles(), ["admin", "orders:read"]);
    assert_eq!(
        token
            .csrf()
            .map(|hash| URL_SAFE_NO_PAD.encode(hash))
            .as_deref(),
        Some(CSRF)
    );
    assert_eq!(token.kid().as_str(), "k1");
}

#[test]
fn what_the_rules_allow_is_accepted() {
    for case in hostile::accepted(&forge()) {
        assert_eq!(decode(&case.text).err(), None, "{}", case.what);
    }
    let roles: Vec<_> = (0..32)
        .map(|i| format!("\"{}\"", format!("r{i:02}").repeat(21)))
        .collect();
    let forge = forge();
    for claims in [
        forge.without("roles"),
        forge.without("csrf"),
        forge.with("roles", "[]"),
        forge.with("roles", &format!("[{}]", roles.join(","))),
        forge.with("client_id", r#""app""#),
        forge.with("client_id", r#""\u0061pp""#),
        forge.with("jti", &format!("\"{}\"", "j".repeat(128))),
        forge.with("pos", "0"),
        forge.with("pos", "9007199254740991"),
        forge.with("auth_time", "0"),
        forge.with("iat", "1764000005"),
        forge.with("nbf", "1764000005"),
        forge.and(r#""acr":"x","cnf":{"jkt":[1,{"a":null}]}"#),
    ] {
        assert_eq!(decode(&of(&claims)).err(), None, "{claims}");
    }
}

#[test]
fn the_leeway_is_five_seconds_and_ends() {
    let at = |millis: u64| decode_at(&of(&forge().without("nbf")), millis).err();
    assert_eq!(at(1_764_000_904_999), None);
    assert_eq!(at(1_764_000_905_000), Some(Reason::Expired));
    assert_eq!(at(1_763_999_995_000), None);
    assert_eq!(at(1_763_999_994_999), Some(Reason::NotYetValid));
    for claim in ["iat", "nbf", "auth_time"] {
        let late = of(&forge().with(claim, "1764000006"));
        assert_eq!(decode(&late).err(), Some(Reason::NotYetValid), "{claim}");
    }
}

#[test]
fn an_unknown_key_is_reported_only_when_all_but_the_signature_is_right() {
    let forge = forge();
    let other = forge.header_of_kid("\"k2\"");
    let decode = |payload: &str, now| decode_at(&forge.sign(&other, payload), now).err();
    let now = NOW * 1_000;
    assert_eq!(decode(&forge.payload(), now), Some(Reason::UnknownKey));
    for (claims, reason) in [
        (forge.with("aud", r#""other""#), Reason::Audience),
        (forge.with("exp", "1763999990"), Reason::Lifetime),
        (forge.without("pos"), Reason::Claims),
    ] {
        assert_eq!(decode(&claims, now), Some(reason));
    }
    let late = decode(&forge.payload(), now + 905_000);
    assert_eq!(late, Some(Reason::Expired));
}

#[test]
fn every_hostile_token_is_refused_for_its_own_reason() {
    let table = hostile::refused(&forge());
    let mut wrong = Vec::new();
    for case in &table {
        let found = decode(&case.text).err();
        if found.map(|reason| format!("{reason:?}")).as_deref() != Some(case.reason) {
            wrong.push(format!("{case:.200?}: {found:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(table.len() >= 700, "only {}", table.len());
}

#[test]
fn under_a_weak_key_nothing_verifies() {
    // The identity: under a lenient check this signature verifies for any message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = VerifyingKey::from_bytes(&identity).unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    let good = forge().good();
    let signed = good.rsplit_once('.').unwrap().0;
    let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let now = UnixMillis::from_secs(NOW);
    let verdict = AccessToken::decode(&text, &expected(), now, |_| Some(weak));
    assert_eq!(verdict.err(), Some(Reason::Signature));
}

#[test]
fn no_cut_or_flip_of_a_good_token_is_accepted() {
    let good = forge().good();
    for end in 0..good.len() {
        assert!(decode(&good[..end]).is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(
            decode(&String::from_utf8(bytes).unwrap()).is_err(),
            "changed at {at}"
        );
    }
}
