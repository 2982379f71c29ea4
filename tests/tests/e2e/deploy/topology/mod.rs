//! The topology of `deploy/compose.yaml`, as plain processes: three NATS nodes, two replicas, a gate, nginx, a
//! service that knows nothing of tokens. With the very files of `deploy/`; only ports and folders are others.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `losses` | that nobody notices when a node and a replica die |
//! | `names` | that a request has one name in every log |
//! | `passing_on` | which calls nginx passes on from a replica that dies over them |

mod losses;
mod names;
mod passing_on;

use crate::gateway::Notes;
use crate::permissions::cluster;
use std::time::Duration;
use tests::session_api::Settings;
use tests::{Database, Gate, Nats, Nginx, Postgres, SessionApi, User, eventually};

const PASSWORD: &str = "correct horse battery staple";

/// Generous, for a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Where the files expect the replicas, the gate and the service that it guards.
const REPLICAS: [&str; 2] = ["172.31.250.11:8080", "172.31.250.12:8080"];
const GATE: &str = "172.31.250.13:8081";
const WHOAMI: &str = "172.31.250.14:8084";

/// In the order in which they are ended: whoever uses another goes first.
struct World {
    nginx: Nginx,
    _whoami: Notes,
    gate: Gate,
    replicas: [SessionApi; 2],
    nodes: Vec<Nats>,
    _database: Database,
}

impl World {
    /// With the users alice, bob and carol. The gate asks the second replica.
    async fn begins() -> Self {
        let nginx = Nginx::of_compose();
        let nodes = cluster().await;
        let database = Postgres::fresh_database().await;
        let settings = Settings::new(database.url())
            .issuer(&nginx.url())
            .nats(&addresses(&nodes, "session-api"))
            .flag("--nats-replicas", "3")
            .flag("--trusted-proxy", "127.0.0.1")
            .flag("--log-format", "json");
        let first = SessionApi::start(&settings).await;
        let second = first.replica().await;
        let replicas = [first, second];
        for name in ["alice", "bob", "carol"] {
            replicas[0].has_user(name, PASSWORD, None).await;
        }
        let credential = replicas[0].has_client("gate").await;
        let gate = Gate::beside(&replicas[1], &credential)
            .nats(&addresses(&nodes, "gate"))
            .flag("--log-format", "json")
            .start()
            .await;
        let whoami = Notes::start().await;
        let nginx = nginx
            .finds(REPLICAS[0], replicas[0].url())
            .finds(REPLICAS[1], replicas[1].url())
            .finds(GATE, &gate.url(""))
            .finds(WHOAMI, whoami.url())
            .start()
            .await;
        let world = Self {
            nginx,
            _whoami: whoami,
            gate,
            replicas,
            nodes,
            _database: database,
        };
        world.is_whole().await;
        world
    }

    /// The streams have their leaders, both replicas publish, and the gate follows over NATS.
    async fn is_whole(&self) {
        for replica in &self.replicas {
            let log = replica.program().server().running().log();
            eventually("the stream of pages is filled", SOON, async || {
                log.line_with("the stream of pages is filled").is_some()
            })
            .await;
        }
        let log = self.gate.server().running().log();
        eventually("the gate follows over NATS", SOON, async || {
            log.line_with("connected to NATS").is_some()
        })
        .await;
    }

    /// With an app on a phone, behind nginx, not logged in.
    fn on_phone(&self, name: &str) -> User {
        User::on_phone(&self.replicas[0], name, PASSWORD).by_way_of(&self.nginx.url(""))
    }

    /// With a browser, behind nginx, not logged in.
    fn in_browser(&self, name: &str) -> User {
        User::in_browser(&self.replicas[0], name, PASSWORD).by_way_of(&self.nginx.url(""))
    }
}

/// All three, as `compose.yaml` names them: one has the credentials, which count for all.
fn addresses(nodes: &[Nats], user: &str) -> String {
    let own = |(number, node): (usize, &Nats)| match number {
        0 => node.url_for(user, &format!("{user}-password")),
        _ => node.url(),
    };
    let urls: Vec<_> = nodes.iter().enumerate().map(own).collect();
    urls.join(",")
}
