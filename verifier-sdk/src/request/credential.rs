//! Which credential a request presents.

use super::{Count, Headers, count};
use crate::error::{Error, Reason};

/// The cookie that holds the access token.
///
/// `__Host-Http-` makes browsers refuse it from another host, from a page's script and without
/// TLS (draft-ietf-httpbis-layered-cookies).
pub const ACCESS_COOKIE: &str = "__Host-Http-access";

/// What is read of the `Cookie` headers of one request, in bytes of all of them together. Browsers send
/// less (RFC 6265bis, section 4.2.1).
const MAX_COOKIES_LEN: usize = 8 * 1024;

/// The token that a request is judged by, unchecked, and the way it came. It may not even be text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// `Authorization: Bearer` (RFC 6750, section 2.1). No page can make a browser send it to
    /// another origin without that origin's leave, so it needs no defence against CSRF.
    Bearer(&'a [u8]),
    /// The cookie [`ACCESS_COOKIE`]. A browser adds it by itself, so a call that changes something
    /// needs [`check_cookie_call`](super::check_cookie_call) too.
    Cookie(&'a [u8]),
}

impl<'a> Presented<'a> {
    /// The token, whichever way it came.
    pub(crate) const fn token(self) -> &'a [u8] {
        let (Self::Bearer(token) | Self::Cookie(token)) = self;
        token
    }

    /// The token as text, whichever way it came.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is none.
    pub fn text(self) -> Result<&'a str, Error> {
        text(self.token())
    }
}

/// Says the way only: a token must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(..)",
            Self::Cookie(_) => "Cookie(..)",
        })
    }
}

/// Finds the access token.
///
/// A request with an `Authorization` header is judged by it alone: the cookie is not looked at,
/// even where the header is bad.
///
/// # Errors
/// [`Error::Missing`] without a token or with another scheme than `Bearer`; [`Error::Ambiguous`] with
/// two `Authorization` headers, and those of [`cookie`] but the last.
pub fn present<'a>(headers: &'a (impl Headers + ?Sized)) -> Result<Presented<'a>, Error> {
    match count(headers, "authorization") {
        Count::Many => Err(Error::Ambiguous),
        Count::One(credentials) => bearer(credentials).map(Presented::Bearer),
        Count::None => match value(headers, ACCESS_COOKIE)? {
            Some(token) => Ok(Presented::Cookie(token)),
            None => Err(Error::Missing),
        },
    }
}

/// `Bearer`, in any case (RFC 9110, section 11.1), spaces, the token.
fn bearer(credentials: &[u8]) -> Result<&[u8], Error> {
    let (scheme, rest) = credentials
        .split_at_checked(b"bearer".len())
        .ok_or(Error::Missing)?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let is_longer = spaces == 0 && !rest.is_empty();
    if is_longer || !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Error::Missing);
    }
    Ok(&rest[spaces..])
}

/// The value of the cookie of that very name, the case included.
///
/// Another case is another cookie: browsers guard the prefix `__Host-` in any case, some of them
/// only in the exact one, and a server that took `__host-` for it would undo the guard. For the
/// same reason only spaces and tabs are trimmed, never other white space of Unicode.
///
/// # Errors
/// [`Error::TooManyCookies`] where all cookies together have more than 8 KiB: they are not even looked
/// at. [`Error::Ambiguous`] where two cookies have that name, in one `Cookie` header or in several:
/// one of them may have been planted, and their order says nothing (RFC 6265, section 4.2.2).
/// [`Error::Invalid`] where the value is not UTF-8.
pub fn cookie<'a>(
    headers: &'a (impl Headers + ?Sized),
    name: &str,
) -> Result<Option<&'a str>, Error> {
    value(headers, name)?.map(text).transpose()
}

/// As [`cookie`], whatever it consists of.
fn value<'a>(headers: &'a (impl Headers + ?Sized), name: &str) -> Result<Option<&'a [u8]>, Error> {
    if headers.all("cookie").map(<[u8]>::len).sum::<usize>() > MAX_COOKIES_LEN {
        return Err(Error::TooManyCookies);
    }
    let mut values = headers
        .all("cookie")
        .flat_map(|header| header.split(|byte| *byte == b';'))
        .filter_map(|pair| value_of(pair, name.as_bytes()));
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value)),
        (Some(_), Some(_)) => Err(Error::Ambiguous),
    }
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // Without `=` a browser means a value without a name, which is not this cookie.
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    (trim(&pair[..equals]) == name).then(|| trim(&pair[equals + 1..]))
}

/// Without the spaces and tabs around it.
fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_space(byte));
    let end = bytes.iter().rposition(|byte| !is_space(byte));
    match (start, end) {
        (Some(start), Some(end)) => &bytes[start..=end],
        _ => &[],
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::Invalid(Reason::Malformed))
}

#[cfg(test)]
mod tests;
