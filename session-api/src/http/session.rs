//! `/session`: log in, who am I, refresh, log out.

use super::answer::{self, Own, SessionView, UserView};
use super::call::Call;
use super::credential;
use super::json::Body;
use super::problem::Error;
use super::throttle::Account;
use super::times::{Time, seconds_until};
use crate::password::user_name;
use crate::service::access::Purpose;
use crate::service::login::Login;
use crate::session::{Delivery, EndReason, RetryKey};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use revocation_events::UnixMillis;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest name of a device, in characters.
const MAX_DEVICE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    username: String,
    password: String,
    delivery: Option<Delivery>,
    device: Option<String>,
    /// From the answer of an earlier log-in: what the device cookie is to a browser.
    device_token: Option<String>,
}

impl Body for LoginBody {
    const SHAPE: &'static str = r#"{"username": text, "password": text, "delivery"?: "cookie" or "body", "device"?: text, "device_token"?: text}"#;
}

/// `POST /session`.
pub(super) async fn log_in(call: Call) -> Result<HttpResponse, Error> {
    let body: LoginBody = call.json()?;
    let delivery = body.delivery.unwrap_or(Delivery::Cookie);
    if delivery == Delivery::Body && call.has_header("sec-fetch-site") {
        // A page would keep the tokens where scripts can read them.
        return Err(Error::bad_request(
            "In a browser the tokens are delivered by cookie.",
        ));
    }
    let is_name = |device: &String| {
        (1..=MAX_DEVICE).contains(&device.chars().count()) && !device.chars().any(char::is_control)
    };
    if !body.device.iter().all(is_name) {
        return Err(Error::bad_request(
            "`device` is 1 to 100 characters on one line.",
        ));
    }
    let name = user_name(&body.username);
    let device = name
        .as_deref()
        .and_then(|name| credential::device(&call, name, body.device_token.as_deref()));
    let account = match device {
        Some(device) => Account::Device(device),
        None => Account::Name(name.as_deref().unwrap_or(&body.username)),
    };
    let throttle = &call.state.throttle;
    throttle.try_password(call.address(), account)?;
    let granted = call
        .service()
        .log_in(Login {
            name,
            password: Zeroizing::new(body.password),
            delivery,
            client: call.client_info(body.device),
            replaces: credential::replaced(&call).await,
            device,
        })
        .await?;
    Ok(answer::granted(&call, StatusCode::CREATED, &granted))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    session_token: Option<String>,
}

impl Body for RefreshBody {
    const SHAPE: &'static str =
        r#"{"session_token": text}, or {} where the session cookie is sent"#;
}

/// `POST /session/refresh`.
pub(super) async fn refresh(call: Call) -> Result<HttpResponse, Error> {
    let body: RefreshBody = call.json_or_default()?;
    let retry_key = retry_key(&call)?;
    let in_body = body.session_token.as_deref();
    let (token, way_in) = credential::session_token(&call, in_body)?;
    let granted = call.service().refresh(token, way_in, retry_key).await?;
    Ok(answer::granted(&call, StatusCode::OK, &granted))
}

/// The `Idempotency-Key`: long enough that nobody guesses it.
fn retry_key(call: &Call) -> Result<Option<RetryKey>, Error> {
    let Some(key) = call.header("idempotency-key")? else {
        return Ok(None);
    };
    let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && (16..=128).contains(&key.len()) {
        Ok(Some(RetryKey::of(key)))
    } else {
        Err(Error::bad_request(
            "`Idempotency-Key` is 16 to 128 printable characters of ASCII.",
        ))
    }
}

/// `GET /session`.
pub(super) async fn show(call: Call) -> Result<HttpResponse, Error> {
    #[derive(Serialize)]
    struct Answer<'a> {
        session: SessionView,
        user: UserView<'a>,
        session_expires_at: Time,
        session_expires_in: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        csrf_token: Option<String>,
    }
    let caller = credential::session_caller(&call, Purpose::Any).await?;
    // In whole seconds, as the session token has it.
    let end = UnixMillis::from_secs(caller.session.expires_at.min(caller.session.ends_at).secs());
    Ok(HttpResponse::Ok().json(Answer {
        session: SessionView::new(caller.session_id, &caller.session),
        user: UserView {
            id: caller.user_id,
            username: &caller.user_name,
            roles: &caller.roles,
        },
        session_expires_at: Time(end),
        session_expires_in: seconds_until(end, caller.now),
        csrf_token: call
            .service()
            .csrf_token(&caller, credential::csrf_claim(&call)),
    }))
}

/// `DELETE /session`.
pub(super) async fn log_out(call: Call) -> Result<HttpResponse, Error> {
    let caller = credential::session_caller(&call, Purpose::End).await?;
    let ended = call
        .service()
        .end_own_session(&caller, EndReason::Logout)
        .await?;
    Ok(answer::ended(&call, &caller, &ended, Own::Ended).await)
}
