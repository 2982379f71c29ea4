//! `/session`: log in, who am I, refresh, log out.

use super::answer::{self, EndedView, GrantedView, Own, SessionView, UserView};
use super::call::Call;
use super::credential;
use super::handler::{Created, Json, JsonOrNothing, Reply};
use super::json::Body;
use super::parameter::Parameter;
use super::problem::Error;
use super::schemas::example;
use super::throttle::{Account, Write};
use super::times::{Time, seconds_until};
use crate::password::user_name;
use crate::service::access::Purpose;
use crate::service::login::Login;
use crate::session::{Delivery, EndReason, RetryKey};
use crate::token::SessionToken;
use revocation_events::UnixMillis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest name of a device, in characters.
const MAX_DEVICE: usize = 100;

/// Who logs in, and where the tokens are to go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "LogIn",
    example = example(include_str!("examples/log-in.json")),
    example = example(include_str!("examples/log-in-body.json"))
)]
pub(super) struct LoginBody {
    /// In upper or lower case.
    username: String,
    /// As it was set, however it is typed.
    password: String,
    /// `cookie` unless said. `body` is for apps, and refused where a browser asks.
    delivery: Option<Delivery>,
    /// By what the user knows the device again in a list of sessions: one line.
    #[schemars(regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,100}$"))]
    device: Option<String>,
    /// From the answer of an earlier log-in: what the device cookie is to a browser.
    device_token: Option<String>,
}

impl Body for LoginBody {
    const SHAPE: &'static str = r#"{"username": text, "password": text, "delivery"?: "cookie" or "body", "device"?: text, "device_token"?: text}"#;
}

/// `POST /session`.
pub(super) async fn log_in(
    call: Call,
    body: Json<LoginBody>,
) -> Result<Created<GrantedView>, Error> {
    let body = body.read()?;
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
    let tried = name.as_deref().unwrap_or(&body.username);
    let account = match device {
        Some(device) => Account::Device(device, tried),
        None => Account::Name(tried),
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
    Ok(answer::granted(&call, &granted))
}

/// The session token, unless a cookie holds it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Refresh", example = example(include_str!("examples/refresh.json")))]
pub(super) struct RefreshBody {
    /// The newest one, or for ten seconds the one before it.
    session_token: Option<String>,
}

impl Body for RefreshBody {
    const SHAPE: &'static str =
        r#"{"session_token": text}, or {} where the session cookie is sent"#;
}

/// `POST /session/refresh`.
pub(super) async fn refresh(
    call: Call,
    body: JsonOrNothing<RefreshBody>,
) -> Result<Reply<GrantedView>, Error> {
    let body = body.read()?;
    let retry_key = retry_key(&call)?;
    let in_body = body.session_token.as_deref();
    let (token, way_in) = credential::session_token(&call, in_body)?;
    hold_to_rate(&call, token).await?;
    let granted = call.service().refresh(token, way_in, retry_key).await?;
    Ok(answer::granted(&call, &granted))
}

/// Each refresh writes to the log. Only the newest token is held to a rate: whoever shows an older one
/// shows that there are two, and a thief who refreshes without end must not put that off.
async fn hold_to_rate(call: &Call, token: SessionToken) -> Result<(), Error> {
    let (service, throttle) = (call.service(), &call.state.throttle);
    if !throttle.is_on() {
        return Ok(());
    }
    match throttle.write(token.session, Write::Refresh) {
        Err(wait) if service.is_newest(token).await? => Err(Error::TooOften(wait)),
        _ => Ok(()),
    }
}

/// Long enough that nobody guesses it.
pub(super) const IDEMPOTENCY_KEY: Parameter<String> = Parameter::new(
    "Idempotency-Key",
    "A random value of 16 to 128 printable characters that the client keeps until the answer has \
     come. With it a refresh whose answer was lost can be repeated, for as long as its successor \
     was not used.",
)
.pattern("^[!-~][ -~]{14,126}[!-~]$");

fn retry_key(call: &Call) -> Result<Option<RetryKey>, Error> {
    let Some(key) = call.header(IDEMPOTENCY_KEY.name)? else {
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

/// Who the caller is.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example(include_str!("examples/who-am-i.json")))]
pub(super) struct WhoAmI {
    /// The caller's session.
    session: SessionView,
    /// The caller.
    user: UserView,
    /// When the session ends unless it is refreshed, by the service's clock.
    session_expires_at: Time,
    /// The same in seconds from now, for clients whose clock is wrong.
    session_expires_in: u64,
    /// With `cookie`: what `X-CSRF-Token` has to be, for as long as the session lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    csrf_token: Option<String>,
}

/// `GET /session`.
pub(super) async fn show(call: Call) -> Result<Reply<WhoAmI>, Error> {
    let caller = credential::session_caller(&call, Purpose::Any).await?;
    // In whole seconds, as the session token has it.
    let end = UnixMillis::from_secs(caller.session.expires_at.min(caller.session.ends_at).secs());
    Ok(Reply::of(&WhoAmI {
        session: SessionView::new(caller.session_id, &caller.session),
        session_expires_at: Time(end),
        session_expires_in: seconds_until(end, caller.now),
        csrf_token: call
            .service()
            .csrf_token(&caller, credential::csrf_claim(&call)),
        user: UserView {
            id: caller.user_id,
            username: caller.user_name,
            roles: caller.roles,
        },
    }))
}

/// `DELETE /session`.
pub(super) async fn log_out(call: Call) -> Result<Reply<EndedView>, Error> {
    let caller = credential::session_caller(&call, Purpose::End).await?;
    let ended = call
        .service()
        .end_own_session(&caller, EndReason::Logout)
        .await?;
    Ok(answer::ended(&call, &caller, &ended, Own::Ended).await)
}
