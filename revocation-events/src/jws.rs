//! Compact JWS (RFC 7515) with Ed25519 (RFC 8037), read strictly.
//!
//! One reader serves tokens and pages. What it does not take, on purpose: padding, other
//! alphabets, non-zero trailing bits, more or fewer than two dots, `crit` and `b64`, any `alg` but
//! `EdDSA`, any `typ` but the one that the caller names (RFC 8725, sections 3.1 and 3.11).

use crate::id::KeyId;
use crate::strict_json::{self, Members, Text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64_simd::AsOut as _;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use memchr::memchr_iter;
use serde::Serialize;
use serde::de::{Error as _, MapAccess};
use smallvec::SmallVec;
use std::cell::RefCell;

/// Why a compact JWS was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than the caller allows.
    #[error("longer than allowed")]
    TooLong,
    /// Not three parts of unpadded base64url, or not strict JSON inside.
    #[error("not a compact JWS")]
    Malformed,
    /// `alg` is not `EdDSA`, `typ` is not the one wanted, or the header selects a key or an
    /// extension.
    #[error("a header that is not accepted here")]
    Header,
    /// The signature does not verify under the key named.
    #[error("the signature does not verify")]
    Signature,
}

/// A JWS that was taken apart and whose header is right, but whose signature is not yet checked.
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a [u8],
    signature: Signature,
    kid: KeyId,
    payload: Payload,
}

impl<'a> Unverified<'a> {
    /// Takes `text` apart.
    ///
    /// # Errors
    /// [`Error::TooLong`] past `max_len` bytes, looked at before anything is decoded;
    /// [`Error::Malformed`] and [`Error::Header`] as they say.
    pub fn parse(text: &'a str, typ: &str, max_len: usize) -> Result<Self, Error> {
        if text.len() > max_len {
            return Err(Error::TooLong);
        }
        let mut dots = memchr_iter(b'.', text.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Error::Malformed);
        };
        let (header, payload) = (&text[..first], &text[first + 1..second]);
        let (signed, signature) = (&text[..second], &text[second + 1..]);
        let kid = read_header(header, typ)?;
        let signature = decode_into(signature, &mut [0; Signature::BYTE_SIZE])
            .and_then(|signature| signature.try_into().ok())
            .map(Signature::from_bytes);
        Ok(Self {
            signed: signed.as_bytes(),
            signature: signature.ok_or(Error::Malformed)?,
            kid,
            payload: decode(payload)?,
        })
    }

    /// The key that it says it was signed with.
    #[must_use]
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The payload, of which nothing is known, whatever [`verify`](Self::verify) has said. Use it only to
    /// decide what *not* to do, such as fetching keys for a token that is refused anyway.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature by `verify_strict` (RFC 8032, section 5.1.7, without the leniency of
    /// cofactors) and gives the payload.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<&[u8], Error> {
        key.verify_strict(self.signed, &self.signature)
            .map_err(|_| Error::Signature)?;
        Ok(&self.payload)
    }
}

/// Longer headers are read as well, but not without a block of memory, and not remembered. One with a
/// thumbprint has 86 bytes.
const SHORT_HEADER: usize = 256;

/// Longer payloads need a block of memory. That of a token has some 350 bytes and a hundred more for its
/// roles; that of a page with one revocation is no longer.
const SHORT_PAYLOAD: usize = 512;
type Payload = SmallVec<[u8; SHORT_PAYLOAD]>;

/// Refuses padding, foreign characters and non-zero trailing bits, as the crate `base64` does; but that
/// one takes a quarter of the instructions of all that is read of a token.
const BASE64URL: base64_simd::Base64 = base64_simd::URL_SAFE_NO_PAD;

fn decode(part: &str) -> Result<Payload, Error> {
    let len = BASE64URL.decoded_length(part.as_bytes());
    let mut decoded = Payload::from_elem(0, len.map_err(|_| Error::Malformed)?);
    decode_into(part, &mut decoded).ok_or(Error::Malformed)?;
    Ok(decoded)
}

/// Without a block of memory. `None` too where there is no room.
fn decode_into<'b>(part: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let len = BASE64URL.decoded_length(part.as_bytes()).ok()?;
    let room = buffer.get_mut(..len)?.as_out();
    Some(BASE64URL.decode(part.as_bytes(), room).ok()?)
}

/// A header that was accepted, as it was written.
struct Accepted {
    text: String,
    typ: String,
    kid: KeyId,
}

thread_local! {
    /// The last one. For as long as an issuer signs with one key, all its tokens have the same.
    static LAST: RefCell<Option<Accepted>> = const { RefCell::new(None) };
}

fn read_header(text: &str, typ: &str) -> Result<KeyId, Error> {
    LAST.with_borrow_mut(|last| {
        if let Some(last) = last
            && last.text == text
            && last.typ == typ
        {
            return Ok(last.kid.clone());
        }
        let kid = decode_header(text, typ)?;
        if text.len() <= SHORT_HEADER {
            *last = Some(Accepted {
                text: text.to_owned(),
                typ: typ.to_owned(),
                kid: kid.clone(),
            });
        }
        Ok(kid)
    })
}

fn decode_header(text: &str, typ: &str) -> Result<KeyId, Error> {
    let accept = |header: &[u8]| {
        let header: Header<'_> = strict_json::object(header).map_err(|_| Error::Malformed)?;
        header.accept(typ)
    };
    match decode_into(text, &mut [0; SHORT_HEADER]) {
        Some(header) => accept(header),
        None => accept(&decode(text)?),
    }
}

#[derive(Default)]
struct Header<'a> {
    alg_is_eddsa: bool,
    typ: Option<Text<'a>>,
    kid: Option<KeyId>,
    selects: bool,
}

impl<'de> Members<'de> for Header<'de> {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        match name {
            "alg" => self.alg_is_eddsa = members.next_value::<Text<'de>>()?.0 == "EdDSA",
            "typ" => self.typ = Some(members.next_value()?),
            "kid" => {
                let kid = members.next_value::<Text<'de>>()?.0;
                self.kid = Some(kid.parse().map_err(A::Error::custom)?);
            }
            // Extensions (RFC 7515, section 4.1.11; RFC 7797), keys that the token brings along
            // (sections 4.1.2 to 4.1.8), compression: none has a meaning here.
            "crit" | "b64" | "jwk" | "jku" | "x5u" | "x5c" | "x5t" | "x5t#S256" | "zip" => {
                self.selects = true;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Header<'_> {
    fn accept(self, typ: &str) -> Result<KeyId, Error> {
        let is_typ = self.typ.is_some_and(|text| text.0 == typ);
        if !self.alg_is_eddsa || self.selects || !is_typ {
            return Err(Error::Header);
        }
        self.kid.ok_or(Error::Header)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    alg: &'static str,
    kid: &'a KeyId,
    typ: &'a str,
}

/// Signs `payload`.
#[must_use]
pub fn sign(typ: &str, kid: &KeyId, payload: &[u8], key: &SigningKey) -> String {
    sign_by(typ, kid, payload, |text| key.sign(text).to_bytes())
}

/// The same for whoever holds the key in another way: `by` gives the Ed25519 signature of a text.
#[must_use]
pub fn sign_by(
    typ: &str,
    kid: &KeyId,
    payload: &[u8],
    by: impl FnOnce(&[u8]) -> [u8; Signature::BYTE_SIZE],
) -> String {
    // A type with an order of its own: that of `json!` depends on a feature of `serde_json` that any
    // crate of a build may turn on.
    let header = Written {
        alg: "EdDSA",
        kid,
        typ,
    };
    let header =
        serde_json::to_vec(&header).unwrap_or_else(|_| unreachable!("three strings serialise"));
    let mut text = URL_SAFE_NO_PAD.encode(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    let signature = by(text.as_bytes());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn with_header(header: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode("{}")
        );
        let signature = key().sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn read(text: &str) -> Result<Vec<u8>, Error> {
        let unverified = Unverified::parse(text, "t+jwt", 4096)?;
        Ok(unverified.verify(&key().verifying_key())?.to_vec())
    }

    #[test]
    fn what_was_signed_is_read() {
        let kid: KeyId = "k1".parse().unwrap();
        let text = sign("t+jwt", &kid, b"{}", &key());
        assert_eq!(Unverified::parse(&text, "t+jwt", 4096).unwrap().kid(), &kid);
        assert_eq!(read(&text).unwrap(), b"{}");
        assert_eq!(read(&text.replacen("e30", "W10", 1)), Err(Error::Signature));
    }

    /// The same text is not the same header where another type is wanted, and a text that was refused
    /// is refused again.
    #[test]
    fn a_header_that_was_read_before_is_judged_as_before() {
        let good = with_header(r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k"}"#);
        let other = with_header(r#"{"alg":"EdDSA","typ":"t+jwt","kid":"l"}"#);
        let bad = with_header(r#"{"alg":"none","typ":"t+jwt","kid":"k"}"#);
        let kid = |text, typ| {
            let unverified = Unverified::parse(text, typ, 4096)?;
            Ok(unverified.kid().as_str().to_owned())
        };
        for _ in 0..2 {
            assert_eq!(kid(&good, "t+jwt").unwrap(), "k");
            assert_eq!(kid(&good, "p+jwt"), Err(Error::Header));
            assert_eq!(kid(&bad, "t+jwt"), Err(Error::Header));
            assert_eq!(kid(&bad, "t+jwt"), Err(Error::Header));
            assert_eq!(kid(&other, "t+jwt").unwrap(), "l");
        }
    }

    #[test]
    fn a_good_signature_does_not_excuse_the_header() {
        assert!(read(&with_header(r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k"}"#)).is_ok());
        assert!(
            read(&with_header(
                r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k","foo":{"bar":1}}"#
            ))
            .is_ok()
        );
        for bad in [
            r#"{"alg":"none","typ":"t+jwt","kid":"k"}"#,
            r#"{"alg":"eddsa","typ":"t+jwt","kid":"k"}"#,
            r#"{"alg":"Ed25519","typ":"t+jwt","kid":"k"}"#,
            r#"{"alg":["EdDSA"],"typ":"t+jwt","kid":"k"}"#,
            r#"{"typ":"t+jwt","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"T+JWT","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"application/t+jwt","kid":"k"}"#,
            r#"{"alg":"EdDSA","kid":"k"}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt"}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":""}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":7}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":"a\nb"}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k","crit":[]}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k","b64":true}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k","jwk":{}}"#,
            r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k","zip":"DEF"}"#,
            r#"{"alg":"EdDSA","alg":"EdDSA","typ":"t+jwt","kid":"k"}"#,
        ] {
            assert!(read(&with_header(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_of_any_length_is_read() {
        for len in [0, 1, 100, 190, 200, 300, 2_000] {
            let long = "x".repeat(len);
            let header = format!(r#"{{"alg":"EdDSA","typ":"t+jwt","kid":"k","foo":"{long}"}}"#);
            assert!(read(&with_header(&header)).is_ok(), "{len}");
            assert!(read(&with_header(&header.replace("EdDSA", "none"))).is_err());
        }
    }

    /// Each of the lengths that have code of their own, with one byte that is any other.
    #[test]
    fn it_decodes_what_the_usual_library_does_and_nothing_else() {
        for len in 0..100 {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 37 + len) as u8).collect();
            let good = URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(decode(&good).unwrap().as_slice(), bytes);
            for place in 0..=good.len() {
                for byte in 0..0x80 {
                    let mut text = good.clone();
                    text.replace_range(
                        place..(place + 1).min(good.len()),
                        char::from(byte).encode_utf8(&mut [0; 4]),
                    );
                    let expected = URL_SAFE_NO_PAD.decode(&text).ok();
                    assert_eq!(
                        decode(&text).ok().map(SmallVec::into_vec),
                        expected,
                        "{text:?}"
                    );
                    let mut buffer = [0; 100];
                    assert_eq!(
                        decode_into(&text, &mut buffer),
                        expected.as_deref(),
                        "{text:?}"
                    );
                }
            }
        }
        assert_eq!(decode("\u{e9}\u{e9}"), Err(Error::Malformed));
        assert_eq!(decode_into("AAAA", &mut [0; 2]), None, "there is no room");
    }

    #[test]
    fn there_is_one_encoding() {
        let good = with_header(r#"{"alg":"EdDSA","typ":"t+jwt","kid":"k"}"#);
        for bad in [
            format!("{good}="),
            format!("{good}.e30"),
            format!(" {good}"),
            format!("{good}\n"),
            good.replacen("e30", "e31", 1),
            good.replacen('.', "..", 1),
            good.rsplit_once('.').unwrap().0.to_owned(),
            String::new(),
            "..".to_owned(),
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
        assert_eq!(read(&"a".repeat(4097)), Err(Error::TooLong));
    }
}
