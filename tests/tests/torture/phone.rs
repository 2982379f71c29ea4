//! The service over HTTP, as a phone sees it that may lose any answer.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// Longer than a replica takes while the bus is away.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Clone)]
pub(crate) struct Phone {
    http: reqwest::Client,
    /// By replica.
    urls: Vec<String>,
    at: usize,
}

/// An answer; status 0 where there was none, and nobody knows what has been done.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// What an access token says of itself.
pub(crate) struct Claims {
    pub(crate) session: Uuid,
    pub(crate) user: Uuid,
    pub(crate) position: u64,
    /// In seconds since 1970.
    pub(crate) expires: u64,
}

impl Phone {
    pub(crate) fn new(urls: Vec<String>, at: usize) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(1))
            .timeout(PATIENCE)
            .build();
        Self {
            http: http.unwrap(),
            at: at % urls.len(),
            urls,
        }
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.urls[self.at]))
    }

    /// Where nothing, or nothing final, came back, the next call goes to the next replica.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Answer {
        let answer = answer(request).await;
        if answer.status == 0 || answer.status >= 500 {
            self.at = (self.at + 1) % self.urls.len();
        }
        answer
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let none = Answer {
        status: 0,
        body: Value::Null,
    };
    let Ok(answer) = request.send().await else {
        return none;
    };
    let status = answer.status().as_u16();
    match answer.text().await {
        Ok(text) => Answer {
            status,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
        },
        Err(_) => none,
    }
}

impl Answer {
    pub(crate) fn text(&self, name: &str) -> String {
        let text = self.body[name].as_str();
        text.unwrap_or_else(|| panic!("no {name:?} in an answer of {}", self.status))
            .to_owned()
    }
}

impl Claims {
    pub(crate) fn of(token: &str) -> Self {
        use base64::Engine as _;
        let payload = token.split('.').nth(1).unwrap_or_default();
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
        let claims: Value = serde_json::from_slice(&json.unwrap()).unwrap();
        let id = |name: &str| claims[name].as_str().unwrap().parse().unwrap();
        let number = |name: &str| claims[name].as_u64().unwrap();
        Self {
            session: id("sid"),
            user: id("sub"),
            position: number("pos"),
            expires: number("exp"),
        }
    }
}
