//! A layer for tower services: axum, hyper.
//!
//! ```no_run
//! use axum::{Extension, Router, routing::get};
//! use verifier_sdk::{Session, Verifier, tower::Protect};
//!
//! async fn orders(Extension(session): Extension<Session>) -> String {
//!     format!("the orders of {}", session.user_id())
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder("https://id.example.com", "api").start().await?;
//! let app: Router = Router::new()
//!     .route("/orders", get(orders))
//!     .layer(Protect::new(verifier));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The session is in the request's extensions. On a route without the layer it is not, and axum's
//! `Extension` answers 500.

pub use crate::protect::Protect;

use crate::error::Error;
use crate::problem::Problem;
use crate::protect::NO_STORE;
use crate::request::Headers;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

impl Headers for HeaderMap {
    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

impl<B: From<String>> From<&Problem> for Response<B> {
    fn from(problem: &Problem) -> Self {
        let mut answer = Self::new(problem.body().into());
        *answer.status_mut() =
            StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in problem.headers() {
            // A challenge that somebody else wrote may not be fit for a header; the rest is.
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }
}

impl<S> Layer<S> for Protect {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Protected {
            inner,
            protect: Arc::new(self.clone()),
        }
    }
}

/// A service behind [`Protect`].
#[derive(Clone)]
pub struct Protected<S> {
    inner: S,
    protect: Arc<Protect>,
}

impl<S, A, B> Service<Request<A>> for Protected<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    A: Send + 'static,
    B: From<String>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let protect = Arc::clone(&self.protect);
        // The service that `poll_ready` spoke of answers this request; its copy is ready for none.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match protect.admit(parts.method.as_str(), &parts.headers).await {
                Ok(session) => {
                    parts.extensions.insert(session);
                    let mut response = inner.call(Request::from_parts(parts, body)).await?;
                    let caching = response.headers_mut().entry(CACHE_CONTROL);
                    caching.or_insert(HeaderValue::from_static(NO_STORE));
                    Ok(response)
                }
                Err(error) => Ok(refuse(&error)),
            }
        })
    }
}

fn refuse<B: From<String>>(error: &Error) -> Response<B> {
    (&Problem::from(error)).into()
}
