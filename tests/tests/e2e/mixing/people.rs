//! Alice with two browsers and Bob with one.

use crate::revocation::PASSWORD;
use std::str::FromStr;
use tests::folder::Folder;
use tests::gate::Gate;
use tests::session_api::{SessionApi, Settings};
use tests::user::{Answer, User};

pub(super) const ACCESS: &str = "__Host-Http-access";
pub(super) const SESSION: &str = "__Secure-session";
pub(super) const CSRF: &str = "__Host-csrf";

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    /// Alice, in her first browser.
    First,
    /// Alice, in her second.
    Second,
    Bob,
}

impl Owner {
    pub(super) const PEOPLE: [Self; 3] = [Self::First, Self::Second, Self::Bob];

    /// As the table has it.
    pub(super) const fn letter(self) -> &'static str {
        match self {
            Self::Nobody => "-",
            Self::First => "1",
            Self::Second => "2",
            Self::Bob => "B",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bob => "bob",
            _ => "alice",
        }
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = [Self::Nobody].into_iter().chain(Self::PEOPLE);
        all.find(|owner| owner.letter() == text)
            .ok_or_else(|| format!("nobody is {text}"))
    }
}

/// A session in a browser.
struct Login {
    owner: Owner,
    browser: User,
    id: String,
}

pub(super) struct People {
    pub(super) service: SessionApi,
    pub(super) gate: Gate,
    pub(super) http: reqwest::Client,
    logins: Vec<Login>,
    /// Alice's and Bob's, which change now and then.
    passwords: [String; 2],
    _folder: Folder,
}

impl People {
    pub(super) async fn meet() -> Self {
        let folder = Folder::new("mixing");
        let database = format!("sqlite:{}", folder.path().join("log.db").display());
        let service = SessionApi::start(&Settings::new(&database)).await;
        for owner in [Owner::First, Owner::Bob] {
            let password = format!("{PASSWORD}, {}", owner.letter());
            service.has_user(owner.name(), &password, None).await;
        }
        let client = service.has_client("gate").await;
        let gate = Gate::beside(&service, &client).start().await;
        let mut people = Self {
            service,
            gate,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            logins: Vec::new(),
            passwords: [Owner::First, Owner::Bob].map(|o| format!("{PASSWORD}, {}", o.letter())),
            _folder: folder,
        };
        for owner in Owner::PEOPLE {
            people.logs_in(owner).await;
        }
        people
    }

    async fn logs_in(&mut self, owner: Owner) {
        let (name, password) = (owner.name(), self.password(owner));
        let mut browser = User::in_browser(&self.service, name, password);
        let answer = browser.logs_in().await;
        let id = answer.body["session"]["id"].as_str().unwrap().to_owned();
        self.logins.retain(|login| login.owner != owner);
        self.logins.push(Login { owner, browser, id });
    }

    fn login(&self, owner: Owner) -> Option<&Login> {
        self.logins.iter().find(|login| login.owner == owner)
    }

    pub(super) fn access_token(&self, owner: Owner) -> Option<String> {
        Some(self.login(owner)?.browser.access_token())
    }

    pub(super) fn session_token(&self, owner: Owner) -> Option<String> {
        Some(self.login(owner)?.browser.session_token())
    }

    pub(super) fn csrf_value(&self, owner: Owner) -> Option<String> {
        Some(self.login(owner)?.browser.csrf_value())
    }

    /// Whose session that is, in the table's words.
    pub(super) fn letter_of(&self, id: &str) -> String {
        let login = self.logins.iter().find(|login| login.id == id);
        login.map_or_else(
            || format!("session {id}"),
            |login| login.owner.letter().into(),
        )
    }

    pub(super) fn password(&self, owner: Owner) -> &str {
        &self.passwords[usize::from(owner == Owner::Bob)]
    }

    pub(super) fn has_changed_password(&mut self, owner: Owner, password: String) {
        self.passwords[usize::from(owner == Owner::Bob)] = password;
    }

    /// A browser takes the cookies of an answer that was meant for it.
    pub(super) fn takes(&mut self, letter: &str, answer: &Answer) {
        let mut logins = self.logins.iter_mut();
        if let Some(login) = logins.find(|login| login.owner.letter() == letter) {
            login.browser.takes(answer);
        }
    }

    /// Another session of the same user's, that nobody else uses.
    pub(super) async fn spare_session(&self, owner: Owner) -> String {
        let (name, password) = (owner.name(), self.password(owner));
        let answer = User::on_phone(&self.service, name, password)
            .logs_in()
            .await;
        answer.body["session"]["id"].as_str().unwrap().to_owned()
    }

    /// Those whose session has ended.
    pub(super) async fn who_is_out(&self) -> Vec<Owner> {
        let mut out = Vec::new();
        for login in &self.logins {
            let cookie = format!("{SESSION}={}", login.browser.session_token());
            let url = format!("{}/session", self.service.url());
            let answer = Answer::of(self.http.get(url).header("cookie", cookie)).await;
            match answer.status {
                200 => assert_eq!(answer.body["session"]["id"], login.id),
                _ => out.push(login.owner),
            }
        }
        out
    }

    /// Those who are out log in again.
    pub(super) async fn come_back(&mut self, out: Vec<Owner>) {
        for owner in out {
            self.logs_in(owner).await;
        }
    }
}
