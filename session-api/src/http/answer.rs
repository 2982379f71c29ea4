//! The shapes that more than one family of calls answers with.

use super::call::Call;
use super::times::{Time, seconds_until};
use super::{cookies, fence};
use crate::service::Granted;
use crate::service::access::Caller;
use crate::service::revoke::Ended;
use crate::session::{Delivery, OpenSession};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use revocation_events::{Position, SessionId, UserId};
use serde::Serialize;
use std::time::Duration;

/// A part of a list.
#[derive(Serialize)]
pub(super) struct List<T, K = ()> {
    pub(super) items: Vec<T>,
    /// For the parameter `after`; null where the list ends.
    pub(super) next: Option<K>,
}

/// A session, as its client sees it.
#[derive(Serialize)]
pub(super) struct SessionView {
    id: SessionId,
    delivery: &'static str,
    opened_at: Time,
    /// The end that no refresh moves.
    ends_at: Time,
}

impl SessionView {
    pub(super) const fn new(id: SessionId, session: &OpenSession) -> Self {
        Self {
            id,
            delivery: session.delivery.as_str(),
            opened_at: Time(session.opened_at),
            ends_at: Time(session.ends_at),
        }
    }
}

/// A user, as that user sees it.
#[derive(Serialize)]
pub(super) struct UserView<'a> {
    pub(super) id: UserId,
    pub(super) username: &'a str,
    pub(super) roles: &'a [String],
}

#[derive(Serialize)]
struct AccessEnd {
    access_expires_at: Time,
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

/// Both tokens, in the way that was fixed at login.
pub(super) fn granted(call: &Call, status: StatusCode, granted: &Granted) -> HttpResponse {
    #[derive(Serialize)]
    struct Answer<'a> {
        session: SessionView,
        user: UserView<'a>,
        #[serde(flatten)]
        access: AccessEnd,
        session_expires_at: Time,
        session_expires_in: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        csrf_token: Option<&'a str>,
        #[serde(flatten)]
        tokens: Option<Tokens<'a>>,
    }
    #[derive(Serialize)]
    struct Tokens<'a> {
        access_token: &'a str,
        session_token: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device_token: Option<&'a str>,
    }
    let in_body = granted.session.delivery == Delivery::Body;
    let session_end = granted.session_token.expires_at;
    let answer = Answer {
        session: SessionView::new(granted.session_id, &granted.session),
        user: UserView {
            id: granted.session.user,
            username: &granted.user_name,
            roles: &granted.roles,
        },
        access: AccessEnd::of(granted),
        session_expires_at: Time(session_end),
        session_expires_in: seconds_until(session_end, granted.now),
        csrf_token: granted.csrf_token.as_deref(),
        tokens: in_body.then_some(Tokens {
            access_token: &granted.access.token,
            session_token: &granted.session_token.token,
            device_token: granted.device_token.as_deref(),
        }),
    };
    let mut response = HttpResponse::build(status).json(answer);
    if !in_body {
        cookies::set_all(&mut response, &call.state.app.settings.base_path, granted);
    }
    response
}

/// What a revocation came to. With `Prefer: wait` the answer waits for the verifiers, and says which
/// have applied it.
#[derive(Serialize)]
struct Revocation {
    revoked: Option<u64>,
    position: Position,
    published: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifiers: Option<fence::Verifiers>,
}

impl Revocation {
    /// And the wait that was granted, where the caller prefers one.
    async fn of(call: &Call, ended: &Ended) -> (Self, Option<Duration>) {
        let (wait, verifiers) = fence::wait(call, ended.position).await.unzip();
        let revocation = Self {
            revoked: ended.revoked,
            position: ended.position,
            published: ended.published,
            verifiers,
        };
        (revocation, wait)
    }
}

/// What a revocation came to, where a session token was all that the client sent.
pub(super) async fn ended_by_token(call: &Call, ended: &Ended) -> HttpResponse {
    let (revocation, wait) = Revocation::of(call, ended).await;
    let mut response = HttpResponse::Ok().json(revocation);
    fence::mark_applied(&mut response, wait);
    response
}

/// What a revocation came to. Where the caller's own session was kept, its fresh access token is
/// there too; where it ended, a browser forgets its cookies.
pub(super) async fn ended(call: &Call, caller: &Caller, ended: &Ended, own: Own) -> HttpResponse {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(flatten)]
        revocation: Revocation,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token: Option<&'a str>,
        #[serde(flatten)]
        access: Option<AccessEnd>,
    }
    let (revocation, wait) = Revocation::of(call, ended).await;
    let in_cookies = caller.session.delivery == Delivery::Cookie;
    let kept = ended.kept.as_deref();
    let mut response = HttpResponse::Ok().json(Answer {
        revocation,
        access_token: kept
            .filter(|_| !in_cookies)
            .map(|granted| granted.access.token.as_str()),
        access: kept.map(AccessEnd::of),
    });
    fence::mark_applied(&mut response, wait);
    match (kept, own) {
        (Some(granted), _) if in_cookies => cookies::set_access(&mut response, granted),
        (None, Own::Ended) if in_cookies => {
            cookies::expire_all(&mut response, &call.state.app.settings.base_path);
        }
        _ => {}
    }
    response
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
