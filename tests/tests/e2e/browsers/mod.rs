//! What a real browser does with the service's cookies, and what pages of other origins can make it
//! do. On one machine `127.0.0.1` and `localhost` are two sites, and the ports of one of them are
//! origins of the same site: cookies know no ports.

mod cookies;
mod forgery;
mod sisters;
mod site;

use serde_json::{Value, json};
use site::Site;
use tests::browser::Cookie;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::{Browser, SessionApi};

const ACCESS: &str = "__Host-Http-access";
const SESSION: &str = "__Secure-session";
const CSRF: &str = "__Host-csrf";
const DEVICE: &str = "__Secure-device";

const PASSWORD: &str = "correct horse battery staple";

/// The service, and two other servers on the same host: the application, whose pages may call the
/// service (`--allowed-origin`), and a stranger.
struct World {
    /// Of the service and, but for one test, of the application.
    host: &'static str,
    app_host: &'static str,
    service: SessionApi,
    app: Site,
    stranger: Site,
    _folder: Folder,
}

impl World {
    /// With the users alice and mallory.
    async fn begins() -> Self {
        Self::begins_at("127.0.0.1").await
    }

    /// The same, browsers knowing the host by that name.
    async fn begins_at(host: &'static str) -> Self {
        Self::begins_apart(host, host).await
    }

    /// The same, with the application on another.
    async fn begins_apart(host: &'static str, app_host: &'static str) -> Self {
        let folder = Folder::new("browsers-");
        let (app, stranger) = (Site::starts(), Site::starts());
        let database = format!("sqlite:{}", folder.path().join("log.db").display());
        let settings = Settings::new(&database)
            .flag("--allowed-origin", &app.url_at(app_host, ""))
            .env("SESSION_API_OPEN_REGISTRATION", "true");
        let service = SessionApi::start(&settings).await;
        for name in ["alice", "mallory"] {
            service.has_user(name, PASSWORD, None).await;
        }
        Self {
            host,
            app_host,
            service,
            app,
            stranger,
            _folder: folder,
        }
    }

    /// A browser on a page of the application.
    async fn browser(&self) -> Browser {
        Browser::opens_at(&self.app.url_at(self.app_host, "/")).await
    }

    /// The same, in which `name` has logged in.
    async fn browser_of(&self, name: &str) -> Browser {
        let browser = self.browser().await;
        self.logs_in(&browser, name).await;
        browser
    }

    /// `name` logs in on the page that is open; the id of the session.
    async fn logs_in(&self, browser: &Browser, name: &str) -> String {
        let login = json!({ "username": name, "password": PASSWORD });
        let answer = self.calls(browser, "POST", "/session", Some(login)).await;
        answer.must_be(201)["session"]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A call of the page that is open, as the application makes it: with cookies, and with the CSRF
    /// value that the page finds in its own.
    async fn calls(
        &self,
        browser: &Browser,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        const CALL: &str = r#"
            const [method, url, body] = arguments;
            const headers = { "X-CSRF-Token": document.cookie.match(/__Host-csrf=([^;]*)/)?.[1] ?? "" };
            if (body) headers["Content-Type"] = "application/json";
            const request = { method, headers, credentials: "include", body: body && JSON.stringify(body) };
            const answer = await fetch(url, request).catch(() => null);
            return answer && [answer.status, await answer.json()];
        "#;
        let url = format!("{}{path}", self.service_url());
        let arguments = [method.into(), url.into(), body.into()];
        let answer = browser.runs(CALL, &arguments).await;
        Answer {
            status: answer[0].as_u64(),
            body: answer[1].clone(),
        }
    }

    /// Where browsers find the service.
    fn service_url(&self) -> String {
        self.service.url().replace("127.0.0.1", self.host)
    }

    /// Who the service says that the browser is. The page that is open must be the application's.
    async fn user_in(&self, browser: &Browser) -> Option<String> {
        let answer = self.calls(browser, "GET", "/session", None).await;
        let name = answer.body["user"]["username"].as_str()?;
        Some(name.to_owned())
    }
}

/// What a page learns of an answer.
#[derive(Debug)]
struct Answer {
    /// Nothing where the browser keeps the answer from the page.
    status: Option<u64>,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn must_be(self, status: u64) -> Value {
        assert_eq!(self.status, Some(status), "{}", self.body);
        self.body
    }
}

fn names(cookies: &[Cookie]) -> Vec<&str> {
    cookies.iter().map(|cookie| cookie.name.as_str()).collect()
}
