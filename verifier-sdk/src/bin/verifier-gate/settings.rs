//! Flags and environment variables.

use crate::http::MethodFrom;
use crate::logging;
use clap::builder::NonEmptyStringValueParser;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use revocation_events::subject;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use verifier_sdk::duration;
use verifier_sdk::request::Origin;
use verifier_sdk::{OnStale, StartError, Verifier};

/// Checks Portcullis access tokens for a gateway, so that services behind it need not.
///
/// A gateway asks `/verify` before it passes a request on, and hands over the request's headers:
/// the token in `Authorization: Bearer` or in the cookie `__Host-Http-access`. The answer is 200
/// with X-User-Id, X-Session-Id and X-Roles (comma-joined), or 400, 401, 403 or 503 with a problem
/// in JSON. No token costs a look-up: revocations come by themselves, over NATS or over HTTP, and
/// while they do not, the answer is 503.
///
/// Each setting is a flag or an environment variable, and an empty variable counts as not set.
/// Durations are written 500ms, 2s, 15m, 7d.
#[derive(Parser)]
#[command(name = "verifier-gate", version, after_long_help = EXAMPLES)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "VERIFIER_GATE_LISTEN", value_name = "ADDRESS:PORT", value_parser = address)]
    #[arg(default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,

    /// Whose tokens to take: the service's --issuer, to the letter.
    #[arg(long, env = "VERIFIER_GATE_ISSUER", value_name = "URL")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) issuer: String,

    /// For whom the tokens are meant: the service's --audience.
    #[arg(
        long,
        env = "VERIFIER_GATE_AUDIENCE",
        value_name = "NAME",
        default_value = "api"
    )]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    audience: String,

    /// The name under which operators see this gate.
    #[arg(
        long,
        env = "VERIFIER_GATE_SERVICE",
        value_name = "NAME",
        default_value = "gate"
    )]
    #[arg(value_parser = name)]
    service: String,

    /// Where the service is reached, if elsewhere than at its issuer's address.
    #[arg(long, env = "VERIFIER_GATE_SERVICE_URL", value_name = "URL")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    service_url: Option<String>,

    /// The client credential's name, from `session-api client add NAME`. Not needed where the feed
    /// is open.
    #[arg(long, env = "VERIFIER_GATE_CLIENT", value_name = "NAME", value_parser = name)]
    client: Option<String>,

    /// The client credential's secret.
    #[arg(long, env = "VERIFIER_GATE_CLIENT_SECRET", value_name = "SECRET")]
    #[arg(
        requires = "client",
        conflicts_with = "client_secret_file",
        hide_env_values = true
    )]
    client_secret: Option<String>,

    /// A file that holds the secret, so that it stands in no list of processes.
    #[arg(long, env = "VERIFIER_GATE_CLIENT_SECRET_FILE", value_name = "FILE")]
    #[arg(requires = "client")]
    client_secret_file: Option<PathBuf>,

    /// The bus that revocations come over; several servers with commas between. Without it, and
    /// while it is away, they come over HTTP from the service.
    #[arg(long, env = "NATS_URL", value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,

    /// A file that holds the bus's URL, for one with a password in it.
    #[arg(
        long,
        env = "NATS_URL_FILE",
        value_name = "FILE",
        conflicts_with = "nats_url"
    )]
    nats_url_file: Option<PathBuf>,

    /// A credentials file for the bus, as nsc writes it.
    #[arg(long, env = "VERIFIER_GATE_NATS_CREDS", value_name = "FILE")]
    nats_creds: Option<PathBuf>,

    /// The authorities that the bus's certificate may be signed by, as PEM, instead of the machine's.
    /// Write the URL with tls:// then, or a bus without TLS would do.
    #[arg(long, env = "VERIFIER_GATE_NATS_CA", value_name = "FILE")]
    nats_ca: Option<PathBuf>,

    /// The first part of the bus's subjects.
    #[arg(long, env = "VERIFIER_GATE_NATS_PREFIX", value_name = "PREFIX")]
    #[arg(default_value = "sessions", value_parser = prefix)]
    nats_prefix: String,

    /// How old the newest proof may be that no revocation is missing. Shorter is stricter; shorter
    /// than a failover of the service's database means 503 while it lasts.
    #[arg(long, env = "VERIFIER_GATE_MAX_STALENESS", value_name = "DURATION")]
    #[arg(default_value = "10s", value_parser = staleness)]
    max_staleness: Duration,

    /// What to do when it is older.
    #[arg(
        long,
        env = "VERIFIER_GATE_ON_STALE",
        value_name = "POLICY",
        default_value = "refuse"
    )]
    pub(crate) on_stale: StalePolicy,

    /// The longest life of an access token that is taken: no shorter than the service's
    /// --access-ttl.
    #[arg(long, env = "VERIFIER_GATE_MAX_LIFETIME", value_name = "DURATION")]
    #[arg(default_value = "15m", value_parser = lifetime)]
    max_lifetime: Duration,

    /// An origin besides the issuer's whose pages may call with cookies. May be repeated; in the
    /// variable, separated by commas.
    #[arg(long, env = "VERIFIER_GATE_ALLOWED_ORIGIN", value_name = "ORIGIN")]
    #[arg(value_delimiter = ',')]
    allowed_origin: Vec<Origin>,

    /// Where the gateway says which method the caller used. A cookie's call with another method
    /// than GET, HEAD or OPTIONS, or with one that is not said, needs proof against CSRF.
    #[arg(
        long,
        env = "VERIFIER_GATE_METHOD_FROM",
        value_name = "PLACE",
        default_value = "header"
    )]
    pub(crate) method_from: MethodFrom,

    #[command(flatten)]
    pub(crate) logging: logging::Args,
}

const EXAMPLES: &str = "\
Examples:
  The service of `session-api dev` on this machine:
    verifier-gate --issuer http://127.0.0.1:8080
    curl -i -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8090/verify

  In a cluster, revocations over NATS:
    verifier-gate --listen 0.0.0.0:8090 --issuer https://id.example.com \\
      --service-url http://session-api:8080 --nats-url nats://bus:4222 \\
      --client gate --client-secret-file /run/secrets/gate

  nginx (auth_request), a whole configuration is in deploy/nginx: 503 and 400 need an error_page,
  since nginx makes them 500; the problem, whose body it drops, stands in the header X-Problem too.
    proxy_set_header X-Original-Method $request_method;
    proxy_pass_request_body off;
    proxy_set_header Content-Length \"\";

  Envoy (ext_authz over HTTP, path_prefix /verify): --method-from request

Also: GET /readyz is 200 while tokens can be checked, with the reason in the body; GET /healthz is
200 while the program runs; GET /metrics is for Prometheus.

Exit codes: 0 it was told to stop; 1 it could not serve; 2 a setting is wrong, and one line on stderr names it.
Logs go to stderr.";

/// [`OnStale`], as it is written in a setting.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum StalePolicy {
    /// Answer 503: whether the token was revoked of late is not known
    Refuse,
    /// Take the token: a revocation counts only once it has come
    Accept,
    /// Ask the service about each token
    Introspect,
}

impl From<StalePolicy> for OnStale {
    fn from(policy: StalePolicy) -> Self {
        match policy {
            StalePolicy::Refuse => Self::Refuse,
            StalePolicy::Accept => Self::Accept,
            StalePolicy::Introspect => Self::Introspect,
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "write an IP address and a port: 127.0.0.1:8090, 0.0.0.0:8090 or [::]:8090")
}

fn name(text: &str) -> Result<String, &'static str> {
    if subject::is_token(text) {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 64 of A-Z, a-z, 0-9, _ and -")
    }
}

fn prefix(text: &str) -> Result<String, subject::Invalid> {
    text.parse().map(|_: subject::Subjects| text.to_owned())
}

const DAY: Duration = Duration::from_secs(86_400);

/// More than a day without news would be no check any more.
fn staleness(text: &str) -> Result<Duration, String> {
    bounded(
        text,
        Duration::from_millis(1),
        "write more than zero and at most 1d",
    )
}

/// The service gives no access token more than a day, and counts in seconds.
fn lifetime(text: &str) -> Result<Duration, String> {
    bounded(text, Duration::from_secs(1), "write 1s to 1d")
}

fn bounded(text: &str, least: Duration, remedy: &str) -> Result<Duration, String> {
    let span = duration::parse(text).map_err(|error| error.to_string())?;
    if (least..=DAY).contains(&span) {
        Ok(span)
    } else {
        Err(remedy.to_owned())
    }
}

/// What is wrong with the settings: one line.
pub(crate) struct Wrong(pub(crate) String);

impl Settings {
    /// Reads the command line and the environment. An empty variable counts as not set, as compose
    /// files and charts leave them.
    ///
    /// # Errors
    /// [`Wrong`]. `--help` and `--version` print and exit.
    pub(crate) fn read() -> Result<Self, Wrong> {
        let command = Self::command().mut_args(|arg| {
            let empty = |name| std::env::var_os(name).is_some_and(|value| value.is_empty());
            if arg.get_env().is_some_and(empty) {
                arg.env(None)
            } else {
                arg
            }
        });
        let settings = command
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches));
        settings.map_err(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            Wrong(one_line(&error))
        })
    }

    /// Starts the verifier that they describe; it need not be ready. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`Wrong`].
    pub(crate) fn spawn(&self) -> Result<Verifier, Wrong> {
        let mut builder = Verifier::builder(&self.issuer, &self.audience)
            .service(&self.service)
            .max_staleness(self.max_staleness)
            .on_stale(self.on_stale.into())
            .max_lifetime(self.max_lifetime)
            .allowed_origins(self.allowed_origin.iter().map(Origin::to_string));
        if let Some(url) = &self.service_url {
            builder = builder.service_url(url);
        }
        match self.nats_url()? {
            Some(url) => builder = builder.nats(url).nats_prefix(&self.nats_prefix),
            None => {
                let alone = [
                    ("--nats-creds", &self.nats_creds),
                    ("--nats-ca", &self.nats_ca),
                ];
                if let Some((flag, _)) = alone.iter().find(|(_, file)| file.is_some()) {
                    return Err(Wrong(format!(
                        "{flag} without --nats-url: say where the bus is"
                    )));
                }
            }
        }
        if let Some(file) = &self.nats_creds {
            builder =
                builder.nats_credentials_file(readable("--nats-creds", file, "nsc has written")?);
        }
        if let Some(file) = &self.nats_ca {
            builder = builder.nats_ca_file(readable("--nats-ca", file, "holds certificates")?);
        }
        if let Some(client) = &self.client {
            builder = builder.client(client, self.secret(client)?);
        }
        builder.spawn().map_err(|error| match error {
            StartError::Setting { setting, reason } => self.wrong(setting, &reason),
            other => Wrong(other.to_string()),
        })
    }

    fn secret(&self, client: &str) -> Result<String, Wrong> {
        let Some(file) = &self.client_secret_file else {
            return self.client_secret.clone().ok_or_else(|| {
                Wrong(format!(
                    "--client '{client}' has no secret: add --client-secret-file FILE or \
                     --client-secret SECRET"
                ))
            });
        };
        in_file(
            "--client-secret-file",
            file,
            "the secret that `session-api client add` printed",
        )
    }

    fn nats_url(&self) -> Result<Option<String>, Wrong> {
        match &self.nats_url_file {
            None => Ok(self.nats_url.clone()),
            Some(file) => {
                in_file("--nats-url-file", file, "nats://USER:PASSWORD@HOST:4222").map(Some)
            }
        }
    }

    /// The builder's refusal in the words of the command line. A URL with an `@` may hold a
    /// password and is not shown.
    fn wrong(&self, setting: &str, reason: &str) -> Wrong {
        let reason = reason.replace("client()", "--client");
        let (flag, value, remedy) = match setting {
            "issuer" => ("issuer", Some(&self.issuer), "https://id.example.com"),
            "service_url" => ("service-url", self.service_url.as_ref(), "http://HOST:PORT"),
            "nats" => ("nats-url", self.nats_url.as_ref(), "nats://HOST:4222"),
            "nats_credentials_file" => return Wrong(format!("--nats-creds: {reason}")),
            other => return Wrong(format!("--{}: {reason}", other.replace('_', "-"))),
        };
        let value = value.filter(|value| !value.contains('@'));
        let value = value.map(|value| format!(" '{value}'")).unwrap_or_default();
        Wrong(format!("--{flag}{value}: {reason}; write it like {remedy}"))
    }
}

/// What a file holds, without the white space at its end.
fn in_file(flag: &str, file: &Path, what: &str) -> Result<String, Wrong> {
    let wrong = |why: &str| {
        Wrong(format!(
            "{flag} '{}': {why}; write into it {what}",
            file.display()
        ))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    match text.trim_end() {
        "" => Err(wrong("it is empty")),
        text => Ok(text.to_owned()),
    }
}

/// The verifier reads it later, in the background, where nobody is told.
fn readable<'a>(flag: &str, file: &'a Path, what: &str) -> Result<&'a Path, Wrong> {
    match std::fs::File::open(file) {
        Ok(_) => Ok(file),
        Err(error) => Err(Wrong(format!(
            "{flag} '{}': {error}; name a file that {what}",
            file.display()
        ))),
    }
}

/// What was wrong and clap's tip, without the usage.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let parts: Vec<String> = text
        .split("\n\n")
        .filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"))
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let line = parts.join("; ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line}; --help explains the settings")
}
