//! A04 to A06: `kid`, keys that the token brings along, extensions that must be understood.

use super::forge::and;
use super::{Case, Class, Forge};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;

/// A key that the issuer never had.
const STRANGER: [u8; 32] = [66; 32];

pub(super) fn key_ids(forge: &Forge) -> Vec<Case> {
    let kid = forge.kid();
    let unknown = [
        "../../../../../../dev/null".to_owned(),
        "/dev/null".to_owned(),
        "file:///etc/passwd".to_owned(),
        "..%2f..%2f%00".to_owned(),
        "%s%n%x".to_owned(),
        "x'--".to_owned(),
        "x';drop/**/table/**/signing_key;--".to_owned(),
        "$(id)|`id`".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        forge.lure().to_owned(),
        format!("${{jndi:{}}}", forge.lure()),
        kid.to_uppercase(),
        format!("{kid}="),
        format!("x{kid}"),
        kid[..kid.len() - 1].to_owned(),
        "k".repeat(128),
    ];
    let malformed = [
        r#""""#.to_owned(),
        r#""\u0000""#.to_owned(),
        format!(r#""{kid}\u0000""#),
        format!(r#""{kid}\r\nx-injected: 1""#),
        format!(r#""{kid}\n2026-01-01T00:00:00Z  INFO everything is well""#),
        format!(r#""{kid} ""#),
        format!(r#"" {kid}""#),
        r#""\u001b[2J""#.to_owned(),
        r#""x' or '1'='1""#.to_owned(),
        r#""x' union select 'secret""#.to_owned(),
        r#""é""#.to_owned(),
        r#""\u2028""#.to_owned(),
        r#""\ud800""#.to_owned(),
        format!("\"{}\"", "k".repeat(129)),
        "1".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        format!(r#"["{kid}"]"#),
        format!(r#"{{"kid":"{kid}"}}"#),
    ];
    let case = |raw: &str, reason| {
        let text = forge.sign(forge.header_of_kid(raw), forge.payload());
        Case::new(Class::KeyId, format!("kid {raw:.60}"), text, reason)
    };
    let mut cases: Vec<_> = unknown
        .iter()
        .map(|kid| case(&format!("\"{kid}\""), "UnknownKey"))
        .collect();
    cases.extend(malformed.iter().map(|raw| case(raw, "Malformed")));
    cases.push(case(&format!("\"{}\"", "k".repeat(65_536)), "TooLong"));
    let absent = forge
        .header()
        .replacen(&format!(",\"kid\":\"{kid}\""), "", 1);
    cases.push(Case::new(
        Class::KeyId,
        "no kid",
        forge.sign(absent, forge.payload()),
        "Header",
    ));
    let theirs = forge.by(STRANGER);
    cases.push(Case::new(
        Class::KeyId,
        "a stranger's key and a name of its own",
        theirs.sign(theirs.header_of_kid("\"stranger\""), theirs.payload()),
        "UnknownKey",
    ));
    cases
}

/// CVE-2018-0114 and its kin.
pub(super) fn brought_keys(forge: &Forge) -> Vec<Case> {
    let lure = forge.lure();
    let jwk = |key: &SigningKey| {
        format!(
            r#""jwk":{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"{}","x":"{}"}}"#,
            forge.kid(),
            URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes())
        )
    };
    let stranger = SigningKey::from_bytes(&STRANGER);
    let members = [
        jwk(&stranger),
        jwk(forge.key()),
        format!(r#""jku":"{lure}/jwks.json""#),
        format!(r#""jku":"{lure}/jwks.json#https://id.example.com""#),
        format!(r#""jku":["{lure}"]"#),
        format!(r#""x5u":"{lure}/chain.pem""#),
        format!(
            r#""x5c":["{}"]"#,
            STANDARD.encode(stranger.verifying_key().as_bytes())
        ),
        r#""x5t":"dGh1bWJwcmludA""#.to_owned(),
        r#""x5t#S256":"dGh1bWJwcmludA""#.to_owned(),
        r#""\u006awk":{}"#.to_owned(),
        r#""jwk":null"#.to_owned(),
        format!(r#""jku":"{lure}","x5u":"{lure}","x5c":[],"jwk":{{}}"#),
    ];
    let mut cases = Vec::new();
    for member in &members {
        for (whose, forge) in [("own", forge.clone()), ("stranger's", forge.by(STRANGER))] {
            let unknown = forge.header_of_kid("\"stranger\"");
            for (named, header) in [("known", forge.header()), ("unknown", unknown)] {
                let what = format!("{member:.40}, {whose} signature, {named} kid");
                let text = forge.sign(and(&header, member), forge.payload());
                cases.push(Case::new(Class::BroughtKey, what, text, "Header"));
            }
        }
    }
    // An issuer whose keys a lax verifier would look up.
    let discovered = forge.with("iss", &format!("\"{lure}\""));
    for forge in [forge.clone(), forge.by(STRANGER)] {
        let header = forge.header_of_kid("\"stranger\"");
        let what = "an issuer that has keys of its own";
        let text = forge.sign(header, &discovered);
        cases.push(Case::new(Class::BroughtKey, what, text, "Issuer"));
    }
    cases
}

/// RFC 7515, section 4.1.11; CVE-2025-59420, CVE-2026-32597.
pub(super) fn critical(forge: &Forge) -> Vec<Case> {
    [
        r#""crit":["exp"]"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["x-unknown"],"x-unknown":true"#,
        r#""crit":["x-unknown"]"#,
        r#""crit":[]"#,
        r#""crit":["alg"]"#,
        r#""crit":["kid","typ","alg"]"#,
        r#""crit":[""]"#,
        r#""crit":["crit"]"#,
        r#""crit":["b64","b64"],"b64":true"#,
        r#""crit":null"#,
        r#""crit":false"#,
        r#""crit":"exp""#,
        r#""crit":{}"#,
        r#""crit":1"#,
        r#""\u0063rit":["exp"]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""zip":null"#,
    ]
    .iter()
    .map(|members| {
        let text = forge.sign(forge.header_and(members), forge.payload());
        Case::new(Class::Critical, *members, text, "Header")
    })
    .collect()
}
