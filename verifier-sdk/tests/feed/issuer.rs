//! A small issuer on a real socket: it signs real pages and tokens, serves its keys, the stream,
//! introspection and the place for reports, and misbehaves when told to.

use crate::key_sets::{self, Answer};
use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, Form, Json, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use ed25519_dalek::SigningKey;
use futures::StreamExt as _;
use revocation_events::jwk::{Jwk, JwkSet, thumbprint};
use revocation_events::status::Status;
use revocation_events::{
    KeyId, Page, Position, Revocation, SessionId, Target, UnixMillis, UserId, jws,
};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, oneshot};
use uuid::Uuid;

pub(crate) const ISSUER: &str = "https://id.example.com";
const HEARTBEAT: Duration = Duration::from_millis(40);

pub(crate) struct Issuer {
    state: Data<State>,
    port: u16,
    server: Option<ServerHandle>,
}

/// Everything that survives a restart.
pub(crate) struct State {
    log: Mutex<Log>,
    live: broadcast::Sender<String>,
}

pub(crate) struct Log {
    /// Those in the key set.
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) signer: SigningKey,
    revoked: Vec<Revocation>,
    head: Position,
    pub(crate) floor: Position,
    /// At most this many pages come from `/revocations`.
    pub(crate) pages_at_once: usize,
    /// Added to the clock in pages.
    pub(crate) ahead: Duration,
    /// Taken from it.
    pub(crate) behind: Duration,
    /// Live pages and heartbeats are cut but not sent.
    pub(crate) silent: bool,
    /// Answered instead of the key set.
    pub(crate) jwks: Option<Answer>,
    /// Answered at `/revocations`.
    pub(crate) pages_code: u16,
    /// Nothing is, ever.
    pub(crate) pages_hang: bool,
    /// Answered at `/revocations/stream`.
    pub(crate) stream_code: u16,
    pub(crate) status_code: u16,
    pub(crate) active: bool,
    pub(crate) introspection_code: u16,
    pub(crate) jwks_reads: usize,
    /// When each stream was opened, and when pages were asked for.
    pub(crate) streams: Vec<Instant>,
    pub(crate) catch_ups: Vec<Instant>,
    pub(crate) introspected: Vec<String>,
    pub(crate) reports: Vec<Status>,
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn kid(key: &SigningKey) -> KeyId {
    thumbprint(&key.verifying_key())
}

pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn micros() -> Position {
    Position::new(u64::try_from(now().as_micros()).unwrap()).unwrap()
}

impl Log {
    pub(crate) fn cut(&self, from: Position) -> Vec<String> {
        let at = now() + self.ahead - self.behind;
        let at = UnixMillis::new(u64::try_from(at.as_millis()).unwrap());
        let revoked: Vec<_> = self
            .revoked
            .iter()
            .filter(|r| r.position > from)
            .cloned()
            .collect();
        Page::cut(ISSUER, at, (from, self.head), self.floor, &revoked)
            .iter()
            .map(|page| page.sign(&kid(&self.signer), &self.signer))
            .collect()
    }

    fn from(&self, query: &HashMap<String, String>) -> Position {
        let after: Option<Position> = query.get("after").map(|after| after.parse().unwrap());
        after.unwrap_or_default().clamp(self.floor, self.head)
    }

    pub(crate) fn jwks(&self) -> String {
        let keys = self
            .keys
            .iter()
            .map(|key| Jwk::new(&key.verifying_key()))
            .collect();
        serde_json::to_string(&JwkSet { keys }).unwrap()
    }
}

impl State {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn send(&self, log: &Log, pages: Vec<String>) {
        if !log.silent {
            for page in pages {
                // Without a stream there is nobody to send to.
                let _ = self.live.send(page);
            }
        }
    }
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let log = Log {
            keys: vec![key(1)],
            signer: key(1),
            revoked: Vec::new(),
            head: micros(),
            floor: Position::ZERO,
            pages_at_once: 64,
            ahead: Duration::ZERO,
            behind: Duration::ZERO,
            silent: false,
            jwks: None,
            pages_code: 200,
            pages_hang: false,
            stream_code: 200,
            status_code: 200,
            active: true,
            introspection_code: 200,
            jwks_reads: 0,
            streams: Vec::new(),
            catch_ups: Vec::new(),
            introspected: Vec::new(),
            reports: Vec::new(),
        };
        let state = Data::new(State {
            log: Mutex::new(log),
            live: broadcast::channel(1024).0,
        });
        let mut issuer = Self {
            state,
            port: tests::port::free(),
            server: None,
        };
        issuer.listen().await;
        issuer
    }

    /// Listens, on the same port each time.
    pub(crate) async fn listen(&mut self) {
        let (state, port) = (self.state.clone(), self.port);
        let (started, ready) = oneshot::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let beat = actix_web::rt::spawn(heartbeats(state.clone()));
                let server =
                    HttpServer::new(move || App::new().app_data(state.clone()).configure(routes))
                        .workers(1)
                        .disable_signals()
                        .bind(("127.0.0.1", port))
                        .unwrap();
                let server = server.run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
                beat.abort();
            });
        });
        self.server = Some(ready.await.unwrap());
    }

    /// Cuts every connection.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(false).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.state.log()
    }

    pub(crate) fn head(&self) -> Position {
        self.log().head
    }

    /// Commits a revocation and sends its page.
    pub(crate) fn revoke(&self, target: Target) -> Position {
        let mut log = self.log();
        let from = log.head;
        let position = micros().max(Position::new(from.get() + 1).unwrap());
        log.revoked.push(Revocation { position, target });
        log.head = position;
        let pages = log.cut(from);
        self.state.send(&log, pages);
        position
    }

    /// Sends something else than a page of its own.
    pub(crate) fn send(&self, text: &str) {
        let _ = self.state.live.send(text.to_owned());
    }

    /// The next page that is sent to everyone.
    pub(crate) async fn capture(&self) -> String {
        self.live().recv().await.unwrap()
    }

    /// Everything that is sent from here on, and how many streams get it too.
    pub(crate) fn live(&self) -> broadcast::Receiver<String> {
        self.state.live.subscribe()
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.state.live.receiver_count()
    }

    pub(crate) fn mint(&self) -> Minted {
        let log = self.log();
        Minted {
            key: log.signer.clone(),
            session: SessionId::new(Uuid::new_v4()),
            user: UserId::new(Uuid::new_v4()),
            position: log.head,
            expires_in: 800,
            roles: &["user"],
            csrf: None,
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // The command is sent when this is made, not when it is awaited.
            drop(server.stop(false));
        }
    }
}

/// What a token is made of.
#[derive(Clone)]
pub(crate) struct Minted {
    pub(crate) key: SigningKey,
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) position: Position,
    pub(crate) expires_in: i64,
    pub(crate) roles: &'static [&'static str],
    /// The claim, in a token that is delivered by cookie.
    pub(crate) csrf: Option<String>,
}

impl Minted {
    pub(crate) fn token(&self) -> String {
        let now = i64::try_from(now().as_secs()).unwrap();
        let mut claims = json!({
            "iss": ISSUER, "aud": "api", "sub": self.user, "sid": self.session,
            "client_id": "web", "jti": Uuid::new_v4().to_string(), "roles": self.roles,
            "iat": now - 60, "exp": now + self.expires_in, "auth_time": now - 60,
            "pos": self.position,
        });
        if let Some(csrf) = &self.csrf {
            claims["csrf"] = csrf.as_str().into();
        }
        jws::sign(
            "at+jwt",
            &kid(&self.key),
            claims.to_string().as_bytes(),
            &self.key,
        )
    }
}

async fn heartbeats(state: Data<State>) {
    let mut ticks = tokio::time::interval(HEARTBEAT);
    loop {
        ticks.tick().await;
        let log = state.log();
        let pages = log.cut(log.head);
        state.send(&log, pages);
    }
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/.well-known/jwks.json", web::get().to(key_sets::jwks))
        .route("/elsewhere", web::get().to(key_sets::elsewhere))
        .route("/revocations/stream", web::get().to(stream))
        .route("/revocations", web::get().to(pages))
        .route("/revocations/status", web::post().to(status))
        .route("/introspect", web::post().to(introspect));
}

/// `orders`, `secret`.
fn is_client(request: &HttpRequest) -> bool {
    let given = request.headers().get("authorization");
    given.is_some_and(|given| given == "Basic b3JkZXJzOnNlY3JldA==")
}

async fn stream(
    request: HttpRequest,
    state: Data<State>,
    query: Query<HashMap<String, String>>,
) -> HttpResponse {
    if !is_client(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let mut log = state.log();
    if log.stream_code != 200 {
        return HttpResponse::build(log.stream_code.try_into().unwrap()).finish();
    }
    log.streams.push(Instant::now());
    let from = log.from(&query);
    let live = state.live.subscribe();
    let missed = if log.silent {
        Vec::new()
    } else {
        log.cut(from)
    };
    let live = futures::stream::unfold(live, |mut live| async {
        live.recv().await.ok().map(|page| (page, live))
    });
    let pages = futures::stream::iter(missed).chain(live);
    let events =
        pages.map(|page| Ok::<_, actix_web::Error>(Bytes::from(format!("data: {page}\n\n"))));
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events)
}

async fn pages(
    request: HttpRequest,
    state: Data<State>,
    query: Query<HashMap<String, String>>,
) -> HttpResponse {
    if !is_client(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    if state.log().pages_hang {
        return std::future::pending().await;
    }
    let mut log = state.log();
    log.catch_ups.push(Instant::now());
    let pages: Vec<_> = log
        .cut(log.from(&query))
        .into_iter()
        .take(log.pages_at_once)
        .collect();
    HttpResponse::build(log.pages_code.try_into().unwrap()).json(pages)
}

async fn status(request: HttpRequest, state: Data<State>, report: Json<Status>) -> HttpResponse {
    if !is_client(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let mut log = state.log();
    assert!(report.is_valid());
    log.reports.push(report.into_inner());
    HttpResponse::build(log.status_code.try_into().unwrap()).finish()
}

async fn introspect(
    request: HttpRequest,
    state: Data<State>,
    form: Form<HashMap<String, String>>,
) -> HttpResponse {
    if !is_client(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    let mut log = state.log();
    log.introspected.push(form["token"].clone());
    let answer = json!({ "active": log.active, "sub": "x" });
    HttpResponse::build(log.introspection_code.try_into().unwrap()).json(answer)
}
