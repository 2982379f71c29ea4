//! `/revocations`: the feed over HTTP, and the reports of those who follow it.

use super::call::Call;
use super::credential;
use super::handler::{Events, Json, NoContent, Reply};
use super::json::Body;
use super::parameter::Parameter;
use super::problem::Error;
use super::schemas::example;
use super::stream::{PATIENCE, PageStream};
use crate::relay::{Latest, MAX_PAGES};
use revocation_events::status::Status;
use revocation_events::{Position, strict_json};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

pub(super) const AFTER: Parameter<Position> = Parameter::new(
    "after",
    "The end (`to`) of the last page that is known. From the floor on where it is absent or below that.",
);

pub(super) const LAST_EVENT_ID: Parameter<Position> = Parameter::new(
    "Last-Event-ID",
    "The `id` of the last event, as browsers send it by themselves. It counts more than `after`.",
);

/// A signed page: a compact JWS of the type `revocations+jwt`, which says that it holds every
/// revocation in `(from, to]`.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Page(#[schemars(regex(pattern = r"^[\w-]+\.[\w-]+\.[\w-]+$"))] Arc<str>);

/// So many catch up at once in this process: each reads up to 64,001 rows and signs 64 pages, and
/// with more of them log-ins and refreshes would wait for connections and processors. One that has
/// missed little takes milliseconds.
pub(super) const AT_ONCE: usize = 4;

/// For so long the next waits, before it is asked to come back.
const TURN: Duration = Duration::from_secs(1);

/// `GET /revocations`.
pub(super) async fn pages(call: Call) -> Result<Reply<Vec<Page>>, Error> {
    credential::follower(&call).await?;
    let after = call.query(&AFTER)?;
    let latest = latest(&call).await?;
    let turn = turn(&call).await?;
    let relay = call.service().relay().clone();
    // In a task of its own: whoever goes away gives up the turn when the work is done, no earlier.
    let reading = tokio::spawn(async move {
        let _turn = turn;
        relay.pages_after(after, latest, MAX_PAGES).await
    });
    let pages = match reading.await {
        Ok(pages) => pages?,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return Err(Error::Overloaded),
    };
    let pages: Vec<Page> = pages.into_iter().map(|page| Page(page.text)).collect();
    Ok(Reply::of(&pages))
}

/// `GET /revocations/stream`: server-sent events (WHATWG HTML, section 9.2).
pub(super) async fn stream(call: Call) -> Result<Events<PageEvent>, Error> {
    let client = credential::follower(&call).await?;
    let after = call.query(&AFTER)?;
    let last = call.header(LAST_EVENT_ID.name)?.map(last_event_id);
    let after = last.transpose()?.or(after);
    if call.method() == "HEAD" {
        return Ok(Events::none());
    }
    let name = client.as_ref().map(|client| client.name.as_str());
    let place = call.state.streams.take(name, call.address())?;
    let standing = client.map(|client| call.state.clients.standing(client));
    let relay = call.service().relay().clone();
    // Before the latest cut is looked at: what is cut from now on comes this way, and whatever was
    // cut before is in the pages.
    let live = relay.live();
    let latest = latest(&call).await?;
    let _turn = turn(&call).await?;
    let stopping = call.state.stopping.clone();
    let stream = PageStream::begin(relay, after, latest, live, stopping, standing, place).await?;
    Ok(Events::of(stream.events(PATIENCE)))
}

/// The pages that are missing, then each page as it is made, one an event. Heartbeats come twice a
/// second. The stream ends where its client is too slow.
#[derive(JsonSchema)]
#[schemars(example = example(include_str!("examples/page-event.json")))]
#[expect(dead_code, reason = "for the document; `PageStream` writes the text")]
pub(super) struct PageEvent {
    /// The page's `to`, which comes back as `Last-Event-ID`.
    #[schemars(regex(pattern = "^[0-9]{1,16}$"))]
    id: String,
    /// The page.
    data: Page,
}

fn last_event_id(id: &str) -> Result<Position, Error> {
    id.parse()
        .map_err(|_| Error::bad_request("`Last-Event-ID` is not one that was given out."))
}

async fn turn(call: &Call) -> Result<OwnedSemaphorePermit, Error> {
    let turn = call.state.app.catching_up.clone().acquire_owned();
    match timeout(TURN, turn).await {
        Ok(Ok(turn)) => Ok(turn),
        // Too many; nobody closes it.
        Err(_) | Ok(Err(_)) => Err(Error::Overloaded),
    }
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
pub(super) async fn report(call: Call, body: Json<Status>) -> Result<NoContent, Error> {
    let client = credential::follower(&call).await?;
    let status = body.read()?;
    if strict_json::check(&body.text).is_err() || !status.is_valid() {
        return Err(Error::bad_request(
            "The names in a status are 1 to 64 characters A-Z, a-z, 0-9, `_` and `-`.",
        ));
    }
    let client = client.as_ref().map(|client| client.name.as_str());
    call.state.app.fleet.posted(client, &status).await?;
    Ok(NoContent)
}
