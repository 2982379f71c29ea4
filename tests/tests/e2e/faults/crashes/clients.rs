//! Clients that remember what they were told.

use super::Random;
use crate::revocation::SOON;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tests::eventually::until;

pub(super) const PASSWORD: &str = "correct horse battery staple";

/// What must have become of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Alive,
    /// At this position.
    Ended(u64),
    /// With all others of its user, of which it has no event.
    EndedWithAll,
    /// Its end was asked for, and nobody answered.
    Unknown,
}

/// A session, as far as it was acknowledged.
pub(super) struct Session {
    id: String,
    pub(super) access: String,
    token: String,
    generation: u64,
    /// A refresh was asked for, and nobody answered: the token may be spent.
    maybe_spent: bool,
    pub(super) fate: Fate,
}

/// A person who opens, refreshes and ends sessions until there is no answer any more.
pub(super) struct Client {
    url: String,
    name: String,
    random: Random,
    http: reqwest::Client,
    sessions: Vec<Session>,
}

/// The answer's body where it is one of success; nothing where the service or its database is gone.
async fn acknowledged(request: RequestBuilder) -> Option<Value> {
    let answer = request.send().await.ok()?;
    let status = answer.status();
    // Cut off in the middle counts as not answered.
    let body = answer.text().await.ok()?;
    assert!(!status.is_client_error(), "{status}: {body}");
    let body = status.is_success().then(|| serde_json::from_str(&body));
    body.map(Result::unwrap)
}

/// The answer, asked for again while it is 503: after a crash of the database some connections to it
/// are trusted for a moment longer.
async fn answered(request: impl Fn() -> RequestBuilder) -> (StatusCode, String) {
    until("the service has its database", SOON, async || {
        let answer = request().send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        (status != StatusCode::SERVICE_UNAVAILABLE).then_some((status, body))
    })
    .await
}

/// The body of an answer that must be one of success.
async fn granted(request: impl Fn() -> RequestBuilder) -> Value {
    let (status, body) = answered(request).await;
    assert!(status.is_success(), "{status}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

fn claim(token: &str, name: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()[name].take()
}

impl Session {
    fn opened(body: &Value) -> Self {
        let token = text(body, "session_token");
        Self {
            id: claim(&token, "sid").as_str().unwrap().to_owned(),
            access: text(body, "access_token"),
            generation: claim(&token, "gen").as_u64().unwrap(),
            token,
            maybe_spent: false,
            fate: Fate::Alive,
        }
    }

    fn refreshed(&mut self, body: &Value) {
        let new = Self::opened(body);
        assert_eq!(new.id, self.id);
        assert!(new.generation > self.generation);
        *self = new;
    }
}

impl Client {
    pub(super) fn new(url: &str, name: String, random: Random) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60));
        Self {
            url: url.to_owned(),
            name,
            random,
            http: http.build().unwrap(),
            sessions: Vec::new(),
        }
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter()
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    fn opening(&self) -> RequestBuilder {
        let body = json!({ "username": self.name, "password": PASSWORD, "delivery": "body" });
        self.call(Method::POST, "/session").json(&body)
    }

    fn refreshing(&self, session: &Session) -> RequestBuilder {
        let body = json!({ "session_token": session.token });
        self.call(Method::POST, "/session/refresh").json(&body)
    }

    async fn ends(&self, path: &str, session: &Session) -> Option<u64> {
        let request = self.call(Method::DELETE, path).bearer_auth(&session.access);
        acknowledged(request).await?["position"].as_u64()
    }

    /// Until there is no answer, once there has been enough of it. Counts those that it gets.
    pub(super) async fn works(&mut self, count: &AtomicUsize, enough: &AtomicBool) {
        // A busy service may have no answer before, either.
        while self.works_on_one_session(count).await.is_some() || !enough.load(Ordering::Relaxed) {}
    }

    async fn works_on_one_session(&mut self, count: &AtomicUsize) -> Option<()> {
        let one_more = || count.fetch_add(1, Ordering::Relaxed);
        let mut session = Session::opened(&acknowledged(self.opening()).await?);
        one_more();
        for _ in 0..self.random.below(6) {
            let Some(body) = acknowledged(self.refreshing(&session)).await else {
                session.maybe_spent = true;
                self.sessions.push(session);
                return None;
            };
            session.refreshed(&body);
            one_more();
        }
        match self.random.below(8) {
            0..4 => {
                let ended = self.ends("/session", &session).await;
                session.fate = ended.map_or(Fate::Unknown, Fate::Ended);
                self.sessions.push(session);
                ended?;
            }
            4 => {
                let ended = self.ends("/sessions", &session).await;
                self.sessions.push(session);
                let fate = ended.map_or(Fate::Unknown, |_| Fate::EndedWithAll);
                let living = |session: &&mut Session| session.fate == Fate::Alive;
                for session in self.sessions.iter_mut().filter(living) {
                    session.fate = fate;
                }
                ended?;
            }
            _ => self.sessions.push(session),
        }
        one_more();
        Some(())
    }

    /// Looks at every session that it was ever told of.
    pub(super) async fn finds_all(&mut self) {
        let now = Session::opened(&granted(|| self.opening()).await);
        let mut sessions = std::mem::take(&mut self.sessions);
        for session in &mut sessions {
            self.finds(session, &now).await;
        }
        sessions.push(now);
        self.sessions = sessions;
    }

    /// What was acknowledged is there; what was not is settled from now on.
    async fn finds(&self, session: &mut Session, now: &Session) {
        let history = format!("/sessions/{}/events", session.id);
        let history = || self.call(Method::GET, &history).bearer_auth(&now.access);
        let history = granted(history).await;
        let events = history["items"].as_array().unwrap();
        assert_eq!(events[0]["type"], "session.opened");
        let generations = events
            .iter()
            .map(|event| event["data"]["generation"].as_u64());
        // The one that it was opened with is not told.
        let newest = generations.flatten().max().unwrap_or(1);
        assert!(
            newest >= session.generation,
            "{:?}: {history}",
            session.fate
        );
        let revoked = |event: &&Value| event["type"] == "session.revoked";
        let revoked = events.iter().find(revoked);

        let who = || {
            let who = self.call(Method::GET, "/session");
            who.bearer_auth(&session.access)
        };
        let alive = answered(who).await.0 == 200;
        match session.fate {
            Fate::Alive => assert!(alive, "{:?}: {history}", session.fate),
            Fate::EndedWithAll => assert!(!alive, "{:?}: {history}", session.fate),
            Fate::Ended(position) => {
                assert!(!alive, "{:?}: {history}", session.fate);
                assert_eq!(revoked.unwrap()["data"]["position"], position);
            }
            Fate::Unknown if alive => session.fate = Fate::Alive,
            Fate::Unknown => session.fate = Fate::EndedWithAll,
        }
        if alive && !session.maybe_spent {
            let body = granted(|| self.refreshing(session)).await;
            session.refreshed(&body);
        }
    }
}
