//! How a token is made out of raw JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

/// Which of the two tokens is forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `at+jwt`.
    Access,
    /// `session+jwt`.
    Session,
}

impl Kind {
    const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Session => "session+jwt",
        }
    }
}

/// Makes tokens of one kind and of one session.
#[derive(Clone, Debug)]
pub struct Forge {
    kind: Kind,
    kid: String,
    key: SigningKey,
    /// Names and raw JSON values.
    claims: Vec<(String, String)>,
    lure: String,
}

impl Forge {
    /// Of the claims in `payload`, a JSON object, and an `nbf`. `lure` is an address that no verifier
    /// may open.
    ///
    /// # Panics
    /// When `payload` is none.
    #[must_use]
    pub fn new(kind: Kind, kid: &str, key: [u8; 32], payload: &str, lure: &str) -> Self {
        let Ok(Value::Object(mut claims)) = serde_json::from_str(payload) else {
            panic!("no JSON object: {payload}");
        };
        if let Some(iat) = claims.get("iat").cloned() {
            claims.entry("nbf").or_insert(iat);
        }
        Self {
            kind,
            kid: kid.to_owned(),
            key: SigningKey::from_bytes(&key),
            claims: claims
                .into_iter()
                .map(|(name, value)| (name, value.to_string()))
                .collect(),
            lure: lure.to_owned(),
        }
    }

    /// Of the claims of a real token, with the key that signed it.
    ///
    /// # Panics
    /// When that is no token.
    #[must_use]
    pub fn like(token: &str, kind: Kind, key: [u8; 32], lure: &str) -> Self {
        let part = |nth: usize| {
            let text = token.split('.').nth(nth).unwrap_or_default();
            let json = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
            String::from_utf8(json).unwrap_or_default()
        };
        let header: Value = serde_json::from_str(&part(0)).unwrap_or_default();
        let Some(kid) = header["kid"].as_str() else {
            panic!("no token: {header}");
        };
        Self::new(kind, kid, key, &part(1), lure)
    }

    /// The same claims and names, signed by another key.
    #[must_use]
    pub fn by(&self, key: [u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(&key),
            ..self.clone()
        }
    }

    /// Which token it forges.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The address that no verifier may open.
    #[must_use]
    pub fn lure(&self) -> &str {
        &self.lure
    }

    /// The name of the key.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A token with nothing wrong.
    #[must_use]
    pub fn good(&self) -> String {
        self.sign(self.header(), self.payload())
    }

    /// The good header.
    #[must_use]
    pub fn header(&self) -> String {
        self.header_with("EdDSA", self.kind.typ())
    }

    /// A header of this `alg` and `typ`.
    #[must_use]
    pub fn header_with(&self, alg: &str, typ: &str) -> String {
        format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{}"}}"#, self.kid)
    }

    /// The good header with `kid` as this raw value.
    #[must_use]
    pub fn header_of_kid(&self, raw: &str) -> String {
        format!(
            r#"{{"alg":"EdDSA","typ":"{}","kid":{raw}}}"#,
            self.kind.typ()
        )
    }

    /// The good header with these members before the others.
    #[must_use]
    pub fn header_and(&self, members: &str) -> String {
        and(&self.header(), members)
    }

    /// The good payload.
    #[must_use]
    pub fn payload(&self) -> String {
        object(&self.claims)
    }

    /// The payload with a claim of this raw value.
    ///
    /// # Panics
    /// When there is no such claim: the case would not be the one that was meant.
    #[must_use]
    pub fn with(&self, claim: &str, raw: &str) -> String {
        let mut claims = self.claims.clone();
        match claims.iter_mut().find(|(name, _)| name == claim) {
            Some((_, value)) => raw.clone_into(value),
            None => panic!("no claim {claim}"),
        }
        object(&claims)
    }

    /// The payload without a claim.
    #[must_use]
    pub fn without(&self, claim: &str) -> String {
        let rest = self.claims.iter().filter(|(name, _)| name != claim);
        object(&rest.cloned().collect::<Vec<_>>())
    }

    /// The payload with these members before the others.
    #[must_use]
    pub fn and(&self, members: &str) -> String {
        and(&self.payload(), members)
    }

    /// The names of all claims.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(|(name, _)| name.as_str())
    }

    /// The raw value of a claim.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn claim(&self, name: &str) -> &str {
        match self.claims.iter().find(|(other, _)| other == name) {
            Some((_, value)) => value,
            None => panic!("no claim {name}"),
        }
    }

    /// The value of a claim that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.claim(name).parse().ok()
    }

    /// A token of this header and payload with a good signature.
    #[must_use]
    pub fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let [header, payload] =
            [header.as_ref(), payload.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
        self.sign_encoded(&header, &payload)
    }

    /// The same of parts that were encoded before, well or not.
    #[must_use]
    pub fn sign_encoded(&self, header: &str, payload: &str) -> String {
        let signed = format!("{header}.{payload}");
        let signature = self.key.sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What is signed: header and payload, encoded.
pub(super) fn input(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let [header, payload] =
        [header.as_ref(), payload.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}")
}

/// An object with these members before the others.
pub(super) fn and(object: &str, members: &str) -> String {
    object.replacen('{', &format!("{{{members},"), 1)
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}
