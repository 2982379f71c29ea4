//! That our own programs need nothing which the file denies, and that a verifier's credentials let
//! nobody do more than a verifier does.

use super::*;
use crate::bus::{NO_REPORTS, REFUSED_BY_GATE, REFUSED_BY_SERVICE};
use crate::revocation::{SOON, World, is_told_that_it_is_published};
use reqwest::Method;
use tests::figures::figure;
use tests::gate::Gate;
use tests::link::{Condition, Link};

/// A service and a gate, each with its own user of the bus.
struct Programs {
    world: World,
    gate: Gate,
    /// Between the gate and the bus.
    to_bus: Link,
    /// Between the gate and the service.
    to_service: Link,
}

impl Programs {
    async fn start() -> Self {
        let nats = bus().await;
        let own = nats.url_for("session-api", "session-api-password");
        let world = World::begins_on(nats, |settings| settings.nats(&own)).await;
        let to_service = Link::before(world.service.url()).await;
        let to_bus = Link::before(&world.nats.url_for("orders", "orders-password")).await;
        let gate = Gate::beside(&world.service, &world.credential)
            .service_url(to_service.url())
            .nats(to_bus.url())
            .start()
            .await;
        let log = gate.server().running().log();
        eventually("over NATS", SOON, async || {
            log.line_with("connected to NATS").is_some()
        })
        .await;
        Self {
            world,
            gate,
            to_bus,
            to_service,
        }
    }

    async fn refuses(&self, token: &str) {
        eventually("the gate refuses", SOON, async || {
            self.gate.verdict(token).await == 401
        })
        .await;
    }

    /// Pages refused by the gate and by the service, and what was no report.
    async fn counted(&self) -> [f64; 3] {
        let service = self.world.service.url();
        [
            figure(&self.gate.url(""), REFUSED_BY_GATE).await,
            figure(service, REFUSED_BY_SERVICE).await,
            figure(service, NO_REPORTS).await,
        ]
    }

    /// Nobody was denied anything.
    fn stayed_within_the_file(&self) {
        let logs = [
            self.world.nats.server().running().log(),
            self.world.service.program().server().running().log(),
            self.gate.server().running().log(),
        ];
        for log in logs {
            for word in ["iolation", "ermission", "not permit"] {
                assert_eq!(log.line_with(word), None);
            }
        }
    }
}

#[tokio::test]
async fn the_service_and_a_gate_work_within_the_file() {
    let programs = Programs::start().await;
    let (world, gate) = (&programs.world, &programs.gate);
    let (mut live, mut missed, mut last) = (world.alice(), world.alice(), world.alice());
    for user in [&mut live, &mut missed, &mut last] {
        user.logs_in().await;
    }

    // With HTTP away: a page comes over NATS, and so does the report that it was applied.
    programs.to_service.becomes(Condition::CUT);
    let token = live.access_token();
    assert!(gate.accepts(&token).await);
    let answer = live.sends_and_waits(Method::DELETE, "/session", 30).await;
    let answer = answer.must_be(200).body;
    assert_eq!(answer["verifiers"]["applied"], 1, "{answer}");
    assert!(!gate.accepts(&token).await);
    is_told_that_it_is_published(&mut live).await;

    // With NATS away too, for a moment: what was missed is read from the stream.
    programs.to_bus.becomes(Condition::CUT);
    let token = missed.access_token();
    missed.logs_out().await;
    programs.to_bus.becomes(Condition::WELL);
    programs.refuses(&token).await;
    eventually("it is fresh", SOON, async || gate.is("fresh").await).await;

    // And over HTTP where NATS is away for long.
    programs.to_service.becomes(Condition::WELL);
    programs.to_bus.becomes(Condition::CUT);
    let token = last.access_token();
    last.logs_out().await;
    programs.refuses(&token).await;
    programs.stayed_within_the_file();
}

#[tokio::test]
async fn with_a_verifiers_credentials_nobody_disturbs_the_others() {
    let programs = Programs::start().await;
    let mut alice = programs.world.alice();
    alice.logs_in().await;
    let token = alice.access_token();
    let thief = Peer::connect(&programs.world.nats, "gate").await;
    let before = programs.counted().await;
    let more = |pages: f64, reports: f64| [before[0] + pages, before[1], before[2] + reports];

    // What the server does not let through.
    for subject in [
        PAGES,
        HEARTBEATS,
        "sessions.v1.status.orders.x",
        "$JS.API.STREAM.DELETE.SESSIONS_REVOCATIONS",
        "$JS.API.STREAM.PURGE.SESSIONS_REVOCATIONS",
        "_INBOX_orders.x",
        "_INBOX_session-api.x",
    ] {
        thief.publishes(subject, "{}").await;
        let what = format!("it may not publish to {subject}");
        eventually(&what, SOON, async || thief.complained(subject)).await;
    }

    // What it does let through: reports under the credentials' own name, true or not,
    thief.publishes("sessions.v1.status.gate.x", "{}").await;
    // and stored pages sent to whoever may hear pages: the service's own, and an empty answer.
    let question = r#"{"seq":999999}"#;
    let asked = thief
        .client
        .publish_with_reply(REPLAY, PAGES, question.into());
    asked.await.expect("open");
    eventually("the gate refuses the answer", SOON, async || {
        programs.counted().await == more(1.0, 1.0)
    })
    .await;

    assert!(programs.gate.is("fresh").await);
    assert!(programs.gate.accepts(&token).await);
    alice.logs_out().await;
    is_told_that_it_is_published(&mut alice).await;
    programs.refuses(&token).await;
    assert_eq!(programs.counted().await, more(1.0, 1.0), "and nothing else");
}
