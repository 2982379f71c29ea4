//! Makes tokens, good and bad, out of raw JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use revocation_events::UnixMillis;
use verifier_sdk::Reason;
use verifier_sdk::token::{AccessToken, Expected};

/// What it is, the token, why it must be refused.
pub(crate) type Case = (String, String, Reason);

pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const NOW: u64 = 1_764_000_000;
pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#;
pub(crate) const CSRF: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

/// The good claims, as raw JSON values.
pub(crate) const CLAIMS: [(&str, &str); 13] = [
    ("iss", r#""https://id.example.com""#),
    ("aud", r#""api""#),
    ("sub", r#""67e55044-10b1-426f-9247-bb680e5fe0c8""#),
    ("sid", r#""936da01f-9abd-4d9d-80c7-02af85c822a8""#),
    ("client_id", r#""web""#),
    ("jti", r#""t-1""#),
    ("iat", "1764000000"),
    ("exp", "1764000900"),
    ("pos", "1764000000000001"),
    ("auth_time", "1763990000"),
    ("nbf", "1764000000"),
    ("roles", r#"["admin","orders:read"]"#),
    ("csrf", r#""47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU""#),
];

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn object(members: &[(&str, &str)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

pub(crate) fn good_claims() -> String {
    object(&CLAIMS)
}

pub(crate) fn with(claim: &str, value: &str) -> String {
    assert!(
        CLAIMS.iter().any(|(name, _)| *name == claim),
        "no such claim: {claim}"
    );
    object(&CLAIMS.map(|(name, old)| (name, if name == claim { value } else { old })))
}

pub(crate) fn without(claim: &str) -> String {
    let rest: Vec<_> = CLAIMS
        .into_iter()
        .filter(|(name, _)| *name != claim)
        .collect();
    object(&rest)
}

pub(crate) fn and(members: &str) -> String {
    good_claims().replacen('{', &format!("{{{members},"), 1)
}

pub(crate) fn sign(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = key().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

pub(crate) fn good() -> String {
    sign(HEADER, good_claims())
}

pub(crate) fn decode_at(text: &str, now: u64) -> Result<AccessToken, Reason> {
    AccessToken::decode(
        text,
        &Expected::new(ISSUER, "api"),
        UnixMillis::from_secs(now),
        |kid| (kid.as_str() == "k1").then(|| key().verifying_key()),
    )
}

pub(crate) fn decode(text: &str) -> Result<AccessToken, Reason> {
    decode_at(text, NOW)
}
