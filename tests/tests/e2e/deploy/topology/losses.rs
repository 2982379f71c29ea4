//! A NATS node and a replica die, and nobody notices.

use super::{SOON, World};
use futures::future::join_all;
use reqwest::Method;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::{Gate, Nats, User, eventually, until};

/// What a revoked token lives on at most, whatever fails: the gate's `--max-staleness`, which is the default.
const BOUND: Duration = Duration::from_secs(10);

/// Rounds of a client from one fault to the next.
const ROUNDS: usize = 2;

/// What the user would have noticed.
#[derive(Debug, Default)]
struct Diary {
    /// Log-ins that were to be tried once more. A replica that dies over one may have done it, so nginx does
    /// not ask another; each time that one dies, that may be.
    tried_again: usize,
    /// From a log-out to the first refusal.
    longest: Duration,
}

/// A user who logs in, works, and logs out, again and again until `stop`, and counts the rounds.
async fn works(mut user: User, rounds: &AtomicUsize, stop: &AtomicBool) -> Diary {
    let mut diary = Diary::default();
    while !stop.load(Ordering::SeqCst) {
        round(&mut user, &mut diary).await;
        rounds.fetch_add(1, Ordering::SeqCst);
    }
    diary
}

/// Each of them does so many rounds from now on.
async fn all_go_on(rounds: &[AtomicUsize]) {
    let now = || rounds.iter().map(|done| done.load(Ordering::SeqCst));
    let before: Vec<_> = now().collect();
    eventually("all go on", SOON, async || {
        now()
            .zip(&before)
            .all(|(now, before)| now >= before + ROUNDS)
    })
    .await;
}

/// Every answer is the one that it would be if nothing had failed.
async fn round(user: &mut User, diary: &mut Diary) {
    while user.tries_to_log_in().await.status != 201 {
        diary.tried_again += 1;
        assert!(diary.tried_again <= 1, "once, when the replica died");
    }
    for _ in 0..5 {
        user.sends(Method::GET, "/session", None).await.must_be(200);
        user.sends(Method::GET, "/whoami", None).await.must_be(200);
        user.refreshes().await;
        user.sends(Method::GET, "/whoami", None).await.must_be(200);
    }
    let mut thief = user.clone();
    let ended = user.tries_to_log_out().await;
    // 401 where the one that died over it had done it, and told nobody.
    assert!([200, 401].contains(&ended.status), "{ended:?}");
    let told = Instant::now();
    until("the token is refused", SOON, async || {
        let answer = thief.sends(Method::GET, "/whoami", None).await;
        assert!([200, 401].contains(&answer.status), "{answer:?}");
        (answer.status == 401).then_some(())
    })
    .await;
    diary.longest = diary.longest.max(told.elapsed());
}

/// Asks the gate all the time whether it is fresh, until `stop`.
async fn stays_fresh(gate: &Gate, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let readiness = gate.readiness().await;
        assert_eq!(readiness.body["freshness"], "fresh", "{readiness:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until it has its part of every stream, as compose does.
async fn is_healthy(node: &Nats) {
    let log = node.server().running().log();
    let line = log.line_with("Starting http monitor on ").unwrap();
    let address = line.rsplit(' ').next().unwrap();
    let url = format!("http://{address}/healthz");
    eventually("the node is healthy", SOON, async || {
        let answer = reqwest::get(&url).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}

#[tokio::test]
async fn nobody_notices_when_a_node_and_a_replica_die() {
    let mut world = World::begins().await;
    for node in &world.nodes {
        is_healthy(node).await;
    }
    let users = ["alice", "bob", "carol"];
    let phones = users.map(|name| world.on_phone(name));
    let browsers = users.map(|name| world.in_browser(name));
    let rounds = [(); 6].map(|()| AtomicUsize::new(0));
    let stop = AtomicBool::new(false);
    let users = phones.into_iter().chain(browsers).zip(&rounds);
    let clients = join_all(users.map(|(user, rounds)| works(user, rounds, &stop)));

    let World {
        gate,
        nodes,
        replicas,
        ..
    } = &mut world;
    let faults = async {
        all_go_on(&rounds).await;
        nodes[0].kill();
        all_go_on(&rounds).await;
        // The one that the gate asks: of what it misses from here on it reads in the stream.
        replicas[1].kill();
        all_go_on(&rounds).await;
        nodes[0].restart().await;
        is_healthy(&nodes[0]).await;
        nodes[1].kill();
        all_go_on(&rounds).await;
        replicas[1].restart().await;
        nodes[1].restart().await;
        all_go_on(&rounds).await;
        stop.store(true, Ordering::SeqCst);
    };
    let ((), (), diaries) = tokio::join!(faults, stays_fresh(gate, &stop), clients);
    for (diary, rounds) in diaries.iter().zip(&rounds) {
        println!("{rounds:?} rounds, {diary:?}");
        assert!(diary.longest <= BOUND, "{diary:?}");
    }
}
