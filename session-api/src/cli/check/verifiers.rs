//! Which verifiers there are, and whether each knows what was revoked.

use super::{Finding, Verdict};
use crate::cli::Failure;
use crate::relay::fleet::{Fleet, Verifier};
use crate::store::Store;
use revocation_events::nats::{Bus, StatusFeed};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Those who report: over HTTP, which the database keeps, and over NATS, which has to be listened to.
pub(super) async fn look(
    store: &Arc<dyn Store>,
    bus: Option<(&Bus, Duration)>,
) -> Result<Finding, Failure> {
    let fleet = Fleet::new(store.clone(), bus.is_some());
    if let Some((bus, listen_for)) = bus {
        let mut reports = StatusFeed::subscribe(bus).await?;
        let heard = async {
            while let Some(report) = reports.next().await {
                if let Ok(reported) = report {
                    fleet.heard(reported.client, reported.status, Instant::now());
                }
            }
        };
        let _ = tokio::time::timeout(listen_for, heard).await;
        fleet.hears(true, Instant::now());
    }
    fleet.can_read(true, Instant::now());
    let clients = store.clients().await?;
    let clients: Vec<_> = clients.into_iter().map(|client| client.name).collect();
    let verdict = verdict(&fleet.live().await?, &fleet.gone().await?, &clients);
    Ok(Finding::new("verifiers", verdict))
}

fn verdict(live: &[Arc<Verifier>], gone: &[Arc<Verifier>], clients: &[String]) -> Verdict {
    let stale: Vec<_> = live
        .iter()
        .filter(|verifier| !verifier.status.fresh)
        .collect();
    if !stale.is_empty() {
        let stale: Vec<_> = stale.iter().map(|verifier| name(verifier)).collect();
        return Verdict::Wrong(format!(
            "{} of {} are stale and answer 503: {}; /readyz there says why, and so does the log",
            stale.len(),
            live.len(),
            stale.join(", ")
        ));
    }
    let mut advice = Vec::new();
    if !gone.is_empty() {
        let gone: Vec<_> = gone
            .iter()
            .map(|verifier| {
                let ago = verifier.seen.elapsed().as_secs() / 60;
                format!("{} ({ago} min ago)", name(verifier))
            })
            .collect();
        advice.push(format!(
            "{} went without a goodbye: if it should run, its log says why",
            gone.join(", ")
        ));
    }
    let reports = |client: &&String| live.iter().any(|verifier| verifier.client == **client);
    let silent: Vec<_> = clients
        .iter()
        .filter(|client| !reports(client))
        .map(|client| format!("`{client}`"))
        .collect();
    if !silent.is_empty() {
        advice.push(format!(
            "{} live, and none reports as {}: does it run, and reach NATS or this service? (A client that only introspects never reports.)",
            live.len(),
            silent.join(", ")
        ));
    }
    match advice.as_slice() {
        [] => Verdict::Well,
        advice => Verdict::Advice(advice.join("; ")),
    }
}

fn name(verifier: &Verifier) -> String {
    let status = &verifier.status;
    format!(
        "{} (instance {}, by `{}`)",
        status.service, status.instance, verifier.client
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use revocation_events::status::{Counts, Status};

    fn verifier(service: &str, fresh: bool) -> Arc<Verifier> {
        Arc::new(Verifier {
            client: service.to_owned(),
            status: Status {
                service: service.to_owned(),
                instance: "i1".to_owned(),
                version: "1".to_owned(),
                head: None,
                fresh,
                age_ms: None,
                max_staleness_ms: 10_000,
                counts: Counts::default(),
                goodbye: false,
            },
            seen: Instant::now(),
        })
    }

    #[test]
    fn a_stale_one_is_wrong_and_a_missing_one_is_told_of() {
        let client = |name: &str| vec![name.to_owned()];
        let (fresh, stale) = (verifier("gate", true), verifier("orders", false));
        let one = std::slice::from_ref(&fresh);
        assert!(matches!(verdict(one, &[], &client("gate")), Verdict::Well));
        assert!(matches!(verdict(&[], &[], &[]), Verdict::Well));
        let Verdict::Wrong(wrong) = verdict(&[fresh.clone(), stale], &[], &[]) else {
            panic!("a stale one answers 503")
        };
        assert!(wrong.starts_with("1 of 2 are stale"), "{wrong}");
        assert!(
            wrong.contains("orders (instance i1, by `orders`)"),
            "{wrong}"
        );
        let Verdict::Advice(advice) = verdict(one, &[], &client("orders")) else {
            panic!("a client that never reports may be none's verifier")
        };
        assert!(advice.contains("none reports as `orders`"), "{advice}");
        let Verdict::Advice(advice) = verdict(&[], &[fresh], &[]) else {
            panic!("who is gone may be gone for good")
        };
        assert!(
            advice.contains("gate") && advice.contains("without a goodbye"),
            "{advice}"
        );
    }
}
