//! The account page, the operator's page and the reference, used by people in Chromium.

mod account;
mod endings;
mod looks;
mod network;
mod operator;
mod reference;
mod safety;
mod tabs;
mod unlocked;

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use std::time::Duration;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::{Browser, SessionApi, User, eventually};

const PASSWORD: &str = "correct horse battery staple";
const SOON: Duration = Duration::from_secs(20);

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// What the page says where it shows a user's sessions.
const ACCOUNT: &str = "Where you are logged in";

/// The service on SQLite, with the users alice, bob and root (an admin).
struct World {
    service: SessionApi,
    database: String,
    _folder: Folder,
}

impl World {
    async fn begins() -> Self {
        Self::begins_with(|settings| settings).await
    }

    async fn begins_with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let folder = Folder::new("pages-");
        let database = format!("sqlite:{}", folder.path().join("log.db").display());
        let settings = Settings::new(&database).env("SESSION_API_OPEN_REGISTRATION", "true");
        let service = SessionApi::start(&change(settings)).await;
        for (name, role) in [("alice", None), ("bob", None), ("root", Some("admin"))] {
            service.has_user(name, PASSWORD, role).await;
        }
        Self {
            service,
            database,
            _folder: folder,
        }
    }

    /// The address of the account page.
    fn page(&self) -> String {
        format!("{}/", self.service.url())
    }

    /// A browser on the account page.
    async fn browser(&self) -> Browser {
        Browser::opens_at(&self.page()).await
    }

    /// The same, in which `name` has logged in.
    async fn browser_of(&self, name: &str) -> Browser {
        let browser = self.browser().await;
        logs_in(&browser, name).await;
        browser.shows(ACCOUNT).await;
        browser
    }

    /// As if every log-in had been an hour before.
    async fn logged_in_long_ago(&self) {
        let mut database = SqliteConnection::connect(&self.database).await.unwrap();
        let sql = "update session set opened_at = opened_at - 3600000";
        let aged = sqlx::query(sql).execute(&mut database).await.unwrap();
        assert!(aged.rows_affected() > 0);
    }

    /// `name` with an app on a phone, logged in.
    async fn phone_of(&self, name: &str) -> User {
        let mut phone = User::on_phone(&self.service, name, PASSWORD);
        phone.logs_in().await;
        phone
    }
}

/// On the page that is open.
async fn logs_in(browser: &Browser, name: &str) {
    browser.fills("User name", name).await;
    browser.fills("Password", PASSWORD).await;
    browser.presses("Log in").await;
}

/// How many sessions the account page shows.
async fn sessions_shown(browser: &Browser) -> usize {
    let count = browser
        .runs(
            "return document.querySelectorAll('#sessions > li').length",
            &[],
        )
        .await;
    usize::try_from(count.as_u64().unwrap()).unwrap()
}

/// The id of the session that the browser has.
async fn session_in(browser: &Browser) -> String {
    const ID: &str = "return (await (await fetch('/session')).json()).session?.id";
    let id = browser.runs(ID, &[]).await;
    id.as_str().unwrap_or_default().to_owned()
}

/// The path by which that session is ended.
async fn path_of(browser: &Browser) -> String {
    format!("/sessions/{}", session_in(browser).await)
}

/// Runs a script in which `session` is that of the page.
async fn with_session(browser: &Browser, body: &str, arguments: &[Value]) -> Value {
    let script = format!("const {{ session }} = await import('/web/page.js'); {body}");
    browser.runs(&script, arguments).await
}

/// Waits until the page would hear of the session's end at once.
async fn hears(browser: &Browser) {
    eventually("the line stands", SOON, async || {
        with_session(browser, "return session.connected", &[]).await == true
    })
    .await;
}
