//! Tokens that must be refused: one generator for the decoder, the gate and the service.
//!
//! Each token is made for one reason and right in everything else: the key is the issuer's own, the
//! session is alive, the signature is good unless the signature itself is what is wrong. So what is
//! accepted here is a hole, and what is refused for another reason hides one.
//!
//! | module | classes |
//! | --- | --- |
//! | [`forge`] | how a token is made out of raw JSON |
//! | `algorithms` | A01 to A03: no signature, another algorithm, another kind of key |
//! | `headers` | A04 to A06: `kid`, keys that the token brings along, `crit` |
//! | `json` | A07: JSON that no two parsers read alike |
//! | `shapes` | A08: other encodings of a good token |
//! | `signatures` | A09: signatures that a lenient check takes |
//! | `claims` | A10, A11: claims of the wrong kind, time or addressee |
//! | `sizes` | A13: too long, too deep, too many |
//!
//! A12, two users' tokens in one request, takes no forged token and is not here.

mod algorithms;
mod claims;
pub mod forge;
mod headers;
mod json;
mod shapes;
mod signatures;
mod sizes;

pub use forge::{Forge, Kind};

/// A class of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// None: a token that must be accepted.
    Good,
    /// `alg` is `none`, or says nothing.
    Unsigned,
    /// An HMAC whose secret is the public key.
    Hmac,
    /// Another asymmetric algorithm.
    OtherAlgorithm,
    /// A `kid` that is a path, a query, a line of a log.
    KeyId,
    /// A key, or the address of one, in the token itself.
    BroughtKey,
    /// Extensions that must be understood.
    Critical,
    /// Members that stand twice, and other JSON that is read in two ways.
    TwoReadings,
    /// Another encoding of a good token.
    Encoding,
    /// A signature that a lenient check takes.
    Signature,
    /// Claims that are missing, of the wrong kind or of another time.
    Claims,
    /// Another kind of token, or somebody else's.
    OtherToken,
    /// Too long, too deep or too many.
    Size,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Good => "good",
            Self::Unsigned => "A01 unsigned",
            Self::Hmac => "A02 HMAC by the public key",
            Self::OtherAlgorithm => "A03 other algorithm",
            Self::KeyId => "A04 kid",
            Self::BroughtKey => "A05 key brought along",
            Self::Critical => "A06 crit",
            Self::TwoReadings => "A07 two readings",
            Self::Encoding => "A08 encoding",
            Self::Signature => "A09 signature",
            Self::Claims => "A10 claims and times",
            Self::OtherToken => "A11 other token",
            Self::Size => "A13 size",
        })
    }
}

/// One token, and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The attack.
    pub class: Class,
    /// What is special about it, for whoever reads a failure.
    pub what: String,
    /// The token.
    pub text: String,
    /// Why the decoder of access tokens refuses it: the name of its `Reason`. Empty for a good one.
    pub reason: &'static str,
}

impl Case {
    fn new(class: Class, what: impl Into<String>, text: String, reason: &'static str) -> Self {
        Self {
            class,
            what: what.into(),
            text,
            reason,
        }
    }
}

/// Everything that must be refused.
#[must_use]
pub fn refused(forge: &Forge) -> Vec<Case> {
    [
        algorithms::unsigned(forge),
        algorithms::hmac(forge),
        algorithms::others(forge),
        headers::key_ids(forge),
        headers::brought_keys(forge),
        headers::critical(forge),
        json::two_readings(forge),
        shapes::encodings(forge),
        signatures::all(forge),
        claims::wrong(forge),
        claims::of_another_token(forge),
        sizes::all(forge),
    ]
    .concat()
}

/// What looks odd and must be accepted: without these, refusing everything would pass.
#[must_use]
pub fn accepted(forge: &Forge) -> Vec<Case> {
    let good = |what: &str, text| Case::new(Class::Good, what, text, "");
    let payload = |payload: String| forge.sign(forge.header(), &payload);
    let lure = format!(r#""jku":"{0}","x5u":"{0}","jwk":{{"x":1}}"#, forge.lure());
    let mut cases = vec![
        good("as the service mints it", forge.good()),
        good("without nbf", payload(forge.without("nbf"))),
        good("claims that nobody knows", payload(forge.and(&lure))),
        good(
            "white space in the JSON",
            payload(forge.payload().replace(',', " ,\r\n\t")),
        ),
        good(
            "an escaped name",
            payload(forge.payload().replacen("\"exp\"", "\"\\u0065xp\"", 1)),
        ),
        good(
            "a header member that nobody knows",
            forge.sign(forge.header_and(r#""cty":"x""#), forge.payload()),
        ),
        good("as long as may be", sizes::of_length(forge, sizes::LIMIT)),
    ];
    if forge.kind() == Kind::Access {
        let audiences = format!("[\"other\",{}]", forge.claim("aud"));
        cases.push(good(
            "two audiences",
            payload(forge.with("aud", &audiences)),
        ));
    }
    cases
}
