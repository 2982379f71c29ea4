//! Each kind of call, and for whom its answer takes the caller.

use super::Shown;
use super::people::{ACCESS, CSRF, Owner, People, SESSION};
use reqwest::header::COOKIE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tests::user::Answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Show,
    LogOut,
    Refresh,
    List,
    EndOne,
    ChangePassword,
    GateSafe,
    GateUnsafe,
}

impl Call {
    /// In the order of the table's columns.
    pub(super) const ALL: [Self; 8] = [
        Self::Show,
        Self::LogOut,
        Self::Refresh,
        Self::List,
        Self::EndOne,
        Self::ChangePassword,
        Self::GateSafe,
        Self::GateUnsafe,
    ];

    /// Whether a session of the three is to end where the call is let in.
    pub(super) fn ends_something(self, verdict: &str) -> bool {
        let let_in = Owner::PEOPLE.iter().any(|owner| owner.letter() == verdict);
        let_in && matches!(self, Self::LogOut | Self::ChangePassword)
    }

    /// Makes the call, and says whom it was taken to come from: by what the answer tells, or by what
    /// has happened.
    pub(super) async fn verdict(self, people: &mut People, shown: Shown) -> String {
        let send = |people: &People, method, path: &str| {
            let url = format!("{}{path}", people.service.url());
            with_credentials(people, shown, people.http.request(method, url))
        };
        match self {
            Self::Show => {
                let answer = Answer::of(send(people, Method::GET, "/session")).await;
                let id = answer.body["session"]["id"].as_str();
                refusal(&answer).unwrap_or_else(|| people.letter_of(id.unwrap()))
            }
            Self::LogOut => {
                let answer = Answer::of(send(people, Method::DELETE, "/session")).await;
                match refusal(&answer) {
                    Some(refusal) => refusal,
                    None => letters(&people.who_is_out().await),
                }
            }
            Self::Refresh => {
                let answer = Answer::of(send(people, Method::POST, "/session/refresh")).await;
                let id = answer.body["session"]["id"].as_str();
                let verdict = refusal(&answer).unwrap_or_else(|| people.letter_of(id.unwrap()));
                people.takes(&verdict, &answer);
                verdict
            }
            Self::List => {
                let answer = Answer::of(send(people, Method::GET, "/sessions")).await;
                let items = answer.body["items"].as_array().into_iter().flatten();
                let mut current = items.filter(|item| item["current"] == true);
                let id = current.next().and_then(|item| item["id"].as_str());
                refusal(&answer).unwrap_or_else(|| people.letter_of(id.unwrap()))
            }
            Self::EndOne => {
                // Only the owner finds it.
                let session = people.spare_session(shown.access).await;
                let path = format!("/sessions/{session}");
                let answer = Answer::of(send(people, Method::DELETE, &path)).await;
                refusal(&answer).unwrap_or_else(|| {
                    assert_eq!(answer.body["revoked"], 1, "{answer:?}");
                    shown.access.letter().to_owned()
                })
            }
            Self::ChangePassword => change_password(people, shown).await,
            Self::GateSafe => gate(people, shown, "GET").await,
            Self::GateUnsafe => gate(people, shown, "POST").await,
        }
    }
}

/// The one session that is kept is the caller's.
async fn change_password(people: &mut People, shown: Shown) -> String {
    let current = people.password(shown.access).to_owned();
    let new = match current.strip_prefix("A new ") {
        Some(old) => old.to_owned(),
        None => format!("A new {current}"),
    };
    let url = format!("{}/password", people.service.url());
    let request = with_credentials(people, shown, people.http.put(url));
    let answer = Answer::of(request.json(&json!({ "current": current, "new": new }))).await;
    if let Some(refusal) = refusal(&answer) {
        return refusal;
    }
    people.has_changed_password(shown.access, new);
    let out = people.who_is_out().await;
    let kept = Owner::PEOPLE
        .into_iter()
        .filter(|owner| owner.name() == shown.access.name() && !out.contains(owner));
    let kept = letters(&kept.collect::<Vec<_>>());
    // Its old access token ended with the others.
    people.takes(&kept, &answer);
    kept
}

/// A gateway asks with the caller's headers; the session cookie's path keeps it out of there, but a
/// wrong one must not matter either.
async fn gate(people: &People, shown: Shown, method: &str) -> String {
    let request = people.http.get(people.gate.url("/verify"));
    let request = request.header("x-original-method", method);
    let answer = Answer::of(with_credentials(people, shown, request)).await;
    refusal(&answer).unwrap_or_else(|| {
        let id = answer.headers["x-session-id"].to_str().unwrap();
        people.letter_of(id)
    })
}

/// As a page of the issuer's own origin sends it, with whatever is in the jar.
fn with_credentials(people: &People, shown: Shown, mut request: RequestBuilder) -> RequestBuilder {
    request = request
        .header("origin", people.service.issuer())
        .header("sec-fetch-site", "same-origin");
    let mut cookies = Vec::new();
    if let Some(token) = people.access_token(shown.access) {
        cookies.push(format!("{ACCESS}={token}"));
    }
    if let Some(token) = people.session_token(shown.session) {
        cookies.push(format!("{SESSION}={token}"));
    }
    if let Some(value) = people.csrf_value(shown.session) {
        cookies.push(format!("{CSRF}={value}"));
    }
    if !cookies.is_empty() {
        request = request.header(COOKIE, cookies.join("; "));
    }
    match people.csrf_value(shown.csrf) {
        Some(value) => request.header("x-csrf-token", value),
        None => request,
    }
}

/// Why nobody was let in, in the table's words.
pub(super) fn refusal(answer: &Answer) -> Option<String> {
    let word = match (answer.status, answer.problem()) {
        (200, _) => return None,
        (401, Some("token-missing")) => "missing",
        (401, Some("token-invalid")) => "invalid",
        (401, Some("session-ended")) => "ended",
        (403, Some("csrf")) => "csrf",
        (400, Some("bad-request")) => "two",
        _ => return Some(format!("{answer:?}")),
    };
    Some(word.to_owned())
}

fn letters(owners: &[Owner]) -> String {
    owners.iter().map(|owner| owner.letter()).collect()
}
