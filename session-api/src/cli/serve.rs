//! `serve`: its settings.

use super::bus::Nats;
use super::events::EventArgs;
use super::settings::{self, Database, Issuer, KeyEncryption};
use super::{Failure, Outcome, running};
use clap::builder::NonEmptyStringValueParser;
use ipnet::IpNet;
use revocation_events::nats::Replicas;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use verifier_sdk::request::Origin;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "SESSION_API_LISTEN",
        default_value = "127.0.0.1:8080",
        value_parser = settings::address,
        value_name = "ADDR"
    )]
    listen: SocketAddr,

    #[command(flatten)]
    database: Database,

    #[command(flatten)]
    keys: KeyEncryption,

    #[command(flatten)]
    service: ServiceArgs,

    #[command(flatten)]
    bus: BusArgs,
}

/// What the service promises and to whom.
#[derive(Debug, clap::Args)]
pub(super) struct ServiceArgs {
    /// The URL that names this service in every token; https, or http on loopback.
    #[arg(long, env = "SESSION_API_ISSUER", value_name = "URL")]
    pub(super) issuer: Issuer,

    /// The `aud` of access tokens: one name for all services behind the gateway.
    #[arg(
        long,
        env = "SESSION_API_AUDIENCE",
        default_value = "api",
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(super) audience: String,

    /// How long an access token lives: 1s to 1d, and never past its session's end. Verifiers must be
    /// told where it is more than 15m (`--max-lifetime` of verifier-gate).
    #[arg(long, env = "SESSION_API_ACCESS_TTL", default_value = "15m", value_parser = settings::access_ttl, value_name = "DURATION")]
    pub(super) access_ttl: Duration,

    /// How long a session lives after its last refresh, and never past --session-max-age.
    #[arg(long, env = "SESSION_API_SESSION_TTL", default_value = "7d", value_parser = settings::session_life, value_name = "DURATION")]
    pub(super) session_ttl: Duration,

    /// How long after its log-in a session ends, however often it was refreshed.
    #[arg(long, env = "SESSION_API_SESSION_MAX_AGE", default_value = "30d", value_parser = settings::session_life, value_name = "DURATION")]
    pub(super) session_max_age: Duration,

    /// The oldest sessions of a user beyond this number end at login; 0 for no limit.
    #[arg(
        long,
        env = "SESSION_API_MAX_SESSIONS_PER_USER",
        default_value_t = 0,
        value_parser = settings::sessions,
        value_name = "N"
    )]
    pub(super) max_sessions_per_user: u32,

    /// Another origin whose pages may call this service with cookies; may be given again, or several
    /// with commas between.
    #[arg(
        long,
        env = "SESSION_API_ALLOWED_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub(super) allowed_origin: Vec<Origin>,

    /// An address or network whose X-Forwarded-For is believed; may be given again, or several with
    /// commas between. Everybody in such a network can say to come from any address, and so try
    /// passwords without a rate: name the proxies alone, and never a network that clients share.
    #[arg(long, env = "SESSION_API_TRUSTED_PROXY", value_delimiter = ',', value_parser = network, value_name = "NET")]
    pub(super) trusted_proxy: Vec<IpNet>,

    /// Let anyone register with `POST /users`.
    #[arg(long, env = "SESSION_API_OPEN_REGISTRATION")]
    pub(super) open_registration: bool,

    /// Prefixes all routes and cookie paths, as in /auth.
    #[arg(long, env = "SESSION_API_BASE_PATH", default_value = "", value_parser = settings::base_path, hide_default_value = true, value_name = "PATH")]
    pub(super) base_path: String,

    /// Serve /metrics here and no longer on --listen; /healthz and /readyz then answer on both.
    #[arg(long, env = "SESSION_API_OPS_LISTEN", value_parser = settings::address, value_name = "ADDR")]
    pub(super) ops_listen: Option<SocketAddr>,

    /// Serve the feed (/revocations*) without a client credential. Pages hold random ids only.
    #[arg(long, env = "SESSION_API_OPEN_FEED")]
    pub(super) open_feed: bool,

    /// How many clients may hold the server-sent event stream at once.
    #[arg(
        long,
        env = "SESSION_API_MAX_STREAMS",
        default_value_t = 1_000,
        value_parser = settings::streams,
        value_name = "N"
    )]
    pub(super) max_streams: usize,

    /// How many of them may come by one client credential: the instances of one service.
    #[arg(
        long,
        env = "SESSION_API_MAX_STREAMS_PER_CLIENT",
        default_value_t = 500,
        value_parser = settings::streams,
        value_name = "N"
    )]
    pub(super) max_streams_per_client: usize,

    /// How many of them may come from one address, or one /56 of IPv6. No limit with --throttle off.
    #[arg(
        long,
        env = "SESSION_API_MAX_STREAMS_PER_ADDRESS",
        default_value_t = 200,
        value_parser = settings::streams,
        value_name = "N"
    )]
    pub(super) max_streams_per_address: usize,

    /// How many browsers may hold the stream that tells them of the end of their session, at once.
    #[arg(
        long,
        env = "SESSION_API_MAX_SESSION_STREAMS",
        default_value_t = 10_000,
        value_parser = settings::streams,
        value_name = "N"
    )]
    pub(super) max_session_streams: usize,

    /// Whether tries at passwords have a rate, counted by each replica for itself: 100 at once and
    /// then one a second from each address (or /56 of IPv6), 10 at once and then one in 6s for each
    /// account from each address, and for each known device and session wherever it is. A session is
    /// refreshed, and ends all others, 60 times at once and then once a second. Off is for tests, and
    /// only where the issuer is on loopback.
    #[arg(
        long,
        env = "SESSION_API_THROTTLE",
        default_value = "on",
        value_name = "on|off",
        hide_possible_values = true
    )]
    pub(super) throttle: Throttle,

    #[command(flatten)]
    pub(super) events: EventArgs,
}

impl ServiceArgs {
    /// Whether users reach the service through a proxy that it takes for one client of many names.
    fn counts_all_as_one(&self) -> bool {
        self.issuer.as_str().starts_with("https:") && self.trusted_proxy.is_empty()
    }
}

/// Whether rates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Throttle {
    On,
    Off,
}

/// Where the bus is, and how it keeps pages.
#[derive(Debug, Default, clap::Args)]
pub(super) struct BusArgs {
    #[command(flatten)]
    pub(super) nats: Nats,

    /// On how many NATS servers the streams of pages and of events are kept: 1 or 3.
    #[arg(long, env = "SESSION_API_NATS_REPLICAS", default_value = "1", value_parser = replicas, value_name = "N")]
    pub(super) nats_replicas: Replicas,
}

fn replicas(text: &str) -> Result<Replicas, String> {
    match text {
        "1" => Ok(Replicas::One),
        "3" => Ok(Replicas::Three),
        _ => Err("give 1 or 3".to_owned()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse()
        .or_else(|_| address())
        .map_err(|_| "give an address or a network: 10.0.0.0/8".to_owned())
}

pub(super) async fn run(args: Args) -> Outcome {
    if !args.service.issuer.is_loopback() && !args.keys.is_set() {
        return Err(Failure::setting(
            "--key-encryption-key (or SESSION_API_KEY_ENCRYPTION_KEY) is missing: private keys lie unencrypted in the database only where the issuer is on loopback; make one with `openssl rand -base64 32`",
        ));
    }
    if !args.service.issuer.is_loopback() && args.service.throttle == Throttle::Off {
        return Err(Failure::setting(
            "--throttle off (or SESSION_API_THROTTLE) is for tests: passwords are tried without a rate only where the issuer is on loopback; leave it out",
        ));
    }
    let events = &args.service.events;
    let store = args.database.serve(events.publish_refreshed).await?;
    let bus = args.bus.nats.connect().await?;
    events.check(bus.as_ref())?;
    let listener = listen(args.listen)?;
    let stop = stop_on_signal();
    let running = running::start(store, &args.keys, &args.service, bus, &args.bus).await?;
    if args.service.counts_all_as_one() {
        tracing::warn!(
            "--trusted-proxy (or SESSION_API_TRUSTED_PROXY) is not set, and the issuer is https: to this service all users come from the address of the proxy that ends TLS, and share its rate of log-ins, so that one stranger can keep everyone out; name that proxy, as in --trusted-proxy 127.0.0.1"
        );
    }
    tracing::info!("listening on http://{}", listener.local_addr()?);
    running.serve(listener, stop).await
}

pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::setting(format!(
            "--listen {address}: {error}; choose another address or port"
        ))
    })
}

/// Cancelled by SIGINT or SIGTERM.
pub(super) fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        let terminate = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut signal) => signal.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate => {}
        }
        signalled.cancel();
    });
    stop
}
