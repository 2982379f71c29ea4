//! Tokens that must be refused, each for the reason that it was made for: a token that is refused
//! for another reason would hide that its own check is missing. All are signed by the right key
//! unless the signature itself is what is wrong.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test may panic like the test itself"
)]

mod claims;
mod headers;
mod mint;
mod shapes;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use mint::*;
use revocation_events::{KeyId, UnixMillis};
use verifier_sdk::Reason;
use verifier_sdk::token::{AccessToken, ClientId, Expected};

/// Checks a table and says how long it was.
fn all_refused(table: &[Case]) -> usize {
    for (what, text, reason) in table {
        assert_eq!(decode(text).err(), Some(*reason), "{what}");
    }
    table.len()
}

#[test]
fn a_good_token_is_read_in_full() {
    let token = decode(&good()).unwrap();
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
    let roles: Vec<_> = (0..32)
        .map(|i| format!("\"{}\"", format!("r{i:02}").repeat(21)))
        .collect();
    for claims in [
        without("nbf"),
        without("roles"),
        without("csrf"),
        with("roles", "[]"),
        with("roles", &format!("[{}]", roles.join(","))),
        with("aud", r#"["other","api"]"#),
        with("client_id", r#""app""#),
        with("client_id", r#""\u0061pp""#),
        with("jti", &format!("\"{}\"", "j".repeat(128))),
        with("pos", "0"),
        with("pos", "9007199254740991"),
        with("auth_time", "0"),
        with("iat", "1764000005"),
        with("nbf", "1764000005"),
        and(r#""acr":"x","cnf":{"jkt":[1,{"a":null}]}"#),
    ] {
        assert!(decode(&sign(HEADER, &claims)).is_ok(), "{claims}");
    }
    let header = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","cty":"x","foo":{"bar":[1]}}"#;
    assert!(decode(&sign(header, good_claims())).is_ok());
}

#[test]
fn the_leeway_is_five_seconds_and_ends() {
    let at = |millis: u64| {
        AccessToken::decode(
            &good(),
            &Expected::new(ISSUER, "api"),
            UnixMillis::new(millis),
            |_| Some(key().verifying_key()),
        )
        .err()
    };
    assert_eq!(at(1_764_000_904_999), None);
    assert_eq!(at(1_764_000_905_000), Some(Reason::Expired));
    assert_eq!(at(1_763_999_995_000), None);
    assert_eq!(at(1_763_999_994_999), Some(Reason::NotYetValid));
}

#[test]
fn an_unknown_key_is_reported_only_when_all_but_the_signature_is_right() {
    let other = HEADER.replace("k1", "k2");
    assert_eq!(
        decode(&sign(&other, good_claims())).err(),
        Some(Reason::UnknownKey)
    );
    for (claims, reason) in [
        (with("aud", r#""other""#), Reason::Audience),
        (with("exp", "1763999990"), Reason::Lifetime),
        (without("pos"), Reason::Claims),
    ] {
        assert_eq!(decode(&sign(&other, claims)).err(), Some(reason));
    }
    assert_eq!(
        decode_at(&sign(&other, good_claims()), NOW + 905).err(),
        Some(Reason::Expired)
    );
}

#[test]
fn every_hostile_token_is_refused_for_its_own_reason() {
    let count = all_refused(&headers::all())
        + all_refused(&claims::of_the_wrong_kind())
        + all_refused(&claims::that_no_two_parsers_read_alike())
        + all_refused(&claims::of_somebody_else())
        + all_refused(&shapes::other_shapes())
        + all_refused(&shapes::signatures());
    assert!(count >= 300, "only {count}");
}

#[test]
fn under_a_weak_key_nothing_verifies() {
    // The identity: under a lenient check this signature verifies for any message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = VerifyingKey::from_bytes(&identity).unwrap();
    let mut signature = [0; 64];
    signature[0] = 1;
    let good = good();
    let signed = good.rsplit_once('.').unwrap().0;
    let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let expected = Expected::new(ISSUER, "api");
    let verdict = AccessToken::decode(&text, &expected, UnixMillis::from_secs(NOW), |_: &KeyId| {
        Some(weak)
    });
    assert_eq!(verdict.err(), Some(Reason::Signature));
}

#[test]
fn no_cut_or_flip_of_a_good_token_is_accepted() {
    let good = good();
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
