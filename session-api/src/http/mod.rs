//! The endpoints.
//!
//! | file | what |
//! | --- | --- |
//! | this one | [`run`] |
//! | [`table`] | every call: its path, its handler, what it is for |
//! | [`session`], [`sessions`], [`users`], [`admin`], [`revocations`], [`oauth`], [`ops`] | one family of calls each |
//! | [`pages`] | the account page, the operator's, the reference, and their files |
//! | [`document`], [`security`], [`schemas`] | what is said of all this in `/openapi.json` |
//! | [`credential`], [`csrf`], [`cookies`], [`cors`] | which credential counts, and what browsers need |
//! | [`throttle`], [`places`] | how much of the service one stranger may have |
//! | [`standing`] | whether clients that hold a stream still may |
//! | [`refusals`] | what an auditor reads |
//! | [`route`], [`endpoint`], [`handler`] | from a request to its handler, and what every answer carries |
//! | [`call`], [`parameter`], [`json`], [`address`], [`device`] | reading requests |
//! | [`answer`], [`problem`], [`kind`], [`times`], [`stream`] | writing answers |
//! | [`fence`] | answers that wait for the verifiers |
//! | [`watch`], [`watchers`] | browsers that wait for the end of their session |
//! | [`settings`], [`metrics`] | what an operator sets, and sees |
//!
//! To add a call: a handler in its family's file, and its row in [`table`]. What it shares with all the
//! others (404, 405, unknown parameters, bodies, origins, headers) is in [`route`] already. What it
//! takes and gives is described by the types of its handler; the tests hold every answer against that.

mod address;
mod admin;
mod answer;
mod call;
mod cookies;
mod cors;
mod credential;
mod csrf;
mod device;
mod document;
mod endpoint;
mod fence;
mod handler;
mod json;
mod kind;
mod metrics;
mod oauth;
mod ops;
mod pages;
mod parameter;
mod places;
mod problem;
mod refusals;
mod revocations;
mod route;
mod schemas;
mod security;
mod session;
mod sessions;
mod settings;
mod standing;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod throttle;
mod times;
mod users;
mod watch;
mod watchers;

pub(crate) use places::Caps;
pub(crate) use settings::HttpSettings;

use crate::events::Events;
use crate::relay::fleet::Fleet;
use crate::service::Service;
use actix_web::dev::Server;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpServer};
use document::Document;
use endpoint::Endpoint;
use pages::File;
use places::Places;
use refusals::Refusals;
use route::Endpoints;
use standing::Clients;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use table::{METRICS, endpoints, ops_calls};
use throttle::Throttle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use verifier_sdk::request::{InvalidOrigin, Origin, Origins};
use watchers::Watchers;

/// For so long a stop waits for the calls that were taken.
const SOFT_STOP: Duration = Duration::from_secs(10);

/// Longer than the idle connections of gateways live, so that it is they who close them and never
/// send a call into a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What the endpoints work with.
pub(crate) struct App {
    service: Service,
    fleet: Fleet,
    settings: HttpSettings,
    events: Events,
    /// For those who catch up.
    catching_up: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(service: Service, fleet: Fleet, settings: HttpSettings) -> Self {
        Self {
            service,
            fleet,
            settings,
            events: Events::default(),
            catching_up: Arc::new(Semaphore::new(revocations::AT_ONCE)),
        }
    }

    /// With what is known of the publishing of events.
    pub(crate) fn with_events(self, events: Events) -> Self {
        Self { events, ..self }
    }

    pub(crate) const fn service(&self) -> &Service {
        &self.service
    }
}

/// The app, and what follows from it.
struct State {
    app: App,
    /// The issuer's own, and those that the operator has named.
    origins: Origins,
    /// Whether browsers reach the service by https.
    https: bool,
    metrics: metrics::Metrics,
    /// For clients of `/revocations/stream`.
    streams: Places,
    clients: Arc<Clients>,
    throttle: Throttle,
    refusals: Refusals,
    watchers: Arc<Watchers>,
    /// Made when it is first asked for.
    document: OnceLock<File<Document>>,
    stopping: CancellationToken,
}

/// Why the endpoints did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("the issuer is not a URL with a host")]
    Issuer(#[from] InvalidOrigin),
    #[error("cannot listen on --ops-listen {0}; choose another address or port")]
    OpsListen(SocketAddr, #[source] io::Error),
    #[error("the listener does not work")]
    Listener(#[from] io::Error),
}

/// Answers requests on `listener`, and on `--ops-listen` those of operators' programs, until
/// `shutdown`. Then it takes no more, ends the streams, waits for the calls that it took, and after
/// ten seconds no longer.
pub(crate) async fn run(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let settings = &app.settings;
    let bind =
        |address| TcpListener::bind(address).map_err(|error| RunError::OpsListen(address, error));
    let ops = settings.ops_listen.map(bind).transpose()?;
    let issuer = &app.service.settings().issuer.issuer;
    let state = Arc::new(State {
        origins: Origins::new(
            vec![Origin::of_url(issuer)?],
            settings.allowed_origins.clone(),
        ),
        https: issuer.starts_with("https:"),
        metrics: metrics::Metrics::default(),
        streams: Places::new(settings.streams),
        clients: Arc::new(Clients::new()),
        throttle: Throttle::new(settings.throttle),
        refusals: Refusals::new(),
        watchers: Watchers::new(settings.max_session_streams),
        document: OnceLock::new(),
        stopping: CancellationToken::new(),
        app,
    });
    tokio::spawn(sweep(state.clone()));
    tokio::spawn(look_at_clients(state.clone()));
    let live = state.app.service.relay().live();
    let following = state.clone();
    tokio::spawn(async move {
        let follow = following.watchers.follow(live);
        following.stopping.run_until_cancelled(follow).await
    });
    let mut servers = vec![serve_on(listener, &state, public_endpoints)?];
    if let Some(ops) = ops {
        servers.push(serve_on(ops, &state, |_| ops_calls())?);
    }
    let handles: Vec<_> = servers.iter().map(Server::handle).collect();
    let mut serving = pin!(futures::future::try_join_all(servers));
    tokio::select! {
        ended = &mut serving => return Ok(ended.map(drop)?),
        () = shutdown => {}
    }
    state.stopping.cancel();
    let stopped = futures::future::join_all(handles.iter().map(|handle| handle.stop(true)));
    let (ended, _) = tokio::join!(serving, stopped);
    Ok(ended.map(drop)?)
}

/// Works until the stop.
async fn sweep(state: Arc<State>) {
    let mut tick = tokio::time::interval(throttle::SWEEP);
    let sweeping = async {
        loop {
            tick.tick().await;
            state.throttle.sweep();
        }
    };
    state.stopping.run_until_cancelled(sweeping).await;
}

/// Works until the stop.
async fn look_at_clients(state: Arc<State>) {
    let mut tick = tokio::time::interval(standing::LOOK);
    let looking = async {
        loop {
            tick.tick().await;
            let (clients, service) = (state.clients.clone(), state.app.service.clone());
            // In a task of its own, which no stop interrupts (see `crate::store`). A failure is told of
            // by whoever needs the database.
            let look = tokio::spawn(async move { clients.look(service.store()).await });
            let _away = look.await;
        }
    };
    state.stopping.run_until_cancelled(looking).await;
}

/// What `--listen` answers.
fn public_endpoints(state: &State) -> Vec<Endpoint> {
    let ops_only =
        |endpoint: &Endpoint| endpoint.path == METRICS && state.app.settings.ops_listen.is_some();
    endpoints()
        .into_iter()
        .filter(|endpoint| !ops_only(endpoint))
        .collect()
}

fn serve_on(
    listener: TcpListener,
    state: &Arc<State>,
    endpoints: fn(&State) -> Vec<Endpoint>,
) -> io::Result<Server> {
    let state = state.clone();
    let app = move || {
        let state = state.clone();
        actix_web::App::new().configure(move |config| add_routes(config, &state, endpoints(&state)))
    };
    let server = HttpServer::new(app)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SOFT_STOP.as_secs())
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// One resource for each path, and "not found" for all others: `/session/` and `//session` too.
fn add_routes(config: &mut ServiceConfig, state: &Arc<State>, endpoints: Vec<Endpoint>) {
    let mut paths: BTreeMap<&str, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        paths.entry(endpoint.path).or_default().push(endpoint);
    }
    let route = |endpoints: Endpoints| {
        let state = state.clone();
        web::to(move |request: HttpRequest, payload: web::Payload| {
            route::serve(state.clone(), endpoints.clone(), request, payload)
        })
    };
    for (path, endpoints) in paths {
        let path = format!("{}{path}", state.app.settings.base_path);
        config.service(web::resource(path).route(route(endpoints.into())));
    }
    config.default_service(route(Endpoints::default()));
}
