//! `POST /revoke` (RFC 7009) and `POST /introspect` (RFC 7662): forms, as their RFCs say.

use super::call::Call;
use super::problem::{Error, OAuthError};
use super::{answer, credential};
use crate::service;
use crate::session::EndReason;
use actix_web::HttpResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use revocation_events::{Position, SessionId, UserId};
use serde::Serialize;
use serde_json::json;
use verifier_sdk::token::AccessToken;

/// `POST /revoke`: a phone's log-out. The session token is the credential, in any generation: who
/// holds an old one may end the session too.
pub(super) async fn revoke(call: Call) -> Result<HttpResponse, Error> {
    let token = token(&call)?;
    let service = call.service();
    let Ok(session) = service.session_named_by(&token) else {
        if service.read_access_token(&token).is_ok() {
            return Err(Error::OAuth(OAuthError::UnsupportedTokenType));
        }
        return Ok(nothing_revoked());
    };
    match service.end_session(session, None, EndReason::Logout).await {
        Ok(ended) => Ok(answer::ended_by_token(&call, &ended).await),
        Err(service::Error::NotFound) => Ok(nothing_revoked()),
        Err(error) => Err(error.into()),
    }
}

/// RFC 7009, section 2.2: a token that is not known is as good as revoked.
fn nothing_revoked() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "revoked": 0, "position": null, "published": true }))
}

/// `POST /introspect`: whether an access token counts now, by the database. A session token is
/// never active: no one but this service takes it.
pub(super) async fn introspect(call: Call) -> Result<HttpResponse, Error> {
    #[derive(Serialize)]
    struct Active<'a> {
        active: bool,
        token_type: &'static str,
        iss: &'a str,
        aud: &'a str,
        sub: UserId,
        client_id: &'a str,
        sid: SessionId,
        jti: &'a str,
        iat: u64,
        exp: u64,
        pos: Position,
        auth_time: u64,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        roles: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        csrf: Option<String>,
    }
    credential::client(&call).await?;
    let token = token(&call)?;
    let service = call.service();
    let Some(token) = active(&call, &token).await? else {
        return Ok(HttpResponse::Ok().json(json!({ "active": false })));
    };
    let issuer = &service.settings().issuer;
    Ok(HttpResponse::Ok().json(Active {
        active: true,
        token_type: "Bearer",
        iss: &issuer.issuer,
        aud: &issuer.audience,
        sub: token.user_id(),
        client_id: token.client_id().as_str(),
        sid: token.session_id(),
        jti: token.jti(),
        iat: token.issued_at().secs(),
        exp: token.expires_at().secs(),
        pos: token.position(),
        auth_time: token.auth_time().secs(),
        roles: token.roles(),
        csrf: token.csrf().map(|hash| URL_SAFE_NO_PAD.encode(hash)),
    }))
}

async fn active(call: &Call, text: &str) -> Result<Option<AccessToken>, Error> {
    let Ok(token) = call.service().read_access_token(text) else {
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
fn token(call: &Call) -> Result<String, Error> {
    let mut names = Vec::new();
    let mut token = None;
    for (name, value) in call.form() {
        if names.contains(&name) {
            return Err(Error::OAuth(OAuthError::InvalidRequest));
        }
        if name == "token" && !value.is_empty() {
            token = Some(value);
        }
        names.push(name);
    }
    token.ok_or(Error::OAuth(OAuthError::InvalidRequest))
}
