//! The worker, step by step, on both databases, with a stream in the place of NATS that refuses, loses
//! and forgets as a test wants it.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the stream, the world, and how events are made |
//! | `order` | that no stream of the log is reordered, whoever publishes |
//! | `losses` | that what is lost is published again |
//! | `shapes` | what other programs are told, and what they are not |

mod losses;
mod order;
mod shapes;

use super::Events;
use super::sink::Sink;
use super::worker::{Settings, Step, Worker};
use crate::clock;
use crate::service::tests::Place;
use crate::session::{Event as Logged, Fact, Stream, UserFact};
use crate::store::Store;
use async_trait::async_trait;
use revocation_events::UserId;
use revocation_events::event::Event;
use revocation_events::nats::{Ack, Error, EventStream, Incarnation};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

pub(super) const ISSUER: &str = "https://id.example.com";
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Each test on both databases.
macro_rules! on_both {
    ($($test:ident,)*) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(super::World::on(super::Place::postgres().await).await).await;
                }
            )*
        }
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(super::World::on(super::Place::sqlite()).await).await;
                }
            )*
        }
    };
}
use on_both;

/// A stream that keeps what it acknowledges, and drops copies by their message ids.
#[derive(Default)]
pub(super) struct FakeStream {
    state: Mutex<State>,
    connection: AtomicU64,
}

type Refuses = Box<dyn Fn(&Event) -> Option<Error> + Send>;

#[derive(Default)]
struct State {
    incarnation: i64,
    first_sequence: u64,
    last_sequence: u64,
    stored: Vec<Stored>,
    ids: Vec<String>,
    refuses: Option<Refuses>,
    /// Takes what it is given and does not say so.
    silent: bool,
    /// The version of an event that gets lost on its way, once, and what was lost.
    holds_up: Option<u64>,
    held_up: Option<Stored>,
    answers_after: Duration,
    begun: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) message_id: String,
    pub(super) event: Event,
}

impl FakeStream {
    fn new() -> Self {
        let stream = Self::default();
        stream.connection.store(1, Ordering::Relaxed);
        stream.is_made_anew();
        stream
    }

    /// As after a wipe.
    pub(super) fn is_made_anew(&self) {
        let mut state = self.state.lock().unwrap();
        *state = State {
            incarnation: state.incarnation + 1,
            first_sequence: 1,
            ..State::default()
        };
    }

    /// It is the same stream, and remembers the message ids of what it has lost.
    pub(super) fn is_emptied(&self) {
        let mut state = self.state.lock().unwrap();
        state.stored.clear();
        state.first_sequence = state.last_sequence + 1;
    }

    /// As after a power failure: the last events are gone, and their message ids.
    pub(super) fn forgets_the_last(&self, count: usize) {
        let mut state = self.state.lock().unwrap();
        for _ in 0..count {
            let lost = state.stored.pop().unwrap();
            state.ids.retain(|id| *id != lost.message_id);
            state.last_sequence -= 1;
        }
    }

    pub(super) fn refuses(&self, refuses: impl Fn(&Event) -> Option<Error> + Send + 'static) {
        self.state.lock().unwrap().refuses = Some(Box::new(refuses));
    }

    pub(super) fn refuses_nothing(&self) {
        self.state.lock().unwrap().refuses = None;
    }

    /// What it takes it does not acknowledge.
    pub(super) fn is_silent(&self, silent: bool) {
        self.state.lock().unwrap().silent = silent;
    }

    /// The next event of this version is not acknowledged, and comes later.
    pub(super) fn holds_up(&self, version: u64) {
        self.state.lock().unwrap().holds_up = Some(version);
    }

    /// When its message id was forgotten.
    pub(super) fn what_was_held_up_arrives(&self) {
        let mut state = self.state.lock().unwrap();
        let late = state.held_up.take().unwrap();
        state.last_sequence += 1;
        state.stored.push(late);
    }

    pub(super) fn takes_its_time(&self, answers_after: Duration) {
        self.state.lock().unwrap().answers_after = answers_after;
    }

    /// How many it was given, acknowledged or not.
    pub(super) fn begun(&self) -> usize {
        self.state.lock().unwrap().begun
    }

    pub(super) fn goes_away(&self) {
        self.connection.store(0, Ordering::Relaxed);
    }

    pub(super) fn comes_back(&self, connection: u64) {
        self.connection.store(connection, Ordering::Relaxed);
    }

    pub(super) fn stored(&self) -> Vec<Stored> {
        self.state.lock().unwrap().stored.clone()
    }

    /// The versions of each stream of the log, in the order in which each was first there.
    pub(super) fn first_seen(&self) -> BTreeMap<String, Vec<u64>> {
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for Stored { event, .. } in self.stored() {
            let versions = seen.entry(event.subject()).or_default();
            if !versions.contains(&event.version) {
                versions.push(event.version);
            }
        }
        seen
    }

    fn found(&self) -> EventStream {
        let state = self.state.lock().unwrap();
        let first = (!state.stored.is_empty()).then(|| (state.first_sequence, clock::now()));
        EventStream {
            incarnation: Incarnation::new(state.incarnation),
            first,
            last_sequence: state.last_sequence,
            max_age: WEEK,
        }
    }
}

#[async_trait]
impl Sink for FakeStream {
    fn connection(&self) -> Option<u64> {
        Some(self.connection.load(Ordering::Relaxed)).filter(|connection| *connection > 0)
    }

    async fn changed(&self) {
        std::future::pending().await
    }

    async fn ensure(&self) -> Result<EventStream, Error> {
        Ok(self.found())
    }

    async fn look(&self) -> Result<Option<EventStream>, Error> {
        Ok(Some(self.found()))
    }

    async fn publish(&self, event: &Event, message_id: &str) -> Result<Ack, Error> {
        let answers_after = {
            let mut state = self.state.lock().unwrap();
            state.begun += 1;
            state.answers_after
        };
        // Others get their turn, as they do while a message is under way.
        tokio::task::yield_now().await;
        tokio::time::sleep(answers_after).await;
        let mut state = self.state.lock().unwrap();
        if state.holds_up == Some(event.version) {
            state.holds_up = None;
            state.held_up = Some(Stored {
                message_id: message_id.to_owned(),
                event: event.clone(),
            });
            return Err(Error::TimedOut);
        }
        if let Some(error) = state.refuses.as_ref().and_then(|refuses| refuses(event)) {
            return Err(error);
        }
        let duplicate = state.ids.iter().any(|id| id == message_id);
        if !duplicate {
            state.last_sequence += 1;
            state.ids.push(message_id.to_owned());
            state.stored.push(Stored {
                message_id: message_id.to_owned(),
                event: event.clone(),
            });
        }
        if state.silent {
            return Err(Error::TimedOut);
        }
        Ok(Ack {
            sequence: state.last_sequence,
            duplicate,
        })
    }
}

pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    pub(super) stream: Arc<FakeStream>,
    place: Place,
}

impl World {
    pub(super) async fn on(place: Place) -> Self {
        Self {
            store: place.store().await,
            stream: Arc::new(FakeStream::new()),
            place,
        }
    }

    /// A replica of its own, with connections of its own.
    pub(super) async fn replica(&self) -> Worker {
        self.replica_and_events().await.0
    }

    pub(super) async fn replica_and_events(&self) -> (Worker, Events) {
        let settings = Settings {
            issuer: ISSUER.to_owned(),
            max_age: WEEK,
            publish_refreshed: false,
        };
        let events = Events::default();
        let store = self.place.store().await;
        let worker = Worker::new(store, self.stream.clone(), events.clone(), settings);
        (worker, events)
    }

    /// So many more events in a user's stream.
    pub(super) async fn happens(&self, user: UserId, count: usize) {
        happens(&*self.store, user, count).await;
    }

    pub(super) async fn waiting(&self) -> usize {
        self.store.waiting_events(None, 10_000).await.unwrap().len()
    }
}

pub(super) fn new_user() -> UserId {
    UserId::new(Uuid::new_v4())
}

pub(super) async fn happens(store: &dyn Store, user: UserId, count: usize) {
    for _ in 0..count {
        let mut tx = store.begin().await.unwrap();
        let version = tx.stream_version(user.uuid()).await.unwrap() + 1;
        let event = Logged {
            stream: Stream::User(user),
            version,
            at: clock::now(),
            fact: Fact::User(UserFact::PasswordChanged {}),
        };
        tx.append(&[event]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Steps until nothing is left to do, which must come to pass.
pub(super) async fn works(worker: &mut Worker) {
    for _ in 0..1_000 {
        if worker.step().await == Step::Published(0) {
            return;
        }
    }
    panic!("it never ends");
}

/// The versions from 1 to `last`.
pub(super) fn up_to(last: u64) -> Vec<u64> {
    (1..=last).collect()
}
