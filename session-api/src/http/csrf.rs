//! Whether a page of another site sent the request: what of `verifier_sdk::request` applies where.

use super::call::Call;
use super::cookies::CSRF_COOKIE;
use super::problem::Error;
use crate::service;
use actix_web::HttpRequest;
use revocation_events::SessionId;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use verifier_sdk::request::{Origins, cookie, csrf_header_matches, is_safe, same_origin};

/// Every unsafe request without an `Authorization` header comes from a page of ours or from no
/// browser, whether a cookie authenticates it or nothing does: a stranger's page that logs a user
/// in to the stranger's account is an attack as well. No page can add `Authorization` without
/// having been allowed to.
pub(super) fn check_origin(request: &HttpRequest, origins: &Origins) -> Result<(), Error> {
    if request.headers().contains_key("authorization") {
        return Ok(());
    }
    Ok(same_origin(
        request.method().as_str(),
        request.headers(),
        origins,
    )?)
}

/// An unsafe call that the session cookie authenticates carries the session's value. (Of a call
/// with an access cookie, the token itself says what the value is.)
pub(super) fn check_value(call: &Call, session: SessionId) -> Result<(), Error> {
    if is_safe(call.method()) {
        return Ok(());
    }
    let matches = |value| csrf_header_matches(call, Some(&Sha256::digest(value).into()));
    let mut values = call.service().csrf_values(session).into_iter();
    if values.any(|value| matches(value).is_ok()) {
        Ok(())
    } else {
        Err(verifier_sdk::Error::Csrf.into())
    }
}

/// A browser that shows a session cookie shows the CSRF cookie of that session beside it. A page of a
/// sister domain can plant a session cookie (its prefix asks for no more than `Secure`), and then the
/// user would go on in a session that somebody else holds; but nothing with `__Host-`. Nobody plants
/// cookies into a program, and a program has no page that needs the value: only browsers send
/// `Sec-Fetch-Site`, and no page can keep them from it.
pub(super) fn check_not_planted(call: &Call, session: SessionId) -> Result<(), Error> {
    if !call.has_header("sec-fetch-site") {
        return Ok(());
    }
    let shown = cookie(call, CSRF_COOKIE)?.unwrap_or_default();
    let mut values = call.service().csrf_values(session).into_iter();
    if values.any(|value| shown.as_bytes().ct_eq(value.as_bytes()).into()) {
        Ok(())
    } else {
        Err(Error::Mixed(service::Error::SessionEnded))
    }
}
