//! Access tokens. Whatever is accepted says what it should, and a well-known library that is laxer
//! accepts it too and reads the same in it: two readers that differ are what a forger looks for.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fuzz::{ISSUER, KEY, KID, NOW, jws};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use libfuzzer_sys::fuzz_target;
use revocation_events::UnixMillis;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;
use verifier_sdk::token::{AccessToken, Expected, LEEWAY, MAX_LEN, MAX_ROLES};

static EXPECTED: LazyLock<Expected> = LazyLock::new(|| Expected::new(ISSUER, "api"));

static LAX: LazyLock<(DecodingKey, Validation)> = LazyLock::new(|| {
    let key = URL_SAFE_NO_PAD.encode(KEY.verifying_key());
    let mut lax = Validation::new(Algorithm::EdDSA);
    // It goes by the clock of the machine.
    (lax.validate_exp, lax.validate_nbf) = (false, false);
    lax.set_audience(&["api"]);
    lax.set_issuer(&[ISSUER]);
    (DecodingKey::from_ed_components(&key).unwrap(), lax)
});

fuzz_target!(|input: &str| {
    let text = jws(input);
    let now = UnixMillis::from_secs(NOW);
    let key = KEY.verifying_key();
    let Ok(token) = AccessToken::decode(&text, &EXPECTED, now, |kid| (*kid == *KID).then_some(key))
    else {
        return;
    };
    assert!(text.len() <= MAX_LEN);
    assert_eq!(*token.kid(), *KID);
    assert!(!token.is_expired(now) && token.issued_at() <= now.plus(LEEWAY));
    assert!(token.expires_at().since(token.issued_at()) <= Duration::from_secs(900));
    assert!(token.auth_time() <= now.plus(LEEWAY));
    assert!(token.roles().len() <= MAX_ROLES);
    assert!((1..=128).contains(&token.jti().len()));

    let (key, lax) = &*LAX;
    let Value::Object(claims) = jsonwebtoken::decode(&*text, key, lax).unwrap().claims else {
        panic!("no object");
    };
    let text = |name: &str| claims[name].as_str().unwrap();
    let number = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(token.user_id(), text("sub").parse().unwrap());
    assert_eq!(token.session_id(), text("sid").parse().unwrap());
    assert_eq!(token.position().get(), number("pos"));
    assert_eq!(token.expires_at().secs(), number("exp"));
    assert_eq!(token.issued_at().secs(), number("iat"));
    assert_eq!(token.auth_time().secs(), number("auth_time"));
    assert_eq!(token.jti(), text("jti"));
    assert_eq!(token.client_id().as_str(), text("client_id"));
    let roles = claims
        .get("roles")
        .map_or(&[][..], |roles| roles.as_array().unwrap());
    assert!(
        roles
            .iter()
            .map(|role| role.as_str().unwrap())
            .eq(token.roles())
    );
    assert_eq!(token.csrf().is_some(), claims.contains_key("csrf"));
});
