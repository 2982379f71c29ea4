//! Headers that are not an access token's, over good claims.

use crate::mint::*;
use verifier_sdk::Reason;

pub(crate) fn all() -> Vec<Case> {
    let long_kid = format!(
        r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#,
        "k".repeat(129)
    );
    let malformed = [
        r#"{"alg":"EdDSA","alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"EdDSA","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k2","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","x":{"a":1,"a":1}}"#,
        r#"{"alg":["EdDSA"],"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":null,"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":0,"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":["at+jwt"],"kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":null,"kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":1}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":["k1"]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":""}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1\u0000"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1\r\nX: y"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k 1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ké"}"#,
        &long_kid,
        r#"[{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}]"#,
        r#""EdDSA""#,
        "",
        "null",
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1"} {}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1",}"#,
        r#"{'alg':'EdDSA','typ':'at+jwt','kid':'k1'}"#,
    ];
    let refused = [
        r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"None","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"nOnE","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"","typ":"at+jwt","kid":"k1"}"#,
        r#"{"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"eddsa","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA ","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"Ed25519","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"Ed448","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"JWT","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"AT+JWT","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"application/at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"session+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"revocations+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"dpop+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"secevent+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":["exp"],"exp":9}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":[]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","crit":null}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","b64":true}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","jku":"https://evil.example/jwks"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","x5u":"https://evil.example/x"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","x5c":["AA"]}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","x5t":"AA"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","zip":"DEF"}"#,
        r#"{"alg":"dir","enc":"A256GCM","typ":"at+jwt","kid":"k1"}"#,
    ];
    let unknown = [
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"../../dev/null"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1'--"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"K1"}"#,
    ];
    let signed = |header: &str, reason| (header.to_owned(), sign(header, good_claims()), reason);
    let mut table: Vec<_> = malformed
        .iter()
        .map(|h| signed(h, Reason::Malformed))
        .collect();
    table.extend(refused.iter().map(|h| signed(h, Reason::Header)));
    table.extend(unknown.iter().map(|h| signed(h, Reason::UnknownKey)));
    table
}
