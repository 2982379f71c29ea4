//! A service, a gate and somebody who is logged in; and the keys, which an attacker does not have.

use super::Lure;
use crate::revocation::PASSWORD;
use revocation_events::jwk::KeySet;
use sqlx::{Connection as _, SqliteConnection};
use std::collections::HashMap;
use tests::folder::Folder;
use tests::gate::Gate;
use tests::hostile::{Case, Forge, Kind};
use tests::session_api::{Credential, SessionApi, Settings};
use tests::user::User;
use verifier_sdk::token::Expected;

/// Everything that could hold a token.
const LOGS: &str =
    "info,session_api=debug,verifier_gate=debug,verifier_sdk=debug,revocation_events=debug";

pub(super) struct Site {
    pub(super) service: SessionApi,
    pub(super) gate: Gate,
    pub(super) client: Credential,
    /// Alice, with tokens in cookies.
    pub(super) browser: User,
    /// Alice, with tokens in bodies.
    pub(super) phone: User,
    pub(super) http: reqwest::Client,
    /// Those that the service publishes.
    pub(super) keys: KeySet,
    /// What nobody has but the service: its private keys.
    secrets: HashMap<String, [u8; 32]>,
    _folder: Folder,
}

/// The keys of a service without a key encryption key, which stores them as they are.
async fn secrets(database: &str) -> HashMap<String, [u8; 32]> {
    let mut database = SqliteConnection::connect(database).await.unwrap();
    let stored: Vec<(String, Vec<u8>)> = sqlx::query_as("select kid, sealed from signing_key")
        .fetch_all(&mut database)
        .await
        .unwrap();
    let opened = stored.into_iter().map(|(kid, sealed)| {
        let (form, key) = sealed.split_first().unwrap();
        assert_eq!(*form, 0, "sealed");
        (kid, key.try_into().unwrap())
    });
    opened.collect()
}

impl Site {
    pub(super) async fn opens() -> Self {
        let folder = Folder::new("hostile");
        let database = format!("sqlite:{}", folder.path().join("log.db").display());
        let settings = Settings::new(&database).flag("--log-filter", LOGS);
        let service = SessionApi::start(&settings).await;
        // With a role, so that her tokens have every claim.
        service.has_user("alice", PASSWORD, Some("editor")).await;
        service.has_user("bob", PASSWORD, None).await;
        let client = service.has_client("gate").await;
        let gate = Gate::beside(&service, &client).flag("--log-filter", LOGS);
        let gate = gate.start().await;
        let mut browser = User::in_browser(&service, "alice", PASSWORD);
        browser.logs_in().await;
        let mut phone = User::on_phone(&service, "alice", PASSWORD);
        phone.logs_in().await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/.well-known/jwks.json", service.url());
        let keys = http.get(url).send().await.unwrap().bytes().await.unwrap();
        Self {
            keys: KeySet::parse(&keys).unwrap(),
            service,
            gate,
            client,
            browser,
            phone,
            http,
            secrets: secrets(&database).await,
            _folder: folder,
        }
    }

    /// What makes tokens like this one, signed by the service's own key.
    pub(super) fn forge(&self, kind: Kind, token: &str, lure: &Lure) -> Forge {
        // Its kid is found with any key.
        let like = |key| Forge::like(token, kind, key, &lure.url());
        like(self.secrets[like([1; 32]).kid()])
    }

    pub(super) fn expected(&self) -> Expected {
        Expected::new(self.service.issuer(), "api")
    }

    /// What both have logged so far.
    pub(super) fn log_lines(&self) -> Vec<String> {
        let logs = [
            self.service.program().server().running().log().lines(),
            self.gate.server().running().log().lines(),
        ];
        logs.concat()
    }

    /// Neither a token nor what one would write into a log.
    pub(super) fn logs_must_be_clean(&self, cases: &[Case]) {
        let lines = self.log_lines();
        let refusals = lines.iter().filter(|line| line.contains("refused")).count();
        assert!(
            refusals > cases.len(),
            "only {refusals} refusals are logged"
        );
        for line in &lines {
            for planted in ["x-injected", "everything is well", "jndi", "\u{1b}"] {
                assert!(!line.contains(planted), "{planted}: {line}");
            }
        }
        let signatures: std::collections::HashSet<_> = cases
            .iter()
            .filter_map(|case| Some(case.text.rsplit_once('.')?.1))
            .filter(|signature| signature.len() == 86)
            .collect();
        let words = |line: &str| -> Vec<String> {
            let is_ours = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            line.split(|c| !is_ours(c)).map(str::to_owned).collect()
        };
        for line in &lines {
            let told = words(line).iter().any(|word| signatures.contains(&**word));
            assert!(!told, "a token: {line}");
        }
    }
}
