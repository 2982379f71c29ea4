//! The servers, and every line between them.
//!
//! ```text
//!   replica 0 ──┬─ link ─► Postgres        nodes 0, 1, 2: a link for each of the six routes
//!   replica 1 ──┘
//!   each replica ── 3 links ─► nodes       verifiers 0, 1: straight to all nodes and one replica
//!   verifiers 2 to 6: a link to one node and one to a replica;  verifier 7: a link to a replica
//!   the gate: a process of its own, straight to all nodes and one replica
//! ```

use crate::probe::Fleet;
use futures::future::join_all;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::link::{Condition, Link};
use tests::session_api::{Credential, SessionApi, Settings};
use tests::{Database, Gate, Nats, Postgres, eventually, port};
use verifier_sdk::{Builder, Freshness, Verifier};

pub(crate) const NODES: usize = 3;
pub(crate) const REPLICAS: usize = 2;
pub(crate) const VERIFIERS: usize = 8;
pub(crate) const ACCESS_TTL: Duration = Duration::from_secs(240);
pub(crate) const MAX_STALENESS: Duration = Duration::from_secs(3);
pub(crate) const ADMIN: &str = "root";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Small, so that it can be filled in a second. The pages of some minutes take a tenth of it.
const MAX_FILE_STORE: &str = "24MB";
const START: Duration = Duration::from_secs(60);

/// In the order in which they are ended: whoever uses another goes first.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    /// One more verifier, which can be stopped and killed.
    pub(crate) gate: Gate,
    pub(crate) replicas: Vec<SessionApi>,
    pub(crate) nodes: Vec<Nats>,
    pub(crate) database: Database,
    pub(crate) postgres: Postgres,
    pub(crate) routes: Arc<Routes>,
    /// By replica.
    pub(crate) to_database: Vec<Link>,
    /// By replica, each to every node.
    pub(crate) to_nodes: Vec<Vec<Link>>,
    pub(crate) ways: Vec<Way>,
    /// How many NATS has cut off.
    pub(crate) slow_consumers: usize,
    credential: Credential,
    issuer: String,
}

/// How a verifier reaches the rest.
pub(crate) struct Way {
    service_url: String,
    nats_url: Option<String>,
    /// None where it goes straight. The one that its feed comes by is the first.
    pub(crate) links: Vec<Link>,
}

impl Way {
    pub(crate) const fn is_on_a_line_to_the_bus(&self) -> bool {
        self.nats_url.is_some() && !self.links.is_empty()
    }
}

impl World {
    pub(crate) async fn begins() -> Self {
        let (routes, nodes) = cluster().await;
        let postgres = Postgres::start().await;
        let database = postgres.database().await;
        let to_database = links(REPLICAS, database.url()).await;
        let mut to_nodes = Vec::new();
        for _ in 0..REPLICAS {
            to_nodes.push(join_all(nodes.iter().map(link_to)).await);
        }
        let settings = Settings::new(to_database[0].url())
            .nats(&addresses(&to_nodes[0]))
            .flag("--access-ttl", &format!("{}s", ACCESS_TTL.as_secs()))
            .flag("--nats-replicas", "3")
            .env("SESSION_API_OPEN_REGISTRATION", "true");
        let first = SessionApi::start(&settings).await;
        let second = first.replica_with(|settings| {
            settings
                .env("DATABASE_URL", to_database[1].url())
                .nats(&addresses(&to_nodes[1]))
        });
        let second = second.await;
        first.has_user(ADMIN, PASSWORD, Some("admin")).await;
        let credential = first.has_client("torture").await;
        let replicas = vec![first, second];
        let ways = ways(&nodes, &replicas).await;
        let issuer = replicas[0].issuer().to_owned();
        let nodes_urls: Vec<_> = nodes.iter().map(Nats::url).collect();
        let gate = Gate::beside(&replicas[0], &credential)
            .nats(&nodes_urls.join(","))
            .flag("--max-staleness", &format!("{}s", MAX_STALENESS.as_secs()))
            .start()
            .await;
        let world = Self {
            postgres,
            database,
            nodes,
            replicas,
            fleet: Arc::new(Mutex::new(Vec::new())),
            gate,
            routes,
            to_database,
            to_nodes,
            ways,
            slow_consumers: 0,
            credential,
            issuer,
        };
        let verifiers: Vec<_> = (0..VERIFIERS)
            .map(|number| world.verifier(number))
            .collect();
        crate::probe::lock(&world.fleet).extend(verifiers);
        world.all_fresh(START).await;
        world.stream_is_there().await;
        world
    }

    /// A new verifier in the place of `number`; it knows nothing yet.
    pub(crate) fn verifier(&self, number: usize) -> Verifier {
        let way = &self.ways[number];
        let builder: Builder = Verifier::builder(&self.issuer, "api")
            .service("torture")
            .service_url(&way.service_url)
            .client(&self.credential.client, &self.credential.secret)
            .max_staleness(MAX_STALENESS);
        let builder = match &way.nats_url {
            Some(url) => builder.nats(url),
            None => builder,
        };
        builder.spawn().unwrap()
    }

    /// Waits until every verifier calls itself fresh.
    pub(crate) async fn all_fresh(&self, bound: Duration) {
        eventually("every verifier is fresh", bound, async || {
            let verifiers = crate::probe::lock(&self.fleet).clone();
            let fresh = |v: &Verifier| v.status().freshness == Freshness::Fresh;
            verifiers.iter().all(fresh)
        })
        .await;
    }

    /// The cluster has elected its leaders and a replica has made the stream.
    async fn stream_is_there(&self) {
        eventually("the stream is made and filled", START, async || {
            self.replicas.iter().all(|replica| {
                let log = replica.program().server().running().log();
                log.line_with("the stream of pages is filled").is_some()
            })
        })
        .await;
    }
}

/// The lines between nodes: from, to, and the line.
pub(crate) struct Routes(Vec<(usize, usize, Link)>);

impl Routes {
    /// All that begin or end at `node` change.
    pub(crate) fn become_at(&self, node: usize, condition: Condition) {
        for (from, to, link) in &self.0 {
            if *from == node || *to == node {
                link.becomes(condition);
            }
        }
    }
}

/// Three nodes that know each other by the lines between them only.
async fn cluster() -> (Arc<Routes>, Vec<Nats>) {
    let ports: Vec<u16> = (0..NODES).map(|_| port::free()).collect();
    let mut routes = Vec::new();
    for from in 0..NODES {
        for (to, port) in ports.iter().enumerate().filter(|(to, _)| *to != from) {
            let link = Link::before(&format!("nats-route://127.0.0.1:{port}")).await;
            routes.push((from, to, link));
        }
    }
    let starting = (0..NODES).map(|node| {
        let own = routes.iter().filter(|(from, ..)| *from == node);
        let own: Vec<_> = own
            .map(|(_, _, link)| format!("{:?}", link.url()))
            .collect();
        // What nodes tell each other of further ways leads nowhere, or partitions would have holes;
        // clients are told of no others either.
        let config = format!(
            "server_name: node-{node}
             jetstream {{ store_dir: $NATS_STORE_DIR, max_file_store: {MAX_FILE_STORE} }}
             write_deadline: 2s
             max_pending: 1MB
             cluster {{
               name: torture, listen: \"127.0.0.1:{}\", advertise: \"127.0.0.1:9\"
               no_advertise: true, routes: [{}]
             }}",
            ports[node],
            own.join(", "),
        );
        Nats::with().config(&config).start()
    });
    let nodes = join_all(starting).await;
    (Arc::new(Routes(routes)), nodes)
}

async fn link_to(node: &Nats) -> Link {
    Link::before(&node.url()).await
}

async fn links(count: usize, url: &str) -> Vec<Link> {
    join_all((0..count).map(|_| Link::before(url))).await
}

fn addresses(links: &[Link]) -> String {
    let urls: Vec<_> = links.iter().map(Link::url).collect();
    urls.join(",")
}

async fn ways(nodes: &[Nats], replicas: &[SessionApi]) -> Vec<Way> {
    let mut ways = Vec::new();
    for number in 0..VERIFIERS {
        let replica = &replicas[number % REPLICAS];
        let way = match number {
            0 | 1 => {
                let urls: Vec<_> = nodes.iter().map(Nats::url).collect();
                Way {
                    service_url: replica.url().to_owned(),
                    nats_url: Some(urls.join(",")),
                    links: Vec::new(),
                }
            }
            _ => {
                let http = Link::before(replica.url()).await;
                let on_bus = number < VERIFIERS - 1;
                let nats = if on_bus {
                    Some(link_to(&nodes[number % NODES]).await)
                } else {
                    None
                };
                Way {
                    service_url: http.url().to_owned(),
                    nats_url: nats.as_ref().map(|link| link.url().to_owned()),
                    links: nats.into_iter().chain([http]).collect(),
                }
            }
        };
        ways.push(way);
    }
    ways
}
