//! A real Chromium, driven by the WebDriver protocol.
//!
//! A test does what a person does: visits, fills in what stands beside a label, presses what bears
//! a name, reads what is shown. [`Browser::runs`] is for what only a page's script can try.

mod devtools;

pub use devtools::Cookie;

use crate::eventually::{eventually, until};
use crate::folder::Folder;
use crate::process::Spec;
use crate::server::Server;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The first start on a machine reads a few hundred megabytes.
const START: Duration = Duration::from_secs(60);

/// How long a page may take to show something, on a machine with two busy cores.
const PATIENCE: Duration = Duration::from_secs(20);

/// What Chromium writes once it can be driven.
const CHROMIUM_READY: &str = "DevTools listening on ws://";

/// What the driver writes once it takes commands.
const DRIVER_READY: &str = "ChromeDriver was started successfully on port ";

/// A browser with a profile of its own: its cookies and its storage are nobody else's.
#[derive(Debug)]
pub struct Browser {
    page: Client,
    driver: Server,
    chromium: Server,
    _profile: Folder,
}

/// One of a browser's tabs.
#[derive(Clone, Debug)]
pub struct Tab(WindowHandle);

impl Browser {
    /// Opens one with an empty profile and an empty page.
    ///
    /// # Panics
    /// When Chromium or its driver is missing or does not start; with its log.
    pub async fn opens() -> Self {
        Self::opens_with(None).await
    }

    async fn opens_with(settings: Option<&Value>) -> Self {
        let profile = Folder::new("chromium-");
        if let Some(settings) = settings {
            let folder = profile.path().join("Default");
            std::fs::create_dir(&folder)
                .and_then(|()| std::fs::write(folder.join("Preferences"), settings.to_string()))
                .unwrap_or_else(|error| panic!("the browser's settings: {error}"));
        }
        let chromium = Server::start(chromium(profile.path()), CHROMIUM_READY, START).await;
        let driver = Server::start(driver(profile.path()), DRIVER_READY, START).await;
        Self {
            page: connect(&chromium, &driver).await,
            driver,
            chromium,
            _profile: profile,
        }
    }

    /// Opens one whose user has turned cookies off, and with them all that a page may keep.
    ///
    /// # Panics
    /// See [`Browser::opens`].
    pub async fn opens_without_cookies() -> Self {
        let settings = json!({ "profile": { "default_content_setting_values": { "cookies": 2 } } });
        Self::opens_with(Some(&settings)).await
    }

    /// Opens one at `url`.
    ///
    /// # Panics
    /// See [`Browser::opens`] and [`Browser::visits`].
    pub async fn opens_at(url: &str) -> Self {
        let browser = Self::opens().await;
        browser.visits(url).await;
        browser
    }

    /// Closes it as a person does, and opens it again with the same profile.
    ///
    /// # Panics
    /// When it does not end or does not start.
    pub async fn reopens(&mut self) {
        self.closes().await;
        self.chromium.running().ends(PATIENCE).await;
        self.chromium.restart().await;
        self.driver.restart().await;
        self.page = connect(&self.chromium, &self.driver).await;
    }

    /// Goes to `url` and waits until it is loaded.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn visits(&self, url: &str) {
        must(url, self.page.goto(url).await);
    }

    /// Waits until it is at `url`, where a page's script or form has sent it.
    ///
    /// # Panics
    /// When it does not get there.
    pub async fn is_at(&self, url: &str) {
        const LOADED: &str = "return document.readyState === 'complete' && location.href";
        eventually(&format!("the browser is at {url}"), PATIENCE, async || {
            let loaded = self.page.execute(LOADED, vec![]).await;
            loaded.is_ok_and(|loaded| loaded == url)
        })
        .await;
    }

    /// Goes into the first frame of the page, until the next visit.
    ///
    /// # Panics
    /// When there is none.
    pub async fn enters_frame(&self) {
        must("a frame", self.page.enter_frame(0).await);
    }

    /// Runs the body of an asynchronous function in the page, and returns its result. `arguments`
    /// are what `arguments` is in it.
    ///
    /// # Panics
    /// When it throws, or takes longer than half a minute.
    pub async fn runs(&self, body: &str, arguments: &[Value]) -> Value {
        let script = format!("return (async function() {{ {body} }}).apply(null, arguments)");
        let returned = self.page.execute(&script, arguments.to_vec()).await;
        must(body, returned)
    }

    /// Puts `text` into the field beside the label `label`, in the place of what is there.
    ///
    /// # Panics
    /// When no such field shows.
    pub async fn fills(&self, label: &str, text: &str) {
        let by = format!("//*[@id = //label[normalize-space() = \"{label}\"]/@for]");
        self.does(&format!("a field {label:?}"), &by, async |field| {
            field.clear().await?;
            field.send_keys(text).await
        })
        .await;
    }

    /// Presses the button or the link that bears `name`.
    ///
    /// # Panics
    /// When no such thing shows, or it cannot be pressed.
    pub async fn presses(&self, name: &str) {
        let bears = format!(
            "[normalize-space() = \"{name}\" and not(@aria-label) or @aria-label = \"{name}\"]"
        );
        let by = format!("//button{bears} | //a{bears}");
        self.does(&format!("a button {name:?}"), &by, async |button| {
            button.click().await
        })
        .await;
    }

    /// Types on the keyboard, into whatever has the focus. `\u{e004}` is Tab, `\u{e007}` Enter.
    ///
    /// # Panics
    /// When nothing can be typed there.
    pub async fn types(&self, keys: &str) {
        let focused = must("the focus", self.page.active_element().await);
        must("to type", focused.send_keys(keys).await);
    }

    /// What has the focus: the name that a screen reader says, else its text.
    ///
    /// # Panics
    /// When the page does not answer.
    pub async fn focus(&self) -> String {
        const NAME: &str = "const focus = document.activeElement;
            return focus.ariaLabel ?? focus.labels?.[0]?.innerText ?? focus.innerText";
        let name = self.runs(NAME, &[]).await;
        name.as_str().unwrap_or_default().trim().to_owned()
    }

    /// Opens another tab at `url`, and goes to it.
    ///
    /// # Panics
    /// When nothing answers there.
    pub async fn opens_tab(&self, url: &str) -> Tab {
        let tab = must("a tab", self.page.new_window(true).await).handle;
        must("to the tab", self.page.switch_to_window(tab.clone()).await);
        self.visits(url).await;
        Tab(tab)
    }

    /// The tab that is looked at.
    ///
    /// # Panics
    /// When there is none.
    pub async fn tab(&self) -> Tab {
        Tab(must("a tab", self.page.window().await))
    }

    /// Goes to a tab.
    ///
    /// # Panics
    /// When it was closed.
    pub async fn goes_to(&self, tab: &Tab) {
        let switched = self.page.switch_to_window(tab.0.clone()).await;
        must("to the tab", switched);
    }

    /// Closes the tab that is looked at; then none is, until one is gone to.
    ///
    /// # Panics
    /// When there is none.
    pub async fn closes_tab(&self) {
        must("to close", self.page.close_window().await);
    }

    /// Waits until the page shows `text`.
    ///
    /// # Panics
    /// When it does not; with what it shows.
    pub async fn shows(&self, text: &str) {
        self.shows_or_not(text, true).await;
    }

    /// Waits until the page shows `text` no longer.
    ///
    /// # Panics
    /// When it goes on showing it; with all that it shows.
    pub async fn hides(&self, text: &str) {
        self.shows_or_not(text, false).await;
    }

    async fn shows_or_not(&self, text: &str, shows: bool) {
        let mut shown = String::new();
        let found = tokio::time::timeout(PATIENCE, async {
            eventually("the page shows it", PATIENCE * 2, async || {
                shown = self.text().await;
                shown.contains(text) == shows
            })
            .await;
        });
        let said = if shows { "not shown" } else { "still shown" };
        assert!(found.await.is_ok(), "{said}: {text:?} in\n{shown}");
    }

    /// The text that the page shows.
    ///
    /// # Panics
    /// When the page does not answer.
    pub async fn text(&self) -> String {
        let text = self.runs("return document.body.innerText", &[]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Does something with the one thing that `xpath` finds and that shows. The page may draw
    /// itself anew meanwhile: what is gone, hidden or covered is looked for again.
    async fn does(
        &self,
        what: &str,
        xpath: &str,
        mut act: impl AsyncFnMut(&Element) -> Result<(), CmdError>,
    ) {
        until(what, PATIENCE, async || {
            for element in self.page.find_all(Locator::XPath(xpath)).await.ok()? {
                if element.is_displayed().await.ok()? && element.is_enabled().await.ok()? {
                    return act(&element).await.ok();
                }
            }
            None
        })
        .await;
    }
}

/// `$CHROMIUM`, or that of the PATH. It opens pages of the tests only, and as root or in a container
/// its sandbox does not start.
fn chromium(profile: &Path) -> Spec {
    spec("CHROMIUM", "chromium", profile)
        .args(["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-component-update"])
        // Or else it complains at length that there is no desktop.
        .arg("--log-level=3")
        .arg("--remote-debugging-port=0")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("about:blank")
}

/// `$CHROMEDRIVER`, or that of the PATH.
fn driver(profile: &Path) -> Spec {
    spec("CHROMEDRIVER", "chromedriver", profile).arg("--port=0")
}

/// Both leave files beside the profile too, where the environment tells them.
fn spec(variable: &str, name: &str, profile: &Path) -> Spec {
    let program = std::env::var(variable).unwrap_or_else(|_| name.to_owned());
    let home = profile.display().to_string();
    Spec::new(name, program)
        .env("HOME", &home)
        .env("TMPDIR", &home)
}

async fn connect(chromium: &Server, driver: &Server) -> Client {
    let after = |server: &Server, words: &str| {
        let line = server.running().log().line_with(words).unwrap_or_default();
        let rest = line.split(words).nth(1).unwrap_or_default();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        rest[..end.unwrap_or(rest.len())]
            .trim_end_matches('.')
            .to_owned()
    };
    let address = after(chromium, CHROMIUM_READY);
    let wanted = [
        ("goog:chromeOptions", json!({ "debuggerAddress": address })),
        ("goog:loggingPrefs", json!({ "browser": "ALL" })),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let url = format!("http://127.0.0.1:{}", after(driver, DRIVER_READY));
    let page = ClientBuilder::new(HttpConnector::new())
        .capabilities(wanted.into_iter().collect())
        .connect(&url)
        .await;
    let page = must("a connection", page);
    // It ends with its process; what closes it otherwise outlives the test's runtime.
    must("a session", page.persist().await);
    page
}

#[track_caller]
fn must<T, E: std::fmt::Debug>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the browser: {what}: {error:?}"))
}
