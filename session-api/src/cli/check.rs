//! `check`: says whether database, schema, keys and clock are well.

use super::settings::{Database, KeyEncryption};
use super::{Failure, Outcome, chain};
use crate::keys::Keys;
use serde_json::json;
use std::time::Duration;

/// Clocks that differ by more make tokens look expired or not yet issued.
const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    keys: KeyEncryption,
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
    let findings = look(&args).await?;
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

async fn look(args: &Args) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let mut find = |what, wrong| findings.push(Finding { what, wrong });
    let store = match args.database.connect().await {
        Err(failure) if failure.code == 2 => return Err(failure),
        Err(failure) => {
            find("database", Some(failure.message));
            return Ok(findings);
        }
        Ok(store) => store,
    };
    find("database", None);
    if let Err(error) = store.check_schema().await {
        find("schema", Some(chain(&error)));
        return Ok(findings);
    }
    find("schema", None);
    let rows = store.keys().await?;
    let keys = if rows.is_empty() {
        Some("there are none yet; the first `serve` makes them".to_owned())
    } else {
        Keys::new(args.keys.sealer()?, &rows)
            .err()
            .map(|error| chain(&error))
    };
    find("keys", keys);
    let (theirs, ours) = (store.head().await?.now, crate::clock::now());
    let apart = theirs.since(ours).max(ours.since(theirs));
    let clock = (apart > CLOCK_LEEWAY).then(|| {
        format!(
            "the database's clock and this machine's differ by {} s; synchronise both",
            apart.as_secs()
        )
    });
    find("clock", clock);
    Ok(findings)
}
