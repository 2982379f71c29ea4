//! nginx with the files of `deploy/nginx`, in front of the session service and of two others: one in
//! Rust with the SDK, which verifies by itself, and one in Python that believes three headers.
//!
//! | file | what it shows |
//! | --- | --- |
//! | `people` | browsers and phones use both services until their sessions end |
//! | `identity` | that no spelling of an identity header gets through |
//! | `refusals` | that the gate's refusals reach the client as they are |
//! | `forgery` | that what a foreign page may send is judged by the real request |
//! | `paths` | that no path is one thing to nginx and another to a service |
//! | `framing` | that no request hides in another one |
//! | `http2` | the same in the frames of HTTP/2 |
//! | `cookies` | which cookies reach whom, and what planted ones do |
//! | `edge` | TLS, strange hosts, bodies that are too long, the client's address |
//! | `guide` | that `docs/gateway.md` works as it stands there |

mod cookies;
mod edge;
mod forgery;
mod framing;
mod guide;
mod http2;
mod identity;
mod orders;
mod paths;
mod people;
mod refusals;
mod wire;

use orders::Orders;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tests::folder::Folder;
use tests::gate::Gate;
use tests::nginx::{self, Nginx};
use tests::process::Spec;
use tests::server::Server;
use tests::session_api::Settings;
use tests::{Link, SessionApi, User, port, until};

const PASSWORD: &str = "correct horse battery staple";

/// Generous, for a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// Long enough for a few heartbeats on a busy machine, and for no test to take long.
const MAX_STALENESS: &str = "2s";

/// Everything behind the gateway, and the gateway. The gate hears of revocations by way of `line`.
struct World {
    nginx: Nginx,
    gate: Gate,
    line: Link,
    notes: Notes,
    service: SessionApi,
    _folder: Folder,
}

impl World {
    /// With the users alice and mallory.
    async fn begins() -> Self {
        let nginx = Nginx::with();
        let url = nginx.url();
        Self::begins_behind(nginx, &url).await
    }

    /// Behind an nginx that browsers find at `issuer`.
    async fn begins_behind(nginx: nginx::Settings, issuer: &str) -> Self {
        let folder = Folder::new("gateway-");
        let database = format!("sqlite:{}", folder.path().join("log.db").display());
        let settings = Settings::new(&database)
            .issuer(issuer)
            .flag("--trusted-proxy", "127.0.0.1");
        let service = SessionApi::start(&settings).await;
        for name in ["alice", "mallory"] {
            service.has_user(name, PASSWORD, None).await;
        }
        let credential = service.has_client("gate").await;
        let line = Link::before(service.url()).await;
        let gate = Gate::beside(&service, &credential)
            .service_url(line.url())
            .flag("--max-staleness", MAX_STALENESS)
            .start()
            .await;
        let orders = Orders::start(&service).await;
        let notes = Notes::start().await;
        let nginx = nginx
            .finds("127.0.0.1:8080", service.url())
            .finds("127.0.0.1:8090", &gate.url(""))
            .finds("127.0.0.1:8082", orders.url())
            .finds("127.0.0.1:8084", notes.url())
            .start()
            .await;
        Self {
            nginx,
            gate,
            line,
            notes,
            service,
            _folder: folder,
        }
    }

    /// With a browser whose page is of the gateway's origin, logged in.
    async fn in_browser(&self, name: &str) -> User {
        let user = User::in_browser(&self.service, name, PASSWORD);
        self.logged_in(user).await
    }

    /// With an app on a phone, logged in.
    async fn on_phone(&self, name: &str) -> User {
        let user = User::on_phone(&self.service, name, PASSWORD);
        self.logged_in(user).await
    }

    async fn logged_in(&self, user: User) -> User {
        let mut user = user.by_way_of(&self.nginx.url(""));
        user.logs_in().await;
        user
    }
}

/// The service in Python.
pub(super) struct Notes {
    server: Server,
    url: String,
}

impl Notes {
    pub(super) async fn start() -> Self {
        let port = port::free();
        let echo = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/gateway/echo.py");
        let spec = Spec::new("notes", "python3").arg(echo);
        let spec = spec.arg(port.to_string());
        Self {
            server: Server::start(spec, "listening on", SOON).await,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The requests that it has seen, in their order, up to now.
    async fn seen(&self) -> Vec<Value> {
        const LAST: &str = "/the-last-until-now";
        let log = self.server.running().log();
        let requests = || {
            let lines = log.lines();
            let requests = lines.iter().filter(|line| line.starts_with('{'));
            requests
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<Value>>()
        };
        let is_last = |seen: &Value| seen["path"] == LAST;
        let count = |seen: &[Value]| seen.iter().filter(|seen| is_last(seen)).count();
        // What came before was written before, but may not have been read yet.
        let before = count(&requests());
        reqwest::get(format!("{}{LAST}", self.url)).await.unwrap();
        let mut seen = until("its log", SOON, async || {
            let seen = requests();
            (count(&seen) > before).then_some(seen)
        })
        .await;
        seen.retain(|seen| !is_last(seen));
        seen
    }

    /// The requests whose path or body holds `mark`.
    async fn seen_with(&self, mark: &str) -> Vec<Value> {
        let mut seen = self.seen().await;
        let holds = |member: &Value| member.as_str().is_some_and(|text| text.contains(mark));
        seen.retain(|seen| holds(&seen["path"]) || holds(&seen["body"]));
        seen
    }
}

/// What a service in CGI takes for the header `name`: all the values.
fn variable<'a>(seen: &'a Value, name: &str) -> Vec<&'a str> {
    let variable = format!("HTTP_{}", name.to_uppercase().replace('-', "_"));
    let values = seen["variables"][variable].as_array();
    let values = values.map_or(&[][..], Vec::as_slice);
    values.iter().map(|value| value.as_str().unwrap()).collect()
}

/// The id of the user who has logged in.
async fn id_of(user: &mut User) -> String {
    let answer = user.sends(reqwest::Method::GET, "/session", None).await;
    let id = answer.must_be(200).body["user"]["id"].take();
    id.as_str().unwrap().to_owned()
}

/// Asks until the answer of `path` has the status `wanted`; until then it may be one of `meanwhile`.
async fn becomes(user: &mut User, path: &str, wanted: u16, meanwhile: &[u16]) {
    until(&format!("{wanted} at {path}"), SOON, async || {
        let status = user.sends(reqwest::Method::GET, path, None).await.status;
        assert!(
            status == wanted || meanwhile.contains(&status),
            "{status} at {path} while {wanted} was awaited"
        );
        (status == wanted).then_some(())
    })
    .await;
}
