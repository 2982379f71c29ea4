//! The routes.

use crate::metrics;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Resource, guard};
use revocation_events::subject;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use verifier_sdk::problem::Problem;
use verifier_sdk::request::Headers as _;
use verifier_sdk::{Error, Freshness, OnStale, Protect, Session, Verifier};

/// Which method a cookie's call is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MethodFrom {
    /// X-Original-Method or X-Forwarded-Method, which nginx and Traefik can send
    Header,
    /// The method of the request to the gate, which Envoy keeps
    Request,
}

/// What the routes share.
pub(crate) struct Gate {
    verifier: Verifier,
    protect: Protect,
    on_stale: OnStale,
    method_from: MethodFrom,
}

impl Gate {
    pub(crate) fn new(verifier: Verifier, on_stale: OnStale, method_from: MethodFrom) -> Self {
        Self {
            protect: Protect::new(verifier.clone()),
            verifier,
            on_stale,
            method_from,
        }
    }
}

/// Longer than nginx keeps its side of an idle connection (60 s): the side that opens connections
/// must be the one that closes them, or a request meets a closing one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

const PROBLEM: HeaderName = HeaderName::from_static("x-problem");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long requests in progress may go on after the signal to stop. Idle connections last as long.
const SHUTDOWN_SECONDS: u64 = 2;

/// Serves until `shutdown`, lets requests in progress end, then takes the verifier's leave.
pub(crate) async fn run(
    listen: SocketAddr,
    gate: Gate,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let verifier = gate.verifier.clone();
    let gate = Data::new(gate);
    let server = HttpServer::new(move || {
        App::new()
            .wrap(no_page())
            .app_data(Data::clone(&gate))
            .configure(routes)
    });
    let server = server
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals()
        .bind(listen)
        .map_err(|error| {
            let remedy = "choose another address or port";
            io::Error::new(
                error.kind(),
                format!("--listen {listen}: {error}; {remedy}"),
            )
        })?;
    for address in server.addrs() {
        tracing::info!("listening on http://{address}");
    }
    let server = server.run();
    let handle = server.handle();
    let server = tokio::spawn(server);
    shutdown.await;
    tracing::info!("stopping");
    handle.stop(true).await;
    let served = server.await.map_err(io::Error::other);
    verifier.shutdown().await;
    served?
}

/// Some gateways pass an answer on to the browser.
fn no_page() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((CACHE_CONTROL, "no-store"))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
}

fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource(["/verify", "/verify/{rest:.*}"]).to(verify))
        .service(read_only("/readyz", web::to(ready)))
        .service(read_only("/metrics", web::to(figures)))
        .service(read_only("/healthz", web::to(HttpResponse::Ok)))
        .default_service(web::to(not_found));
}

fn read_only(path: &str, route: actix_web::Route) -> Resource {
    let reads = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(route.guard(reads))
        .default_service(web::to(wrong_method))
}

async fn verify(gate: Data<Gate>, request: HttpRequest) -> HttpResponse {
    let judged = match method(gate.method_from, &request) {
        Ok(method) => gate.protect.admit(method, request.headers()).await,
        Err(error) => Err(error),
    };
    let id = request_id(request.headers());
    let mut answer = match judged {
        Ok(session) => admitted(&session),
        Err(error) => {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            let id = id.map(|(id, _)| id);
            tracing::debug!(id, reason, "refused: {error}");
            refused(&error)
        }
    };
    if let Some((_, value)) = id {
        answer.headers_mut().insert(REQUEST_ID, value.clone());
    }
    answer
}

/// How the gateway calls the request in its own log, where that can stand in a line.
fn request_id(headers: &HeaderMap) -> Option<(&str, &HeaderValue)> {
    let value = headers.get(REQUEST_ID)?;
    let id = value.to_str().ok().filter(|id| subject::is_token(id))?;
    Some((id, value))
}

/// The problem stands in a header as well: nginx drops the body of what `auth_request` has asked for,
/// and can answer in the gate's words all the same. To ask a second time might bring another verdict.
fn refused(error: &Error) -> HttpResponse {
    let problem = Problem::from(error);
    let mut answer: HttpResponse = (&problem).into();
    if let Ok(body) = HeaderValue::from_str(&problem.body()) {
        answer.headers_mut().insert(PROBLEM, body);
    }
    answer
}

fn admitted(session: &Session) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("X-User-Id", session.user_id().to_string()))
        .insert_header(("X-Session-Id", session.session_id().to_string()))
        // There even where it is empty, so that a gateway overwrites what the caller sent.
        .insert_header(("X-Roles", session.roles().join(",")))
        .finish()
}

/// The method of the caller's request; empty, which is no safe one, where nobody says it.
fn method(from: MethodFrom, request: &HttpRequest) -> Result<&str, Error> {
    match from {
        MethodFrom::Request => Ok(request.method().as_str()),
        MethodFrom::Header => original_method(request.headers()),
    }
}

/// A gateway overwrites one of the two headers; the other may be the caller's own. So both must
/// agree, and each may stand there once.
fn original_method(headers: &HeaderMap) -> Result<&str, Error> {
    let mut said = None;
    for name in ["x-original-method", "x-forwarded-method"] {
        for (nth, value) in headers.all(name).enumerate() {
            if nth > 0 || said.is_some_and(|said| said != value) {
                return Err(Error::Csrf);
            }
            said = Some(value);
        }
    }
    Ok(said.map_or("", |said| std::str::from_utf8(said).unwrap_or_default()))
}

/// The state in words and figures; 200 while tokens can be judged.
async fn ready(gate: Data<Gate>) -> HttpResponse {
    let status = gate.verifier.status();
    let (ready, freshness) = match status.freshness {
        Freshness::Starting => (false, "starting"),
        Freshness::CatchingUp => (gate.on_stale != OnStale::Refuse, "catching-up"),
        Freshness::Stale => (gate.on_stale != OnStale::Refuse, "stale"),
        Freshness::Fresh => (true, "fresh"),
    };
    let mut answer = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    answer.json(serde_json::json!({
        "ready": ready,
        "freshness": freshness,
        "reason": status.reason,
        "age_ms": status.age.map(|age| age.as_millis()),
        "head": status.head,
        "floor": status.floor,
        "cutoffs": status.cutoffs,
        "counts": status.counts,
    }))
}

async fn figures(gate: Data<Gate>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .body(metrics::text(&gate.verifier.status()))
}

async fn not_found() -> HttpResponse {
    (&Problem::new("not-found", 404, "There is nothing here.")).into()
}

async fn wrong_method() -> HttpResponse {
    let mut answer: HttpResponse = (&Problem::new("method", 405, "Only GET and HEAD.")).into();
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}
