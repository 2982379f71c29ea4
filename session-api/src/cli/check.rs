//! `check`: says whether database, schema, keys, clock, NATS and verifiers are well. It changes nothing.

mod bus;
mod verifiers;

use super::running;
use super::serve::BusArgs;
use super::settings::{self, Database, KeyEncryption};
use super::{Failure, Outcome, chain, out};
use crate::keys::Keys;
use crate::store::{KeyState, Store};
use revocation_events::UnixMillis;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Clocks that differ by more make tokens look expired or not yet issued.
const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// A key that has signed for longer is to be exchanged: the longer, the more a thief of it has. The alert
/// `KeyOld` calls at the same age.
const OLD: Duration = Duration::from_secs(90 * 86_400);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    keys: KeyEncryption,
    #[command(flatten)]
    bus: BusArgs,

    /// How long an access token lives, as `serve` has it: pages are to be kept for longer.
    #[arg(long, env = "SESSION_API_ACCESS_TTL", default_value = "15m", value_parser = settings::access_ttl, value_name = "DURATION")]
    access_ttl: Duration,

    /// How long events are kept, where `serve` is told so: else any age of their stream is well.
    #[arg(long, env = "SESSION_API_EVENTS_MAX_AGE", value_parser = settings::events_age, value_name = "DURATION")]
    events_max_age: Option<Duration>,

    /// For how long to listen for verifiers on NATS: each reports every two seconds. 0s is not at all.
    #[arg(long, env = "SESSION_API_LISTEN_FOR", default_value = "2500ms", value_parser = verifier_sdk::duration::parse, value_name = "DURATION")]
    listen_for: Duration,
    /// Print one line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    verdict: Verdict,
}

/// What is to be said of it.
enum Verdict {
    Well,
    /// Nothing is wrong, and something is to be done some day, or to be known.
    Advice(String),
    /// What is wrong, and what to do.
    Wrong(String),
}

impl From<Option<String>> for Verdict {
    fn from(wrong: Option<String>) -> Self {
        wrong.map_or(Self::Well, Self::Wrong)
    }
}

impl Finding {
    fn new(what: &'static str, verdict: impl Into<Verdict>) -> Self {
        let verdict = verdict.into();
        Self { what, verdict }
    }

    fn wrong(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Wrong(wrong) => Some(wrong),
            _ => None,
        }
    }

    fn advice(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Advice(advice) => Some(advice),
            _ => None,
        }
    }
}

pub(super) async fn run(args: Args) -> Outcome {
    let mut findings = Vec::new();
    let store = look_at_database(&args, &mut findings).await?;
    let bus = args.bus.nats.connect().await?;
    if let Some(bus) = &bus {
        let up = bus::look(bus, &args, store.as_deref(), &mut findings).await?;
        if let (true, Some(store)) = (up && !args.listen_for.is_zero(), &store) {
            findings.push(verifiers::look(store, Some((bus, args.listen_for))).await?);
        }
    } else if let Some(store) = &store {
        findings.push(verifiers::look(store, None).await?);
    }
    if let Some(bus) = bus {
        bus.close().await;
    }
    let wrong = findings
        .iter()
        .filter(|finding| finding.wrong().is_some())
        .count();
    if args.json {
        let items: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "ok": f.wrong().is_none(), "wrong": f.wrong(), "advice": f.advice() }))
            .collect();
        out::line(json!({ "ok": wrong == 0, "items": items }))?;
    } else {
        for finding in &findings {
            let said = match &finding.verdict {
                Verdict::Well => "ok".to_owned(),
                Verdict::Advice(advice) => format!("ok; {advice}"),
                Verdict::Wrong(wrong) => wrong.clone(),
            };
            out::line(format_args!("{:10} {said}", finding.what))?;
        }
    }
    if wrong == 0 {
        Ok(())
    } else {
        Err(Failure::found(format!(
            "{wrong} of {} are not well",
            findings.len()
        )))
    }
}

/// The database, where it can be used.
async fn look_at_database(
    args: &Args,
    findings: &mut Vec<Finding>,
) -> Result<Option<Arc<dyn Store>>, Failure> {
    let mut find = |what, wrong: Option<String>| findings.push(Finding::new(what, wrong));
    let store = match args.database.connect().await {
        Err(failure) if failure.code == 2 => return Err(failure),
        Err(failure) => {
            let remedy = "is --database-url right, and does the server run?";
            find("database", Some(format!("{}; {remedy}", failure.message)));
            return Ok(None);
        }
        Ok(store) => store,
    };
    find("database", None);
    if let Err(error) = store.check_schema().await {
        find("schema", Some(chain(&error)));
        return Ok(None);
    }
    find("schema", None);
    let (head, ours) = (store.head().await?, crate::clock::now());
    let theirs = head.now;
    let apart = theirs.since(ours).max(ours.since(theirs));
    let clock = (apart > CLOCK_LEEWAY).then(|| {
        format!(
            "the database's clock and this machine's differ by {} s; synchronise both",
            apart.as_secs()
        )
    });
    let far = head.position > crate::clock::latest_position();
    let ahead = (head.position.get() / 1_000_000).saturating_sub(ours.secs()) / 3_600;
    let log = far.then(|| {
        format!(
            "the head of the log is {ahead} h ahead of this machine's clock: a clock was wrong, or this \
             one is. From 24 h on verifiers take no page, until time has come so far; see \
             deploy/README.md"
        )
    });
    let keys = look_at_keys(&*store, &args.keys, theirs).await?;
    findings.push(Finding::new("keys", keys));
    findings.push(Finding::new("clock", clock.or(log)));
    Ok(Some(store))
}

async fn look_at_keys(
    store: &dyn Store,
    key: &KeyEncryption,
    now: UnixMillis,
) -> Result<Verdict, Failure> {
    let (sealer, rows) = (key.sealer()?, store.keys().await?);
    if rows.is_empty() {
        let none = "there are none yet; the first `serve` makes them";
        return Ok(Verdict::Wrong(none.to_owned()));
    }
    if let Err(error) = Keys::new(sealer, &rows) {
        return Ok(Verdict::Wrong(chain(&error)));
    }
    let old = rows.iter().filter_map(|row| {
        let age = now.since(row.state_since);
        (row.state == KeyState::Active && age > OLD).then(|| {
            let (purpose, days) = (row.purpose.as_str(), age.as_secs() / 86_400);
            format!("the {purpose} key has signed for {days} days: `session-api keys rotate --purpose {purpose}` exchanges it, and nobody notices")
        })
    });
    let old: Vec<_> = old.collect();
    Ok(match old.as_slice() {
        [] => Verdict::Well,
        old => Verdict::Advice(old.join("; ")),
    })
}
