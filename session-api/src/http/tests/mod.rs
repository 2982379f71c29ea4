//! The endpoints as their clients meet them: over a real port, on a real SQLite file.

mod admin;
mod audit;
mod browsers;
mod credentials;
mod document;
mod feed;
mod guessing;
mod hostile;
mod logins;
mod mixing;
mod oauth;
mod ops;
mod pages;
mod passwords;
mod planted;
mod problems;
mod refreshes;
mod reports;
mod sessions;
mod step_up;
mod streams;
mod throttling;
mod watch;

use super::table::endpoints;
use super::{App, Caps, HttpSettings, RunError, run};
use crate::keys::Sealer;
use crate::password::Hasher;
use crate::relay::Relay;
use crate::relay::fleet::Fleet;
use crate::relay::worker::Worker;
use crate::service::key_admin::open_keys;
use crate::service::{Service, Settings};
use crate::session::Roles;
use crate::store::{self, ClientRow, IfMissing, Replica, Store};
use crate::token::Issuer;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use reqwest::{Method, RequestBuilder};
use revocation_events::UserId;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tests::cookies::Jar;
use tests::user::Answer;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery staple";
const CLIENT: &str = "orders";
const CLIENT_SECRET: &str = "the secret of a client";
const ALLOWED_ORIGIN: &str = "https://app.example.com";

const ACCESS: &str = "__Host-Http-access";
const SESSION: &str = "__Secure-session";
const CSRF: &str = "__Host-csrf";
const DEVICE: &str = "__Secure-device";

/// What differs between the tests' services.
struct Plan {
    /// Its own address unless set.
    issuer: Option<String>,
    http: HttpSettings,
    hasher: Hasher,
    access_ttl: Duration,
    session_ttl: Duration,
    /// Whether pages are cut.
    relays: bool,
    /// SQLite where none is given.
    database: Option<tests::Database>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            issuer: None,
            http: HttpSettings {
                base_path: String::new(),
                allowed_origins: vec![ALLOWED_ORIGIN.parse().unwrap()],
                trusted_proxies: Vec::new(),
                open_registration: true,
                ops_listen: None,
                open_feed: false,
                streams: Caps {
                    all: 8,
                    client: 8,
                    address: Some(8),
                },
                throttle: false,
                max_session_streams: 100,
            },
            hasher: Hasher::new(2),
            access_ttl: Duration::from_secs(900),
            session_ttl: Duration::from_secs(7 * 86_400),
            relays: true,
            database: None,
        }
    }
}

/// A service with the users alice, bob and root (an admin), and a client.
struct World {
    url: String,
    service: Service,
    store: Arc<dyn Store>,
    fleet: Fleet,
    catching_up: Arc<Semaphore>,
    http: reqwest::Client,
    relay: CancellationToken,
    shutdown: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<Result<(), RunError>>>,
    folder: tempfile::TempDir,
    _database: Option<tests::Database>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.relay.cancel();
    }
}

impl World {
    async fn begins() -> Self {
        Self::begins_with(|_| {}).await
    }

    async fn begins_with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::default();
        change(&mut plan);
        let folder = tempfile::tempdir().unwrap();
        let url = match &plan.database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}", folder.path().join("log.db").display()),
        };
        let store = store::connect(&url, IfMissing::Create).await.unwrap();
        store.migrate().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer = plan.issuer.unwrap_or_else(|| url.clone());
        let keys = Arc::new(open_keys(&*store, Sealer::none()).await.unwrap());
        let (relay, commits) = Relay::new(issuer.clone(), store.clone(), keys.clone(), false);
        let replica = Replica {
            id: Uuid::new_v4(),
            access_ttl: plan.access_ttl,
        };
        let settings = Settings {
            issuer: Issuer {
                issuer,
                audience: "api".to_owned(),
                access_ttl: plan.access_ttl,
            },
            session_ttl: plan.session_ttl,
            session_max_age: Duration::from_secs(30 * 86_400),
            max_sessions_per_user: 0,
            events_max_age: Duration::from_secs(7 * 86_400),
        };
        let service = Service::new(store.clone(), keys, plan.hasher, relay.clone(), settings);
        let relay_stop = CancellationToken::new();
        if plan.relays {
            let worker = Worker::new(relay.clone(), commits, replica, None);
            tokio::spawn(worker.run(relay_stop.clone()));
            // From here on what is revoked goes out without a question to the database.
            tests::eventually("the first cut", feed::SOON, async || {
                relay.latest_now().is_some()
            })
            .await;
        }
        let fleet = Fleet::new(store.clone(), false);
        let app = App::new(service.clone(), fleet.clone(), plan.http);
        let catching_up = app.catching_up.clone();
        let (shutdown, stopped) = oneshot::channel();
        let server = tokio::spawn(run(listener, app, async {
            let _dropped = stopped.await;
        }));
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let world = Self {
            url,
            service,
            store,
            fleet,
            catching_up,
            http,
            relay: relay_stop,
            shutdown: Some(shutdown),
            server: Some(server),
            folder,
            _database: plan.database,
        };
        world.has_people().await;
        world
    }

    async fn has_people(&self) {
        for (name, role) in [("alice", None), ("bob", None), ("root", Some("admin"))] {
            let roles: Vec<String> = role.into_iter().map(str::to_owned).collect();
            let roles = Roles::try_from(roles).unwrap();
            self.service.register(name, PASSWORD, roles).await.unwrap();
        }
        let client = ClientRow {
            name: CLIENT.to_owned(),
            secret_hash: Sha256::digest(CLIENT_SECRET).into(),
            created_at: crate::clock::now(),
        };
        self.store.add_client(&client).await.unwrap().unwrap();
    }

    /// A request with nothing added to it.
    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path)).await
    }

    /// A request of the feed's client.
    fn client(&self, method: &str, path: &str) -> RequestBuilder {
        self.request(method, path)
            .basic_auth(CLIENT, Some(CLIENT_SECRET))
    }

    /// A native app in which `name` is logged in.
    async fn phone(&self, name: &str) -> Phone {
        let body = json!({ "username": name, "password": PASSWORD, "delivery": "body" });
        let answer = Answer::of(self.request("POST", "/session").json(&body))
            .await
            .must_be(201);
        Phone {
            access: text(&answer, "access_token"),
            session: text(&answer, "session_token"),
            id: answer.body["session"]["id"].as_str().unwrap().to_owned(),
        }
    }

    /// A browser in which `name` is logged in.
    async fn browser(&self, name: &str) -> Browser {
        let mut browser = Browser::default();
        browser.logs_in(self, name).await;
        browser
    }

    async fn user_id(&self, name: &str) -> UserId {
        self.service.user_by_name(name).await.unwrap().unwrap().id
    }
}

/// The path of an endpoint with `id` in the place of each parameter.
fn path_with(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{session}", id)
}

fn text(answer: &Answer, member: &str) -> String {
    answer.body[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member}: {}", answer.body))
        .to_owned()
}

/// Tokens in a native app.
#[derive(Clone)]
struct Phone {
    access: String,
    session: String,
    id: String,
}

impl Phone {
    fn request(&self, world: &World, method: &str, path: &str) -> RequestBuilder {
        world.request(method, path).bearer_auth(&self.access)
    }

    async fn sends(&self, world: &World, method: &str, path: &str) -> Answer {
        Answer::of(self.request(world, method, path)).await
    }

    async fn sends_json(&self, world: &World, method: &str, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(world, method, path).json(body)).await
    }
}

/// A browser on a page of the service's own origin.
#[derive(Clone, Default)]
struct Browser {
    jar: Jar,
    id: String,
}

impl Browser {
    async fn logs_in(&mut self, world: &World, name: &str) -> Answer {
        let body = json!({ "username": name, "password": PASSWORD });
        let request = self.request(world, "POST", "/session").json(&body);
        let answer = self.sent(request).await.must_be(201);
        answer.body["session"]["id"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.id);
        answer
    }

    /// With what a browser adds of its own accord, and the header that the page adds.
    fn request(&self, world: &World, method: &str, path: &str) -> RequestBuilder {
        let mut request = world
            .request(method, path)
            .header("sec-fetch-site", "same-origin");
        if let Some(cookies) = self.jar.header(path) {
            request = request.header(COOKIE, cookies);
        }
        if let Some(value) = self.jar.get(CSRF) {
            request = request.header("x-csrf-token", value);
        }
        request
    }

    async fn sends(&mut self, world: &World, method: &str, path: &str) -> Answer {
        let request = self.request(world, method, path);
        self.sent(request).await
    }

    async fn sent(&mut self, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request).await;
        for cookie in set_cookies(&answer) {
            self.jar.take(&cookie);
        }
        answer
    }

    fn cookie(&self, name: &str) -> String {
        self.jar
            .get(name)
            .unwrap_or_else(|| panic!("no cookie {name}"))
            .to_owned()
    }
}

fn set_cookies(answer: &Answer) -> Vec<String> {
    let cookies = answer.headers.get_all("set-cookie").iter();
    cookies
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// What every refusal has.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, slug: &str, case: &str) {
    let found = (answer.status, answer.problem());
    assert_eq!(found, (status, Some(slug)), "{case}: {}", answer.body);
    assert_eq!(answer.body["status"], status, "{case}");
    assert_eq!(
        header(answer, "content-type"),
        "application/problem+json",
        "{case}"
    );
    assert_eq!(header(answer, "cache-control"), "no-store", "{case}");
    assert_eq!(
        answer.headers.contains_key("www-authenticate"),
        status == 401,
        "{case}"
    );
    assert_eq!(
        answer.headers.contains_key("retry-after"),
        [429, 503].contains(&status),
        "{case}"
    );
    assert_eq!(set_cookies(answer), [""; 0], "{case}");
}
