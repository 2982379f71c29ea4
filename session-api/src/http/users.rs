//! `/users` and `/password`.

use super::answer::{self, Own, UserView};
use super::call::Call;
use super::credential;
use super::json::Body;
use super::problem::Error;
use super::throttle::Account;
use crate::audit;
use crate::session::Roles;
use actix_web::HttpResponse;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    username: String,
    password: String,
}

impl Body for RegisterBody {
    const SHAPE: &'static str = r#"{"username": text, "password": text}"#;
}

/// `POST /users`: everyone's with `--open-registration`, else operators'.
pub(super) async fn register(call: Call) -> Result<HttpResponse, Error> {
    let by = if call.state.app.settings.open_registration {
        // A hash is a hash, whatever it is for.
        call.state.throttle.hash_for(call.address())?;
        None
    } else {
        Some(credential::admin(&call).await?.actor())
    };
    let body: RegisterBody = call.json()?;
    let (id, username) = call
        .service()
        .register(&body.username, &body.password, Roles::default())
        .await?;
    if let Some(by) = by {
        audit::admin_acted(by, "POST /users", Some(id));
    }
    Ok(HttpResponse::Created().json(UserView {
        id,
        username: &username,
        roles: &[],
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    current: String,
    new: String,
}

impl Body for PasswordBody {
    const SHAPE: &'static str = r#"{"current": text, "new": text}"#;
}

/// `PUT /password`: ends all other sessions.
pub(super) async fn change_password(call: Call) -> Result<HttpResponse, Error> {
    let caller = credential::caller(&call).await?;
    let PasswordBody { current, new } = call.json()?;
    let (user, session) = (caller.user_id, caller.session_id);
    let throttle = &call.state.throttle;
    throttle.try_password(call.address(), Account::User(user))?;
    let ended = call
        .service()
        .change_password(user, session, &current, &new)
        .await?;
    Ok(answer::ended(&call, &caller, &ended, Own::LivesOn).await)
}
