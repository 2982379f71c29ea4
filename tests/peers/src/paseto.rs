//! PASETO, version 4, signed.

use crate::claims::{AUDIENCE, CLIENT, Claims, Facts, ISSUER};
use crate::{Peer, SEED};
use ed25519_dalek::SigningKey;
use pasetors::claims::ClaimsValidationRules;
use pasetors::keys::{AsymmetricPublicKey, AsymmetricSecretKey};
use pasetors::token::UntrustedToken;
use pasetors::version4::{PublicToken, V4};
use pasetors::{Public, public};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) struct Pasetors {
    key: AsymmetricPublicKey<V4>,
    rules: ClaimsValidationRules,
}

impl Pasetors {
    pub(crate) fn new() -> Self {
        let mut rules = ClaimsValidationRules::new();
        // Else it asks for `nbf`, which ours do not have. `exp` is looked at all the same.
        rules.disable_valid_at();
        rules.validate_issuer_with(ISSUER);
        rules.validate_audience_with(AUDIENCE);
        let key = SigningKey::from_bytes(&SEED).verifying_key();
        Self {
            key: AsymmetricPublicKey::from(key.as_bytes()).expect("a good key"),
            rules,
        }
    }
}

impl Peer for Pasetors {
    fn name(&self) -> &'static str {
        "pasetors"
    }

    fn mint(&self, claims: &Claims, seed: [u8; 32]) -> String {
        let facts = &claims.facts;
        let claims = json!({
            "iss": claims.issuer, "aud": claims.audience, "sub": facts.sub, "client_id": CLIENT,
            "sid": facts.sid, "jti": facts.jti, "iat": date(claims.issued),
            "exp": date(claims.expires), "auth_time": claims.issued, "pos": facts.pos,
            "roles": facts.roles,
        });
        let key = SigningKey::from_bytes(&seed).to_keypair_bytes();
        let key = AsymmetricSecretKey::<V4>::from(&key).expect("a good key");
        let token = PublicToken::sign(&key, claims.to_string().as_bytes(), None, None);
        token.expect("claims that can be signed")
    }

    fn verify(&self, token: &str) -> Option<Facts> {
        let token = UntrustedToken::<Public, V4>::try_from(token).ok()?;
        let token = public::verify(&self.key, &token, &self.rules, None, None).ok()?;
        let claims = token.payload_claims()?;
        let text = |name| Some(claims.get_claim(name)?.as_str()?.to_owned());
        let roles = claims.get_claim("roles")?.as_array()?.iter();
        Some(Facts {
            sub: text("sub")?,
            sid: text("sid")?,
            jti: text("jti")?,
            pos: claims.get_claim("pos")?.as_u64()?,
            roles: roles
                .map(|role| role.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
        })
    }
}

fn date(seconds: u64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds.cast_signed());
    let date = date.expect("a date of our days").format(&Rfc3339);
    date.expect("a date of our days")
}
