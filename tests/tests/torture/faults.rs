//! How each kind of fault strikes, and how it is mended.

use crate::aim::some_lines;
use crate::kinds::Kind;
use crate::world::{MAX_STALENESS, NODES, REPLICAS, Routes, VERIFIERS, Way, World};
use async_nats::jetstream::{self, context::ContextBuilder};
use fastrand::Rng;
use sqlx::{Connection as _, PgConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::link::Condition;
use tokio::task::JoinHandle;

/// What the service calls its stream and the subjects of its pages.
const STREAM: &str = "SESSIONS_REVOCATIONS";
const PAGES: &str = "sessions.v1.revocations";
const HEARTBEATS: &str = "sessions.v1.heartbeats";
/// What a server writes when it cuts a client off.
const SLOW: &str = "Slow Consumer Detected";

/// How long a cluster may take to do as it is told.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_WITH_A_FULL_CLUSTER: Duration = Duration::from_secs(3);
const PATIENCE_WITH_A_FLOOD: Duration = Duration::from_secs(6);

/// A fault that has struck.
pub(crate) struct Struck {
    pub(crate) kind: Kind,
    pub(crate) target: usize,
    since: Instant,
    /// What goes on until it is mended.
    busy: Option<JoinHandle<()>>,
    /// How many slow consumers NATS had cut off before.
    slow_before: usize,
}

pub(crate) async fn strike(kind: Kind, target: usize, world: &mut World, rng: &mut Rng) -> Struck {
    let (replica, node) = (target % REPLICAS, target % NODES);
    let since = Instant::now();
    let mut busy = None;
    let slow_before = match kind {
        Kind::BusFlooded => lines(world, SLOW),
        _ => 0,
    };
    match kind {
        Kind::ReplicaKilled => world.replicas[replica].kill(),
        Kind::ReplicaFrozen => world.replicas[replica].program().server().freeze(),
        Kind::ReplicaRestarted => drop(world.replicas[replica].stop().await),
        Kind::ReplicaCutFromBus => {
            let condition = cut_or_frozen(rng);
            world.to_nodes[replica]
                .iter()
                .for_each(|link| link.becomes(condition));
        }
        Kind::NodeKilled => world.nodes[node].kill(),
        Kind::NodeFrozen => world.nodes[node].server().freeze(),
        Kind::NodePartitioned => world.routes.become_at(node, cut_or_frozen(rng)),
        Kind::RoutesFlap => {
            busy = Some(tokio::spawn(flap(world.routes.clone(), node)));
        }
        Kind::NodeWiped => world.nodes[node].wipe().await,
        Kind::AllNodesWiped => wipe_all(world).await,
        Kind::BusFlooded => {
            let narrow = Condition {
                throttle: Some(rng.u32(20_000..100_000)),
                ..Condition::WELL
            };
            // On lines to a replica nobody hears the flood.
            some_ways(
                world,
                |way| usize::from(way.is_on_a_line_to_the_bus()),
                rng,
                narrow,
            );
            busy = Some(tokio::spawn(flood(world.nodes[node].url())));
        }
        Kind::StreamFilled => fill(world, node).await,
        Kind::DatabaseKilled => world.postgres.kill_immediate().await,
        Kind::DatabaseConnectionsDropped => {
            busy = Some(tokio::spawn(terminate(world.database.url().to_owned())));
        }
        Kind::DatabaseCut => {
            let condition = cut_or_frozen(rng);
            let both = rng.bool();
            for (number, link) in world.to_database.iter().enumerate() {
                if both || number == replica {
                    link.becomes(condition);
                }
            }
        }
        Kind::VerifiersCut => {
            let condition = cut_or_frozen(rng);
            some_ways(world, |way| way.links.len(), rng, condition);
        }
        Kind::VerifiersImpaired => {
            let impaired = [
                Condition {
                    delay: Duration::from_millis(rng.u64(50..1_500)),
                    ..Condition::WELL
                },
                Condition {
                    throttle: Some(rng.u32(1_000..20_000)),
                    ..Condition::WELL
                },
                Condition {
                    half_closed: true,
                    ..Condition::WELL
                },
            ];
            for condition in impaired {
                some_ways(world, |way| way.links.len(), rng, condition);
            }
        }
        Kind::VerifierRestarted => {
            let number = target % VERIFIERS;
            let new = world.verifier(number);
            let old = std::mem::replace(&mut crate::probe::lock(&world.fleet)[number], new);
            // Without a goodbye, as a crash is: it stops when its last clone is dropped.
            drop(old);
        }
        Kind::GateFrozen => world.gate.server().freeze(),
        Kind::GateKilled => world.gate.program().kill(),
    }
    Struck {
        kind,
        target,
        since,
        busy,
        slow_before,
    }
}

/// Everything is as it was before; whether the fault has done what its name says.
pub(crate) async fn mend(struck: Struck, world: &mut World) -> bool {
    let (replica, node) = (struck.target % REPLICAS, struck.target % NODES);
    let did = match struck.kind {
        Kind::BusFlooded => a_consumer_is_slow(world, struck.slow_before).await,
        _ => true,
    };
    if let Some(busy) = struck.busy {
        busy.abort();
        // It may be at work just now, and must not undo what comes.
        let _aborted = busy.await;
    }
    if struck.kind == Kind::BusFlooded {
        world.slow_consumers += lines(world, SLOW).saturating_sub(struck.slow_before);
    }
    let well = Condition::WELL;
    match struck.kind {
        Kind::ReplicaKilled | Kind::ReplicaRestarted => world.replicas[replica].restart().await,
        Kind::ReplicaFrozen => world.replicas[replica].program().server().thaw(),
        Kind::ReplicaCutFromBus => {
            world.to_nodes[replica]
                .iter()
                .for_each(|link| link.becomes(well));
        }
        Kind::NodeKilled => world.nodes[node].restart().await,
        Kind::NodeFrozen => world.nodes[node].server().thaw(),
        Kind::NodePartitioned | Kind::RoutesFlap => world.routes.become_at(node, well),
        Kind::NodeWiped | Kind::AllNodesWiped | Kind::VerifierRestarted => {}
        Kind::StreamFilled => empty_the_stream(world, node).await,
        Kind::DatabaseKilled => world.postgres.restart().await,
        Kind::DatabaseConnectionsDropped => {}
        Kind::DatabaseCut => world.to_database.iter().for_each(|link| link.becomes(well)),
        Kind::BusFlooded | Kind::VerifiersCut | Kind::VerifiersImpaired => {
            let links = world.ways.iter().flat_map(|way| &way.links);
            links.for_each(|link| link.becomes(well));
        }
        Kind::GateFrozen => {
            // So long that, when it wakes, it has been asked about what was revoked as it fell asleep
            // and must be refused by now.
            let asleep = MAX_STALENESS + Duration::from_secs(1);
            tokio::time::sleep(asleep.saturating_sub(struck.since.elapsed())).await;
            world.gate.server().thaw();
        }
        Kind::GateKilled => world.gate.program().restart().await,
    }
    did
}

/// The flood goes on until it has made one, which takes as long as buffers on the way are large.
async fn a_consumer_is_slow(world: &World, before: usize) -> bool {
    let until = Instant::now() + PATIENCE_WITH_A_FLOOD;
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    while Instant::now() < until {
        looks.tick().await;
        if lines(world, SLOW) > before {
            return true;
        }
    }
    false
}

fn cut_or_frozen(rng: &mut Rng) -> Condition {
    let cut = rng.bool();
    Condition {
        cut,
        frozen: !cut,
        ..Condition::WELL
    }
}

/// As [`some_lines`] says, where of each way so many `lines` count.
fn some_ways(world: &World, lines: impl Fn(&Way) -> usize, rng: &mut Rng, condition: Condition) {
    let lines: Vec<_> = world.ways.iter().map(lines).collect();
    for (way, line) in some_lines(&lines, rng) {
        world.ways[way].links[line].becomes(condition);
    }
}

/// Cuts a node's routes for a moment, again and again. They come back within a second, and what was
/// published meanwhile is lost to the others' clients, whose connections stay as they were: nobody is
/// told, and heartbeats do not stay away for long enough to be missed. Ends when it is aborted.
async fn flap(routes: Arc<Routes>, node: usize) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1_500));
    loop {
        ticks.tick().await;
        routes.become_at(
            node,
            Condition {
                cut: true,
                ..Condition::WELL
            },
        );
        // Long enough for the lines' own tasks to see it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        routes.become_at(node, Condition::WELL);
    }
}

/// What is no page, as fast as one client writes it, so that narrow lines fall behind and the server
/// cuts them off. Ends when it is aborted.
async fn flood(url: String) {
    let client = async_nats::connect(&url).await.unwrap();
    let junk = bytes::Bytes::from(vec![b'x'; 4_096]);
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        for _ in 0..20 {
            // The server may be killed meanwhile.
            let _lost = client.publish(HEARTBEATS, junk.clone()).await;
        }
    }
}

/// Stores what is no page among the pages, until a server says that it stores nothing more: to this
/// publisher, or in its log where the answer is lost with the leader that it deposes.
async fn fill(world: &World, node: usize) {
    let jetstream = jetstream(&world.nodes[node].url()).await;
    let junk = bytes::Bytes::from(vec![b'x'; 128 * 1_024]);
    let complaints = || lines(world, "resource limits exceeded");
    let before = complaints();
    tests::eventually("the stream is full", PATIENCE, async || {
        let refused = match jetstream.publish(PAGES, junk.clone()).await {
            Ok(stored) => stored.await.err().map(|error| format!("{error:?}")),
            Err(error) => Some(format!("{error:?}")),
        };
        // A leader that was just elected, or was too slow, fails in other ways.
        refused.is_some_and(|why| why.contains("insufficient resources")) || complaints() > before
    })
    .await;
}

/// How many lines with `text` the nodes that run have written.
fn lines(world: &World, text: &str) -> usize {
    let logs = world.nodes.iter().map(|node| node.server().running().log());
    let lines = logs.flat_map(tests::process::Log::lines);
    lines.filter(|line| line.contains(text)).count()
}

/// What an operator does about it; nothing is lost by it, for the service fills the stream again.
/// While pages are published on, a full cluster deposes its leaders at every one, and may find no
/// time to delete anything: then its folders are emptied.
async fn empty_the_stream(world: &mut World, node: usize) {
    let jetstream = jetstream(&world.nodes[node].url()).await;
    let until = Instant::now() + PATIENCE_WITH_A_FULL_CLUSTER;
    while Instant::now() < until {
        let deleted = jetstream.delete_stream(STREAM).await;
        if deleted.is_ok_and(|deleted| deleted.success) {
            return;
        }
    }
    wipe_all(world).await;
}

/// All are gone before the first comes back, or the others would fill it again.
async fn wipe_all(world: &mut World) {
    world.nodes.iter_mut().for_each(tests::Nats::kill);
    for node in &mut world.nodes {
        node.wipe().await;
    }
}

async fn jetstream(url: &str) -> jetstream::Context {
    let client = async_nats::connect(url).await.unwrap();
    let short = Duration::from_secs(1);
    ContextBuilder::new()
        .timeout(short)
        .ack_timeout(short)
        .build(client)
}

/// Ends all connections of the replicas, ten times a second. Ends when it is aborted.
async fn terminate(url: String) {
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where application_name = 'session-api'",
        )
        .execute(&mut connection)
        .await
        .unwrap();
    }
}
