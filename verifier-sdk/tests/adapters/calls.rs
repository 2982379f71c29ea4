//! A request, what must come of it, and the way through every server.

use crate::issuer::Minted;
use crate::servers::Server;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use revocation_events::UserId;
use sha2::{Digest as _, Sha256};

/// What the application's own page repeats in `X-CSRF-Token`.
pub(crate) const CSRF: &str = "Zm9yIHRlc3RzIG9ubHkuLi4uLi4uLi4uLi4uLi4uLi4";

/// A token as an app gets it in the body.
pub(crate) fn app(login: &Minted, roles: &'static [&'static str]) -> String {
    let token = Minted {
        roles,
        ..login.clone()
    };
    token.token()
}

/// A token as a browser gets it in a cookie.
pub(crate) fn web(login: &Minted, roles: &'static [&'static str]) -> String {
    let token = Minted {
        roles,
        csrf: Some(URL_SAFE_NO_PAD.encode(Sha256::digest(CSRF))),
        ..login.clone()
    };
    token.token()
}

pub(crate) struct Request {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, Vec<u8>)>,
}

pub(crate) fn request(method: &'static str, path: &'static str) -> Request {
    Request {
        method,
        path,
        headers: Vec::new(),
    }
}

impl Request {
    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn cookie(self, token: &str) -> Self {
        self.header("cookie", format!("__Host-Http-access={token}"))
    }

    /// What the application's own page adds.
    pub(crate) fn own_page(self) -> Self {
        self.header("sec-fetch-site", "same-origin")
            .header("x-csrf-token", CSRF)
    }

    pub(crate) async fn send(&self, client: &Client, server: &Server) -> Response {
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_bytes(value).unwrap();
                (HeaderName::from_static(name), value)
            })
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        client
            .request(method, format!("{}{}", server.url, self.path))
            .headers(headers)
            .send()
            .await
            .unwrap()
    }
}

/// What must come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// The handler ran for this user.
    For(UserId),
    /// The status and the last part of the problem's type.
    Refused(u16, &'static str),
}
use Answer::{For, Refused};

impl Answer {
    pub(crate) async fn check(self, what: &str, response: Response) {
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let user = header("x-user-id");
        assert_eq!(header("cache-control").unwrap(), "no-store", "{what}");
        match self {
            For(expected) => {
                assert_eq!((status, user), (200, Some(expected.to_string())), "{what}");
            }
            Refused(expected, slug) => {
                assert_eq!((status, user), (expected, None), "{what}");
                assert_eq!(header("x-content-type-options").unwrap(), "nosniff");
                let policy = "default-src 'none'; frame-ancestors 'none'";
                assert_eq!(header("content-security-policy").unwrap(), policy);
                assert_eq!(header("set-cookie"), None, "{what}");
                assert_eq!(header("content-type").unwrap(), "application/problem+json");
                let challenge = match slug {
                    "token-missing" => Some("Bearer".to_owned()),
                    "token-invalid" => Some(r#"Bearer error="invalid_token""#.to_owned()),
                    _ => None,
                };
                assert_eq!(header("www-authenticate"), challenge, "{what}");
                assert_eq!(header("retry-after").is_some(), status == 503, "{what}");
                let body = response.text().await.unwrap();
                // The answer to HEAD has no body.
                if !body.is_empty() {
                    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
                    let problem = problem.as_object().unwrap();
                    assert_eq!(problem["type"], format!("urn:portcullis:{slug}"), "{what}");
                    assert_eq!(problem["status"], expected, "{what}");
                    assert_eq!(problem.len(), 3, "nothing more is said: {body}");
                }
            }
        }
    }
}

pub(crate) type Case = (&'static str, Request, Answer);

/// Runs a table through every server; where one has no routes of its own, `/whoami` alone.
pub(crate) async fn check(servers: &[Server], cases: &[Case]) {
    let client = Client::new();
    for server in servers {
        for (what, request, answer) in cases {
            if server.has_routes() || request.path == "/whoami" {
                let response = request.send(&client, server).await;
                answer
                    .check(&format!("{}: {what}", server.name), response)
                    .await;
            }
        }
    }
}
