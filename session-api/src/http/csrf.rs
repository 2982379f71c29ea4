//! Whether a page of another site sent the request: what of `verifier_sdk::request` applies where.

use super::call::Call;
use super::problem::Error;
use actix_web::HttpRequest;
use revocation_events::SessionId;
use sha2::{Digest as _, Sha256};
use verifier_sdk::request::{Origins, csrf_header_matches, is_safe, same_origin};

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
    let value = call.service().csrf_value(session);
    Ok(csrf_header_matches(
        call,
        Some(&Sha256::digest(value).into()),
    )?)
}
