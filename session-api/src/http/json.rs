//! Bodies, read strictly.

use super::problem::Error;
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::time::Duration;

/// The longest body, in bytes.
pub(super) const MAX_LEN: usize = 16 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// No body.
    Nothing,
    /// `application/json`.
    Json,
    /// The same, or no body.
    JsonOrNothing,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// The body of a call.
pub(super) trait Body: DeserializeOwned + JsonSchema + 'static {
    /// What it looks like, for whoever got it wrong.
    const SHAPE: &'static str;
}

/// Reads a body of [`MAX_LEN`] at most, of the type that is wanted.
pub(super) async fn read(
    takes: Takes,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Bytes, Error> {
    check_type(takes, request)?;
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_LEN as u64) {
        return Err(Error::TooLarge);
    }
    // What follows a request to speak WebSocket, which nobody here does, is no body, and has no end.
    let body = if has_body(request) {
        collect(payload, PATIENCE).await?
    } else {
        Bytes::new()
    };
    match (takes, body.is_empty()) {
        (Takes::Nothing, false) => Err(Error::bad_request("This call takes no body.")),
        (Takes::Json, true) => Err(Error::bad_request("This call needs a body.")),
        _ => Ok(body),
    }
}

async fn collect(
    pieces: impl Stream<Item = Result<Bytes, PayloadError>>,
    patience: Duration,
) -> Result<Bytes, Error> {
    tokio::time::timeout(patience, collect_all(pieces))
        .await
        .map_err(|_| Error::bad_request("The body did not arrive in time."))?
}

async fn collect_all(
    pieces: impl Stream<Item = Result<Bytes, PayloadError>>,
) -> Result<Bytes, Error> {
    let mut pieces = pin!(pieces);
    let mut body = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|_| Error::bad_request("The body did not arrive as announced."))?;
        if body.len() + piece.len() > MAX_LEN {
            return Err(Error::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Whether the body says that it is what the call takes. A page of another site can send a form or
/// plain text without asking; JSON it cannot.
fn check_type(takes: Takes, request: &HttpRequest) -> Result<(), Error> {
    let wanted = match takes {
        Takes::Nothing | Takes::Json | Takes::JsonOrNothing => "application/json",
        Takes::Form => "application/x-www-form-urlencoded",
    };
    let refused = Err(Error::MediaType(wanted));
    let mut encodings = request.headers().get_all(CONTENT_ENCODING);
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return refused;
    }
    let mut types = request.headers().get_all(CONTENT_TYPE);
    match (types.next(), types.next()) {
        // The type of a body that there should not be means nothing on a safe call.
        _ if takes == Takes::Nothing && request.method().is_safe() => Ok(()),
        (Some(only), None) => {
            let essence = only
                .as_bytes()
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            if essence.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()) {
                Ok(())
            } else {
                refused
            }
        }
        (None, _) if has_body(request) && takes != Takes::Nothing => refused,
        (None, _) => Ok(()),
        (Some(_), Some(_)) => refused,
    }
}

fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key("transfer-encoding")
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0")
}

/// Parses a body. `T` refuses members that it does not know; members that stand twice are refused
/// by `serde`.
pub(super) fn parse<T: Body>(body: &[u8]) -> Result<T, Error> {
    // The parser's own words would repeat what was sent, a password perhaps.
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            Error::bad_request(format!("The body is to be {}, each member once.", T::SHAPE))
        } else {
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::bad_request(format!("The body is not JSON: see {place}."))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    /// Or who sends a byte now and then would hold a connection for as long as they like.
    #[tokio::test]
    async fn a_body_that_does_not_end_is_given_up() {
        let drop_by_drop = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(Bytes::from_static(b" ")), ()))
        });
        let given_up = collect(drop_by_drop, Duration::from_millis(50));
        let given_up = tokio::time::timeout(PATIENCE, given_up).await;
        let given_up = given_up.expect("it does not wait for the end");
        assert!(
            matches!(given_up, Err(Error::BadRequest(_))),
            "{given_up:?}"
        );
        let whole = stream::iter([Ok(Bytes::from_static(b"{")), Ok(Bytes::from_static(b"}"))]);
        assert_eq!(collect(whole, PATIENCE).await.unwrap(), "{}");
    }
}
