//! From a request to its handler, and what every answer carries.

use super::call::{Call, Query};
use super::endpoint::Endpoint;
use super::json::{self, Takes};
use super::problem::Error;
use super::{State, cors, csrf};
use crate::audit;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, rt, web};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

/// All endpoints of one path; none for a path that there is not.
pub(super) type Endpoints = Rc<[Endpoint]>;

/// The methods of a path, for `Allow`.
pub(super) fn allowed(endpoints: &[Endpoint]) -> String {
    let names = endpoints.iter().map(|endpoint| match endpoint.method {
        Method::GET => "GET, HEAD",
        ref method => method.as_str(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// Answers a request.
pub(super) async fn serve(
    state: Arc<State>,
    endpoints: Endpoints,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let began = Instant::now();
    let id = request_id(request.headers());
    let path = endpoints.first().map_or("none", |endpoint| endpoint.path);
    // Of the target whose lines are always written: without it they would not say which request.
    let span = tracing::info_span!(target: audit::TARGET, "request", id, method = %known(request.method()), path);
    let answer = answer(&state, &endpoints, &request, payload)
        .instrument(span.clone())
        .await;
    let mut response = span.in_scope(|| {
        answer.unwrap_or_else(|error| {
            state.refusals.note(&error);
            error.response()
        })
    });
    #[cfg(test)]
    {
        response = super::document::check::answer(&state, &endpoints, &request, response);
    }
    let status = response.status().as_u16();
    state
        .metrics
        .answered(known(request.method()), path, status, began.elapsed());
    span.in_scope(|| tracing::debug!(status, "answered"));
    add_headers(&state, &request, &mut response, &id);
    response
}

async fn answer(
    state: &Arc<State>,
    endpoints: &Endpoints,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    // No path here needs an escape, so one is an attempt at a second spelling of another path.
    if endpoints.is_empty() || request.path().contains('%') {
        return Err(Error::NotFound);
    }
    if let Some(response) = cors::preflight(&state.origins, endpoints, request) {
        return Ok(response);
    }
    let index = endpoints
        .iter()
        .position(|endpoint| endpoint.answers(request.method()));
    let index = index.ok_or_else(|| Error::Method(allowed(endpoints)))?;
    let endpoint = &endpoints[index];
    let query = Query::parse(request.query_string(), &endpoint.query)?;
    if endpoint.takes != Takes::Form {
        csrf::check_origin(request, &state.origins)?;
    }
    let body = json::read(endpoint.takes, request, payload).await?;
    let call = Call {
        state: state.clone(),
        request: request.clone(),
        query,
        body,
    };
    // In a task of its own, which outlives a client that goes away: a database call that is dropped
    // half-way can leave its connection with a transaction open (see `crate::store`).
    let handled = rt::spawn((endpoint.handle)(call).in_current_span());
    handled.await.unwrap_or(Err(Error::Panicked))
}

/// The client's own, where it can stand in a log line, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    let is_token = |text: &&str| {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        (1..=64).contains(&text.len()) && text.bytes().all(known)
    };
    let given = headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(is_token);
    given.map_or_else(|| Uuid::new_v4().simple().to_string(), str::to_owned)
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The method, or one word for all that are made up: they must fill neither logs nor metrics.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn add_headers(state: &State, request: &HttpRequest, response: &mut HttpResponse, id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    // Nearly every answer here stands near a token and is no page; the few others say so themselves.
    let unless_said = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in unless_said {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // No page of another origin can load it without asking (WHATWG Fetch, section 3.7).
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (header::VARY, "Origin, Sec-Fetch-Site"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if state.https {
        // Two years; whether the sister domains keep to it is not for this service to say.
        let value = HeaderValue::from_static("max-age=63072000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    cors::add_headers(&state.origins, request, headers);
}
