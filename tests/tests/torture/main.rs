//! The promise under faults: a fresh verifier never accepts a dead token, and nothing that was
//! acknowledged is lost. `tests/torture` runs it for minutes; among the tests it takes one.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `world` | three NATS nodes, Postgres, two replicas, nine verifiers, and a line on every way |
//! | `clients`, `phone`, `diary` | people who log in, refresh and revoke; what they were told |
//! | `probe` | asks eight verifiers, which live in this process, about every token, all the time |
//! | `sentry` | asks the ninth, a process of its own, now and then |
//! | `nemesis`, `kinds`, `faults`, `aim` | when something goes wrong, what, how, and for whom |
//! | `ending` | what must be there after everything was mended |
//! | `history`, `checker` | all of this written down, and judged (pure; tested in `torture_checker`) |
//! | `report` | the table and the JSON |
//!
//! Everything that is left to chance comes from the seed; what the machine makes of it does not.
//! To add a fault: a [`Kind`] with its name and its claims, and in `faults` its blow and its mending.
//!
//! # What it cannot see
//! | what | where that is tried |
//! | --- | --- |
//! | Eight verifiers live in this process, or nothing could ask them often enough: none of them is stopped or killed. One is dropped now and then, and a new one takes its place. The ninth is stopped and killed, and is asked a few times a second. | `e2e/faults/staleness.rs` |
//! | One machine has one clock, so none is wrong. | `e2e/faults/clocks.rs`, the model |
//! | No fault lasts longer than seconds: what gathers meanwhile fits one page, so no cut is split. | the model |
//! | No signing key is revoked or stolen. | `e2e/keys/`, the model |
//!
//! The model is `revocation-events/tests/model`.

#![expect(clippy::unwrap_used, reason = "a run that cannot go on says where")]

mod aim;
mod checker;
mod clients;
mod diary;
mod ending;
mod faults;
mod history;
mod kinds;
mod nemesis;
mod phone;
mod probe;
mod report;
mod sentry;
mod world;

use checker::Rules;
use diary::Diary;
use history::History;
use kinds::Kind;
use nemesis::Nemesis;
use report::Run;
use sentry::Sentry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use world::World;

const USAGE: &str = "usage: tests/torture [--minutes N] [--seed S] [--json FILE]";
/// How long faults strike where no length is given.
const QUICK: Duration = Duration::from_secs(33);
/// From here on a run must have a thousand revocations, and each kind of fault three times.
const LONG: Duration = Duration::from_secs(120);
/// Connections are tried again after random waits of up to four seconds, and what was frozen has to
/// find out before that others have given it up.
const GRACE: Duration = Duration::from_secs(5);
/// A quick run is not judged by what verifiers do outside faults.
const QUICK_GRACE: Duration = Duration::from_secs(3);

struct Args {
    span: Duration,
    seed: u64,
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args = match parse(&args) {
        Ok(Some(args)) => args,
        Ok(None) => {
            eprintln!("torture: other tests are meant");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(&args))
}

/// `None` where these are `cargo test`'s own arguments, and they mean other tests.
fn parse(args: &[String]) -> Result<Option<Args>, String> {
    let mut parsed = Args {
        span: QUICK,
        seed: 1,
        json: None,
    };
    let mut names = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{arg} lacks its value"));
        match arg.as_str() {
            "--minutes" => {
                let minutes: f64 = value()?.parse().map_err(|e| format!("--minutes: {e}"))?;
                parsed.span = Duration::try_from_secs_f64(minutes * 60.0)
                    .map_err(|error| format!("--minutes: {error}"))?;
            }
            "--seed" => parsed.seed = value()?.parse().map_err(|e| format!("--seed: {e}"))?,
            "--json" => parsed.json = Some(value()?.into()),
            "--list" => return Ok(None),
            "--test-threads" | "--color" => drop(value()?),
            "--nocapture" | "--no-capture" | "--show-output" | "--quiet" | "-q" => {}
            flag if flag.starts_with("--test-threads=") || flag.starts_with("--color=") => {}
            flag if flag.starts_with('-') => return Err(format!("{flag} is not known")),
            name => names.push(name),
        }
    }
    let meant = names.is_empty() || names.iter().any(|name| "torture".contains(name));
    Ok(meant.then_some(parsed))
}

async fn run(args: &Args) -> ExitCode {
    eprintln!("torture: seed {}, {} s", args.seed, args.span.as_secs());
    let mut world = World::begins().await;
    let long = args.span >= LONG;
    let rules = Rules {
        max_staleness: world::MAX_STALENESS,
        clocks: Duration::from_millis(10),
        grace: if long { GRACE } else { QUICK_GRACE },
        min_acknowledged: if long { 1_000 } else { 100 },
        kinds: Kind::ALL.map(Kind::name).to_vec(),
        min_of_each: if long { 3 } else { 1 },
        min_settled: 0.99,
        // In a quick run hardly any time lies outside faults.
        min_fresh: long.then_some(0.95),
    };
    let (history, run) = live(args, &mut world, &rules).await;
    let judgement = checker::judge(&history, &rules);
    println!("{}", report::table(&run, &judgement));
    if let Some(file) = &args.json {
        std::fs::write(file, report::json(&run, &judgement).to_string()).unwrap();
    }
    if judgement.failures.is_empty() {
        println!("torture: kept");
        return ExitCode::SUCCESS;
    }
    for failure in judgement.failures.iter().take(20) {
        println!("torture: {failure}");
    }
    println!(
        "torture: BROKEN, {} reasons, seed {}",
        judgement.failures.len(),
        args.seed
    );
    ExitCode::FAILURE
}

/// From the first log-in to the last question.
async fn live(args: &Args, world: &mut World, rules: &Rules) -> (History, Run) {
    let began = Instant::now();
    let patience = rules.max_staleness + Duration::from_secs(2);
    let probe = probe::start(began, world.fleet.clone(), patience);
    let sentry = Sentry::start(began, world.gate.url(""), patience);
    let diary = Diary::new(began, vec![probe.orders(), sentry.orders()]);
    let urls: Vec<_> = world
        .replicas
        .iter()
        .map(|replica| replica.url().to_owned())
        .collect();
    let mut clients = JoinSet::new();
    for life in clients::lives(&urls, &diary, args.seed).await {
        clients.spawn(life);
    }
    let watched_from = began.elapsed();
    let mut nemesis = Nemesis::new(!args.seed, rules.min_of_each, rules.grace);
    let faults = nemesis.rages(world, began, watched_from + args.span).await;
    let watched = (watched_from, began.elapsed());
    if let Some(Err(died)) = clients.try_join_next() {
        std::panic::resume_unwind(died.into_panic());
    }
    clients.shutdown().await;
    let mut probed = probe.ends().await;
    let sampled = sentry.ends().await;

    let mut history = History {
        verifiers: world::VERIFIERS,
        verdicts: std::mem::take(&mut probed.verdicts),
        sampled,
        freshness: std::mem::take(&mut probed.freshness),
        faults,
        watched,
        ..History::default()
    };
    {
        let mut written = diary.written();
        history.tokens = std::mem::take(&mut written.tokens);
        history.acknowledged = std::mem::take(&mut written.acknowledged);
    }
    ending::complete(&mut history, world, &diary, &probed).await;
    let run = Run {
        seed: args.seed,
        span: watched.1 - watched.0,
        max_staleness: rules.max_staleness,
        verifiers: world::VERIFIERS,
        calls: diary.written().calls.drain().collect(),
        slow_consumers: world.slow_consumers,
    };
    (history, run)
}
