//! What machines ask: health, readiness, metrics, the key set.

use super::call::Call;
use super::handler::{Answer, Reply, Success};
use super::problem::{Error, Readiness};
use super::schemas::{Schemas, example};
use crate::events::Progress;
use crate::service;
use actix_web::HttpResponse;
use actix_web::http::header;
use revocation_events::jwk::JwkSet;
use schemars::JsonSchema;
use serde::Serialize;

/// `GET /healthz`: the process runs. It asks nobody else: a restart would not mend a database.
pub(super) async fn healthz(_: Call) -> Result<Reply<Health>, Error> {
    Ok(Reply::of(&Health { status: "ok" }))
}

/// The process runs.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example(r#"{ "status": "ok" }"#))]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
}

/// `GET /readyz`: 503 only without the database or the keys. Without its bus a replica still logs
/// in, refreshes and revokes, and pages and events go out when the bus is back.
pub(super) async fn readyz(call: Call) -> Result<Reply<Readiness>, Error> {
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
    Ok(Reply::of(&readiness))
}

/// `GET /.well-known/jwks.json`, from the database: another replica may have revoked a key a
/// moment ago, and a set that still holds it would let its tokens live.
pub(super) async fn key_set(call: Call) -> Result<KeySet, Error> {
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
    Ok(KeySet(keys))
}

pub(super) struct KeySet(JwkSet);

/// RFC 7517, section 8.5.2.
const JWK_SET: &str = "application/jwk-set+json";

impl Answer for KeySet {
    fn into_response(self) -> HttpResponse {
        let body = serde_json::to_string(&self.0)
            .unwrap_or_else(|_| unreachable!("a key set is made of strings"));
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, JWK_SET))
            // No cache on the way may answer for us.
            .insert_header((header::CACHE_CONTROL, "no-cache, private"))
            .body(body)
    }

    fn describe(schemas: &mut Schemas) -> Vec<Success> {
        let about = "The public keys (RFC 7517).";
        let schema = schemas.of_answer::<JwkSet>();
        vec![Success::new(200, about).content(JWK_SET, schema)]
    }
}

/// `GET /metrics`, for Prometheus.
pub(super) async fn metrics(call: Call) -> Result<Metrics, Error> {
    // Without its database a replica tells the rest all the same.
    let live = call.state.app.fleet.live().await.ok();
    let text = call.state.metrics.text(&call.state, live.as_deref());
    Ok(Metrics(text))
}

pub(super) struct Metrics(String);

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answer for Metrics {
    fn into_response(self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, PROMETHEUS))
            .body(self.0)
    }

    fn describe(schemas: &mut Schemas) -> Vec<Success> {
        let schema = schemas.of_answer::<String>();
        vec![Success::new(200, "In the form of Prometheus.").content(PROMETHEUS, schema)]
    }
}
