//! JSON Web Tokens: one and the same token for each of the crates, as the service mints it.

use crate::claims::{AUDIENCE, CLIENT, Claims, Facts, ISSUER};
use crate::{Peer, SEED};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use jwt_compact::alg::Ed25519;
use jwt_compact::{AlgorithmExt as _, TimeOptions, UntrustedToken};
use jwt_simple::prelude::{
    Duration, Ed25519PublicKey, EdDSAPublicKeyLike as _, VerificationOptions,
};
use serde::Deserialize;
use serde_json::json;

/// As long as a thumbprint. None of the crates is asked to find a key by it.
const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn mint(claims: &Claims, seed: [u8; 32]) -> String {
    let facts = &claims.facts;
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": KID });
    let payload = json!({
        "iss": claims.issuer, "aud": claims.audience, "sub": facts.sub, "client_id": CLIENT,
        "sid": facts.sid, "jti": facts.jti, "iat": claims.issued, "exp": claims.expires,
        "auth_time": claims.issued, "pos": facts.pos, "roles": facts.roles,
    });
    let [header, payload] = [header, payload].map(|json| URL_SAFE_NO_PAD.encode(json.to_string()));
    let signed = format!("{header}.{payload}");
    let signature = SigningKey::from_bytes(&seed).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn key() -> VerifyingKey {
    SigningKey::from_bytes(&SEED).verifying_key()
}

pub(crate) struct JwtSimple {
    key: Ed25519PublicKey,
    options: VerificationOptions,
}

/// What it has no fields for.
#[derive(Deserialize)]
struct OfOurs {
    sid: String,
    pos: u64,
    roles: Vec<String>,
}

impl JwtSimple {
    pub(crate) fn new() -> Self {
        Self {
            key: Ed25519PublicKey::from_bytes(key().as_bytes()).expect("a good key"),
            options: VerificationOptions {
                allowed_issuers: Some([ISSUER.to_owned()].into()),
                allowed_audiences: Some([AUDIENCE.to_owned()].into()),
                // Else a quarter of an hour.
                time_tolerance: Some(Duration::from_secs(5)),
                ..VerificationOptions::default()
            },
        }
    }
}

impl Peer for JwtSimple {
    fn name(&self) -> &'static str {
        "jwt-simple"
    }

    fn mint(&self, claims: &Claims, seed: [u8; 32]) -> String {
        mint(claims, seed)
    }

    fn verify(&self, token: &str) -> Option<Facts> {
        // It takes them by value.
        let options = Some(self.options.clone());
        let claims = self.key.verify_token::<OfOurs>(token, options).ok()?;
        Some(Facts {
            sub: claims.subject?,
            jti: claims.jwt_id?,
            sid: claims.custom.sid,
            pos: claims.custom.pos,
            roles: claims.custom.roles,
        })
    }
}

pub(crate) struct JwtCompact {
    key: VerifyingKey,
    times: TimeOptions,
}

/// It knows times only.
#[derive(Clone, Deserialize)]
struct AllButTimes {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    pos: u64,
    roles: Vec<String>,
}

impl JwtCompact {
    pub(crate) fn new() -> Self {
        Self {
            key: key(),
            times: TimeOptions::default(),
        }
    }
}

impl Peer for JwtCompact {
    fn name(&self) -> &'static str {
        "jwt-compact"
    }

    fn mint(&self, claims: &Claims, seed: [u8; 32]) -> String {
        mint(claims, seed)
    }

    fn verify(&self, token: &str) -> Option<Facts> {
        let token = UntrustedToken::new(token).ok()?;
        let validator = Ed25519.validator::<AllButTimes>(&self.key);
        let (_, claims) = validator.validate(&token).ok()?.into_parts();
        claims.validate_expiration(&self.times).ok()?;
        let claims = claims.custom;
        let meant = claims.iss == ISSUER && claims.aud == AUDIENCE;
        meant.then_some(Facts {
            sub: claims.sub,
            sid: claims.sid,
            jti: claims.jti,
            pos: claims.pos,
            roles: claims.roles,
        })
    }
}

#[cfg(feature = "josekit")]
pub(crate) use jose::Josekit;

#[cfg(feature = "josekit")]
mod jose {
    use super::{AUDIENCE, Claims, Facts, ISSUER, Peer, URL_SAFE_NO_PAD, json, key, mint};
    use base64::Engine as _;
    use josekit::jwk::Jwk;
    use josekit::jws::EdDSA;
    use josekit::jws::alg::eddsa::EddsaJwsVerifier;
    use josekit::jwt::{self, JwtPayloadValidator};

    pub(crate) struct Josekit {
        verifier: EddsaJwsVerifier,
        /// Of the time too: where none is set, that of the call.
        validator: JwtPayloadValidator,
    }

    impl Josekit {
        pub(crate) fn new() -> Self {
            let x = URL_SAFE_NO_PAD.encode(key().as_bytes());
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x }).to_string();
            let jwk = Jwk::from_bytes(jwk).expect("a good key");
            let mut validator = JwtPayloadValidator::new();
            validator.set_issuer(ISSUER);
            validator.set_audience(AUDIENCE);
            Self {
                verifier: EdDSA.verifier_from_jwk(&jwk).expect("a good key"),
                validator,
            }
        }
    }

    impl Peer for Josekit {
        fn name(&self) -> &'static str {
            "josekit"
        }

        fn mint(&self, claims: &Claims, seed: [u8; 32]) -> String {
            mint(claims, seed)
        }

        fn verify(&self, token: &str) -> Option<Facts> {
            let (claims, _) = jwt::decode_with_verifier(token, &self.verifier).ok()?;
            self.validator.validate(&claims).ok()?;
            let roles = claims.claim("roles")?.as_array()?.iter();
            Some(Facts {
                sub: claims.subject()?.to_owned(),
                sid: claims.claim("sid")?.as_str()?.to_owned(),
                jti: claims.jwt_id()?.to_owned(),
                pos: claims.claim("pos")?.as_u64()?,
                roles: roles
                    .map(|role| role.as_str().map(str::to_owned))
                    .collect::<Option<_>>()?,
            })
        }
    }
}
