//! What machines ask: health, readiness, metrics, the key set.

use super::call::Call;
use super::problem::{Error, Readiness};
use crate::events::Progress;
use crate::service;
use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::json;

/// `GET /healthz`: the process runs. It asks nobody else: a restart would not mend a database.
pub(super) async fn healthz(_: Call) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}

/// `GET /readyz`: 503 only without the database or the keys. Without its bus a replica still logs
/// in, refreshes and revokes, and pages and events go out when the bus is back.
pub(super) async fn readyz(call: Call) -> Result<HttpResponse, Error> {
    let relay = call.service().relay();
    let bus = match (relay.has_bus(), relay.bus_connected()) {
        (false, _) => "none",
        (true, true) => "connected",
        (true, false) => "disconnected",
    };
    let events = match call.state.app.events.progress() {
        Progress::None => "none",
        Progress::Ok => "ok",
        Progress::Late => "late",
    };
    let (database, keys) = match call.service().published_keys().await {
        Ok(_) => ("ok", "ok"),
        Err(service::Error::Keys(_)) => ("ok", "unusable"),
        Err(_) => ("unavailable", "unknown"),
    };
    let readiness = Readiness {
        database,
        keys,
        bus,
        events,
    };
    if keys != "ok" {
        return Err(Error::NotReady(readiness));
    }
    Ok(HttpResponse::Ok().json(readiness))
}

/// `GET /.well-known/jwks.json`, from the database: another replica may have revoked a key a
/// moment ago, and a set that still holds it would let its tokens live.
pub(super) async fn key_set(call: Call) -> Result<HttpResponse, Error> {
    let keys = match call.service().published_keys().await {
        Ok(keys) => keys,
        // To a verifier a key set that cannot be read is a reason to ask again, whatever the cause.
        Err(error @ service::Error::Keys(_)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the key set cannot be read"
            );
            return Err(Error::Overloaded);
        }
        Err(error) => return Err(error.into()),
    };
    let body = serde_json::to_string(&keys)
        .unwrap_or_else(|_| unreachable!("a key set is made of strings"));
    Ok(HttpResponse::Ok()
        // RFC 7517, section 8.5.2.
        .insert_header((header::CONTENT_TYPE, "application/jwk-set+json"))
        // No cache on the way may answer for us.
        .insert_header((header::CACHE_CONTROL, "no-cache, private"))
        .body(body))
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(call: Call) -> Result<HttpResponse, Error> {
    let body = call.state.metrics.text(&call.state);
    Ok(HttpResponse::Ok()
        .insert_header((
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        ))
        .body(body))
}
