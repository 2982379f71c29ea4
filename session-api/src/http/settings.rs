//! What an operator sets about HTTP.

use ipnet::IpNet;
use std::{fmt, str::FromStr};
use verifier_sdk::request::Origin;

/// How the endpoints behave. The issuer is in [`crate::service::Settings`].
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    /// `--base-path`.
    pub(crate) base_path: BasePath,
    /// `--allowed-origin`: pages that may call with cookies, beside the issuer's own.
    pub(crate) allowed_origins: Vec<Origin>,
    /// `--trusted-proxy`: peers whose `X-Forwarded-For` counts.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// `--open-registration`: `POST /users` is open to everyone; else to operators.
    pub(crate) open_registration: bool,
    /// Whether `/metrics` is on the public listener: not where `--ops-listen` is set.
    pub(crate) public_metrics: bool,
    /// `--open-feed`: `/revocations*` asks for no client credential.
    pub(crate) open_feed: bool,
    /// The most clients of `/revocations/stream` at once; each holds a connection.
    pub(crate) max_streams: usize,
}

/// [`HttpSettings::max_streams`] unless set otherwise.
pub(crate) const DEFAULT_MAX_STREAMS: usize = 10_000;

/// What stands before every path: nothing, or `/` and segments, without a slash at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BasePath(String);

/// The text is no base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a base path begins with `/`, does not end with one, and has segments of A-Z, a-z, 0-9, `-`, `_`, `~` and single `.`"
)]
pub(crate) struct InvalidBasePath;

impl FromStr for BasePath {
    type Err = InvalidBasePath;

    /// The path becomes part of routes and of cookies, so it holds nothing that means something
    /// there.
    fn from_str(text: &str) -> Result<Self, InvalidBasePath> {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-_~.".contains(&b);
        let is_segment = |segment: &str| {
            !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(unreserved)
        };
        let segments = text.strip_prefix('/');
        if text.is_empty() || segments.is_some_and(|path| path.split('/').all(is_segment)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidBasePath)
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_can_stand_in_a_route_and_in_a_cookie() {
        for good in ["", "/id", "/auth/v1.2", "/a-b_c~d"] {
            assert_eq!(
                good.parse::<BasePath>()
                    .map(|path| path.to_string())
                    .as_deref(),
                Ok(good)
            );
        }
        for bad in [
            "/", "id", "/id/", "//id", "/a//b", "/a/../b", "/.", "/a;b", "/a b", "/{a}", "/%61",
            "/é", "/a?b",
        ] {
            assert_eq!(bad.parse::<BasePath>(), Err(InvalidBasePath), "{bad:?}");
        }
    }
}
