//! Clients that remember what they were told.

use super::Random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
            .timeout(Duration::from_secs(20));
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

    async fn opens(&self) -> Option<Session> {
        let body = json!({ "username": self.name, "password": PASSWORD, "delivery": "body" });
        let body = acknowledged(self.call(Method::POST, "/session").json(&body)).await?;
        Some(Session::opened(&body))
    }

    async fn refreshes(&self, session: &Session) -> Option<Value> {
        let body = json!({ "session_token": session.token });
        acknowledged(self.call(Method::POST, "/session/refresh").json(&body)).await
    }

    async fn ends(&self, path: &str, session: &Session) -> Option<u64> {
        let request = self.call(Method::DELETE, path).bearer_auth(&session.access);
        acknowledged(request).await?["position"].as_u64()
    }

    /// Until there is no answer. Counts those that it gets.
    pub(super) async fn works(&mut self, count: &AtomicUsize) {
        while self.works_on_one_session(count).await.is_some() {}
    }

    async fn works_on_one_session(&mut self, count: &AtomicUsize) -> Option<()> {
        let one_more = || count.fetch_add(1, Ordering::Relaxed);
        let mut session = self.opens().await?;
        one_more();
        for _ in 0..self.random.below(6) {
            let Some(body) = self.refreshes(&session).await else {
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
        let now = self.opens().await.unwrap();
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
        let history = self.call(Method::GET, &history).bearer_auth(&now.access);
        let history = acknowledged(history).await.unwrap();
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

        let who = self
            .call(Method::GET, "/session")
            .bearer_auth(&session.access);
        let alive = who.send().await.unwrap().status() == 200;
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
            let body = self.refreshes(session).await.unwrap();
            session.refreshed(&body);
        }
    }
}
