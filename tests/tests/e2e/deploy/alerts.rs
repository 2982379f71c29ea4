//! Prometheus's rules, held against what the programs really say of themselves, and against the runbook.

use crate::permissions::bus;
use crate::revocation::{SOON, World};
use std::collections::BTreeSet;
use tests::eventually;
use tests::figures::figures;
use tests::gate::Gate;

const ALERTS: &str = include_str!("../../../../deploy/prometheus/alerts.yml");
const SCRAPES: &str = include_str!("../../../../deploy/prometheus/prometheus.yml");
const RUNBOOK: &str = include_str!("../../../../deploy/README.md");

/// What stands between `{` and `}` behind a name, or nothing.
fn selector(rest: &str) -> &str {
    let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    inside.map_or("", |(inside, _)| inside)
}

/// The figures that the rules ask for, each with the labels that it must have: `name` and `key="value"`.
fn asked_for() -> BTreeSet<(&'static str, &'static str)> {
    let mut asked = BTreeSet::new();
    for line in ALERTS.lines().filter(|line| !line.trim().starts_with('#')) {
        for (start, _) in line.match_indices("portcullis_") {
            let rest = &line[start..];
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            let labels = selector(&rest[end..]);
            asked.insert((&rest[..end], ""));
            for label in labels.split(',').filter(|label| label.contains("=\"")) {
                asked.insert((&rest[..end], label));
            }
        }
    }
    asked
}

#[tokio::test]
async fn every_figure_that_an_alert_asks_for_is_one_that_the_programs_have() {
    let nats = bus().await;
    let own = nats.url_for("session-api", "session-api-password");
    let world = World::begins_on(nats, |settings| settings.nats(&own)).await;
    let to_bus = world.nats.url_for("orders", "orders-password");
    let gate = Gate::beside(&world.service, &world.credential).nats(&to_bus);
    let gate = gate.start().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    let has = |said: &str, (name, label): (&str, &str)| {
        said.lines().any(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        })
    };
    let asked = asked_for();
    assert!(asked.len() > 15, "{asked:?}");
    // Some are counted by workers, a moment after the start.
    eventually("every figure is there", SOON, async || {
        let mut said = figures(world.service.url()).await;
        said += &figures(&gate.url("")).await;
        let missing: Vec<_> = asked.iter().filter(|asked| !has(&said, **asked)).collect();
        if !missing.is_empty() {
            println!("missing: {missing:?}");
        }
        missing.is_empty()
    })
    .await;
}

#[test]
fn the_runbook_tells_of_every_alert_and_of_no_other() {
    let names: BTreeSet<_> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(names.len() > 10);
    let rows: BTreeSet<_> = RUNBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("| **")?.split_once("** |"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, rows);
}

#[test]
fn every_job_that_an_alert_names_is_one_that_is_asked() {
    let jobs = ALERTS.split("job=\"").skip(1);
    let jobs: BTreeSet<_> = jobs.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(jobs, BTreeSet::from(["session-api", "verifiers"]));
    for job in jobs {
        assert!(SCRAPES.contains(&format!("job_name: {job}\n")), "{job}");
    }
}
