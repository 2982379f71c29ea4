//! What is logged, and how. Logs go to stderr.

use clap::ValueEnum;
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, fmt};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How log lines are written.
    #[arg(long, env = "VERIFIER_GATE_LOG_FORMAT", value_name = "FORMAT")]
    #[arg(default_value = "text")]
    log_format: Format,

    /// What is logged, as tracing's `EnvFilter` reads it. `debug` says why a token was refused, and
    /// never the token.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", value_parser = filter)]
    #[arg(default_value = "info,actix_http=off,actix_server=warn,async_nats=warn")]
    log_filter: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Args {
    pub(crate) fn init(&self) {
        let builder = fmt()
            .with_env_filter(EnvFilter::new(&self.log_filter))
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr);
        match self.log_format {
            Format::Text => builder.init(),
            Format::Json => builder.json().init(),
        }
    }
}
