//! Whether a page of another site may have sent the request (cross-site request forgery).

use super::{Count, Headers, Origin, Origins, count};
use crate::error::{Error, Reason};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The header in which a page repeats the value that it was given at log-in.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// Whether the method changes nothing: `GET`, `HEAD` and `OPTIONS`, in that very case. A method
/// that nobody knows is not safe.
#[must_use]
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

/// Whether a cookie may authenticate this call, `claim` being the token's `csrf`.
///
/// A safe call needs a token that was made for a cookie. An unsafe one needs [`same_origin`],
/// [`csrf_header_matches`] and [`has_json_or_no_body`] as well: where a browser sends no fetch
/// metadata, or a page of a sister domain calls, each of them stops what the others let through
/// (RFC 10017; NIST SP 800-63B-4, section 5.1).
///
/// # Errors
/// [`Error::Invalid`] without a claim, [`Error::Csrf`] otherwise.
pub fn check_cookie_call(
    method: &str,
    headers: &(impl Headers + ?Sized),
    origins: &Origins,
    claim: Option<&[u8; 32]>,
) -> Result<(), Error> {
    let claim = claim.ok_or(Error::Invalid(Reason::NotForCookies))?;
    same_origin(method, headers, origins)?;
    if is_safe(method) {
        return Ok(());
    }
    csrf_header_matches(headers, Some(claim))?;
    if has_json_or_no_body(headers) {
        Ok(())
    } else {
        Err(Error::Csrf)
    }
}

/// Whether the request comes from a page of a trusted origin, or from no page at all.
///
/// The algorithm of Go 1.25's `CrossOriginProtection`, with trusted origins in the place of `Host`:
/// safe methods pass; then `Sec-Fetch-Site` decides; then `Origin`; and a request with neither
/// comes from no browser that could have been tricked. Unlike there, a header that is empty or
/// stands twice is a reason to refuse, and the handshake of a WebSocket, although a `GET`, is
/// checked like an unsafe call: any page may open one, and reads the answers.
///
/// # Errors
/// [`Error::Csrf`].
pub fn same_origin(
    method: &str,
    headers: &(impl Headers + ?Sized),
    origins: &Origins,
) -> Result<(), Error> {
    if is_safe(method) && !opens_websocket(headers) {
        return Ok(());
    }
    let passes = match (count(headers, "sec-fetch-site"), count(headers, "origin")) {
        (Count::Many, _) | (_, Count::Many) => false,
        (Count::One(b"same-origin" | b"none"), _) => true,
        (_, Count::One(origin)) => trusted(origin, origins),
        (Count::One(_), Count::None) => false,
        (Count::None, Count::None) => true,
    };
    if passes { Ok(()) } else { Err(Error::Csrf) }
}

fn trusted(origin: &[u8], origins: &Origins) -> bool {
    std::str::from_utf8(origin)
        .ok()
        .and_then(|text| text.parse::<Origin>().ok())
        .is_some_and(|origin| origins.trusts(&origin))
}

/// RFC 6455, section 4.1. A proxy may take `Upgrade` away before it asks a gate, but not this one.
fn opens_websocket(headers: &(impl Headers + ?Sized)) -> bool {
    headers.all("sec-websocket-key").next().is_some()
}

/// Whether exactly one `X-CSRF-Token` stands in the request, and its SHA-256 is the token's claim.
///
/// # Errors
/// [`Error::Csrf`], also without a claim.
pub fn csrf_header_matches(
    headers: &(impl Headers + ?Sized),
    claim: Option<&[u8; 32]>,
) -> Result<(), Error> {
    match (count(headers, CSRF_HEADER), claim) {
        (Count::One(value), Some(claim)) => {
            let same = Sha256::digest(value).as_slice().ct_eq(claim);
            if same.into() {
                Ok(())
            } else {
                Err(Error::Csrf)
            }
        }
        _ => Err(Error::Csrf),
    }
}

/// Whether the body is `application/json`, or there is none: what a form can send is neither.
///
/// Judged by the headers alone, since a gateway asks without the body: a `Content-Type` must be
/// JSON even where no length is given.
#[must_use]
pub fn has_json_or_no_body(headers: &(impl Headers + ?Sized)) -> bool {
    match count(headers, "content-type") {
        Count::Many => false,
        Count::One(value) => {
            let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
            essence
                .trim_ascii()
                .eq_ignore_ascii_case(b"application/json")
        }
        Count::None => {
            headers.all("transfer-encoding").next().is_none()
                && headers.all("content-length").all(|length| length == b"0")
        }
    }
}

#[cfg(test)]
mod tests;
