//! `POST /revoke` (RFC 7009) and `POST /introspect` (RFC 7662): forms, as their RFCs say.

use super::answer::{self, TokenRevocation};
use super::call::Call;
use super::credential;
use super::handler::{Form, Reply};
use super::problem::{Error, OAuthError};
use super::schemas::example;
use crate::service;
use crate::session::{EndReason, Roles};
use crate::token::Issuer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revocation_events::{Position, SessionId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use verifier_sdk::token::AccessToken;

/// A form has so many parameters at most, the RFCs' being two: each is compared with those before it.
const MAX_PARAMETERS: usize = 32;

/// The token that is meant. Other parameters are let pass (RFC 6749, section 3.2), but none twice,
/// and 32 in all.
#[derive(JsonSchema)]
#[schemars(extend("additionalProperties" = { "type": "string" }, "maxProperties" = MAX_PARAMETERS))]
#[schemars(example = example(r#"{ "token": "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiIuLi4ifQ.c2lnbmF0dXJl" }"#))]
pub(super) struct TokenForm {
    /// The token.
    #[schemars(length(min = 1))]
    #[expect(
        dead_code,
        reason = "for the document; a form is read by `token`, which sees what stands twice"
    )]
    token: String,
}

/// `POST /revoke`: a phone's log-out. The session token is the credential, in any generation: who
/// holds an old one may end the session too.
pub(super) async fn revoke(
    call: Call,
    form: Form<TokenForm>,
) -> Result<Reply<TokenRevocation>, Error> {
    let token = token(&form)?;
    let service = call.service();
    let session = match service.session_still_named_by(&token).await {
        Ok(session) => session,
        Err(error @ service::Error::Store(_)) => return Err(error.into()),
        Err(_) if service.read_access_token(&token).is_ok() => {
            return Err(Error::OAuth(OAuthError::UnsupportedTokenType));
        }
        Err(_) => return Ok(Reply::of(&TokenRevocation::NOTHING)),
    };
    match service.end_session(session, None, EndReason::Logout).await {
        Ok(ended) => Ok(answer::ended_by_token(&call, &ended).await),
        Err(service::Error::NotFound) => Ok(Reply::of(&TokenRevocation::NOTHING)),
        Err(error) => Err(error.into()),
    }
}

/// `POST /introspect`: whether an access token counts now, by the database. A session token is
/// never active: no one but this service takes it.
pub(super) async fn introspect(
    call: Call,
    form: Form<TokenForm>,
) -> Result<Reply<Introspection>, Error> {
    credential::client(&call).await?;
    let token = token(&form)?;
    let claims = active(&call, &token)
        .await?
        .map(|token| Claims::of(&token, &call.service().settings().issuer));
    Ok(Reply::of(&Introspection {
        active: claims.is_some(),
        claims,
    }))
}

/// Whether a token counts now and, where it does, what it says.
#[derive(Serialize, JsonSchema)]
#[schemars(example = example(include_str!("examples/introspection.json")))]
pub(super) struct Introspection {
    /// Whether it is a living access token of this issuer. Where it is not, nothing else is told.
    active: bool,
    #[serde(flatten)]
    claims: Option<Claims>,
}

#[derive(Serialize, JsonSchema)]
struct Claims {
    /// `Bearer`.
    token_type: &'static str,
    /// The issuer.
    iss: String,
    /// The audience: all services behind the gateway.
    aud: String,
    /// The user.
    sub: UserId,
    /// `web` or `app`, by how the tokens are delivered.
    client_id: &'static str,
    /// The session.
    sid: SessionId,
    /// The token's own name.
    jti: String,
    /// When it was made, in seconds since 1970.
    iat: u64,
    /// When it ends, in seconds since 1970.
    exp: u64,
    /// The head of the log of revocations when it was made.
    pos: Position,
    /// When the password was given, in seconds since 1970.
    auth_time: u64,
    /// The user's roles, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Roles")]
    roles: Vec<String>,
    /// The SHA-256 of the value of `X-CSRF-Token`, in base64url, where a cookie delivers the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    csrf: Option<String>,
}

impl Claims {
    fn of(token: &AccessToken, issuer: &Issuer) -> Self {
        Self {
            token_type: "Bearer",
            iss: issuer.issuer.clone(),
            aud: issuer.audience.clone(),
            sub: token.user_id(),
            client_id: token.client_id().as_str(),
            sid: token.session_id(),
            jti: token.jti().to_owned(),
            iat: token.issued_at().secs(),
            exp: token.expires_at().secs(),
            pos: token.position(),
            auth_time: token.auth_time().secs(),
            roles: token.roles().to_vec(),
            csrf: token.csrf().map(|hash| URL_SAFE_NO_PAD.encode(hash)),
        }
    }
}

async fn active(call: &Call, text: &str) -> Result<Option<AccessToken>, Error> {
    let Ok(token) = call.service().present_access_token(text) else {
        return Ok(None);
    };
    match call.service().caller_by_access_token(&token).await {
        Ok(_) => Ok(Some(token)),
        Err(service::Error::TokenInvalid) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The parameter `token`. Others are let pass (RFC 6749, section 3.2), `token_type_hint` among
/// them: what a token is, it says itself.
fn token(form: &Form<TokenForm>) -> Result<String, Error> {
    let mut names = Vec::new();
    let mut token = None;
    for (name, value) in form.parameters() {
        if names.len() == MAX_PARAMETERS || names.contains(&name) {
            return Err(Error::OAuth(OAuthError::InvalidRequest));
        }
        if name == "token" && !value.is_empty() {
            token = Some(value);
        }
        names.push(name);
    }
    token.ok_or(Error::OAuth(OAuthError::InvalidRequest))
}
