//! What an issuer answers in the place of its key set.

use crate::issuer::State;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PIECE: usize = 64 * 1024;

#[derive(Clone)]
pub(crate) enum Answer {
    /// A status and a body. The body stands behind the redirect as well, with 200.
    Text(u16, String),
    /// A hundred megabytes; how many of them went out.
    Huge(Arc<AtomicUsize>),
    /// A space now and then, for ever.
    Drip,
}

impl Answer {
    fn response(self) -> HttpResponse {
        match self {
            Self::Text(code, body) => HttpResponse::build(code.try_into().unwrap())
                .insert_header(("location", "/elsewhere"))
                .body(body),
            Self::Huge(sent) => {
                let pieces = futures::stream::iter(0..100_000_000 / PIECE).map(move |_| {
                    sent.fetch_add(PIECE, Ordering::Relaxed);
                    Ok::<_, actix_web::Error>(Bytes::from(vec![b' '; PIECE]))
                });
                HttpResponse::Ok().streaming(pieces)
            }
            Self::Drip => {
                let ticks = tokio::time::interval(Duration::from_millis(100));
                let drops = futures::stream::unfold(ticks, |mut ticks| async {
                    ticks.tick().await;
                    Some((Ok::<_, actix_web::Error>(Bytes::from(" ")), ticks))
                });
                HttpResponse::Ok().streaming(drops)
            }
        }
    }
}

/// `GET /.well-known/jwks.json`.
pub(crate) async fn jwks(request: HttpRequest, state: Data<State>) -> HttpResponse {
    assert_eq!(request.headers().get("cache-control").unwrap(), "no-cache");
    let mut log = state.log();
    log.jwks_reads += 1;
    let answer = log.jwks.clone();
    answer
        .unwrap_or_else(|| Answer::Text(200, log.jwks()))
        .response()
}

/// Where a redirect goes.
pub(crate) async fn elsewhere(state: Data<State>) -> HttpResponse {
    match &state.log().jwks {
        Some(Answer::Text(_, body)) => HttpResponse::Ok().body(body.clone()),
        _ => HttpResponse::NotFound().finish(),
    }
}
