//! `check`: says whether database, schema, keys, clock and NATS are well. It changes nothing.

use super::bus::{self, Nats};
use super::settings::{Database, KeyEncryption};
use super::{Failure, Outcome, chain};
use crate::keys::Keys;
use crate::store::Store;
use revocation_events::nats::{Bus, EventPublisher, Publisher};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Clocks that differ by more make tokens look expired or not yet issued.
const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// Events that wait for longer are not being published.
const LATE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    keys: KeyEncryption,
    #[command(flatten)]
    nats: Nats,
    /// Print one line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    wrong: Option<String>,
}

pub(super) async fn run(args: Args) -> Outcome {
    let mut findings = Vec::new();
    let store = look_at_database(&args, &mut findings).await?;
    if let Some(bus) = args.nats.connect().await? {
        look_at_bus(&bus, store.as_deref(), &mut findings).await?;
        bus.close().await;
    }
    let wrong = findings
        .iter()
        .filter(|finding| finding.wrong.is_some())
        .count();
    if args.json {
        let items: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "ok": f.wrong.is_none(), "wrong": f.wrong }))
            .collect();
        println!("{}", json!({ "ok": wrong == 0, "items": items }));
    } else {
        for finding in &findings {
            println!(
                "{:10} {}",
                finding.what,
                finding.wrong.as_deref().unwrap_or("ok")
            );
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
    let mut find = |what, wrong| findings.push(Finding { what, wrong });
    let store = match args.database.connect().await {
        Err(failure) if failure.code == 2 => return Err(failure),
        Err(failure) => {
            find("database", Some(failure.message));
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
    find("keys", wrong_with_keys(&*store, &args.keys).await?);
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
    find("clock", clock.or(log));
    Ok(Some(store))
}

async fn wrong_with_keys(
    store: &dyn Store,
    key: &KeyEncryption,
) -> Result<Option<String>, Failure> {
    let rows = store.keys().await?;
    if rows.is_empty() {
        return Ok(Some(
            "there are none yet; the first `serve` makes them".to_owned(),
        ));
    }
    let keys = Keys::new(key.sealer()?, &rows);
    Ok(keys.err().map(|error| chain(&error)))
}

async fn look_at_bus(bus: &Bus, store: Option<&dyn Store>, findings: &mut Vec<Finding>) -> Outcome {
    let mut find = |what, wrong| findings.push(Finding { what, wrong });
    if let Err(why) = bus::is_up(bus).await {
        find("nats", Some(why));
        return Ok(());
    }
    find("nats", None);
    match Publisher::new(bus).is_stored().await {
        Err(error) => find("jetstream", Some(chain(&error))),
        Ok(stored) => {
            find("jetstream", None);
            let missing = "it is not there or does not store this --nats-prefix; `serve` makes or changes it once it is connected";
            find("stream", (!stored).then(|| missing.to_owned()));
            let stored = EventPublisher::new(bus).is_stored().await;
            let wrong = match stored {
                Err(error) => Some(chain(&error)),
                Ok(false) => Some(missing.to_owned()),
                Ok(true) => wrong_with_events(store).await?,
            };
            find("events", wrong);
        }
    }
    Ok(())
}

/// Whether events for other programs are published.
async fn wrong_with_events(store: Option<&dyn Store>) -> Result<Option<String>, Failure> {
    let Some(store) = store else { return Ok(None) };
    let outbox = store.outbox_size().await?;
    Ok((outbox.oldest > LATE).then(|| {
        format!(
            "{} wait to be published, the oldest for {} s; does a replica run with this --nats-url, and is there room in the stream? Its log says why",
            outbox.events,
            outbox.oldest.as_secs()
        )
    }))
}
