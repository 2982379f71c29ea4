//! The shapes that more than one family of calls answers with.

use super::call::Call;
use super::credential::ADMIN;
use super::fence::Told;
use super::handler::Reply;
use super::schemas::example;
use super::times::{Time, seconds_until};
use super::{cookies, fence};
use crate::service::Granted;
use crate::service::access::Caller;
use crate::service::revoke::Ended;
use crate::session::{Delivery, OpenSession, Roles};
use revocation_events::{Position, SessionId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// A part of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(super) struct List<T, K = ()> {
    /// In order.
    pub(super) items: Vec<T>,
    /// For the parameter `after`; null where the list ends.
    pub(super) next: Option<K>,
}

/// A session, as its client sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Session")]
pub(super) struct SessionView {
    /// The claim `sid` of its tokens.
    id: SessionId,
    /// How its tokens reach the client.
    delivery: Delivery,
    /// When its user logged in.
    opened_at: Time,
    /// The end that no refresh moves.
    ends_at: Time,
}

impl SessionView {
    pub(super) const fn new(id: SessionId, session: &OpenSession) -> Self {
        Self {
            id,
            delivery: session.delivery,
            opened_at: Time(session.opened_at),
            ends_at: Time(session.ends_at),
        }
    }
}

/// A user, as that user sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User", example = example(include_str!("examples/user.json")))]
pub(super) struct UserView {
    /// The claim `sub` of the tokens.
    pub(super) id: UserId,
    /// In the one form in which names are compared.
    pub(super) username: String,
    /// What the user may do, as services understand it.
    #[schemars(with = "Roles")]
    pub(super) roles: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct AccessEnd {
    /// When the access token ends, by the service's clock.
    access_expires_at: Time,
    /// The same in seconds from now, for clients whose clock is wrong.
    access_expires_in: u64,
}

impl AccessEnd {
    const fn of(granted: &Granted) -> Self {
        let end = granted.access.expires_at;
        Self {
            access_expires_at: Time(end),
            access_expires_in: seconds_until(end, granted.now),
        }
    }
}

/// A session with its tokens: in `Set-Cookie` or in here, as was fixed at the log-in.
#[derive(Serialize, JsonSchema)]
#[schemars(
    rename = "Granted",
    example = example(include_str!("examples/granted-cookie.json")),
    example = example(include_str!("examples/granted-body.json"))
)]
pub(super) struct GrantedView {
    /// The session.
    session: SessionView,
    /// Whose it is.
    user: UserView,
    #[serde(flatten)]
    access: AccessEnd,
    /// When the session ends unless it is refreshed, by the service's clock.
    session_expires_at: Time,
    /// The same in seconds from now, for clients whose clock is wrong.
    session_expires_in: u64,
    /// With `cookie`: what `X-CSRF-Token` has to be, for as long as the session lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    csrf_token: Option<String>,
    #[serde(flatten)]
    tokens: Option<Tokens>,
}

#[derive(Serialize, JsonSchema)]
struct Tokens {
    /// With `body`: what every service takes, as `Authorization: Bearer`.
    access_token: String,
    /// With `body`: what the next refresh and `POST /revoke` take. For this service alone.
    session_token: String,
    /// With `body`, at a log-in: sent with the next log-in, it shows that the user had success on
    /// this device before. It outlives the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    device_token: Option<String>,
}

/// Both tokens, in the way that was fixed at login.
pub(super) fn granted<const STATUS: u16>(
    call: &Call,
    granted: &Granted,
) -> Reply<GrantedView, STATUS> {
    let in_body = granted.session.delivery == Delivery::Body;
    let session_end = granted.session_token.expires_at;
    let mut reply = Reply::of(&GrantedView {
        session: SessionView::new(granted.session_id, &granted.session),
        user: UserView {
            id: granted.session.user,
            username: granted.user_name.clone(),
            roles: granted.roles.clone(),
        },
        access: AccessEnd::of(granted),
        session_expires_at: Time(session_end),
        session_expires_in: seconds_until(session_end, granted.now),
        csrf_token: granted.csrf_token.clone(),
        tokens: in_body.then(|| Tokens {
            access_token: granted.access.token.clone(),
            session_token: granted.session_token.token.clone(),
            device_token: granted.device_token.clone(),
        }),
    });
    if !in_body {
        let base_path = &call.state.app.settings.base_path;
        cookies::set_all(&mut reply.response, base_path, granted);
    }
    reply
}

/// What a revocation came to. With `Prefer: wait` the answer waits for the verifiers, and says which
/// have applied it.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example(include_str!("examples/revocation.json")))]
pub(super) struct Revocation {
    /// How many sessions ended; null where they are not counted, because one event ends them all.
    revoked: Option<u64>,
    /// Its place among all revocations.
    position: Position,
    /// Whether the bus has it. Where it is false the revocation stands, and goes out when the bus
    /// is back.
    published: bool,
    /// With `Prefer: wait`: who checks tokens, and who of them knows of the revocation. Absent where
    /// that is not known: the service has just started, or is cut off from the bus, and nobody whom it
    /// has heard of is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "fence::Verifiers")]
    verifiers: Option<fence::Verifiers>,
}

impl Revocation {
    /// And the wait that was granted, where the caller prefers one.
    async fn of(call: &Call, ended: &Ended, to: Told) -> (Self, Option<Duration>) {
        let (wait, verifiers) = fence::wait(call, ended.position, to).await.unzip();
        let revocation = Self {
            revoked: ended.revoked,
            position: ended.position,
            published: ended.published,
            verifiers: verifiers.flatten(),
        };
        (revocation, wait)
    }
}

/// What became of a session whose token was all that the client sent.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = example(include_str!("examples/token-revocation.json")))]
pub(super) enum TokenRevocation {
    /// It ended.
    Session(Revocation),
    /// There is no such token, which is as good as revoked (RFC 7009, section 2.2).
    Nothing {
        /// Always 0.
        revoked: u64,
        /// Always null.
        position: (),
        /// Always true.
        published: bool,
    },
}

impl TokenRevocation {
    pub(super) const NOTHING: Self = Self::Nothing {
        revoked: 0,
        position: (),
        published: true,
    };
}

/// What a revocation came to, where a session token was all that the client sent.
pub(super) async fn ended_by_token(call: &Call, ended: &Ended) -> Reply<TokenRevocation> {
    let (revocation, wait) = Revocation::of(call, ended, Told::Other).await;
    let mut reply = Reply::of(&TokenRevocation::Session(revocation));
    fence::mark_applied(&mut reply.response, wait);
    reply
}

/// What a revocation came to. Where the caller's own session was kept, there is a fresh access
/// token, here or in `Set-Cookie`: the one before it is dead. It ends when that would have ended, but
/// for `PUT /password`, where the password was given.
#[derive(Serialize, JsonSchema)]
#[schemars(
    rename = "Ended",
    example = example(include_str!("examples/ended.json")),
    example = example(include_str!("examples/ended-kept.json"))
)]
pub(super) struct EndedView {
    #[serde(flatten)]
    revocation: Revocation,
    /// The fresh access token, where tokens are delivered in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    access_token: Option<String>,
    #[serde(flatten)]
    access: Option<AccessEnd>,
}

/// What a revocation came to. Where the caller's own session was kept, its fresh access token is
/// there too; where it ended, a browser forgets its cookies.
pub(super) async fn ended(
    call: &Call,
    caller: &Caller,
    ended: &Ended,
    own: Own,
) -> Reply<EndedView> {
    let to = if caller.has_role(ADMIN) {
        Told::Operator
    } else {
        Told::Other
    };
    let (revocation, wait) = Revocation::of(call, ended, to).await;
    let in_cookies = caller.session.delivery == Delivery::Cookie;
    let kept = ended.kept.as_deref();
    let mut reply = Reply::of(&EndedView {
        revocation,
        access_token: kept
            .filter(|_| !in_cookies)
            .map(|granted| granted.access.token.clone()),
        access: kept.map(AccessEnd::of),
    });
    let response = &mut reply.response;
    fence::mark_applied(response, wait);
    match (kept, own) {
        (Some(granted), _) if in_cookies => cookies::set_access(response, granted),
        (None, Own::Ended) if in_cookies => {
            cookies::expire_all(response, &call.state.app.settings.base_path);
        }
        _ => {}
    }
    reply
}

/// What became of the caller's own session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Ended,
    LivesOn,
}

impl Own {
    pub(super) const fn ended_if(ended: bool) -> Self {
        if ended { Self::Ended } else { Self::LivesOn }
    }
}
