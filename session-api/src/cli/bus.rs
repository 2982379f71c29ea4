//! Where the bus is.

use super::Failure;
use super::settings::secret;
use revocation_events::nats::{self, Bus};
use revocation_events::subject::Subjects;
use std::path::PathBuf;
use std::time::Duration;

/// For so long a connection is waited for: its first attempts may go to servers of the list that are
/// down.
const CONNECT: Duration = Duration::from_secs(5);

#[derive(Debug, Default, clap::Args)]
pub(super) struct Nats {
    /// NATS servers, with commas between: nats://user:password@host:4222. Without it verifiers use
    /// the HTTP feed.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,

    /// A file that holds the NATS URL.
    #[arg(
        long,
        env = "NATS_URL_FILE",
        value_name = "FILE",
        conflicts_with = "nats_url"
    )]
    nats_url_file: Option<PathBuf>,

    /// A NATS credentials file, as nsc writes it.
    #[arg(long, env = "SESSION_API_NATS_CREDS", value_name = "FILE")]
    nats_creds: Option<PathBuf>,

    /// The certificate authorities that NATS's certificate may be signed by, as PEM: these instead of
    /// the machine's. Write the URL with tls:// then, or a server without TLS would do.
    #[arg(long, env = "SESSION_API_NATS_CA", value_name = "FILE")]
    nats_ca: Option<PathBuf>,

    /// The first part of every subject.
    #[arg(
        long,
        env = "SESSION_API_NATS_PREFIX",
        default_value = "sessions",
        value_name = "PREFIX"
    )]
    nats_prefix: Subjects,
}

impl Nats {
    /// The bus, connecting or connected; nothing where none is set.
    pub(super) async fn connect(&self) -> Result<Option<Bus>, Failure> {
        let url = secret(
            "--nats-url",
            self.nats_url.as_deref(),
            self.nats_url_file.as_deref(),
        )?;
        let Some(url) = url else {
            let alone = match (&self.nats_creds, &self.nats_ca) {
                (None, None) => return Ok(None),
                (Some(_), _) => "--nats-creds",
                (None, Some(_)) => "--nats-ca",
            };
            return Err(Failure::setting(format!(
                "{alone} is given without --nats-url (or NATS_URL): say where the NATS server is"
            )));
        };
        let wrong = |error: nats::Error| Failure::setting(format!("--nats-url: {error}"));
        let mut settings = nats::Settings::new(&url)
            .map_err(wrong)?
            .subjects(self.nats_prefix.clone())
            .name("session-api".to_owned())
            // Pages are signed, and to check those that it has just signed would cost it, on the way from
            // a commit to the last verifier on its machine, what one of these pays.
            .no_echo()
            // What deploy/nats.conf lets the service hear: nobody else's inbox begins like this.
            .inbox_prefix("_INBOX_session-api".to_owned())
            .map_err(wrong)?;
        if let Some(path) = &self.nats_creds {
            settings = settings.credentials_file(path.clone()).map_err(wrong)?;
        }
        if let Some(path) = &self.nats_ca {
            settings = settings.ca_file(path.clone());
        }
        let bus = Bus::connect(settings).await.map_err(|error| match &error {
            nats::Error::CredentialsFile(_) => {
                Failure::setting(format!("--nats-creds: {}", super::chain(&error)))
            }
            nats::Error::CaFile(_) => {
                Failure::setting(format!("--nats-ca: {}", super::chain(&error)))
            }
            _ => wrong(error),
        })?;
        Ok(Some(bus))
    }
}

/// Waits until the bus is connected, or says why it is not.
pub(super) async fn is_up(bus: &Bus) -> Result<(), String> {
    let mut health = bus.health();
    let up = health.wait_for(|health| health.connected);
    let up = tokio::time::timeout(CONNECT, up).await;
    if up.is_ok_and(|up| up.is_ok()) {
        return Ok(());
    }
    let why = health.borrow().last_error.clone();
    Err(format!(
        "no connection within {} s: {}; is --nats-url right, and does the server run?",
        CONNECT.as_secs(),
        why.as_deref().unwrap_or("no answer")
    ))
}
