//! The command line: what an operator says, and what each command does.
//!
//! | file | commands |
//! | --- | --- |
//! | [`settings`], [`bus`] | the flags, their environment variables and their checks |
//! | [`environment`] | which variables count |
//! | [`logging`] | what is logged, and how |
//! | [`serve`], [`events`] | `serve`: its settings |
//! | [`running`] | the service, put together and running |
//! | [`dev`], [`demo`], [`orders`] | `dev`, and no command at all |
//! | [`admin`] | `migrate`, `user`, `client`, `keys`, `sessions`: operators' work on the database |
//! | [`log`], [`tail`] | `log`: follow it, check it, fold it again |
//! | [`check`] | `check` |
//! | [`out`] | what a command prints |
//! | [`progress`] | how far what takes long has come |
//! | `bench` | a part of what `tests/bench` measures; in no program that is built for production |
//!
//! Exit codes: 0 done; 1 it failed; 2 the command line or a setting is wrong; 3 `log verify` or
//! `check` found something wrong.

mod admin;
#[cfg(feature = "bench")]
mod bench;
mod bus;
mod check;
mod demo;
mod dev;
mod environment;
mod events;
mod log;
mod logging;
mod orders;
mod out;
mod progress;
mod running;
mod serve;
mod settings;
mod tail;
#[cfg(test)]
mod tests;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;

/// The session service: log in, refresh, revoke, and tell every verifier within milliseconds.
///
/// Without a command it runs `dev`: everything on this machine, nothing to install.
///
/// Each setting is a flag or an environment variable, and an empty variable counts as not set.
/// Durations are written 500ms, 2s, 15m, 12h, 7d.
#[derive(Debug, Parser)]
#[command(
    name = "session-api",
    version,
    arg_required_else_help = false,
    after_long_help = EXIT_CODES
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    logging: logging::Args,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed; the line on stderr says why
  2  the command line or a setting is wrong
  3  `check`, `log verify` or `log rebuild` found something wrong

What a program reads comes on stdout, with --json one line of it; logs and errors go to stderr.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on this machine: SQLite, the HTTP feed, a demo user, a protected service.
    #[command(after_long_help = "\
Examples:
  session-api dev
  session-api dev --data /tmp/elsewhere --listen 127.0.0.1:9000")]
    Dev(dev::Args),
    /// Run the service. Never migrates: run `session-api migrate` first.
    #[command(after_long_help = "\
Examples:
  session-api serve --issuer http://127.0.0.1:8080 --database-url sqlite:portcullis.db
  session-api serve --issuer https://id.example.com --nats-url nats://bus:4222 \\
    --database-url-file /run/secrets/database --key-encryption-key-file /run/secrets/key")]
    Serve(Box<serve::Args>),
    /// Create or upgrade the schema. Makes a SQLite file that is missing.
    #[command(after_long_help = "\
Examples:
  session-api migrate --database-url sqlite:portcullis.db
  DATABASE_URL=postgres://portcullis@db/portcullis session-api migrate --json")]
    Migrate(admin::Target),
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
    /// The log: follow it, check it, fold it again.
    #[command(subcommand)]
    Log(log::Command),
    /// Say whether database, schema, keys, clock and verifiers are well, and NATS where --nats-url is
    /// set; exit code 3 where something is not.
    ///
    /// What is no failure but to be done some day, or to be known, is told behind `ok;`, with --json as
    /// `advice`: a key that has signed for 90 days, a credential with which no verifier reports. Give it
    /// the settings of `serve`: in a container of the service it has them.
    #[command(after_long_help = "\
Examples:
  session-api check
  session-api check --nats-url nats://bus:4222 --json")]
    Check(check::Args),
    /// Print how many refreshes a second the store takes. For benchmarks: it leaves sessions behind.
    #[cfg(feature = "bench")]
    #[command(
        hide = true,
        after_long_help = "\
Examples:
  session-api bench --writers 4 --group 64 --millis 3000"
    )]
    Bench(bench::Args),
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
    let (command, logging) = read_command_line().unwrap_or_else(|error| error.exit());
    logging.init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::from(error)),
    };
    match runtime.block_on(dispatch(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// The command line, where each command's `--help` says what its end means.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(with_exit_codes)
}

fn with_exit_codes(command: clap::Command) -> clap::Command {
    let found = match command.get_name() {
        "check" | "verify" => "; 3 something is not well",
        "rebuild" => "; 3 something else differs",
        _ => "",
    };
    let done = match command.get_name() {
        "serve" | "dev" => "it was told to stop",
        _ => "done",
    };
    let codes = format!(
        "Exit codes: 0 {done}; 1 it failed, and stderr says why; 2 the command line or a setting is\n\
         wrong{found}."
    );
    let help = command.get_after_long_help().map(ToString::to_string);
    let help = help.map_or_else(|| codes.clone(), |help| format!("{help}\n\n{codes}"));
    command
        .after_long_help(help)
        .mut_subcommands(with_exit_codes)
}

fn read_command_line() -> Result<(Command, logging::Args), clap::Error> {
    let matches = environment::empty_is_unset(command()).try_get_matches()?;
    let cli = Cli::from_arg_matches(&matches)?;
    let command = match cli.command {
        Some(command) => command,
        None => Command::Dev(dev::Args::without_flags()?),
    };
    Ok((command, cli.logging))
}

fn report(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", failure.message);
    ExitCode::from(failure.code)
}

async fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Dev(args) => dev::run(args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::Migrate(target) => admin::migrate(&target).await,
        Command::User(command) => command.run().await,
        Command::Client(command) => command.run().await,
        Command::Keys(command) => command.run().await,
        Command::Sessions(command) => command.run().await,
        Command::Log(command) => command.run().await,
        Command::Check(args) => check::run(args).await,
        #[cfg(feature = "bench")]
        Command::Bench(args) => bench::run(args).await,
    }
}
