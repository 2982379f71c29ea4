//! `/revocations`: the feed over HTTP, and the reports of those who follow it.

use super::call::Call;
use super::credential;
use super::json::Body;
use super::problem::Error;
use super::stream::{PATIENCE, PageStream};
use crate::relay::{Latest, MAX_PAGES};
use actix_web::HttpResponse;
use actix_web::http::header;
use revocation_events::status::Status;
use revocation_events::{Position, strict_json};

const EVENT_STREAM: &str = "text/event-stream";

/// `GET /revocations`.
pub(super) async fn pages(call: Call) -> Result<HttpResponse, Error> {
    credential::follower(&call).await?;
    let after = call.query.after()?;
    let latest = latest(&call).await?;
    let pages = call
        .service()
        .relay()
        .pages_after(after, latest, MAX_PAGES)
        .await?;
    let texts: Vec<&str> = pages.iter().map(|page| &*page.text).collect();
    Ok(HttpResponse::Ok().json(texts))
}

/// `GET /revocations/stream`: server-sent events (WHATWG HTML, section 9.2).
pub(super) async fn stream(call: Call) -> Result<HttpResponse, Error> {
    let client = credential::follower(&call).await?;
    let after = match call.header("last-event-id")? {
        Some(id) => Some(last_event_id(id)?),
        None => call.query.after()?,
    };
    if call.method() == "HEAD" {
        // Nobody would read the stream, and it would not end.
        return Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
            .finish());
    }
    let name = client.as_ref().map(|client| client.name.as_str());
    let place = call.state.streams.take(name, call.address())?;
    let standing = client.map(|client| call.state.clients.standing(client));
    let relay = call.service().relay().clone();
    // Before the latest cut is looked at: what is cut from now on comes this way, and whatever was
    // cut before is in the pages.
    let live = relay.live();
    let latest = latest(&call).await?;
    let stopping = call.state.stopping.clone();
    let stream = PageStream::begin(relay, after, latest, live, stopping, standing, place).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
        // A proxy that buffers would hold heartbeats back until they prove nothing.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream.events(PATIENCE)))
}

fn last_event_id(id: &str) -> Result<Position, Error> {
    id.parse()
        .map_err(|_| Error::bad_request("`Last-Event-ID` is not one that was given out."))
}

/// After a start there is nothing to say before the first cut.
async fn latest(call: &Call) -> Result<Latest, Error> {
    call.service()
        .relay()
        .latest()
        .await
        .ok_or(Error::Overloaded)
}

impl Body for Status {
    const SHAPE: &'static str = "a verifier's status";
}

/// `POST /revocations/status`. Members that are not known are let pass, for verifiers may be newer
/// than the service.
pub(super) async fn report(call: Call) -> Result<HttpResponse, Error> {
    let client = credential::follower(&call).await?;
    let status: Status = call.json()?;
    if strict_json::check(&call.body).is_err() || !status.is_valid() {
        return Err(Error::bad_request(
            "The names in a status are 1 to 64 characters A-Z, a-z, 0-9, `_` and `-`.",
        ));
    }
    let client = client.as_ref().map(|client| client.name.as_str());
    call.state.app.fleet.posted(client, &status).await?;
    Ok(HttpResponse::NoContent().finish())
}
