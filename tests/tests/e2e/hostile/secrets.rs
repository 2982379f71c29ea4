//! What good calls carry, and what is written of them at debug level.

use super::site::Site;
use crate::revocation::PASSWORD;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeMap;
use tests::session_api::SessionApi;
use tests::user::{Answer, User};

const NEW: &str = "another horse, another staple";
const WRONG: &str = "some other horse, some other battery";

/// How a user calls: [`User::in_browser`], [`User::on_phone`].
type Way = fn(&SessionApi, &str, &str) -> User;

/// By what they are. Of a token it is the signature: the rest of it is no secret.
#[derive(Default)]
struct Secrets(BTreeMap<String, Vec<String>>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        let secret = secret.rsplit('.').next().unwrap_or_default();
        if !secret.is_empty() {
            let known = self.0.entry(what.to_owned()).or_default();
            known.push(secret.to_owned());
        }
    }

    fn take(&mut self, answer: &Answer) {
        for member in [
            "access_token",
            "session_token",
            "device_token",
            "csrf_token",
        ] {
            self.add(member, answer.body[member].as_str().unwrap_or_default());
        }
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.add(name, value);
        }
    }
}

#[tokio::test]
async fn no_log_holds_what_a_good_call_carries() {
    let mut site = Site::opens().await;
    let mut secrets = Secrets::default();
    secrets.add("a client's secret", &site.client.secret);
    for (what, password) in [("old", PASSWORD), ("new", NEW), ("wrong", WRONG)] {
        secrets.add(&format!("the {what} password"), password);
    }
    // Each changes the password, which ends the others' sessions.
    let ways: [(Way, _, _); 2] = [
        (User::in_browser, PASSWORD, NEW),
        (User::on_phone, NEW, PASSWORD),
    ];
    for (user, password, next) in ways {
        let mut bob = user(&site.service, "bob", password);
        secrets.take(&bob.logs_in().await);
        secrets.take(&bob.refreshes().await);
        let change = json!({ "current": WRONG, "new": next });
        let refused = bob.sends(Method::PUT, "/password", Some(change)).await;
        refused.must_be(401);
        // Its judge panics at it, and the words of a panic may hold what it was about.
        let change = json!({ "current": password, "new": "12".repeat(16) });
        let refused = bob.sends(Method::PUT, "/password", Some(change)).await;
        refused.must_be(422);
        let change = json!({ "current": password, "new": next });
        let changed = bob.sends(Method::PUT, "/password", Some(change)).await;
        secrets.take(&changed.must_be(200));
        assert!(site.gate.accepts(&bob.access_token()).await);
        let introspect = site.http.post(format!("{}/introspect", site.service.url()));
        let introspect = introspect
            .basic_auth(&site.client.client, Some(&site.client.secret))
            .form(&[("token", bob.access_token())]);
        assert_eq!(
            Answer::of(introspect).await.must_be(200).body["active"],
            true
        );
        let mut stranger = user(&site.service, "bob", WRONG);
        stranger.tries_to_log_in().await.must_be(401);
        bob.logs_out().await;
    }
    site.browser.logs_out().await;
    // What is said of a refusal is said at that level.
    let url = format!("{}/sessions", site.service.url());
    let bad = site.http.get(url).bearer_auth("x");
    Answer::of(bad).await.must_be(401);

    let kinds: Vec<_> = secrets.0.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "__Host-Http-access",
            "__Host-csrf",
            "__Secure-device",
            "__Secure-session",
            "a client's secret",
            "access_token",
            "csrf_token",
            "device_token",
            "session_token",
            "the new password",
            "the old password",
            "the wrong password",
        ]
    );
    let lines = site.log_lines();
    for (log, level) in [("session_api", "DEBUG"), ("audit", "INFO")] {
        let written = |line: &String| line.contains(log) && line.contains(level);
        assert!(lines.iter().any(written), "no {level} of {log}: {lines:?}");
    }
    for line in &lines {
        assert!(!line.contains("panic"), "{line}");
        for (what, values) in &secrets.0 {
            let told = values.iter().any(|value| line.contains(value));
            assert!(!told, "{what}: {line}");
        }
    }
}
