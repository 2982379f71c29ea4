//! `GET /session/stream`: server-sent events (WHATWG HTML, section 9.2) that tell a browser of the
//! end of its session when it ends, and not when the page next asks for something.
//!
//! There is one event, `ended`, with `{"reason": …}`, and it is the last. Comments in between show
//! that the line stands.

use super::call::Call;
use super::credential;
use super::handler::Events;
use super::problem::Error;
use super::schemas::example;
use super::watchers::Place;
use crate::service::Service;
use crate::service::access::{Fate, Purpose};
use bytes::Bytes;
use futures::stream::{self, Stream};
use revocation_events::SessionId;
use schemars::JsonSchema;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often something is said: only by that is it noticed that a client has gone away, and its place
/// is free again. Gateways cut a line that is silent for a minute.
const SAY: Duration = Duration::from_secs(5);

/// A comment, for whoever reads events.
const HERE: Bytes = Bytes::from_static(b":\n\n");

/// One event, and it is the last. Comments before it show that the line stands.
#[derive(JsonSchema)]
#[schemars(example = example(include_str!("examples/end-event.json")))]
#[expect(dead_code, reason = "for the document; `Watch` writes the text")]
pub(super) struct EndEvent {
    /// The session has ended.
    #[schemars(extend("const" = "ended"))]
    event: String,
    /// `{"reason"}` as JSON: that of the session's event, `all` where it ended with all of its user's or
    /// everyone's, or `expired`.
    #[schemars(extend("contentMediaType" = "application/json"))]
    data: String,
}

pub(super) async fn stream(call: Call) -> Result<Events<EndEvent>, Error> {
    let caller = credential::session_caller(&call, Purpose::Any).await?;
    if call.method() == "HEAD" {
        return Ok(Events::none());
    }
    let watchers = &call.state.watchers;
    let place = watchers
        .place(caller.user_id, caller.session_id)
        .ok_or(Error::Overloaded)?;
    let watch = Watch {
        service: call.service().clone(),
        session: caller.session_id,
        place,
        stopping: call.state.stopping.clone(),
        // From now on the end is told to the place; what came before it is looked up.
        look_at: Instant::now(),
        over: false,
    };
    Ok(Events::of(watch.events()))
}

struct Watch {
    service: Service,
    session: SessionId,
    place: Place,
    stopping: CancellationToken,
    /// When to look at the session again, woken or not.
    look_at: Instant,
    over: bool,
}

impl Watch {
    fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut watch| async move {
            let event = watch.next().await?;
            Some((Ok(event), watch))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => None,
            () = self.place.woken() => self.look().await,
            () = tokio::time::sleep_until(self.look_at) => self.look().await,
            () = tokio::time::sleep(SAY) => Some(HERE),
        }
    }

    /// The event, where the session has ended; nothing where that cannot be known: the client asks
    /// again, and is told by the status.
    async fn look(&mut self) -> Option<Bytes> {
        let (service, session) = (self.service.clone(), self.session);
        // In a task of its own, for a client that goes away drops this future (see `crate::store`).
        let fate = tokio::spawn(async move { service.fate(session).await });
        let fate = fate.await.ok()?.inspect_err(|error| {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "a session cannot be looked at for its stream"
            );
        });
        match fate.ok()? {
            Fate::Alive { lasts } => {
                self.look_at = Instant::now() + lasts;
                Some(HERE)
            }
            Fate::Ended { reason } => {
                self.over = true;
                let data = serde_json::json!({ "reason": reason });
                Some(format!("event: ended\ndata: {data}\n\n").into())
            }
        }
    }
}
