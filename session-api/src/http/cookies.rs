//! The cookies: three of a session, and one of the device. What each attribute is for:
//!
//! - `Secure` and the prefixes `__Host-`, `__Secure-`: nobody on an unencrypted connection can set or
//!   read them and, with `__Host-`, no page of a sister domain can set them
//!   (draft-ietf-httpbis-rfc6265bis, section 4.1.3); `__Http-` promises the same of scripts
//!   (draft-ietf-httpbis-layered-cookies).
//! - `SameSite`: not sent with what other sites make the browser ask for. The access cookie is
//!   `Lax`, so that a link from elsewhere shows the page to a user who is logged in.
//! - `Path` of the session cookie and of the device's: no microservice ever sees them.
//!
//! A log-out writes those of the session again with the same attributes and `Max-Age=0`, for a browser forgets
//! only what it is told by the same name and path. `Clear-Site-Data` would wipe the cookies of
//! sister domains as well.

use super::handler::Header;
use super::times::seconds_until;
use crate::service::Granted;
use crate::service::device::LIFETIME;
use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use verifier_sdk::request::ACCESS_COOKIE;

/// The cookie that holds the session token.
pub(super) const SESSION_COOKIE: &str = "__Secure-session";

/// The cookie from which a page reads the value for `X-CSRF-Token`. To the service it never stands in
/// for that header: what a browser can be made to send proves nothing about the page. It says whose
/// the session cookie beside it is.
pub(super) const CSRF_COOKIE: &str = "__Host-csrf";

/// The cookie by which a browser in which a user has logged in is known again; see
/// [`crate::service::device`].
pub(super) const DEVICE_COOKIE: &str = "__Secure-device";

pub(super) static SET: Header = Header {
    name: "Set-Cookie",
    about: "In a browser: `__Host-Http-access`, `__Secure-session` and `__Host-csrf`, as many of \
            them as are new or at their end; at a log-in `__Secure-device` too.",
    always: false,
};

/// Adds those of a session and, at a log-in, the device's.
pub(super) fn set_all(response: &mut HttpResponse, base_path: &str, granted: &Granted) {
    let session_lasts = session_lasts(granted);
    add_access(response, granted);
    add(
        response,
        &session(base_path, &granted.session_token.token, session_lasts),
    );
    if let Some(value) = &granted.csrf_token {
        add(response, &csrf(value, session_lasts));
    }
    if let Some(token) = &granted.device_token {
        add(response, &device(base_path, token));
    }
}

/// Adds those of a session that was kept: the access token's, and that of the value which goes with it.
pub(super) fn set_access(response: &mut HttpResponse, granted: &Granted) {
    add_access(response, granted);
    if let Some(value) = &granted.csrf_token {
        add(response, &csrf(value, session_lasts(granted)));
    }
}

fn add_access(response: &mut HttpResponse, granted: &Granted) {
    let lasts = seconds_until(granted.access.expires_at, granted.now);
    add(response, &access(&granted.access.token, lasts));
}

const fn session_lasts(granted: &Granted) -> u64 {
    seconds_until(granted.session_token.expires_at, granted.now)
}

/// Makes the browser forget those of the session. The device's is for the time after a log-out.
pub(super) fn expire_all(response: &mut HttpResponse, base_path: &str) {
    add(response, &access("", 0));
    add(response, &session(base_path, "", 0));
    add(response, &csrf("", 0));
}

fn access(token: &str, max_age: u64) -> String {
    format!("{ACCESS_COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={max_age}")
}

fn session(base_path: &str, token: &str, max_age: u64) -> String {
    format!(
        "{SESSION_COOKIE}={token}; Path={base_path}/session; Secure; HttpOnly; SameSite=Strict; \
         Max-Age={max_age}"
    )
}

fn csrf(value: &str, max_age: u64) -> String {
    format!("{CSRF_COOKIE}={value}; Path=/; Secure; SameSite=Strict; Max-Age={max_age}")
}

fn device(base_path: &str, token: &str) -> String {
    let max_age = LIFETIME.as_secs();
    format!(
        "{DEVICE_COOKIE}={token}; Path={base_path}/session; Secure; HttpOnly; SameSite=Strict; \
         Max-Age={max_age}"
    )
}

fn add(response: &mut HttpResponse, cookie: &str) {
    let value = HeaderValue::from_str(cookie)
        .unwrap_or_else(|_| unreachable!("tokens, a checked path and integers are ASCII"));
    response.headers_mut().append(SET_COOKIE, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_out_repeats_every_attribute() {
        let mut response = HttpResponse::Ok().finish();
        expire_all(&mut response, "/id");
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).collect();
        assert_eq!(
            cookies,
            [
                "__Host-Http-access=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
                "__Secure-session=; Path=/id/session; Secure; HttpOnly; SameSite=Strict; Max-Age=0",
                "__Host-csrf=; Path=/; Secure; SameSite=Strict; Max-Age=0",
            ]
        );
    }
}
