//! `/sessions`: a user's own sessions, their history and their end.

use super::answer::{self, EndedView, List, Own};
use super::call::Call;
use super::credential;
use super::device;
use super::handler::Reply;
use super::parameter::Parameter;
use super::problem::Error;
use super::schemas::example;
use super::throttle::Write;
use super::times::Time;
use crate::service::access::Caller;
use crate::service::query::Part;
use crate::session::{Delivery, EndReason, Event, Fact, SessionFact};
use crate::store::ListedSession;
use revocation_events::{Position, SessionId};
use schemars::JsonSchema;
use serde::Serialize;
use std::str::FromStr;

pub(super) const SESSION: Parameter<SessionId> = Parameter::new("id", "The session.");

pub(super) const AFTER: Parameter<SessionId> =
    Parameter::new("after", "`next` of the part of the list before.");

pub(super) const AFTER_VERSION: Parameter<Version> =
    Parameter::new("after", "`next` of the part of the history before.");

/// The number of an event in its stream.
#[derive(JsonSchema)]
#[schemars(inline)]
pub(super) struct Version(#[schemars(range(max = u32::MAX))] u32);

impl FromStr for Version {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

pub(super) const KEEP: Parameter<Keep> =
    Parameter::new("keep", "`current` leaves the caller's own session alive.");

/// What of a user's sessions is left alive.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub(super) enum Keep {
    Current,
}

impl FromStr for Keep {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        (text == "current").then_some(Self::Current).ok_or(())
    }
}

/// One line of a list of sessions.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SessionItem", example = example(include_str!("examples/session-item.json")))]
pub(super) struct Item {
    /// The claim `sid` of its tokens.
    id: SessionId,
    /// Whether it is the caller's.
    current: bool,
    /// As the client named itself at login, else in the words of its user agent.
    device: Option<String>,
    /// What the client sent at its log-in, 256 characters at most.
    user_agent: Option<String>,
    /// Where the log-in came from.
    ip: Option<String>,
    /// When its user logged in.
    opened_at: Time,
    /// With the grain of a refresh: what happens in between asks no database.
    last_seen_at: Time,
    /// When it ends unless it is refreshed.
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
pub(super) async fn list(call: Call) -> Result<Reply<List<Item, SessionId>>, Error> {
    let after = call.query(&AFTER)?;
    let caller = credential::caller(&call).await?;
    let part = call.service().sessions(caller.user_id, after).await?;
    Ok(Reply::of(&items(part, &caller)))
}

/// `DELETE /sessions`, `DELETE /sessions?keep=current`.
pub(super) async fn end_all(call: Call) -> Result<Reply<EndedView>, Error> {
    let keeps = matches!(call.query(&KEEP)?, Some(Keep::Current));
    let caller = credential::caller(&call).await?;
    if keeps {
        // All others end once, and the caller with them; this can go on for ever. By session, for a
        // thief of one must not keep the owner from it.
        let throttle = &call.state.throttle;
        let taken = throttle.write(caller.session_id, Write::EndOthers);
        taken.map_err(Error::TooOften)?;
    }
    let keep = keeps.then(|| caller.keep());
    let ended = call.service().end_sessions(caller.user_id, keep).await?;
    Ok(answer::ended(&call, &caller, &ended, Own::ended_if(!keeps)).await)
}

/// `DELETE /sessions/{id}`.
pub(super) async fn end_one(call: Call) -> Result<Reply<EndedView>, Error> {
    let caller = credential::caller(&call).await?;
    let session = call.path(&SESSION)?;
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
pub(super) async fn history(call: Call) -> Result<Reply<List<EventView, i64>>, Error> {
    let after = call.query(&AFTER_VERSION)?;
    let caller = credential::caller(&call).await?;
    let part = call
        .service()
        .history(
            call.path(&SESSION)?,
            Some(caller.user_id),
            after.map(|Version(number)| number.into()),
        )
        .await?;
    let items = part.items.iter().filter_map(EventView::of).collect();
    let next = part.next;
    Ok(Reply::of(&List { items, next }))
}

/// Something that happened to a session.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event", example = example(include_str!("examples/event.json")))]
pub(super) struct EventView {
    /// `session.opened`, `session.refreshed`, `session.revoked` or `session.expired`.
    r#type: &'static str,
    /// When it happened.
    time: Time,
    /// Its number among the events of the session, from 1.
    version: i64,
    /// What there is to say of it.
    data: Data,
}

/// What an owner sees of an event, member by member: whatever is added to the log later stays
/// inside until it is added here.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "EventData")]
enum Data {
    /// Of `session.opened`.
    Opened {
        /// How the tokens reach the client.
        delivery: Delivery,
        /// Whether the user had not logged in there before.
        new_device: bool,
        /// When it ends unless it is refreshed.
        expires_at: Time,
        /// The end that no refresh moves.
        ends_at: Time,
    },
    /// Of `session.refreshed`.
    Refreshed {
        /// How many times it was refreshed.
        generation: u64,
        /// When it ends unless it is refreshed again.
        expires_at: Time,
    },
    /// Of `session.revoked`.
    Revoked {
        /// Why it ended.
        reason: EndReason,
        /// Its place among all revocations.
        position: Position,
    },
    /// Of `session.expired`.
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
                delivery: session.delivery,
                new_device: *new_device,
                expires_at: Time(session.expires_at),
                ends_at: Time(session.ends_at),
            },
            SessionFact::Refreshed(session) => Data::Refreshed {
                generation: session.generation,
                expires_at: Time(session.expires_at),
            },
            SessionFact::Revoked { reason, position } => Data::Revoked {
                reason: *reason,
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
