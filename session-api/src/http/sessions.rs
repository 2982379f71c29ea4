//! `/sessions`: a user's own sessions, their history and their end.

use super::answer::{self, List, Own};
use super::call::Call;
use super::credential;
use super::device;
use super::problem::Error;
use super::times::Time;
use crate::service::access::Caller;
use crate::service::query::Part;
use crate::session::{EndReason, Event, Fact, SessionFact};
use crate::store::ListedSession;
use actix_web::HttpResponse;
use revocation_events::{Position, SessionId};
use serde::Serialize;

/// One line of a list of sessions.
#[derive(Serialize)]
pub(super) struct Item {
    id: SessionId,
    /// Whether it is the caller's.
    current: bool,
    /// As the client named itself at login, else in the words of its user agent.
    device: Option<String>,
    user_agent: Option<String>,
    ip: Option<String>,
    opened_at: Time,
    /// With the grain of a refresh: what happens in between asks no database.
    last_seen_at: Time,
    expires_at: Time,
}

pub(super) fn items(
    part: Part<ListedSession, SessionId>,
    caller: &Caller,
) -> List<Item, SessionId> {
    let item = |listed: ListedSession| {
        let session = listed.row.session.details();
        let agent = listed.client.user_agent.as_deref();
        Item {
            id: listed.row.id,
            current: listed.row.id == caller.session_id,
            opened_at: Time(session.opened_at),
            last_seen_at: Time(session.rotated_at),
            expires_at: Time(session.expires_at.min(session.ends_at)),
            device: listed.client.device.or_else(|| device::words(agent?)),
            user_agent: listed.client.user_agent.clone(),
            ip: listed.client.ip,
        }
    };
    List {
        items: part.items.into_iter().map(item).collect(),
        next: part.next,
    }
}

/// `GET /sessions`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, Error> {
    let after = call.query.after()?;
    let caller = credential::caller(&call).await?;
    let part = call.service().sessions(caller.user_id, after).await?;
    Ok(HttpResponse::Ok().json(items(part, &caller)))
}

/// `DELETE /sessions`, `DELETE /sessions?keep=current`.
pub(super) async fn end_all(call: Call) -> Result<HttpResponse, Error> {
    let keeps = match call.query.get("keep") {
        None => false,
        Some("current") => true,
        Some(_) => {
            return Err(Error::bad_request(
                "The parameter `keep` can only be `current`.",
            ));
        }
    };
    let caller = credential::caller(&call).await?;
    let keep = keeps.then_some(caller.session_id);
    let ended = call.service().end_sessions(caller.user_id, keep).await?;
    Ok(answer::ended(&call, &caller, &ended, Own::ended_if(!keeps)).await)
}

/// `DELETE /sessions/{id}`.
pub(super) async fn end_one(call: Call) -> Result<HttpResponse, Error> {
    let caller = credential::caller(&call).await?;
    let session = call.id()?;
    let (service, own) = (call.service(), session == caller.session_id);
    let ended = if own {
        service.end_own_session(&caller, EndReason::User).await?
    } else {
        let owner = Some(caller.user_id);
        service.end_session(session, owner, EndReason::User).await?
    };
    Ok(answer::ended(&call, &caller, &ended, Own::ended_if(own)).await)
}

/// `GET /sessions/{id}/events`.
pub(super) async fn history(call: Call) -> Result<HttpResponse, Error> {
    let after = call.query.after()?;
    let caller = credential::caller(&call).await?;
    let part = call
        .service()
        .history(call.id()?, Some(caller.user_id), after)
        .await?;
    let items = part.items.iter().filter_map(EventView::of).collect();
    let next = part.next;
    Ok(HttpResponse::Ok().json(List { items, next }))
}

#[derive(Serialize)]
struct EventView {
    r#type: &'static str,
    time: Time,
    version: i64,
    data: Data,
}

/// What an owner sees of an event, member by member: whatever is added to the log later stays
/// inside until it is added here.
#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Opened {
        delivery: &'static str,
        new_device: bool,
        expires_at: Time,
        ends_at: Time,
    },
    Refreshed {
        generation: u64,
        expires_at: Time,
    },
    Revoked {
        reason: &'static str,
        position: Position,
    },
    Expired {},
}

impl EventView {
    fn of(event: &Event) -> Option<Self> {
        let Fact::Session(fact) = &event.fact else {
            return None;
        };
        let data = match fact {
            SessionFact::Opened {
                session,
                new_device,
            } => Data::Opened {
                delivery: session.delivery.as_str(),
                new_device: *new_device,
                expires_at: Time(session.expires_at),
                ends_at: Time(session.ends_at),
            },
            SessionFact::Refreshed(session) => Data::Refreshed {
                generation: session.generation,
                expires_at: Time(session.expires_at),
            },
            SessionFact::Revoked { reason, position } => Data::Revoked {
                reason: reason.as_str(),
                position: *position,
            },
            SessionFact::Expired {} => Data::Expired {},
        };
        Some(Self {
            r#type: event.fact.kind(),
            time: Time(event.at),
            version: event.version,
            data,
        })
    }
}
