//! Refreshes and revocations beside a flood of logins, and beside nothing.

use crate::effort;
use crate::samples::Samples;
use crate::table::Table;
use reqwest::Method;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tests::session_api::{SessionApi, Settings};
use tests::{Postgres, User};

/// Clients that try to log in, without a pause but for the second that a busy service asks for.
const FLOOD: usize = 64;
const PASSWORD: &str = "correct horse battery staple";

pub(crate) async fn measure(table: &mut Table) {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let service = SessionApi::start(&Settings::new(database.url())).await;
    service.has_user("alice", PASSWORD, None).await;
    service.has_user("victim", PASSWORD, None).await;
    service.has_user("root", PASSWORD, Some("admin")).await;
    let mut alice = User::on_phone(&service, "alice", PASSWORD);
    let mut admin = User::on_phone(&service, "root", PASSWORD);
    let mut victim = User::on_phone(&service, "victim", PASSWORD);
    alice.logs_in().await;
    admin.logs_in().await;
    let victim = victim.logs_in().await.body["user"]["id"].take();
    let path = format!("/admin/users/{}/sessions", victim.as_str().unwrap());

    let (mut idle, mut flooded) = (Times::default(), Times::default());
    // In turns, so that a slow moment of the machine hits both.
    for _ in 0..effort::of(4, 2) {
        idle.take(&mut alice, &mut admin, &path).await;
        let over = AtomicBool::new(false);
        let flood = (0..FLOOD).map(|_| logs_in_until(&service, &over));
        let measured = async {
            flooded.take(&mut alice, &mut admin, &path).await;
            over.store(true, Ordering::Relaxed);
        };
        tokio::join!(measured, futures::future::join_all(flood));
    }
    for percent in [50, 99] {
        for (what, with, without) in [
            ("refresh", &mut flooded.refresh, &mut idle.refresh),
            ("revoke", &mut flooded.revoke, &mut idle.revoke),
        ] {
            table.micros(
                &format!("{what} beside {FLOOD} clients that log in, p{percent}"),
                with.percentile(percent),
                "the same without them",
                without.percentile(percent),
            );
        }
    }
}

async fn logs_in_until(service: &SessionApi, over: &AtomicBool) {
    let mut stranger = User::on_phone(service, "nobody", PASSWORD);
    while !over.load(Ordering::Relaxed) {
        if stranger.tries_to_log_in().await.status == 503 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[derive(Default)]
struct Times {
    refresh: Samples,
    revoke: Samples,
}

impl Times {
    async fn take(&mut self, alice: &mut User, admin: &mut User, path: &str) {
        let began = Instant::now();
        while began.elapsed() < effort::of(Duration::from_secs(3), Duration::from_secs(1)) {
            let one = Instant::now();
            alice.refreshes().await;
            self.refresh.push(one.elapsed());
            let one = Instant::now();
            let revoked = admin.sends(Method::DELETE, path, None).await;
            self.revoke.push(one.elapsed());
            revoked.must_be(200);
        }
    }
}
