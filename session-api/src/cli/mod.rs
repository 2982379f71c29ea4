//! The command line: what an operator says, and what each command does.
//!
//! | file | commands |
//! | --- | --- |
//! | [`settings`] | the flags, their environment variables and their checks |
//! | [`serve`] | `serve` |
//! | [`dev`] | `dev`, and no command at all |
//! | [`admin`] | `migrate`, `user`, `client`, `keys`, `sessions`: operators' work on the database |
//! | [`log`] | `log verify`, `log rebuild` |
//! | [`check`] | `check` |
//!
//! Exit codes: 0 done; 1 it failed; 2 the command line or a setting is wrong; 3 `log verify` or
//! `check` found something wrong.

mod admin;
mod check;
mod dev;
mod log;
mod orders;
mod serve;
mod settings;

use clap::{Parser, Subcommand};
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// The session service: log in, refresh, revoke, and tell every verifier within milliseconds.
///
/// Without a command it runs `dev`: everything on this machine, nothing to install.
#[derive(Debug, Parser)]
#[command(name = "session-api", version, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: SQLite, the HTTP feed, a demo user, a protected service.
    Dev(dev::Args),
    /// Run the service. Never migrates: run `session-api migrate` first.
    Serve(Box<serve::Args>),
    /// Create or upgrade the schema. Makes a SQLite file that is missing.
    Migrate(settings::Database),
    /// Add and change users.
    #[command(subcommand)]
    User(admin::User),
    /// Credentials of verifiers and of other clients of the feed.
    #[command(subcommand)]
    Client(admin::Client),
    /// The keys that sign tokens and pages.
    #[command(subcommand)]
    Keys(admin::Keys),
    /// See and end users' sessions.
    #[command(subcommand)]
    Sessions(admin::Sessions),
    /// The log: check it, fold it again.
    #[command(subcommand)]
    Log(log::Command),
    /// Say whether database, schema, keys and NATS are well.
    Check(check::Args),
}

/// Why a command did not go through: one line, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    /// It failed.
    fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
        }
    }

    /// A setting is wrong: names it, its value and the remedy.
    fn setting(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
        }
    }

    /// Something was found to be wrong.
    fn found(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 3,
        }
    }
}

/// An error with all its causes in one line.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::failed(chain(&error))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // A transparent error repeats the one that it wraps.
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

pub(crate) type Outcome = Result<(), Failure>;

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    init_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::from(error)),
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", failure.message);
    ExitCode::from(failure.code)
}

async fn dispatch(command: Option<Command>) -> Outcome {
    match command {
        None => dev::run(dev::Args::default()).await,
        Some(Command::Dev(args)) => dev::run(args).await,
        Some(Command::Serve(args)) => serve::run(*args).await,
        Some(Command::Migrate(database)) => admin::migrate(&database).await,
        Some(Command::User(command)) => command.run().await,
        Some(Command::Client(command)) => command.run().await,
        Some(Command::Keys(command)) => command.run().await,
        Some(Command::Sessions(command)) => command.run().await,
        Some(Command::Log(command)) => command.run().await,
        Some(Command::Check(args)) => check::run(args).await,
    }
}

/// Logs go to stderr: as lines for people on a terminal, as JSON where `SESSION_API_LOG_FORMAT` is
/// `json`. `RUST_LOG` chooses what is logged; `info` unless set.
fn init_logging() {
    use tracing_subscriber::{EnvFilter, fmt};
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    if std::env::var("SESSION_API_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().init();
    } else {
        builder.init();
    }
}
