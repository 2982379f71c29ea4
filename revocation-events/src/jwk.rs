//! Public keys and key sets (RFC 7517, RFC 8037).

use crate::id::KeyId;
use crate::strict_json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// The largest key set that is read, in bytes.
pub const MAX_JWKS_LEN: usize = 64 * 1024;

/// Why a key set was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More than [`MAX_JWKS_LEN`] bytes.
    #[error("the key set is larger than 64 KiB")]
    TooLarge,
    /// Not a JWK Set in strict JSON.
    #[error("not a JWK Set")]
    Malformed,
    /// Two keys of one name (RFC 7517, section 4.5): which one is meant cannot be known.
    #[error("two keys with the same kid")]
    DuplicateKid,
    /// No key that could be used: taking the set would refuse every token.
    #[error("no usable Ed25519 key")]
    NoKey,
}

/// A public key as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Jwk {
    /// The family of keys: an octet key pair.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "OKP")))]
    kty: &'static str,
    /// The curve.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "Ed25519")))]
    crv: &'static str,
    /// For signatures.
    #[serde(rename = "use")]
    #[cfg_attr(feature = "schema", schemars(extend("const" = "sig")))]
    usage: &'static str,
    /// `EdDSA`, and not RFC 9864's `Ed25519`: PyJWT and others still pass over such a key.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "EdDSA")))]
    alg: &'static str,
    /// By which a token names the key.
    kid: KeyId,
    /// The public key in base64url.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[A-Za-z0-9_-]{43}$")))]
    x: String,
}

impl Jwk {
    /// The published form of `key`; its name is the thumbprint.
    #[must_use]
    pub fn new(key: &VerifyingKey) -> Self {
        Self {
            kty: "OKP",
            crv: "Ed25519",
            usage: "sig",
            alg: "EdDSA",
            kid: thumbprint(key),
            x: URL_SAFE_NO_PAD.encode(key.as_bytes()),
        }
    }
}

/// A JWK Set as it is published at `/.well-known/jwks.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(example = example()))]
pub struct JwkSet {
    /// The keys, in no order that means anything.
    pub keys: Vec<Jwk>,
}

/// The key of RFC 8037, appendix A.
#[cfg(feature = "schema")]
fn example() -> serde_json::Value {
    serde_json::json!({ "keys": [{
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }] })
}

/// The name of a key: its thumbprint (RFC 7638, with the members of RFC 8037, section 2).
#[must_use]
pub fn thumbprint(key: &VerifyingKey) -> KeyId {
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD
        .encode(Sha256::digest(members))
        .parse()
        .unwrap_or_else(|_| unreachable!("base64url is printable and 43 characters long"))
}

/// The keys that a verifier trusts, parsed once.
#[derive(Clone, Debug, Default)]
pub struct KeySet(HashMap<KeyId, VerifyingKey>);

impl KeySet {
    /// Reads a JWK Set.
    ///
    /// Keys of other kinds and malformed ones are passed over, as RFC 7517, section 5 has it.
    ///
    /// # Errors
    /// The whole set is refused when it is too large, ambiguous or would leave no key.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.len() > MAX_JWKS_LEN {
            return Err(Error::TooLarge);
        }
        strict_json::check(text).map_err(|_| Error::Malformed)?;
        let set: IncomingSet = serde_json::from_slice(text).map_err(|_| Error::Malformed)?;
        let mut keys = HashMap::new();
        for jwk in set.keys {
            let Some((kid, key)) = Incoming::usable(jwk) else {
                continue;
            };
            if keys.insert(kid, key).is_some() {
                return Err(Error::DuplicateKid);
            }
        }
        if keys.is_empty() {
            Err(Error::NoKey)
        } else {
            Ok(Self(keys))
        }
    }

    /// The key of that name.
    #[must_use]
    pub fn get(&self, kid: &KeyId) -> Option<&VerifyingKey> {
        self.0.get(kid)
    }

    /// The names of all keys.
    pub fn kids(&self) -> impl Iterator<Item = &KeyId> {
        self.0.keys()
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(
            keys.into_iter()
                .map(|key| (thumbprint(&key), key))
                .collect(),
        )
    }
}

#[derive(Deserialize)]
struct IncomingSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Incoming {
    kty: String,
    crv: String,
    x: String,
    kid: KeyId,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
}

impl Incoming {
    fn usable(jwk: serde_json::Value) -> Option<(KeyId, VerifyingKey)> {
        let jwk: Self = serde_json::from_value(jwk).ok()?;
        let meant = jwk.kty == "OKP"
            && jwk.crv == "Ed25519"
            && jwk.alg.is_none_or(|alg| alg == "EdDSA")
            && jwk.usage.is_none_or(|usage| usage == "sig")
            // RFC 7517, section 4.3.
            && jwk.key_ops.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let x: [u8; 32] = URL_SAFE_NO_PAD.decode(jwk.x).ok()?.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&x).ok()?;
        // Under a low-order key a signature that anyone can write verifies for any message. And a
        // point that is not written in its one way is nobody's key (RFC 8032, section 5.1.3).
        let canonical = key.to_edwards().compress().to_bytes() == x;
        (meant && canonical && !key.is_weak()).then_some((jwk.kid, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: &str) -> Result<KeySet, Error> {
        KeySet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes())
    }

    fn jwk(kid: &str, x: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#)
    }

    fn with_ops(ops: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"e","x":"{X}","key_ops":{ops}}}"#)
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
        let set = set(&jwk("a", X)).unwrap();
        let key = set.get(&"a".parse().unwrap()).unwrap();
        assert_eq!(
            thumbprint(key).as_str(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn what_is_published_is_read_back() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]).verifying_key();
        let text = serde_json::to_vec(&JwkSet {
            keys: vec![Jwk::new(&key)],
        })
        .unwrap();
        assert_eq!(
            KeySet::parse(&text).unwrap().get(&thumbprint(&key)),
            Some(&key)
        );
    }

    #[test]
    fn unusable_keys_are_passed_over_and_the_rest_is_kept() {
        let good = jwk("good", X);
        for other in [
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}"#.to_owned(),
            r#"{"kty":"oct"}"#.to_owned(),
            "7".to_owned(),
            jwk("short", &X[..42]),
            jwk("long", &format!("{X}AA")),
            jwk("identity", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            jwk("zero", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            jwk("", X),
            format!(r#"{{"kty":"EC","crv":"Ed25519","kid":"e","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","kid":"e","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"e","x":"{X}","use":"enc"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"e","x":"{X}","alg":"HS256"}}"#),
            with_ops("[]"),
            with_ops(r#"["sign"]"#),
            with_ops(r#"["Verify","deriveBits"]"#),
            with_ops(r#""verify""#),
            with_ops("[7]"),
        ] {
            let set = set(&format!("{other},{good}")).unwrap();
            assert_eq!(
                set.kids().map(KeyId::as_str).collect::<Vec<_>>(),
                ["good"],
                "{other}"
            );
            assert_eq!(
                super::tests::set(&other).unwrap_err(),
                Error::NoKey,
                "{other}"
            );
        }
    }

    #[test]
    fn a_key_that_is_for_verifying_among_other_things_is_one() {
        for ops in [r#"["verify"]"#, r#"["sign","verify"]"#, "null"] {
            let set = set(&with_ops(ops)).unwrap();
            assert_eq!(set.kids().count(), 1, "{ops}");
        }
    }

    #[test]
    fn no_point_of_low_order_and_no_second_spelling_of_a_point_is_a_key() {
        // Little-endian y, and the sign of x in the highest bit.
        let mut points = Vec::new();
        for sign in [0, 0x80] {
            let low = |y| {
                let mut point = [0; 32];
                (point[0], point[31]) = (y, sign);
                point
            };
            // From p - 1, which is of low order, to p + 18, beyond which there are no 255 bits.
            let high = |y| {
                let mut point = [0xff; 32];
                (point[0], point[31]) = (y, 0x7f | sign);
                point
            };
            points.extend([0, 1].map(low));
            points.extend((0xec..=0xff).map(high));
        }
        let known = |point: &[u8; 32]| VerifyingKey::from_bytes(point).is_ok();
        let lenient = points.iter().filter(|point| known(point)).count();
        assert!(lenient >= 20, "the library itself takes {lenient} of them");
        for point in points {
            let jwk = jwk("k", &URL_SAFE_NO_PAD.encode(point));
            assert_eq!(set(&jwk).unwrap_err(), Error::NoKey, "{point:x?}");
        }
    }

    #[test]
    fn a_set_that_cannot_be_understood_is_refused_whole() {
        assert_eq!(
            set(&format!("{0},{0}", jwk("a", X))).unwrap_err(),
            Error::DuplicateKid
        );
        for bad in [
            "<html></html>",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[],"keys":[]}"#,
        ] {
            assert_eq!(
                KeySet::parse(bad.as_bytes()).unwrap_err(),
                Error::Malformed,
                "{bad}"
            );
        }
        assert_eq!(
            KeySet::parse(&vec![b' '; MAX_JWKS_LEN + 1]).unwrap_err(),
            Error::TooLarge
        );
    }
}
