//! `/users` and `/password`.

use super::answer::{self, EndedView, Own, UserView};
use super::call::Call;
use super::credential;
use super::handler::{Created, Json, Reply};
use super::json::Body;
use super::problem::Error;
use super::schemas::example;
use super::throttle::Account;
use crate::audit;
use crate::session::Roles;
use schemars::JsonSchema;
use serde::Deserialize;

/// A user to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Register", example = example(include_str!("examples/register.json")))]
pub(super) struct RegisterBody {
    /// Letters, digits and marks, without spaces (RFC 8265, UsernameCaseMapped). Case does not count.
    #[schemars(length(min = 1, max = 64))]
    username: String,
    /// 15 characters or more, 256 bytes or less, and not soon guessed.
    #[schemars(length(min = 15, max = 256))]
    password: String,
}

impl Body for RegisterBody {
    const SHAPE: &'static str = r#"{"username": text, "password": text}"#;
}

/// `POST /users`: everyone's with `--open-registration`, else operators'.
pub(super) async fn register(
    call: Call,
    body: Json<RegisterBody>,
) -> Result<Created<UserView>, Error> {
    let by = if call.state.app.settings.open_registration {
        // A hash is a hash, whatever it is for.
        call.state.throttle.hash_for(call.address())?;
        None
    } else {
        Some(credential::admin(&call).await?.actor())
    };
    let body = body.read()?;
    let (id, username) = call
        .service()
        .register(&body.username, &body.password, Roles::default())
        .await?;
    if let Some(by) = by {
        audit::admin_acted(by, "POST /users", Some(id));
    }
    Ok(Reply::of(&UserView {
        id,
        username,
        roles: Vec::new(),
    }))
}

/// The password that is, and the one that is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangePassword", example = example(include_str!("examples/change-password.json")))]
pub(super) struct PasswordBody {
    /// The one that is.
    current: String,
    /// 15 characters or more, 256 bytes or less, and not soon guessed.
    #[schemars(length(min = 15, max = 256))]
    new: String,
}

impl Body for PasswordBody {
    const SHAPE: &'static str = r#"{"current": text, "new": text}"#;
}

/// `PUT /password`: ends all other sessions.
pub(super) async fn change_password(
    call: Call,
    body: Json<PasswordBody>,
) -> Result<Reply<EndedView>, Error> {
    let caller = credential::caller(&call).await?;
    let PasswordBody { current, new } = body.read()?;
    let (user, session) = (caller.user_id, caller.session_id);
    let throttle = &call.state.throttle;
    // As the count in the database: whoever stole a session uses up that session's tries alone.
    throttle.try_password(call.address(), Account::Session(session, user))?;
    let ended = call
        .service()
        .change_password(user, session, &current, &new)
        .await?;
    Ok(answer::ended(&call, &caller, &ended, Own::LivesOn).await)
}
