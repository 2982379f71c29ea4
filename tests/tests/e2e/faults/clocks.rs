//! Wall clocks that are wrong, of whole processes while they run.

use super::{
    acceptance_ends_in_time, gate_beside, gate_of, is_not_ready, says_that_it_is_stale,
    verdict_becomes,
};
use crate::revocation::{PASSWORD, SOON, World};
use reqwest::Method;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tests::eventually::eventually;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::{Gate, Postgres, SessionApi, User, WallClock};

const FIVE_MINUTES: i64 = 5 * 60;

async fn a_verifiers_clock_goes_wrong_and_comes_right(wrong: i64) {
    let world = World::begins().await;
    let clock = WallClock::right();
    let settings = gate_of(&world).nats(&world.nats.url()).clock(&clock);
    let gate = settings.start().await;
    let (mut alice, mut admin) = (world.alice(), world.admin());
    alice.logs_in().await;
    admin.logs_in().await;
    let (dead, good) = (alice.access_token(), admin.access_token());
    verdict_becomes(&gate, &dead, 200, &[503]).await;

    clock.is_ahead_by(wrong);
    says_that_it_is_stale(&gate, &good).await;
    is_not_ready(&gate, "stale", "clock").await;
    alice.logs_out().await;
    says_that_it_is_stale(&gate, &dead).await;

    clock.is_ahead_by(0);
    verdict_becomes(&gate, &dead, 401, &[503]).await;
    verdict_becomes(&gate, &good, 200, &[503]).await;
}

#[tokio::test]
async fn a_verifier_whose_clock_runs_ahead_says_so_until_it_is_right() {
    a_verifiers_clock_goes_wrong_and_comes_right(FIVE_MINUTES).await;
}

#[tokio::test]
async fn a_verifier_whose_clock_runs_behind_says_so_until_it_is_right() {
    a_verifiers_clock_goes_wrong_and_comes_right(-FIVE_MINUTES).await;
}

/// By the gate's clock what a log-in gives has expired, or its time has not come.
async fn a_gate_with_a_wrong_clock(policy: &str, wrong: i64) -> (World, Gate, User, WallClock) {
    let world = World::begins_with(|settings| settings.flag("--access-ttl", "4m")).await;
    let clock = WallClock::right();
    let settings = gate_of(&world).nats(&world.nats.url()).clock(&clock);
    let gate = settings.flag("--on-stale", policy).start().await;
    clock.is_ahead_by(wrong);
    eventually("it is stale", SOON, async || gate.is("stale").await).await;
    let mut alice = world.alice();
    alice.logs_in().await;
    (world, gate, alice, clock)
}

#[tokio::test]
async fn a_verifier_that_goes_on_logs_nobody_out_by_its_wrong_clock() {
    for wrong in [FIVE_MINUTES, -FIVE_MINUTES] {
        let (_world, gate, mut alice, clock) = a_gate_with_a_wrong_clock("accept", wrong).await;
        let token = alice.access_token();
        let answer = gate.judges(&token).await.must_be(503);
        assert_eq!(answer.problem(), Some("verifier-stale"), "{wrong}");
        assert_eq!(gate.verdict("not a token").await, 401, "at any time");
        clock.is_ahead_by(0);
        verdict_becomes(&gate, &token, 200, &[503]).await;

        alice.logs_out().await;
        verdict_becomes(&gate, &token, 401, &[200]).await;
        clock.is_ahead_by(wrong);
        eventually("it is stale", SOON, async || gate.is("stale").await).await;
        assert_eq!(gate.verdict(&token).await, 401, "known to be dead");
    }
}

#[tokio::test]
async fn a_verifier_that_asks_goes_by_the_services_clock_and_not_by_its_wrong_one() {
    for wrong in [FIVE_MINUTES, -FIVE_MINUTES] {
        let (mut world, gate, mut alice, _clock) =
            a_gate_with_a_wrong_clock("introspect", wrong).await;
        let token = alice.access_token();
        assert_eq!(gate.verdict(&token).await, 200, "{wrong}");
        assert_eq!(gate.verdict("not a token").await, 401, "at any time");
        alice.logs_out().await;
        assert_eq!(gate.verdict(&token).await, 401, "the service knows");

        let mut admin = world.admin();
        admin.logs_in().await;
        world.service.kill();
        let asked_in_vain = gate.judges(&admin.access_token()).await.must_be(503);
        assert_eq!(asked_in_vain.problem(), Some("verifier-stale"));
    }
}

#[tokio::test]
async fn a_verifier_that_starts_with_a_wrong_clock_names_it_and_judges_once_it_is_right() {
    let world = World::begins().await;
    let mut alice = world.alice();
    alice.logs_in().await;
    for (wrong, freshness) in [(FIVE_MINUTES, "stale"), (-FIVE_MINUTES, "starting")] {
        let clock = WallClock::right();
        clock.is_ahead_by(wrong);
        let gate = gate_of(&world).clock(&clock).listens().await;
        eventually("the first pages", SOON, async || gate.is(freshness).await).await;
        is_not_ready(&gate, freshness, "clock").await;
        assert_eq!(gate.verdict(&alice.access_token()).await, 503);
        clock.is_ahead_by(0);
        verdict_becomes(&gate, &alice.access_token(), 200, &[503]).await;
    }
}

/// On Postgres, whose clock mints the tokens.
#[tokio::test]
async fn a_replica_whose_clock_is_wrong_logs_nobody_out() {
    let (clock, database) = (WallClock::right(), Postgres::fresh_database().await);
    let settings = Settings::new(database.url()).clock(&clock);
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    for wrong in [-30, 30, -FIVE_MINUTES, FIVE_MINUTES] {
        clock.is_ahead_by(wrong);
        let mut alice = User::on_phone(&service, "alice", PASSWORD);
        alice.logs_in().await;
        let by_session = async |alice: &mut User| {
            let shown = alice.sends(Method::GET, "/session", None).await;
            assert_eq!(shown.must_be(200).problem(), None, "{wrong}");
        };
        by_session(&mut alice).await;
        alice.refreshes().await;
        by_session(&mut alice).await;
        let ended = alice.sends(Method::DELETE, "/session", None).await;
        ended.must_be(200);
        alice.tries_to_refresh().await.must_be(401);
    }
}

/// To a replica that is two hours behind the database's clock is two hours ahead. Whichever of them is
/// right, the head must not follow the one that is ahead, for it never comes back.
#[tokio::test]
async fn the_log_does_not_follow_a_database_whose_clock_is_far_ahead() {
    let (clock, database) = (WallClock::right(), Postgres::fresh_database().await);
    let settings = Settings::new(database.url()).clock(&clock);
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    let mut alice = User::on_phone(&service, "alice", PASSWORD);
    let mut revokes = async |path: &str| {
        alice.logs_in().await;
        let ended = alice.sends(Method::DELETE, path, None).await.must_be(200);
        ended.body["position"].as_u64().unwrap()
    };
    let now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_micros()).unwrap()
    };
    let half_an_hour = 30 * 60 * 1_000_000;
    clock.is_ahead_by(-2 * 3_600);
    // Committed without a lock, and with one.
    let first = revokes("/session").await;
    let second = revokes("/sessions?keep=current").await;
    assert!(first < second && second < now() - half_an_hour);
    clock.is_ahead_by(0);
    let third = revokes("/session").await;
    assert!(third > now() - half_an_hour, "and the right time counts");
}

/// On SQLite, where the clock of the process is the only one there is.
async fn service_with(clock: &WallClock, folder: &Folder) -> SessionApi {
    let file = folder.path().join("log.db");
    let settings = Settings::new(&format!("sqlite:{}", file.display())).clock(clock);
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    service.has_user("bob", PASSWORD, None).await;
    service
}

#[tokio::test]
async fn a_small_step_back_of_the_issuers_clock_costs_nothing() {
    let (clock, folder) = (WallClock::right(), Folder::new("sqlite-"));
    let service = service_with(&clock, &folder).await;
    let credential = service.has_client("orders").await;
    let gate = Gate::beside(&service, &credential).start().await;
    let [mut alice, mut bob, mut other] =
        ["alice", "bob", "bob"].map(|name| User::on_phone(&service, name, PASSWORD));
    for user in [&mut alice, &mut bob, &mut other] {
        user.logs_in().await;
    }
    let (dead, good) = (alice.access_token(), bob.access_token());
    verdict_becomes(&gate, &dead, 200, &[503]).await;

    // Just before, so that the clock falls behind a position.
    let before = other.logs_out().await.body["position"].as_u64().unwrap();
    clock.is_ahead_by(-3);
    let ended = alice.logs_out().await;
    assert!(ended.body["position"].as_u64().unwrap() > before);
    verdict_becomes(&gate, &dead, 401, &[200]).await;
    // A login after the step comes after the revocation, whatever the clock says.
    alice.logs_in().await;
    bob.refreshes().await;
    for token in [&alice.access_token(), &bob.access_token(), &good] {
        verdict_becomes(&gate, token, 200, &[]).await;
    }
    assert!(gate.is("fresh").await);
}

#[tokio::test]
async fn while_the_issuers_clock_is_far_behind_verifiers_are_stale_and_then_catch_up() {
    let (clock, folder) = (WallClock::right(), Folder::new("sqlite-"));
    let service = service_with(&clock, &folder).await;
    let credential = service.has_client("orders").await;
    let gate = gate_beside(&service, &credential).start().await;
    let [mut alice, mut bob] =
        ["alice", "bob"].map(|name| User::on_phone(&service, name, PASSWORD));
    alice.logs_in().await;
    bob.logs_in().await;
    let (dead, good) = (alice.access_token(), bob.access_token());
    verdict_becomes(&gate, &dead, 200, &[503]).await;

    clock.is_ahead_by(-FIVE_MINUTES);
    // Her access token is from the future now; her session token counts all the same.
    alice.refreshes().await;
    let ended = alice.sends(Method::DELETE, "/sessions", None).await;
    ended.must_be(200);
    acceptance_ends_in_time(&gate, &dead, Instant::now()).await;
    verdict_becomes(&gate, &good, 503, &[200]).await;
    says_that_it_is_stale(&gate, &good).await;
    is_not_ready(&gate, "stale", "clock").await;

    clock.is_ahead_by(0);
    verdict_becomes(&gate, &good, 200, &[503]).await;
    verdict_becomes(&gate, &dead, 401, &[503]).await;
}
