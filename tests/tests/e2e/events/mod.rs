//! Events for other programs: every one of the log arrives, in the order of its stream, whatever fails.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `arrivals` | what is published, and what is not |
//! | `outages` | NATS that is away, is wiped or is full; a subscriber that never acknowledges |
//! | `replicas` | replicas that die, and commands that run without one |
//! | `programs` | the examples in Rust and in Python, within `deploy/nats.conf` |

mod arrivals;
mod outages;
mod programs;
mod replicas;

use crate::revocation::{SOON, World};
use revocation_events::event::Event;
use revocation_events::nats::{Bus, EventSubscriber, Settings};
use sqlx::{Connection as _, PgConnection};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use tests::figures::figure;
use tests::{Nats, SessionApi, eventually};
use tokio::task::JoinHandle;
use uuid::Uuid;

const WAITING: &str = "portcullis_events_waiting";
const FAILURES: &str = "portcullis_event_failures_total";
const PUBLISHED: &str = "portcullis_events_published_total";
const REFILLS: &str = "portcullis_event_refills_total";

/// A program that does its work once for each id, and acknowledges what it was given.
struct Reader {
    work: Arc<Mutex<Work>>,
    reading: JoinHandle<()>,
}

#[derive(Default)]
struct Work {
    ids: HashSet<Uuid>,
    /// In the order in which it was done.
    done: Vec<Event>,
    /// How often an event came whose work was done.
    again: usize,
}

impl Reader {
    async fn on(nats: &Nats) -> Self {
        let bus = bus(nats).await;
        let events = EventSubscriber::new(&bus, "reader").unwrap();
        let work = Arc::new(Mutex::new(Work::default()));
        let reading = tokio::spawn(read(events, work.clone()));
        Self { work, reading }
    }

    /// Kinds and versions by stream, in the order of the work.
    fn streams(&self) -> Streams {
        let mut streams = Streams::new();
        for event in &self.work.lock().unwrap().done {
            let stream = streams.entry(event.subject()).or_default();
            stream.push((event.what.kind().to_owned(), event.version));
        }
        streams
    }

    fn done(&self) -> Vec<Event> {
        self.work.lock().unwrap().done.clone()
    }

    fn again(&self) -> usize {
        self.work.lock().unwrap().again
    }

    /// Waits until all of the log was worked on, each event once and in its order.
    async fn has_all_of(&self, world: &World) {
        let log = log(world, true).await;
        eventually("all of the log", 2 * SOON, async || self.streams() == log).await;
        assert!(log.len() > 1);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn bus(nats: &Nats) -> Bus {
    let settings = Settings::new(&nats.url()).unwrap();
    Bus::connect(settings).await.unwrap()
}

async fn read(mut events: EventSubscriber, work: Arc<Mutex<Work>>) {
    while let Some(delivery) = events.next().await {
        {
            let mut work = work.lock().unwrap();
            let event = delivery.event();
            if work.ids.insert(event.id) {
                work.done.push(event.clone());
            } else {
                work.again += 1;
            }
        }
        // Where that fails it comes again, and is known by its id.
        let _again = delivery.ack().await;
    }
}

type Streams = BTreeMap<String, Vec<(String, u64)>>;

/// What lies in the log: kinds and versions by stream.
async fn log(world: &World, without_refreshes: bool) -> Streams {
    let mut database = PgConnection::connect(world.database.url()).await.unwrap();
    let sql = "select stream, version, kind, data ->> 'kid' from event order by stream, version";
    let events: Vec<(Uuid, i64, String, Option<String>)> =
        sqlx::query_as(sql).fetch_all(&mut database).await.unwrap();
    let mut streams = Streams::new();
    for (stream, version, kind, kid) in events {
        if without_refreshes && kind == "session.refreshed" {
            continue;
        }
        let subject = match (kind.split('.').next().unwrap(), kid) {
            ("everyone", _) => "everyone".to_owned(),
            ("key", Some(kid)) => format!("key/{kid}"),
            (family, _) => format!("{family}/{stream}"),
        };
        let stream = streams.entry(subject).or_default();
        stream.push((kind, version.try_into().unwrap()));
    }
    streams
}

/// So many events more in each of these users' streams, as any program would append them.
async fn happens(database: &str, users: &[Uuid], versions: std::ops::RangeInclusive<i64>) {
    const SQL: &str = "insert into event (stream, version, kind, format, at, data) \
        select s, v, 'user.password_changed', 1, \
               (extract(epoch from clock_timestamp()) * 1000)::bigint, '{}' \
        from unnest($1::uuid[]) s, generate_series($2::bigint, $3::bigint) v order by v";
    let mut database = PgConnection::connect(database).await.unwrap();
    let query = sqlx::query(SQL)
        .bind(users)
        .bind(*versions.start())
        .bind(*versions.end());
    query.execute(&mut database).await.unwrap();
}

fn users(count: usize) -> Vec<Uuid> {
    (0..count).map(|_| Uuid::new_v4()).collect()
}

/// How many events wait in the database, as it is now: what `/metrics` says may be some seconds old.
async fn waiting(world: &World) -> i64 {
    let mut database = PgConnection::connect(world.database.url()).await.unwrap();
    sqlx::query_scalar("select count(*) from event_outbox")
        .fetch_one(&mut database)
        .await
        .unwrap()
}

async fn nothing_waits(world: &World) {
    eventually("nothing waits", SOON, async || waiting(world).await == 0).await;
}

/// What `/readyz` says of events.
async fn progress(service: &SessionApi) -> String {
    let answer = reqwest::get(format!("{}/readyz", service.url())).await;
    let body: serde_json::Value = answer.unwrap().json().await.unwrap();
    body["events"].as_str().unwrap().to_owned()
}
