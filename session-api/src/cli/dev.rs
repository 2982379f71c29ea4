//! `dev`: everything on this machine, nothing to install.

use super::demo::{CLIENT, Demo};
use super::serve::{self, BusArgs, ServiceArgs};
use super::settings::{self, Database, KeyEncryption};
use super::{Failure, Outcome, environment, orders, running};
use clap::{Args as _, FromArgMatches as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use tokio_util::sync::CancellationToken;
use verifier_sdk::Verifier;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Loopback address of the session service; the protected service takes the next port.
    #[arg(long, env = "SESSION_API_LISTEN", default_value_t = DEFAULT_LISTEN, value_parser = settings::address, value_name = "ADDR")]
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

    // In full: what is printed is pasted into another shell, which may be elsewhere.
    let data = private_folder(&args.data)
        .and_then(|()| args.data.canonicalize())
        .map_err(|error| Failure::setting(format!("--data {}: {error}", args.data.display())))?;
    let store = Database::sqlite(&data.join("portcullis.db"))
        .create()
        .await?;
    store.migrate().await?;

    let issuer = format!("http://{address}");
    let stop = serve::stop_on_signal();
    let service_args = service_args(&issuer)?;
    let no_bus = BusArgs::default();
    let running = running::start(
        store.clone(),
        &KeyEncryption::default(),
        &service_args,
        None,
        &no_bus,
    )
    .await?;
    let path = data.join("demo.json");
    let demo = Demo::set_up(&path, running.app().service(), &*store).await?;

    let mut served = pin!(running.serve(listener, stop.clone()));
    let verifier = Verifier::builder(&issuer, "api")
        .service(CLIENT)
        .client(CLIENT, &demo.client_secret)
        .start();
    // What is printed then holds: the protected service knows all revocations and answers.
    let verifier = tokio::select! {
        ended = &mut served => return ended,
        verifier = verifier => verifier?,
    };
    print_walk_through(&issuer, &format!("http://{orders_address}"), &demo, &data);
    let orders = orders::serve(orders_listener, verifier.clone());
    let ended = until_one_ends(served, orders, &stop).await;
    verifier.shutdown().await;
    ended
}

/// Serves until `stop`. The protected service ends only by a failure, which ends the session service
/// too: half of what was printed would no longer be there.
async fn until_one_ends(
    mut served: Pin<&mut impl Future<Output = Outcome>>,
    orders: impl Future<Output = Outcome>,
    stop: &CancellationToken,
) -> Outcome {
    let ended = tokio::select! {
        ended = &mut served => return ended,
        ended = orders => ended,
    };
    stop.cancel();
    served.await?;
    let why = ended
        .err()
        .map_or_else(String::new, |failure| format!(": {}", failure.message));
    Err(Failure::failed(format!("the protected service ended{why}")))
}

/// Passwords and keys lie there.
fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
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
        // Whoever plays with it logs in often, and is on this machine.
        "--throttle",
        "off",
    ];
    ServiceArgs::from_arg_matches(&command.try_get_matches_from(words)?)
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

In a browser: {issuer}/ is the account page, {issuer}/admin the operator's.

Log in, call the protected service, log out, call until it refuses (paste into another shell):

TOKEN=$(curl -s {issuer}/session -H 'Content-Type: application/json' -d '{{"username":"demo","password":"{user}","delivery":"body"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
ask() {{ curl -s -m 5 -w ' %{{time_total}} %{{http_code}}' {orders}/orders -H "Authorization: Bearer $TOKEN"; }}; BEFORE=$(ask); echo "$BEFORE"
GONE=$(curl -s -w ' %{{time_total}}' -X DELETE {issuer}/session -H "Authorization: Bearer $TOKEN"); echo "$GONE"; TOOK=${{GONE##* }}
while AFTER=$(ask); TIME=${{AFTER% *}}; TOOK="$TOOK ${{TIME##* }}"; [ "${{AFTER##* }}" = 200 ]; do :; done; echo "$AFTER"
if [ "${{BEFORE##* }} ${{AFTER##* }}" = "200 401" ]; then echo "$TOOK" | LC_ALL=C awk '{{ for (i = 1; i <= NF; i++) s += $i; printf "refused after %.1f ms, which the log-out and all calls until then took; the token itself is good for 15 minutes\n", s * 1000 }}'; else echo "not as promised: /orders answered ${{BEFORE##* }} before the log-out and ${{AFTER##* }} after it"; fi

Watch what happens, in a third:

{program} log tail --since 1h --database-url sqlite:{database}

Browsers: Chromium and Firefox keep the cookies on http://localhost and 127.0.0.1; Safari does not on plain http.
Stop with Ctrl-C."#,
        data = data.display(),
        program = pasted(&std::env::current_exe().unwrap_or_else(|_| "session-api".into())),
        database = pasted(&data.join("portcullis.db")),
    );
}

/// A path as a shell reads it.
fn pasted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,@".contains(c);
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, IfMissing};
    use std::future::{pending, ready};
    use std::time::Duration;

    /// A process that goes on without it looks well, and its revocations reach nobody.
    #[tokio::test]
    async fn the_service_ends_where_a_worker_of_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("x.db").display());
        let store = store::connect(&url, IfMissing::Create).await.unwrap();
        store.migrate().await.unwrap();
        let listener = serve::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let args = service_args("http://127.0.0.1:1").unwrap();
        let (keys, no_bus) = (KeyEncryption::default(), BusArgs::default());
        let running = running::start(store, &keys, &args, None, &no_bus).await;
        let mut running = running.unwrap();
        running.workers.spawn(async { panic!("on purpose") });
        let served = running.serve(listener, CancellationToken::new());
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await;
        let failure = ended.unwrap().unwrap_err();
        assert!(failure.message.contains("a fault"), "{failure:?}");
    }

    #[tokio::test]
    async fn the_end_of_the_protected_service_ends_the_other_with_an_error() {
        for (orders, words) in [
            (Err(Failure::failed("no sockets left")), "no sockets left"),
            (Ok(()), "ended"),
        ] {
            let stop = CancellationToken::new();
            let served = pin!(async {
                stop.cancelled().await;
                Ok(())
            });
            let ended = until_one_ends(served, ready(orders), &stop).await;
            assert!(ended.is_err_and(|failure| failure.message.contains(words)));
        }
    }

    #[test]
    fn a_path_is_one_word_to_a_shell() {
        for (path, word) in [
            (
                "/home/anna/portcullis/data/x.db",
                "/home/anna/portcullis/data/x.db",
            ),
            ("/a b/$(c)", "'/a b/$(c)'"),
            ("/it's", r"'/it'\''s'"),
        ] {
            assert_eq!(pasted(Path::new(path)), word);
        }
    }

    #[tokio::test]
    async fn a_stop_is_no_error() {
        let stop = CancellationToken::new();
        let ended = until_one_ends(pin!(ready(Ok(()))), pending(), &stop).await;
        assert!(ended.is_ok());
    }
}
