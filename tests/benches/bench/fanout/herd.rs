//! Many verifiers, or many plain subscribers, in few processes: this program, started again with an
//! address to report to. Lines go both ways:
//!
//! | to a member | back |
//! | --- | --- |
//! | what it is to be, in JSON | the memory that all of its kind take, in bytes |
//! | a token to be revoked, or an empty line | an empty line, when all wait for the next message |
//! | | an empty line, when all have it |

use crate::floor::SignedMessage;
use crate::machine;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tests::process::{Process, Spec};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use verifier_sdk::Verifier;

/// More than one, for none may have too many files open; few, for each has threads of its own.
pub(super) const PER_PROCESS: usize = 2_500;

/// The first argument of a member.
const MEMBER: &str = "--member-of-a-herd";

/// Those that start at once, in each process.
const STARTING: usize = 8;

/// How long anything may take that must happen.
const BOUND: Duration = Duration::from_secs(300);

#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Kind {
    Verifiers {
        issuer: String,
        client: String,
        secret: String,
    },
    /// They count what comes on the first subject, and pass over what comes on the second.
    Subscribers {
        counted: String,
        beside: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Order {
    kind: Kind,
    nats: String,
    many: usize,
}

pub(super) struct Herd {
    members: Vec<Process>,
    lines: Vec<Line>,
    /// What all of them take, beside the processes themselves, in bytes.
    pub(super) memory: u64,
}

impl Herd {
    pub(super) async fn start(kind: &Kind, nats: &str, many: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let program = std::env::current_exe().unwrap();
        let mut herd = Self {
            members: Vec::new(),
            lines: Vec::new(),
            memory: 0,
        };
        for begin in (0..many).step_by(PER_PROCESS) {
            let order = Order {
                kind: kind.clone(),
                nats: nats.to_owned(),
                many: PER_PROCESS.min(many - begin),
            };
            let spec = Spec::new("a member of a herd", &program).args([MEMBER, &address]);
            herd.members.push(Process::start(&spec));
            let (stream, _) = bounded(listener.accept()).await.unwrap();
            let mut line = Line::new(stream);
            line.says(&serde_json::to_string(&order).unwrap()).await;
            herd.memory += line.hears().await.parse::<u64>().unwrap();
            herd.lines.push(line);
        }
        herd
    }

    /// All wait for the next message when this returns.
    pub(super) async fn prepare(&mut self, what: &str) {
        join_all(self.lines.iter_mut().map(async |line| {
            line.says(what).await;
            line.hears().await;
        }))
        .await;
    }

    pub(super) async fn all_have_it(&mut self) {
        join_all(self.lines.iter_mut().map(Line::hears)).await;
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.members.iter().map(Process::id).collect()
    }
}

/// If the arguments say so: be a member until the other end is gone.
pub(crate) async fn member() -> bool {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some(MEMBER) {
        return false;
    }
    let stream = TcpStream::connect(args.next().unwrap()).await.unwrap();
    let mut line = Line::new(stream);
    let order: Order = serde_json::from_str(&line.hears().await).unwrap();
    let before = machine::memory(&[std::process::id()]);
    match order.kind.clone() {
        Kind::Verifiers {
            issuer,
            client,
            secret,
        } => {
            let starting = stream::iter(0..order.many).map(|_| {
                Verifier::builder(&issuer, "api")
                    .service("bench")
                    .client(&client, &secret)
                    .nats(&order.nats)
                    .start_timeout(BOUND)
                    .start()
            });
            let verifiers = starting.buffer_unordered(STARTING).try_collect().await;
            line.says_memory_since(before).await;
            verify(line, verifiers.unwrap()).await;
        }
        Kind::Subscribers { counted, beside } => {
            let left = Arc::new(Countdown::default());
            let subscribing = (0..order.many)
                .map(|_| subscribe(&order.nats, &counted, beside.as_deref(), left.clone()));
            let subscribing = stream::iter(subscribing).buffer_unordered(STARTING);
            let _clients: Vec<_> = subscribing.collect().await;
            line.says_memory_since(before).await;
            while line.hears_more().await.is_some() {
                left.begin(order.many);
                line.says("").await;
                left.over.notified().await;
                line.says("").await;
            }
        }
    }
    true
}

async fn verify(mut line: Line, verifiers: Vec<Verifier>) {
    while let Some(token) = line.hears_more().await {
        let session = |verifier: &Verifier| verifier.verify(&token);
        let sessions: Vec<_> = verifiers.iter().map(session).collect();
        let sessions: Result<Vec<_>, _> = sessions.into_iter().collect();
        let sessions = sessions.unwrap();
        let ends = verifiers.iter().zip(&sessions);
        let ends = ends.map(|(verifier, session)| verifier.on_ended(session));
        line.says("").await;
        for ended in join_all(ends).await {
            assert_eq!(ended, verifier_sdk::Ended::Revoked);
        }
        line.says("").await;
        for verifier in &verifiers {
            assert!(verifier.verify(&token).is_err());
        }
    }
}

/// How many have not got the message yet.
#[derive(Default)]
struct Countdown {
    left: AtomicUsize,
    over: Notify,
}

impl Countdown {
    fn begin(&self, many: usize) {
        self.left.store(many, Ordering::Release);
    }

    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.notify_one();
        }
    }
}

async fn subscribe(
    nats: &str,
    counted: &str,
    beside: Option<&str>,
    left: Arc<Countdown>,
) -> async_nats::Client {
    let client = async_nats::connect(nats).await.unwrap();
    let mut messages = client.subscribe(counted.to_owned()).await.unwrap();
    if let Some(subject) = beside {
        let passed_over = client.subscribe(subject.to_owned()).await.unwrap();
        tokio::spawn(passed_over.for_each(|_| std::future::ready(())));
    }
    client.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            if message.subject.ends_with("signed") {
                SignedMessage::check(&message.payload);
            }
            left.one_less();
        }
    });
    client
}

/// One end of the talk.
struct Line(BufReader<TcpStream>);

impl Line {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    async fn says(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.unwrap();
    }

    async fn says_memory_since(&mut self, before: u64) {
        let now = machine::memory(&[std::process::id()]);
        self.says(&(now - before).to_string()).await;
    }

    /// Nothing where the other end is gone.
    async fn hears_more(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).await.unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    async fn hears(&mut self) -> String {
        let line = bounded(self.hears_more()).await;
        line.unwrap_or_else(|| panic!("a member of the herd has ended"))
    }
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, work).await.unwrap()
}
