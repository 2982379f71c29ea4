//! `log`: its commands, and `verify` and `rebuild` themselves.

use super::admin::Restored;
use super::settings::Database;
use super::tail::Tail;
use super::{Failure, Outcome, out, progress};
use crate::replay::{self, Difference};
use clap::{Args, Subcommand};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print events as they are written: one line each, the oldest first. Ctrl-C ends it.
    ///
    /// It asks the database twice a second, and shows an event that took longer than ten seconds to be
    /// committed not at all. A program that must miss none reads the stream of events on NATS, or the
    /// whole log.
    #[command(after_long_help = "\
Examples:
  session-api log tail
  session-api log tail --since 1h --no-follow
  session-api log tail --json | grep --line-buffered session.opened")]
    Tail(Tail),
    /// Fold every stream again and compare with the rows; exit code 3 where they differ.
    #[command(after_long_help = "Example:\n  session-api log verify --json")]
    Verify(OnLog),
    /// Fold every session's stream again and put right the rows that differ; exit code 3 where
    /// something else differs.
    #[command(after_long_help = "Example:\n  session-api log verify || session-api log rebuild")]
    Rebuild(OnLog),
    /// Say that a backup was restored: no position is given out again, and everyone's sessions end,
    /// for nobody knows what was revoked since the backup.
    ///
    /// The head of the log is raised above all that was published: by the clock, by what the stream of
    /// pages still holds (--nats-url), and by --above.
    #[command(after_long_help = "\
Examples, before the first `serve` on what was restored:
  pg_restore --dbname portcullis backup && session-api log restored --nats-url nats://localhost:4222
  session-api log restored --above 1764000000100000")]
    Restored(Restored),
}

#[derive(Debug, Args)]
pub(super) struct OnLog {
    #[command(flatten)]
    database: Database,
    /// Print one line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

impl Command {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Tail(tail) => tail.run().await,
            Self::Verify(on) => verify(&on).await,
            Self::Rebuild(on) => rebuild(&on).await,
            Self::Restored(restored) => restored.run().await,
        }
    }
}

async fn verify(on: &OnLog) -> Outcome {
    let store = on.database.open().await?;
    let bar = progress::events(store.count_events().await?);
    let report = replay::verify(&*store, |events| bar.inc(events)).await?;
    bar.finish_and_clear();
    if on.json {
        out::line(
            json!({ "events": report.events, "differences": report.differences.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        )?;
    } else {
        for difference in &report.differences {
            out::line(difference)?;
        }
        out::line(format_args!(
            "{} events, {} differences",
            report.events,
            report.differences.len()
        ))?;
    }
    if report.differences.is_empty() {
        return Ok(());
    }
    Err(Failure::found(format!(
        "the rows differ from the log; {}",
        remedy(&report.differences)
    )))
}

/// `log rebuild` mends the rows of sessions, and those only.
fn remedy(differences: &[Difference]) -> &'static str {
    let is_session = |difference: &Difference| matches!(difference, Difference::Session { .. });
    if differences.iter().all(is_session) {
        "`session-api log rebuild` puts them right"
    } else if differences.iter().any(is_session) {
        "`session-api log rebuild` puts the sessions right; restore the rest from a backup"
    } else {
        "none is a session's, which `session-api log rebuild` could put right; restore them from a backup"
    }
}

async fn rebuild(on: &OnLog) -> Outcome {
    let store = on.database.open().await?;
    let bar = progress::events(2 * store.count_events().await?);
    let rebuilt = replay::rebuild(&*store, |events| bar.inc(events)).await?;
    bar.finish_and_clear();
    if on.json {
        let left: Vec<_> = rebuilt.left.iter().map(ToString::to_string).collect();
        out::line(json!({ "rebuilt": rebuilt.rows, "differences": left }))?;
    } else {
        for difference in &rebuilt.left {
            out::line(difference)?;
        }
        out::line(format_args!("{} session rows were put right", rebuilt.rows))?;
    }
    if rebuilt.left.is_empty() {
        return Ok(());
    }
    Err(Failure::found(
        "what differs is no session's row; restore it from a backup".to_owned(),
    ))
}
