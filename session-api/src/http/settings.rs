//! What an operator sets about HTTP.

use super::places::Caps;
use ipnet::IpNet;
use std::net::SocketAddr;
use verifier_sdk::request::Origin;

/// How the endpoints behave. The issuer is in [`crate::service::Settings`].
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    /// `--base-path`: nothing, or `/` and segments that mean nothing in a route or a cookie.
    pub(crate) base_path: String,
    /// `--allowed-origin`: pages that may call with cookies, beside the issuer's own.
    pub(crate) allowed_origins: Vec<Origin>,
    /// `--trusted-proxy`: peers whose `X-Forwarded-For` counts.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// `--open-registration`: `POST /users` is open to everyone; else to operators.
    pub(crate) open_registration: bool,
    /// `--ops-listen`: where `/metrics` is alone, with `/healthz` and `/readyz` beside it.
    pub(crate) ops_listen: Option<SocketAddr>,
    /// `--open-feed`: `/revocations*` without a client credential.
    pub(crate) open_feed: bool,
    /// `--max-streams` and its like: the most clients of `/revocations/stream` at once; each holds a
    /// connection.
    pub(crate) streams: Caps,
    /// `--throttle`: whether tries at passwords have a rate.
    pub(crate) throttle: bool,
    /// `--max-session-streams`: the most clients of `/session/stream` at once.
    pub(crate) max_session_streams: usize,
}
