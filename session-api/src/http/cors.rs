//! Pages of other origins that the operator has named (`--allowed-origin`): what a browser must
//! hear before it lets them call with cookies and read the answers (WHATWG Fetch, section 3.3).
//!
//! Only exact origins, never `*`. To every other page nothing is said, and the browser refuses.

use super::endpoint::Endpoint;
use super::route::allowed;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use verifier_sdk::request::{Origin, Origins};

/// The headers that a page may send.
const REQUEST_HEADERS: &str =
    "authorization, content-type, idempotency-key, prefer, x-csrf-token, x-request-id";

/// The headers of an answer that a page may read.
const RESPONSE_HEADERS: &str = "preference-applied, retry-after, www-authenticate, x-request-id";

/// For so long, in seconds, a browser may remember the answer to its question.
const MAX_AGE: &str = "600";

/// The answer to "may I?" (section 4.8), where it is yes.
pub(super) fn preflight(
    origins: &Origins,
    endpoints: &[Endpoint],
    request: &HttpRequest,
) -> Option<HttpResponse> {
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks || allowed_origin(origins, request).is_none() {
        return None;
    }
    let answer = HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, allowed(endpoints)))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish();
    Some(answer)
}

/// Lets a page of an allowed origin read the answer.
pub(super) fn add_headers(origins: &Origins, request: &HttpRequest, headers: &mut HeaderMap) {
    if let Some(origin) = allowed_origin(origins, request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        let readable = HeaderValue::from_static(RESPONSE_HEADERS);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
}

fn allowed_origin<'a>(origins: &Origins, request: &'a HttpRequest) -> Option<&'a HeaderValue> {
    let mut given = request.headers().get_all(header::ORIGIN);
    let (Some(only), None) = (given.next(), given.next()) else {
        return None;
    };
    let origin: Origin = only.to_str().ok()?.parse().ok()?;
    origins.allowed().contains(&origin).then_some(only)
}
