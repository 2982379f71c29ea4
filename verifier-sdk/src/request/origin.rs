//! Origins: scheme, host and port (RFC 6454).

use std::{fmt, str::FromStr};
use url::Url;

/// A web origin: `https` or `http`, a host and a port.
///
/// It has one spelling, that of a browser's `Origin` header: `https://app.example.com`. A user
/// name, a path, a trailing slash and `null` are refused; the default port may be written out and
/// means the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(url::Origin);

/// The text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// It names an origin, but not in the one spelling.
    #[error("not an origin: write {0}")]
    Spelling(Origin),
    /// It names none.
    #[error("not an origin: write https://HOST or https://HOST:PORT, without a path")]
    Unknown,
}

impl Origin {
    /// The origin of a URL, whatever its path: an issuer's, for example.
    ///
    /// # Errors
    /// [`InvalidOrigin::Unknown`] where it is not an `https` or `http` URL.
    pub fn of_url(text: &str) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(text).map_err(|_| InvalidOrigin::Unknown)?;
        match url.scheme() {
            "https" | "http" => Ok(Self(url.origin())),
            _ => Err(InvalidOrigin::Unknown),
        }
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    /// A URL parser forgives: it drops tabs, turns backslashes, reads `0x7f.1` as an address. So
    /// what it understood is written out again, and must be what was given.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let origin = Self::of_url(text)?;
        let plain = origin.to_string();
        let with_port = match &origin.0 {
            url::Origin::Tuple(scheme, host, port) => format!("{scheme}://{host}:{port}"),
            url::Origin::Opaque(_) => return Err(InvalidOrigin::Unknown),
        };
        if text.eq_ignore_ascii_case(&plain) || text.eq_ignore_ascii_case(&with_port) {
            Ok(origin)
        } else {
            Err(InvalidOrigin::Spelling(origin))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.ascii_serialization())
    }
}

/// The origins whose pages may call: settings, never taken from a request's `Host`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    own: Vec<Origin>,
    allowed: Vec<Origin>,
}

impl Origins {
    /// `own`: the issuer's, from which its own pages come. `allowed`: other ones that the operator
    /// has named.
    #[must_use]
    pub const fn new(own: Vec<Origin>, allowed: Vec<Origin>) -> Self {
        Self { own, allowed }
    }

    /// The issuer's.
    #[must_use]
    pub fn own(&self) -> &[Origin] {
        &self.own
    }

    /// Those that the operator has named.
    #[must_use]
    pub fn allowed(&self) -> &[Origin] {
        &self.allowed
    }

    /// Whether pages from there may call: the same scheme, host and port as one of them.
    #[must_use]
    pub fn trusts(&self, origin: &Origin) -> bool {
        self.own.contains(origin) || self.allowed.contains(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (text, origin) in [
            ("https://id.example.com", "https://id.example.com"),
            ("https://id.example.com:443", "https://id.example.com"),
            ("HTTPS://ID.Example.com", "https://id.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), origin);
        }
        for bad in [
            "",
            "null",
            "*",
            "id.example.com",
            "//id.example.com",
            "https://",
            "https:id.example.com",
            "https:/id.example.com",
            "https://id.example.com/",
            "https://id.example.com/path",
            "https://id.example.com?",
            "https://id.example.com#",
            "https://x@id.example.com",
            "https://x:y@id.example.com",
            "https://@id.example.com",
            "https://id.example.com:",
            "https://id.example.com:0443",
            "https://id.example.com:65536",
            "https:\\\\id.example.com",
            "https://id.example.com\\@evil.example",
            "https://id\t.example.com",
            " https://id.example.com",
            "https://id.example.com ",
            "https://id.example.com https://evil.example",
            "https://id.example.com,https://evil.example",
            "https://id%2eexample.com",
            "https://id。example.com",
            "https://bücher.example",
            "http://0x7f.1",
            "http://127.1",
            "ftp://id.example.com",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "blob:https://id.example.com/67e55044",
            "android-app://com.example",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "https://bücher.example/"
                .parse::<Origin>()
                .unwrap_err()
                .to_string(),
            "not an origin: write https://xn--bcher-kva.example"
        );
        assert_eq!(
            Origin::of_url("https://id.example.com/base/path").unwrap(),
            "https://id.example.com".parse().unwrap()
        );
        assert_eq!(
            Origin::of_url("ws://id.example.com").unwrap_err(),
            InvalidOrigin::Unknown
        );
    }
}
