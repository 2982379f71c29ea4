//! `dev`: everything on this machine, nothing to install.

use super::serve::{self, BusArgs, ServiceArgs};
use super::settings::{Database, KeyEncryption};
use super::{Failure, Outcome, admin, environment, orders};
use crate::service::key_admin::fill;
use crate::session::Roles;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args as _, FromArgMatches as _};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use verifier_sdk::Verifier;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Loopback address of the session service; the protected service takes the next port.
    #[arg(long, env = "SESSION_API_LISTEN", default_value_t = DEFAULT_LISTEN, value_name = "ADDR")]
    listen: SocketAddr,

    /// Where the database and the demo passwords lie.
    #[arg(
        long,
        env = "SESSION_API_DATA",
        default_value = "data",
        value_name = "DIR"
    )]
    data: PathBuf,
}

impl Args {
    /// What the variables and the defaults say.
    pub(super) fn without_flags() -> Result<Self, clap::Error> {
        let command = environment::empty_is_unset(Self::augment_args(clap::Command::new("dev")));
        Self::from_arg_matches(&command.try_get_matches_from(["dev"])?)
    }
}

/// The passwords of the two users that `dev` makes, and the secret of its protected service. Drawn
/// at the first start and kept beside the database, for its owner alone.
#[derive(Serialize, Deserialize)]
struct Demo {
    demo: String,
    admin: String,
    client_secret: String,
}

pub(super) async fn run(args: Args) -> Outcome {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::setting(format!(
            "--listen {}: `dev` is for this machine only; give a loopback address, or run `session-api serve`",
            args.listen
        )));
    }
    let listener = serve::listen(args.listen)?;
    let address = listener.local_addr()?;
    let orders_listener = listen_next(address)?;
    let orders_address = orders_listener.local_addr()?;

    std::fs::create_dir_all(&args.data)
        .map_err(|error| Failure::setting(format!("--data {}: {error}", args.data.display())))?;
    let store = Database::sqlite(&args.data.join("portcullis.db"))
        .create()
        .await?;
    store.migrate().await?;

    let issuer = format!("http://{address}");
    let stop = serve::stop_on_signal();
    let service_args = service_args(&issuer)?;
    let no_bus = BusArgs::default();
    let running = serve::start(
        store.clone(),
        &KeyEncryption::default(),
        &service_args,
        None,
        &no_bus,
    )
    .await?;
    let demo = demo_users(
        &args.data.join("demo.json"),
        running.app().service(),
        &*store,
    )
    .await?;

    let verifier = Verifier::builder(&issuer, "api")
        .service("orders")
        .client("orders", &demo.client_secret)
        .spawn()?;
    tokio::spawn(orders::serve(orders_listener, verifier.clone()));
    print_walk_through(
        &issuer,
        &format!("http://{orders_address}"),
        &demo,
        &args.data,
    );
    let served = running.serve(listener, stop).await;
    verifier.shutdown().await;
    served
}

/// The port after the session service's; any free one where that is taken or port 0 was asked for.
fn listen_next(address: SocketAddr) -> Result<TcpListener, Failure> {
    let next = address
        .port()
        .checked_add(1)
        .map(|port| SocketAddr::new(address.ip(), port));
    let free = SocketAddr::new(address.ip(), 0);
    Ok(next
        .and_then(|next| TcpListener::bind(next).ok())
        .map_or_else(|| TcpListener::bind(free), Ok)?)
}

/// The defaults of `serve`, open to whoever is on this machine.
fn service_args(issuer: &str) -> Result<ServiceArgs, clap::Error> {
    // What is set for `serve` on this machine is not meant for `dev`.
    let command = environment::ignored(ServiceArgs::augment_args(clap::Command::new("dev")));
    let words = [
        "dev",
        "--issuer",
        issuer,
        "--open-registration",
        "--open-feed",
    ];
    ServiceArgs::from_arg_matches(&command.try_get_matches_from(words)?)
}

/// Makes the demo users and the client, or reads what an earlier start made.
async fn demo_users(
    path: &Path,
    service: &crate::service::Service,
    store: &dyn crate::store::Store,
) -> Result<Demo, Failure> {
    if let Ok(text) = std::fs::read_to_string(path) {
        return serde_json::from_str(&text).map_err(|error| {
            Failure::failed(format!(
                "{}: {error}; delete the folder to begin anew",
                path.display()
            ))
        });
    }
    let password = || {
        let mut bytes = [0; 15];
        fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let (user, admin) = (password(), password());
    let admin_role = Roles::try_from(vec!["admin".to_owned()])?;
    service.register("demo", &user, Roles::default()).await?;
    service.register("admin", &admin, admin_role).await?;
    let demo = Demo {
        demo: user,
        admin,
        client_secret: admin::add_client(store, "orders").await?,
    };
    write_private(path, &serde_json::to_string(&demo)?)?;
    Ok(demo)
}

/// A file that only its owner reads.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn print_walk_through(issuer: &str, orders: &str, demo: &Demo, data: &Path) {
    let Demo {
        demo: user, admin, ..
    } = demo;
    println!(
        r#"
Portcullis runs: sessions at {issuer}, a protected service at {orders}, data in {data}.

  demo user   demo / {user}
  admin       admin / {admin}

Log in, call the protected service, log out, call again (paste into another shell):

TOKEN=$(curl -s {issuer}/session -H 'Content-Type: application/json' -d '{{"username":"demo","password":"{user}","delivery":"body"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s {orders}/orders -H "Authorization: Bearer $TOKEN"; echo
START=$(date +%s%3N); curl -s -X DELETE {issuer}/session -H "Authorization: Bearer $TOKEN"; echo
while curl -sf -o /dev/null {orders}/orders -H "Authorization: Bearer $TOKEN"; do :; done; END=$(date +%s%3N)
curl -s {orders}/orders -H "Authorization: Bearer $TOKEN"; echo; echo "refused $((END - START)) ms after the log-out began; the token itself is good for 15 minutes"

Browsers: Chromium and Firefox keep the cookies on http://localhost and 127.0.0.1; Safari does not on plain http.
Stop with Ctrl-C."#,
        data = data.display(),
    );
}
