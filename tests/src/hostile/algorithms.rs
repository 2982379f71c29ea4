//! A01 to A03: no signature, an HMAC, another algorithm.

use super::forge::input;
use super::{Case, Class, Forge};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

/// CVE-2015-9235 and its many returns.
pub(super) fn unsigned(forge: &Forge) -> Vec<Case> {
    const ALGS: [(&str, &str); 19] = [
        (r#""none""#, "Header"),
        (r#""None""#, "Header"),
        (r#""NONE""#, "Header"),
        (r#""nOnE""#, "Header"),
        (r#"" none""#, "Header"),
        (r#""none\u0000""#, "Header"),
        (r#""\u006eone""#, "Header"),
        (r#""""#, "Header"),
        (r#""eddsa""#, "Header"),
        (r#""EDDSA""#, "Header"),
        (r#""EdDSA ""#, "Header"),
        (r#""EdDSA,none""#, "Header"),
        (r#""EdDSA\u0000""#, "Header"),
        ("null", "Malformed"),
        ("0", "Malformed"),
        ("true", "Malformed"),
        ("[]", "Malformed"),
        (r#"["EdDSA"]"#, "Malformed"),
        (r#"{"EdDSA":true}"#, "Malformed"),
    ];
    let mut headers: Vec<_> = ALGS
        .iter()
        .map(|(alg, reason)| (forge.header().replacen("\"EdDSA\"", alg, 1), *reason))
        .collect();
    headers.push((
        forge.header().replacen(r#""alg":"EdDSA","#, "", 1),
        "Header",
    ));
    let mut cases = Vec::new();
    for (header, reason) in headers {
        let signed = input(&header, forge.payload());
        for (signature, text) in [
            ("signed", forge.sign(&header, forge.payload())),
            ("no signature", format!("{signed}.")),
            ("zeros", format!("{signed}.{}", "A".repeat(86))),
        ] {
            let what = format!("{header}, {signature}");
            cases.push(Case::new(Class::Unsigned, what, text, reason));
        }
        let what = format!("{header}, two parts");
        cases.push(Case::new(Class::Unsigned, what, signed, "Malformed"));
    }
    cases
}

/// CVE-2022-29217 and its kin: the public key as the secret of an HMAC.
pub(super) fn hmac(forge: &Forge) -> Vec<Case> {
    let mut cases = Vec::new();
    for (form, secret) in secrets(forge) {
        for alg in ["HS256", "HS384", "HS512"] {
            let header = forge.header().replacen("EdDSA", alg, 1);
            let signed = input(&header, forge.payload());
            let text = format!("{signed}.{}", mac(alg, &secret, &signed));
            cases.push(Case::new(
                Class::Hmac,
                format!("{alg}, {form}"),
                text,
                "Header",
            ));
        }
        // As long as a signature, and with the right label.
        let signed = input(forge.header(), forge.payload());
        let text = format!("{signed}.{}", mac("HS512", &secret, &signed));
        let what = format!("HS512 as EdDSA, {form}");
        cases.push(Case::new(Class::Hmac, what, text, "Signature"));
    }
    cases
}

/// Every form in which a library keeps a public key.
fn secrets(forge: &Forge) -> Vec<(&'static str, Vec<u8>)> {
    const SPKI: [u8; 12] = [48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];
    let raw = forge.key().verifying_key().to_bytes();
    let x = URL_SAFE_NO_PAD.encode(raw);
    let der = [&SPKI[..], &raw].concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        STANDARD.encode(&der)
    );
    let ssh = [&[0, 0, 0, 11][..], b"ssh-ed25519", &[0, 0, 0, 32][..], &raw].concat();
    let jwk = format!(
        r#"{{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"{}","x":"{x}"}}"#,
        forge.kid()
    );
    vec![
        ("raw", raw.to_vec()),
        ("x", x.into_bytes()),
        ("DER", der),
        ("PEM", pem.clone().into_bytes()),
        ("PEM with a newline", format!("{pem}\n").into_bytes()),
        (
            "PEM with a space",
            format!(" {}", pem.replace('\n', "\r\n")).into_bytes(),
        ),
        (
            "ssh",
            format!("ssh-ed25519 {}", STANDARD.encode(ssh)).into_bytes(),
        ),
        ("JWK", jwk.clone().into_bytes()),
        ("key set", format!(r#"{{"keys":[{jwk}]}}"#).into_bytes()),
        ("kid", forge.kid().as_bytes().to_vec()),
        ("nothing", Vec::new()),
    ]
}

fn mac(alg: &str, secret: &[u8], message: &str) -> String {
    macro_rules! mac {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(secret)
                .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
            mac.update(message.as_bytes());
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        }};
    }
    match alg {
        "HS256" => mac!(Sha256),
        "HS384" => mac!(Sha384),
        _ => mac!(Sha512),
    }
}

/// Another label over the right signature, and signatures that other algorithms took.
pub(super) fn others(forge: &Forge) -> Vec<Case> {
    /// With the length of a signature.
    const ALGS: [(&str, usize); 15] = [
        ("RS256", 256),
        ("RS384", 384),
        ("RS512", 512),
        ("PS256", 256),
        ("PS512", 256),
        ("ES256", 64),
        ("ES256K", 64),
        ("ES384", 96),
        ("ES512", 132),
        ("Ed448", 114),
        ("Ed25519", 64),
        ("Ed25519ph", 64),
        ("ML-DSA-44", 2420),
        ("dir", 16),
        ("RSA1_5", 256),
    ];
    let mut cases = Vec::new();
    for (alg, length) in ALGS {
        let header = forge.header().replacen("EdDSA", alg, 1);
        let signed = input(&header, forge.payload());
        // Zeros are what ECDSA took for any message in Java 15 to 18 (CVE-2022-21449).
        let zeros = URL_SAFE_NO_PAD.encode(vec![0; length]);
        let ones = URL_SAFE_NO_PAD.encode(vec![255; length]);
        let right = forge.sign(&header, forge.payload());
        for (what, text) in [
            ("signed by Ed25519", right),
            ("zeros", format!("{signed}.{zeros}")),
            ("ones", format!("{signed}.{ones}")),
        ] {
            let what = format!("{alg}, {what}");
            let reason = if text.len() > super::sizes::LIMIT {
                "TooLong"
            } else {
                "Header"
            };
            cases.push(Case::new(Class::OtherAlgorithm, what, text, reason));
        }
    }
    let signed = input(forge.header(), forge.payload());
    for (what, signature, reason) in [
        (
            "EdDSA over zeros in DER",
            vec![48, 6, 2, 1, 0, 2, 1, 0],
            "Malformed",
        ),
        (
            "EdDSA over an RSA signature's length",
            vec![1; 256],
            "Malformed",
        ),
        (
            "EdDSA over an Ed448 signature's length",
            vec![1; 114],
            "Malformed",
        ),
    ] {
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        cases.push(Case::new(Class::OtherAlgorithm, what, text, reason));
    }
    cases
}
