//! People with phones, and an operator: they log in, refresh and revoke, and never stop.

use crate::diary::Diary;
use crate::history::Target;
use crate::phone::{Answer, Phone};
use crate::world::{ADMIN, PASSWORD};
use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

const USERS: usize = 10;
const PHONES_EACH: usize = 2;

/// What all phones of a person share.
struct Person {
    name: String,
    /// The password, and after a change whose answer was lost also the one that may be it.
    passwords: Mutex<Vec<String>>,
}

/// One phone of a person, and what is on it.
struct Client {
    phone: Phone,
    diary: Diary,
    rng: Rng,
    person: Arc<Person>,
    held: Option<Held>,
    /// By it the service knows the phone again.
    device_token: Option<String>,
}

struct Held {
    session: Uuid,
    user: Uuid,
    access: String,
    session_token: String,
    /// Of the refresh under way.
    key: Option<String>,
}

/// Registers everybody and returns the lives that they lead, which never end.
pub(crate) async fn lives(
    urls: &[String],
    diary: &Diary,
    seed: u64,
) -> Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> {
    let mut rng = Rng::with_seed(seed);
    let mut lives: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    let mut ids = Vec::new();
    for number in 0..USERS {
        let name = format!("user-{number}");
        let mut phone = Phone::new(urls.to_vec(), number);
        let body = json!({ "username": name, "password": PASSWORD });
        let request = phone.call(Method::POST, "/users").json(&body);
        let answer = phone.send(request).await;
        assert_eq!(answer.status, 201, "registration: {}", answer.body);
        ids.push(answer.text("id").parse().unwrap());
        let person = Arc::new(Person {
            name,
            passwords: Mutex::new(vec![PASSWORD.to_owned()]),
        });
        for _ in 0..PHONES_EACH {
            let client = Client::new(urls, diary, rng.fork(), &person);
            lives.push(Box::pin(client.lives()));
        }
    }
    let person = Arc::new(Person {
        name: ADMIN.to_owned(),
        passwords: Mutex::new(vec![PASSWORD.to_owned()]),
    });
    let operator = Client::new(urls, diary, rng.fork(), &person);
    lives.push(Box::pin(operator.operates(ids)));
    lives
}

impl Client {
    fn new(urls: &[String], diary: &Diary, mut rng: Rng, person: &Arc<Person>) -> Self {
        Self {
            phone: Phone::new(urls.to_vec(), rng.usize(..)),
            diary: diary.clone(),
            rng,
            person: person.clone(),
            held: None,
            device_token: None,
        }
    }

    async fn lives(mut self) {
        loop {
            self.pauses(300..900).await;
            if self.held.is_none() {
                self.logs_in().await;
                continue;
            }
            match self.rng.u32(..100) {
                0..48 => self.refreshes().await,
                48..73 => self.ends_the_others().await,
                73..86 => self.logs_out().await,
                86..92 => self.hands_in_its_session_token().await,
                92..97 => self.ends_all().await,
                _ => self.changes_the_password().await,
            }
        }
    }

    /// The operator's phone.
    async fn operates(mut self, users: Vec<Uuid>) {
        loop {
            self.pauses(150..350).await;
            if self.held.is_none() {
                self.logs_in().await;
                continue;
            }
            let user = users[self.rng.usize(..users.len())];
            match self.rng.u32(..100) {
                0..70 => {
                    let role = format!("role-{}", self.rng.u32(..));
                    let path = format!("/admin/users/{user}/roles");
                    let body = json!({ "roles": [role] });
                    self.revokes(Target::Roles(user), Method::PUT, &path, Some(body))
                        .await;
                }
                70..88 => {
                    let path = format!("/admin/users/{user}/sessions");
                    self.revokes(Target::User(user, None), Method::DELETE, &path, None)
                        .await;
                }
                88..95 => self.disables_and_enables(user).await,
                95..99 => self.refreshes().await,
                _ => {
                    self.revokes(Target::Everyone, Method::DELETE, "/admin/sessions", None)
                        .await;
                }
            }
        }
    }

    async fn pauses(&mut self, millis: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.rng.u64(millis));
        tokio::time::sleep(pause).await;
    }

    async fn logs_in(&mut self) {
        let passwords = self.person.passwords().clone();
        for password in passwords {
            let body = json!({
                "username": self.person.name, "password": password, "delivery": "body",
                "device_token": self.device_token,
            });
            let request = self.phone.call(Method::POST, "/session").json(&body);
            let answer = self.sends("log in", request).await;
            if answer.status == 201 {
                self.person.is_right(&password);
                self.device_token = Some(answer.text("device_token"));
                let session = self.diary.granted(&answer);
                self.held = Some(Held {
                    session,
                    user: answer.body["user"]["id"].as_str().unwrap().parse().unwrap(),
                    access: answer.text("access_token"),
                    session_token: answer.text("session_token"),
                    key: None,
                });
                return;
            }
        }
    }

    /// With the same key until an answer comes, as a phone must.
    async fn refreshes(&mut self) {
        let Some(held) = &mut self.held else { return };
        let key = match &held.key {
            Some(key) => key.clone(),
            None => format!("{:032x}", self.rng.u128(..)),
        };
        held.key = Some(key.clone());
        self.diary.refreshes(held.session, &key);
        let body = json!({ "session_token": held.session_token });
        let request = self.phone.call(Method::POST, "/session/refresh");
        let request = request.header("Idempotency-Key", key).json(&body);
        let answer = self.sends("refresh", request).await;
        match (answer.status, &mut self.held) {
            (200, Some(held)) => {
                self.diary.granted(&answer);
                held.access = answer.text("access_token");
                held.session_token = answer.text("session_token");
                held.key = None;
            }
            (401, _) => self.held = None,
            _ => {}
        }
    }

    async fn ends_the_others(&mut self) {
        let Some(held) = &self.held else { return };
        let target = Target::User(held.user, Some(held.session));
        self.revokes(target, Method::DELETE, "/sessions?keep=current", None)
            .await;
    }

    async fn logs_out(&mut self) {
        let Some(held) = &self.held else { return };
        let target = Target::Session(held.session);
        let path = if self.rng.bool() {
            "/session".to_owned()
        } else {
            format!("/sessions/{}", held.session)
        };
        let status = self.revokes(target, Method::DELETE, &path, None).await;
        self.forgets_if(status == 200);
    }

    /// A log-out without an access token (RFC 7009).
    async fn hands_in_its_session_token(&mut self) {
        let Some(held) = &self.held else { return };
        let target = Target::Session(held.session);
        let form = [("token", held.session_token.clone())];
        let began = self.diary.revokes(target);
        let request = self.phone.call(Method::POST, "/revoke").form(&form);
        let answer = self.sends("revoke", request).await;
        self.diary.revoked(target, began, &answer);
        self.forgets_if(answer.status == 200);
    }

    async fn ends_all(&mut self) {
        let Some(held) = &self.held else { return };
        let target = Target::User(held.user, None);
        let status = self
            .revokes(target, Method::DELETE, "/sessions", None)
            .await;
        self.forgets_if(status == 200);
    }

    async fn changes_the_password(&mut self) {
        let Some(held) = &self.held else { return };
        let target = Target::User(held.user, Some(held.session));
        let new = format!("another horse {:016x}", self.rng.u64(..));
        let Some(current) = self.person.passwords().first().cloned() else {
            return;
        };
        // From now on it may be either.
        self.person.passwords().push(new.clone());
        let body = json!({ "current": current, "new": new });
        let status = self
            .revokes(target, Method::PUT, "/password", Some(body))
            .await;
        match status {
            200 => self.person.is_right(&new),
            400..500 => self.person.passwords().retain(|password| *password != new),
            _ => {}
        }
    }

    async fn disables_and_enables(&mut self, user: Uuid) {
        let path = format!("/admin/users/{user}/disable");
        self.revokes(Target::User(user, None), Method::POST, &path, None)
            .await;
        // A user who stays disabled would be no load any more.
        for _ in 0..10 {
            let Some(held) = &self.held else { return };
            let path = format!("/admin/users/{user}/enable");
            let request = self
                .phone
                .call(Method::POST, &path)
                .bearer_auth(&held.access);
            let answer = self.sends("enable", request).await;
            if answer.status == 200 {
                return;
            }
            self.pauses(100..500).await;
            self.is_refused(&answer).await;
            if self.held.is_none() {
                self.logs_in().await;
            }
        }
    }

    /// One revoking call with the access token; the status of its answer.
    async fn revokes(
        &mut self,
        target: Target,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> u16 {
        let Some(held) = &self.held else { return 0 };
        let mut request = self.phone.call(method, path).bearer_auth(&held.access);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let began = self.diary.revokes(target);
        let answer = self.sends("revoke", request).await;
        self.diary.revoked(target, began, &answer);
        if let (Some(token), Some(held)) = (answer.body["access_token"].as_str(), &mut self.held) {
            token.clone_into(&mut held.access);
        }
        self.is_refused(&answer).await;
        answer.status
    }

    /// What a client does about a 401.
    async fn is_refused(&mut self, answer: &Answer) {
        if answer.body["type"] == "urn:portcullis:step-up" {
            self.logs_in().await;
        } else if answer.status == 401 {
            self.refreshes().await;
        }
    }

    async fn sends(&mut self, what: &'static str, request: reqwest::RequestBuilder) -> Answer {
        let answer = self.phone.send(request).await;
        self.diary.called(what, answer.status);
        answer
    }

    fn forgets_if(&mut self, ended: bool) {
        if ended {
            self.held = None;
        }
    }
}

impl Person {
    /// It was taken just now, so it is tried first. The other phone may be changing it, so older ones
    /// are not forgotten at once.
    fn is_right(&self, password: &str) {
        let mut passwords = self.passwords();
        passwords.retain(|other| other != password);
        passwords.insert(0, password.to_owned());
        passwords.truncate(4);
    }

    fn passwords(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.passwords
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
