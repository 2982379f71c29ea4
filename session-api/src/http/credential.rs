//! Which credential counts.
//!
//! A request with an `Authorization` header is judged by it alone. Without one, cookies count, and
//! those of one request belong together: an access cookie beside a session cookie of another
//! session is a browser in which two log-ins were mixed, or an attacker's doing, and both are
//! refused. So is a browser's session cookie without the CSRF cookie of its session.
//!
//! | call | function |
//! | --- | --- |
//! | `GET` and `DELETE /session` | [`session_caller`] |
//! | `POST /session/refresh` | [`session_token`] |
//! | a user's other calls | [`caller`] |
//! | `/admin/*` | [`admin`] |
//! | `/introspect` | [`client`] |
//! | `/revocations*` | [`follower`] |
//! | `POST /session` | [`replaced`], [`device`]: what is presented never makes it fail |
//! | `POST /revoke` | the token itself is the credential |

use super::call::Call;
use super::cookies::{DEVICE_COOKIE, SESSION_COOKIE};
use super::csrf;
use super::problem::{AdminRefusal, Error, NotNow};
use crate::service;
use crate::service::access::{Caller, Purpose};
use crate::service::device::Device;
use crate::session::Delivery;
use crate::store::ClientRow;
use crate::token::SessionToken;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use revocation_events::SessionId;
use std::time::Duration;
use verifier_sdk::request::{ACCESS_COOKIE, Presented, check_cookie_call, cookie, present};
use verifier_sdk::token::AccessToken;

/// The role of operators.
pub(super) const ADMIN: &str = "admin";

/// For so long after a log-in operators may do what they may do.
const RECENT: Duration = Duration::from_secs(600);

/// The longest client credential that is read, in bytes of base64.
const MAX_BASIC_LEN: usize = 1024;

/// The user behind an access token, by header or cookie, checked against the database.
pub(super) async fn caller(call: &Call) -> Result<Caller, Error> {
    let presented = present(call)?;
    let token = read(call, presented.text()?)?;
    if let Presented::Cookie(_) = presented {
        let session = cookie(call, SESSION_COOKIE)?;
        let is_own = |text| {
            let named = call.service().read_session_token(text);
            named.is_ok_and(|named| named.session == token.session_id())
        };
        if !session.is_none_or(is_own) {
            return Err(Error::Mixed(service::Error::TokenInvalid));
        }
        check_cookie_call(call.method(), call, &call.state.origins, token.csrf())?;
    }
    Ok(call.service().caller_by_access_token(&token).await?)
}

/// The same, and an operator by what the database says now, who has given the password not long ago
/// (ASVS 5.0, 7.5.1; the answer is RFC 9470's).
pub(super) async fn admin(call: &Call) -> Result<Caller, Error> {
    let caller = caller(call).await?;
    // What `auth_time` says: a session is opened by its password, and a refresh changes nothing of
    // that.
    let age = caller.now.since(caller.session.opened_at);
    let why = if !caller.has_role(ADMIN) {
        NotNow::Role
    } else if age > RECENT {
        NotNow::StepUp { max_age: RECENT }
    } else {
        return Ok(caller);
    };
    let by = caller.actor();
    Err(Error::Admin(AdminRefusal { by, why }))
}

/// The user behind the session cookie or, without one, behind an access token.
pub(super) async fn session_caller(call: &Call, purpose: Purpose) -> Result<Caller, Error> {
    if call.has_header("authorization") {
        return caller(call).await;
    }
    let Some(text) = cookie(call, SESSION_COOKIE)? else {
        return caller(call).await;
    };
    let token = of_session_cookie(call, text)?;
    let caller = call
        .service()
        .caller_by_session_token(token, purpose)
        .await?;
    // Tokens that were delivered in a body have no value that a page could repeat.
    if caller.session.delivery != Delivery::Cookie {
        return Err(service::Error::SessionEnded.into());
    }
    csrf::check_value(call, token.session)?;
    Ok(caller)
}

/// The session token of a refresh, and the way it came. `in_body` is the body's.
pub(super) fn session_token(
    call: &Call,
    in_body: Option<&str>,
) -> Result<(SessionToken, Delivery), Error> {
    // Programs between the client and here attach `Authorization` headers, old ones too, so that
    // header is not judged; but then this is no browser's own call, and cookies do not count.
    let in_cookie = if call.has_header("authorization") {
        None
    } else {
        cookie(call, SESSION_COOKIE)?
    };
    match (in_body, in_cookie) {
        (None, None) => Err(verifier_sdk::Error::Missing.into()),
        (Some(_), Some(_)) => Err(verifier_sdk::Error::Ambiguous.into()),
        (Some(text), None) => {
            let token = call.service().read_session_token(text)?;
            Ok((token, Delivery::Body))
        }
        (None, Some(text)) => {
            let token = of_session_cookie(call, text)?;
            csrf::check_value(call, token.session)?;
            Ok((token, Delivery::Cookie))
        }
    }
}

/// The token in a session cookie, unless the access cookie beside it is another session's, or somebody
/// has planted it. An access token that does not read is nobody's: beside a refresh it is often an
/// expired one.
fn of_session_cookie(call: &Call, text: &str) -> Result<SessionToken, Error> {
    let named = call.service().read_session_token(text)?;
    let access =
        cookie(call, ACCESS_COOKIE)?.and_then(|text| call.service().read_access_token(text).ok());
    match access {
        Some(token) if token.session_id() != named.session => {
            Err(Error::Mixed(service::Error::SessionEnded))
        }
        _ => csrf::check_not_planted(call, named.session).map(|()| named),
    }
}

/// What the access cookie says of the CSRF value that goes with it.
pub(super) fn csrf_claim(call: &Call) -> Option<[u8; 32]> {
    let text = cookie(call, ACCESS_COOKIE).ok()??;
    let token = call.service().read_access_token(text).ok()?;
    token.csrf().copied()
}

/// The session that this browser had until now. Only cookies tell: a header says nothing of the
/// browser. Two cookies of one name say nothing either.
pub(super) async fn replaced(call: &Call) -> Option<SessionId> {
    if call.has_header("authorization") {
        return None;
    }
    let service = call.service();
    if let Ok(Some(text)) = cookie(call, SESSION_COOKIE)
        && let Ok(token) = service.read_session_token(text)
        && let Ok(caller) = service.caller_by_session_token(token, Purpose::End).await
    {
        return Some(caller.session_id);
    }
    let text = cookie(call, ACCESS_COOKIE).ok()??;
    let token = service.present_access_token(text).ok()?;
    token.csrf()?;
    service
        .caller_by_access_token(&token)
        .await
        .ok()
        .map(|caller| caller.session_id)
}

/// The device that this request shows, in the body or by cookie, where a user of this name has
/// logged in with it. As with [`replaced`], what is wrong is as good as nothing: a link with a
/// worthless token takes no good cookie's place.
pub(super) fn device(call: &Call, user_name: &str, in_body: Option<&str>) -> Option<Device> {
    let in_cookie = if call.has_header("authorization") {
        None
    } else {
        cookie(call, DEVICE_COOKIE).ok().flatten()
    };
    let shown = [in_body, in_cookie].into_iter().flatten();
    let mut known = shown.filter_map(|token| call.service().device(user_name, token));
    known.next()
}

/// The client that follows the feed. Where the feed is open it may be unknown; a credential that is
/// presented all the same has to be right, so that a wrong one is noticed.
pub(super) async fn follower(call: &Call) -> Result<Option<ClientRow>, Error> {
    if call.state.app.settings.open_feed && !call.has_header("authorization") {
        return Ok(None);
    }
    client(call).await.map(Some)
}

/// The client that presents its name and secret by HTTP Basic (RFC 7617).
pub(super) async fn client(call: &Call) -> Result<ClientRow, Error> {
    let header = call.header("authorization")?.ok_or(Error::Client)?;
    let (name, secret) = basic(header).ok_or(Error::Client)?;
    call.service()
        .client(&name, &secret)
        .await?
        .ok_or(Error::Client)
}

fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    let credentials = credentials.trim_start_matches(' ');
    if !scheme.eq_ignore_ascii_case("basic") || credentials.len() > MAX_BASIC_LEN {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}

fn read(call: &Call, text: &str) -> Result<AccessToken, Error> {
    call.service().present_access_token(text).map_err(|reason| {
        tracing::debug!(%reason, "an access token was refused");
        Error::Request(reason.into())
    })
}
