//! Middleware and extractor for actix-web 4.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use verifier_sdk::{Session, Verifier, actix::Protect};
//!
//! async fn orders(session: Session) -> String {
//!     format!("the orders of {}", session.user_id())
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder("https://id.example.com", "api").start().await?;
//! HttpServer::new(move || {
//!     App::new()
//!         .wrap(Protect::new(verifier.clone()))
//!         .route("/orders", web::get().to(orders))
//! })
//! .bind(("127.0.0.1", 8000))?
//! .run()
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Error`] is an actix `ResponseError`, so a handler that calls the verifier itself can say `?`.

pub use crate::protect::Protect;

use crate::Session;
use crate::error::Error;
use crate::problem::Problem;
use crate::protect::{Admission, NO_STORE};
use crate::request::Headers;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use futures::TryFutureExt as _;
use futures::future::{Either, LocalBoxFuture, MapOk};
use std::future::{Ready, ready};
use std::rc::Rc;

impl Headers for HeaderMap {
    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        // What every request is asked for by its name as a constant: a text is read letter by letter.
        let values = match name {
            "authorization" => self.get_all(AUTHORIZATION),
            "cookie" => self.get_all(COOKIE),
            name => self.get_all(name),
        };
        values.map(HeaderValue::as_bytes)
    }
}

impl From<&Problem> for HttpResponse {
    fn from(problem: &Problem) -> Self {
        let status = StatusCode::from_u16(problem.status());
        let mut answer = Self::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        for (name, value) in problem.headers() {
            answer.insert_header((name, value.as_ref()));
        }
        answer.body(problem.body())
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        (&Problem::from(self)).into()
    }
}

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Transform = Protected<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Protected {
            inner: Rc::new(inner),
            protect: Rc::new(self.clone()),
        }))
    }
}

/// A service behind [`Protect`].
pub struct Protected<S> {
    inner: Rc<S>,
    protect: Rc<Protect>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = actix_web::Error;
    type Future = Protecting<S::Future, B>;

    forward_ready!(inner);

    /// A block on the heap is made only for a request that has to wait.
    fn call(&self, request: ServiceRequest) -> Self::Future {
        let method = request.method().as_str();
        match self.protect.admit_at_once(method, request.headers()) {
            Admission::Decided(Ok(session)) => Either::Left(serve(&*self.inner, request, session)),
            Admission::Decided(Err(error)) => {
                Either::Right(Either::Left(ready(Ok(refuse(request, &error)))))
            }
            Admission::Ask(stale) => {
                let (inner, protect) = (Rc::clone(&self.inner), Rc::clone(&self.protect));
                Either::Right(Either::Right(Box::pin(async move {
                    let method = request.method().as_str();
                    match protect.ask(method, request.headers(), stale).await {
                        Ok(session) => serve(&*inner, request, session).await,
                        Err(error) => Ok(refuse(request, &error)),
                    }
                })))
            }
        }
    }
}

/// The way of a request that was admitted at once, or was refused, or of one that the session service
/// is asked about.
type Protecting<F, B> =
    Either<Served<F, B>, Either<Ready<Answer>, LocalBoxFuture<'static, Answer>>>;
type Served<F, B> = MapOk<F, fn(ServiceResponse<B>) -> ServiceResponse>;
type Answer = Result<ServiceResponse, actix_web::Error>;

fn serve<S, B>(inner: &S, request: ServiceRequest, session: Session) -> Served<S::Future, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    request.extensions_mut().insert(session);
    inner.call(request).map_ok(uncached)
}

/// An answer that nobody keeps, unless its handler said something else.
fn uncached<B: MessageBody + 'static>(mut response: ServiceResponse<B>) -> ServiceResponse {
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(NO_STORE));
    }
    // A handler's body that is boxed already stays as it is; within another type it would be boxed again.
    response.map_into_boxed_body()
}

/// An answer, not an `Err`: the middleware around this one (CORS, logs) must see it.
fn refuse(request: ServiceRequest, error: &Error) -> ServiceResponse {
    request.into_response(error.error_response())
}

/// The session that [`Protect`] admitted. On a route without it every request is answered 500: the
/// handler would otherwise run for a stranger.
impl FromRequest for Session {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request.extensions().get::<Self>().cloned();
        ready(session.ok_or_else(|| {
            tracing::error!(
                route = request.match_pattern(),
                "a handler takes a Session, but nothing protects its route: wrap it in Protect"
            );
            let problem = Problem::new("internal", 500, "The service is set up wrongly.");
            actix_web::error::InternalError::from_response(
                "a route without Protect",
                HttpResponse::from(&problem),
            )
            .into()
        }))
    }
}
