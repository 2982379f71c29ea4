//! A person with a browser or a phone.

use crate::cookies::Jar;
use crate::session_api::SessionApi;
use reqwest::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::Duration;

const ACCESS: &str = "__Host-Http-access";
const SESSION: &str = "__Secure-session";
const CSRF: &str = "__Host-csrf";

/// The longest that an answer may take to end. A stream that should have been refused has no end.
const WHOLE: Duration = Duration::from_secs(120);

/// A person who has an account.
#[derive(Clone, Debug)]
pub struct User {
    name: String,
    password: String,
    url: String,
    origin: String,
    http: reqwest::Client,
    device: Device,
}

/// What the person holds. Cloned with the user: the copy is a thief of the tokens.
#[derive(Clone, Debug)]
enum Device {
    Browser(Jar),
    Phone {
        access: Option<String>,
        session: Option<String>,
    },
}

impl User {
    /// With a browser on a page of the issuer's origin: tokens are cookies, and what a browser adds
    /// to a request is added.
    #[must_use]
    pub fn in_browser(service: &SessionApi, name: &str, password: &str) -> Self {
        Self::new(service, name, password, Device::Browser(Jar::default()))
    }

    /// With a native app: tokens are in bodies and in `Authorization`.
    #[must_use]
    pub fn on_phone(service: &SessionApi, name: &str, password: &str) -> Self {
        let device = Device::Phone {
            access: None,
            session: None,
        };
        Self::new(service, name, password, device)
    }

    fn new(service: &SessionApi, name: &str, password: &str, device: Device) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_else(|error| panic!("no HTTP client: {error}"));
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            url: service.url().to_owned(),
            origin: service.issuer().to_owned(),
            http,
            device,
        }
    }

    /// Goes on at another replica.
    pub fn moves_to(&mut self, service: &SessionApi) {
        service.url().clone_into(&mut self.url);
    }

    /// Goes by a gateway at that address from now on.
    #[must_use]
    pub fn by_way_of(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Logs in and takes the tokens.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn logs_in(&mut self) -> Answer {
        self.tries_to_log_in().await.must_be(201)
    }

    /// Logs in, whatever comes of it.
    pub async fn tries_to_log_in(&mut self) -> Answer {
        let mut body = json!({ "username": self.name, "password": self.password });
        if matches!(self.device, Device::Phone { .. }) {
            body["delivery"] = "body".into();
        }
        // A login stands on the password alone, so it brings no token along but the cookies that a
        // browser cannot keep back.
        let request = self.request(Method::POST, "/session").json(&body);
        self.sent(request).await
    }

    /// Exchanges the session token for fresh ones.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn refreshes(&mut self) -> Answer {
        self.tries_to_refresh().await.must_be(200)
    }

    /// Refreshes, whatever comes of it.
    pub async fn tries_to_refresh(&mut self) -> Answer {
        let request = self.request(Method::POST, "/session/refresh");
        let request = match &self.device {
            Device::Browser(_) => request,
            Device::Phone { session, .. } => request.json(&json!({ "session_token": session })),
        };
        self.sent(request).await
    }

    /// Logs out.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn logs_out(&mut self) -> Answer {
        self.tries_to_log_out().await.must_be(200)
    }

    /// Logs out, whatever comes of it.
    pub async fn tries_to_log_out(&mut self) -> Answer {
        self.sends(Method::DELETE, "/session", None).await
    }

    /// Sends a request with the access token, as this device does.
    pub async fn sends(&mut self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        self.sends_as_oneself(request, body).await
    }

    /// The same without a body, with `Prefer: wait=` so many seconds: for what revokes.
    pub async fn sends_and_waits(&mut self, method: Method, path: &str, seconds: u32) -> Answer {
        let request = self.request(method, path);
        let request = request.header("Prefer", format!("wait={seconds}"));
        self.sends_as_oneself(request, None).await
    }

    async fn sends_as_oneself(
        &mut self,
        mut request: RequestBuilder,
        body: Option<Value>,
    ) -> Answer {
        if let Device::Phone {
            access: Some(token),
            ..
        } = &self.device
        {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.sent(request).await
    }

    /// The access token.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn access_token(&self) -> String {
        let token = match &self.device {
            Device::Browser(jar) => jar.get(ACCESS),
            Device::Phone { access, .. } => access.as_deref(),
        };
        self.held("access token", token)
    }

    /// The session token.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn session_token(&self) -> String {
        let token = match &self.device {
            Device::Browser(jar) => jar.get(SESSION),
            Device::Phone { session, .. } => session.as_deref(),
        };
        self.held("session token", token)
    }

    /// The value that the page repeats in calls that change something.
    ///
    /// # Panics
    /// When there is none: a phone has no use for it.
    #[must_use]
    pub fn csrf_value(&self) -> String {
        let value = match &self.device {
            Device::Browser(jar) => jar.get(CSRF),
            Device::Phone { .. } => None,
        };
        self.held("CSRF value", value)
    }

    fn held(&self, what: &str, token: Option<&str>) -> String {
        match token {
            Some(token) => token.to_owned(),
            None => panic!("{} has no {what}", self.name),
        }
    }

    /// A request with what a browser sends of its own accord, and the CSRF header that the page
    /// adds to calls that change something.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let safe = method.is_safe();
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Device::Browser(jar) = &self.device {
            request = request
                .header(ORIGIN, &self.origin)
                .header("Sec-Fetch-Site", "same-origin");
            if let Some(cookies) = jar.header(path) {
                request = request.header(COOKIE, cookies);
            }
            if let Some(csrf) = jar.get(CSRF).filter(|_| !safe) {
                request = request.header("X-CSRF-Token", csrf);
            }
        }
        request
    }

    async fn sent(&mut self, request: RequestBuilder) -> Answer {
        let answer = Answer::of(request).await;
        self.takes(&answer);
        answer
    }

    /// Takes the tokens of an answer to a request that was sent by other means.
    pub fn takes(&mut self, answer: &Answer) {
        match &mut self.device {
            Device::Browser(jar) => answer.set_cookies().for_each(|cookie| jar.take(cookie)),
            Device::Phone { access, session } => {
                for (held, name) in [(access, "access_token"), (session, "session_token")] {
                    if let Some(token) = answer.body[name].as_str() {
                        *held = Some(token.to_owned());
                    }
                }
            }
        }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header.
    pub headers: reqwest::header::HeaderMap,
    /// The body: JSON, or else a text.
    pub body: Value,
}

impl Answer {
    /// Sends `request` and reads the answer to its end.
    ///
    /// # Panics
    /// When there is no whole answer.
    pub async fn of(request: RequestBuilder) -> Self {
        match request.send().await {
            Ok(answer) => Self::read(answer).await,
            Err(error) => panic!("no answer: {error:?}"),
        }
    }

    /// Reads an answer to its end.
    ///
    /// # Panics
    /// When it breaks off, or goes on for two minutes.
    pub async fn read(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = match tokio::time::timeout(WHOLE, answer.text()).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => panic!("half an answer ({status}): {error:?}"),
            Err(_) => panic!("an answer without an end ({status})"),
        };
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    /// This answer, if it has that status.
    ///
    /// # Panics
    /// When it has another; with the body.
    #[track_caller]
    pub fn must_be(self, status: u16) -> Self {
        let (found, body) = (self.status, &self.body);
        assert_eq!(found, status, "{body}");
        self
    }

    /// The `type` of a problem, without its `urn:portcullis:`.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.body["type"].as_str()?.strip_prefix("urn:portcullis:")
    }

    fn set_cookies(&self) -> impl Iterator<Item = &str> {
        let cookies = self.headers.get_all(SET_COOKIE).iter();
        cookies.filter_map(|value| value.to_str().ok())
    }
}
