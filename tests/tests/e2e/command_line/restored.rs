//! `log restored`: a backup is brought back, and whatever was acknowledged since stays dead.

use crate::faults::verdict_becomes;
use crate::revocation::{PAGES, SOON, World};
use sqlx::{Connection as _, PgConnection};
use tests::{Gate, eventually};

/// A log whose head runs ahead of the clock, by three failovers in a row, and a token that its owner
/// has ended after the backup was taken.
struct Lost {
    world: World,
    gate: Gate,
    sql: PgConnection,
    backup: i64,
    head: i64,
    token: String,
}

impl Lost {
    async fn begins() -> Self {
        let world = World::begins().await;
        let gate = world.gate().await;
        let mut sql = PgConnection::connect(world.database.url()).await.unwrap();
        let mut alice = world.alice();
        alice.logs_in().await;
        let backup = alice.logs_out().await.body["position"].as_i64().unwrap();
        for timeline in ["0000000A", "0000000B", "0000000C"] {
            let before = head(&mut sql).await;
            let other = sqlx::query("update log_head set timeline = $1").bind(timeline);
            other.execute(&mut sql).await.unwrap();
            while head(&mut sql).await == before {
                tokio::task::yield_now().await;
            }
        }
        let mut alice = world.alice();
        alice.logs_in().await;
        let token = alice.access_token();
        verdict_becomes(&gate, &token, 200, &[503]).await;
        let head = head(&mut sql).await;
        eventually("the gate has it all", SOON, async || {
            gate.readiness().await.body["head"] == head
        })
        .await;
        Self {
            world,
            gate,
            sql,
            backup,
            head,
            token,
        }
    }

    /// By the runbook: stop, restore, `migrate`, `log restored`, start. Its answer.
    async fn is_restored(&mut self, without_bus: bool, flags: &[&str]) -> i64 {
        self.world.service.stop().await;
        let back = sqlx::query("update log_head set position = $1, previous = $1");
        let back = back.bind(self.backup).execute(&mut self.sql);
        back.await.unwrap();
        let mut settings = self.world.service.settings().clone();
        if without_bus {
            settings = settings.nats("");
        }
        settings.must_run(&["migrate"], "").await;
        let command = [&["log", "restored", "--json"], flags].concat();
        let told = settings.must_run(&command, "").await;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        self.world.service.restart().await;
        told["position"].as_i64().unwrap()
    }

    async fn everybody_logs_in_again(&self) {
        verdict_becomes(&self.gate, &self.token, 401, &[200, 503]).await;
        let mut alice = self.world.alice();
        alice.logs_in().await;
        let token = alice.access_token();
        verdict_becomes(&self.gate, &token, 200, &[503]).await;
        alice.logs_out().await;
        verdict_becomes(&self.gate, &token, 401, &[200]).await;
    }
}

async fn head(sql: &mut PgConnection) -> i64 {
    let head = sqlx::query_scalar("select position from log_head");
    head.fetch_one(sql).await.unwrap()
}

#[tokio::test]
async fn a_restored_log_goes_on_above_all_that_is_on_the_bus() {
    let mut lost = Lost::begins().await;
    // NATS_URL is set, as for `serve`.
    let position = lost.is_restored(false, &[]).await;
    assert!(position > lost.head);
    lost.everybody_logs_in_again().await;
}

#[tokio::test]
async fn a_restored_log_without_a_bus_goes_on_above_what_verifiers_show() {
    let mut lost = Lost::begins().await;
    let shown = lost.gate.readiness().await.body["head"].to_string();
    let position = lost.is_restored(true, &["--above", &shown]).await;
    assert!(position > lost.head);
    lost.everybody_logs_in_again().await;
}

#[tokio::test]
async fn log_restored_says_what_it_could_not_find_out_and_believes_no_strangers_page() {
    let world = World::begins().await;
    let settings = world.service.settings();
    let alone = settings.clone().nats("");
    let alone = alone.run(&["log", "restored"], "").await;
    assert!(alone.status.success());
    let said = String::from_utf8(alone.stderr).unwrap();
    assert!(said.contains("--above"), "{said}");

    let tomorrow = (u64::MAX >> 11).to_string();
    let too_far = settings
        .run(&["log", "restored", "--above", &tomorrow], "")
        .await;
    assert_eq!(too_far.status.code(), Some(2));

    let nowhere = ["log", "restored", "--nats-url", "nats://127.0.0.1:9"];
    let nowhere = settings.run(&nowhere, "").await;
    assert_eq!(nowhere.status.code(), Some(1));
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(said.contains("Nothing was changed"), "{said}");

    let stranger = async_nats::connect(world.nats.url()).await.unwrap();
    let stranger = async_nats::jetstream::new(stranger);
    let lie = stranger.publish(PAGES, "what a stranger says".into());
    lie.await.unwrap().await.unwrap();
    let deceived = settings.run(&["log", "restored"], "").await;
    assert_eq!(deceived.status.code(), Some(1));
    let said = String::from_utf8(deceived.stderr).unwrap();
    assert!(said.contains("no key that this backup knows"), "{said}");
}
