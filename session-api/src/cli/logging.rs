//! What is logged, and how. Logs go to stderr: stdout is for what a command was asked for.

use crate::audit;
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
    // Postgres notices that what is made "if not exists" exists.
    /// What is logged, as tracing's `EnvFilter` reads it: `debug`, or `info,session_api=debug`. Lines
    /// for an auditor (the target `audit`) are always written.
    #[arg(long, env = "RUST_LOG", default_value = "info,actix_http=off,actix_server=warn,async_nats=warn,sqlx::postgres::notice=warn", value_parser = filter, global = true, value_name = "FILTER")]
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

/// Whoever turns the log down for a day must not lose who was refused on it.
fn effective(text: &str) -> EnvFilter {
    let always = format!("{}=info", audit::TARGET)
        .parse()
        .unwrap_or_else(|_| unreachable!("a constant of the right form"));
    EnvFilter::new(text).add_directive(always)
}

impl Args {
    pub(super) fn init(&self) {
        keep_passwords_out_of_panics();
        let builder = fmt()
            .with_env_filter(effective(&self.log_filter))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_an_auditor_are_written_whatever_the_filter_says() {
        for text in [
            "off",
            "error",
            "audit=off",
            "info,audit=error",
            "session_api=trace",
            "",
        ] {
            let filter = effective(text).to_string();
            assert!(
                filter.split(',').any(|part| part == "audit=info"),
                "{text}: {filter}"
            );
            assert_eq!(filter.matches("audit").count(), 1, "{text}: {filter}");
        }
    }
}
