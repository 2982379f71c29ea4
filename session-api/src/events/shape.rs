//! An event of the log as other programs see it.

use crate::session::{Delivery, EndReason, Event as Logged, Fact, SessionFact, Stream, UserFact};
use crate::store::WaitingEvent;
use revocation_events::SessionId;
use revocation_events::event::{self, Event, What};
use uuid::Uuid;

/// Why an event cannot be published now. It waits, and what comes after it in its stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotNow {
    #[error("{0}")]
    Unreadable(String),
    #[error("session {0} has no row; `log rebuild` makes it")]
    NoSession(SessionId),
    #[error("an event of a kind that its stream cannot have")]
    Broken,
}

/// The event as `issuer` publishes it.
pub(super) fn event(issuer: &str, waiting: &WaitingEvent) -> Result<Event, NotNow> {
    let logged = waiting.event.as_ref();
    let logged = logged.map_err(|why| NotNow::Unreadable(why.clone()))?;
    Ok(Event {
        id: id(issuer, logged),
        source: issuer.to_owned(),
        time: logged.at,
        version: logged.version.cast_unsigned(),
        what: what(logged, waiting)?,
    })
}

/// Made of the event's place and of what makes it another one than what may have stood there before: the
/// log of a database that was restored, or whose standby took over, goes on from an earlier place.
fn id(issuer: &str, logged: &Logged) -> Uuid {
    let issuer = Uuid::new_v5(&Uuid::NAMESPACE_URL, issuer.as_bytes());
    let Logged {
        stream,
        version,
        at,
        fact,
    } = logged;
    let name = format!("{}/{version}/{}/{}", stream.uuid(), at.get(), fact.kind());
    Uuid::new_v5(&issuer, name.as_bytes())
}

fn what(logged: &Logged, waiting: &WaitingEvent) -> Result<What, NotNow> {
    Ok(match (&logged.fact, logged.stream) {
        (Fact::Session(fact), Stream::Session(session)) => {
            let user = waiting.user.ok_or(NotNow::NoSession(session))?;
            match fact {
                SessionFact::Opened {
                    session: open,
                    new_device,
                } => What::SessionOpened {
                    session,
                    user,
                    delivery: delivery(open.delivery),
                    new_device: *new_device,
                    expires_at: open.expires_at,
                    ends_at: open.ends_at,
                },
                SessionFact::Refreshed(open) => What::SessionRefreshed {
                    session,
                    user,
                    generation: open.generation,
                    expires_at: open.expires_at,
                },
                SessionFact::Revoked { position, reason } => What::SessionRevoked {
                    session,
                    user,
                    position: *position,
                    reason: end_reason(*reason),
                },
                SessionFact::Expired {} => What::SessionExpired { session, user },
            }
        }
        (Fact::User(fact), Stream::User(user)) => match fact {
            UserFact::Registered { roles } => What::UserRegistered {
                user,
                roles: roles.names().to_vec(),
            },
            UserFact::PasswordChanged {} => What::UserPasswordChanged { user },
            UserFact::RolesChanged { roles, position } => What::UserRolesChanged {
                user,
                position: *position,
                roles: roles.names().to_vec(),
            },
            UserFact::Disabled { position } => What::UserDisabled {
                user,
                position: *position,
            },
            UserFact::Enabled {} => What::UserEnabled { user },
            UserFact::SessionsRevoked { position, except } => What::UserSessionsRevoked {
                user,
                position: *position,
                except: *except,
            },
        },
        (Fact::EveryoneRevoked { position }, _) => What::EveryoneRevoked {
            position: *position,
        },
        (Fact::KeyAdded { kid }, _) => What::KeyAdded { key: kid.clone() },
        (Fact::KeyRetired { kid }, _) => What::KeyRetired { key: kid.clone() },
        (Fact::KeyRevoked { kid, position }, _) => What::KeyRevoked {
            key: kid.clone(),
            position: *position,
        },
        (Fact::Session(_) | Fact::User(_), _) => return Err(NotNow::Broken),
    })
}

const fn delivery(delivery: Delivery) -> event::Delivery {
    match delivery {
        Delivery::Cookie => event::Delivery::Cookie,
        Delivery::Body => event::Delivery::Body,
    }
}

const fn end_reason(reason: EndReason) -> event::EndReason {
    match reason {
        EndReason::Logout => event::EndReason::Logout,
        EndReason::User => event::EndReason::User,
        EndReason::Admin => event::EndReason::Admin,
        EndReason::Reuse => event::EndReason::Reuse,
        EndReason::Replaced => event::EndReason::Replaced,
        EndReason::Limit => event::EndReason::Limit,
    }
}
