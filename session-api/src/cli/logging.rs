//! What is logged, and how. Logs go to stderr: stdout is for what a command was asked for.

use clap::ValueEnum;
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, fmt};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Logging")]
pub(super) struct Args {
    /// How log lines are written.
    #[arg(
        long,
        env = "SESSION_API_LOG_FORMAT",
        default_value = "text",
        global = true,
        value_name = "FORMAT"
    )]
    log_format: Format,

    // actix_http tells, as errors, of every request that does not parse: strangers would fill the log.
    /// What is logged, as tracing's `EnvFilter` reads it: `debug`, or `info,session_api=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info,actix_http=off,actix_server=warn,async_nats=warn", value_parser = filter, global = true, value_name = "FILTER")]
    log_filter: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Only looked at, and parsed again when it is used: clap clones values, and a filter has no clone.
fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Args {
    pub(super) fn init(&self) {
        keep_passwords_out_of_panics();
        let builder = fmt()
            .with_env_filter(EnvFilter::new(&self.log_filter))
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            Format::Text => builder.init(),
            Format::Json => builder.json().init(),
        }
    }
}

fn keep_passwords_out_of_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !crate::password::is_judging() {
            usual(panic);
        }
    }));
}
