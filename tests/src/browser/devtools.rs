//! What WebDriver has no word for: the Chrome DevTools Protocol, by way of the driver.

use super::{Browser, must};
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::Url;

/// A cookie that the browser holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The host that set it, and no other.
    pub domain: String,
    /// The paths that it is sent to.
    pub path: String,
    /// Whether scripts cannot see it.
    pub http_only: bool,
    /// Whether it is sent over TLS alone.
    pub secure: bool,
    /// `Strict`, `Lax` or `None`.
    pub same_site: String,
    /// When it ends, in seconds since 1970; nothing where that is when the browser is closed.
    pub expires: Option<f64>,
}

impl Browser {
    /// All cookies, whatever page is open; sorted by name.
    ///
    /// # Panics
    /// When the browser does not say.
    pub async fn cookies(&self) -> Vec<Cookie> {
        let answer = self.devtools("Network.getAllCookies", &json!({})).await;
        let cookies = answer["cookies"].as_array().map_or(&[][..], Vec::as_slice);
        let mut cookies: Vec<_> = cookies.iter().map(Cookie::of).collect();
        cookies.sort_by(|one, other| one.name.cmp(&other.name));
        cookies
    }

    /// Makes the browser forget a cookie, as when its time has come.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn forgets(&self, cookie: &Cookie) {
        let Cookie {
            name, domain, path, ..
        } = cookie;
        let which = json!({ "name": name, "domain": domain, "path": path });
        self.devtools("Network.deleteCookies", &which).await;
    }

    /// Makes the browser hold a cookie that it held before.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn holds(&self, cookie: &Cookie) {
        let held = json!({
            "name": cookie.name, "value": cookie.value, "domain": cookie.domain,
            "path": cookie.path, "httpOnly": cookie.http_only, "secure": cookie.secure,
            "sameSite": cookie.same_site, "expires": cookie.expires,
        });
        self.devtools("Network.setCookie", &held).await;
    }

    /// Makes every request fail whose address one of these matches (`*` is anything), and no others.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn blocks(&self, urls: &[&str]) {
        self.devtools("Network.enable", &json!({})).await;
        self.devtools("Network.setBlockedURLs", &json!({ "urls": urls }))
            .await;
    }

    /// Makes the page think of a window of that size, in a system that is `dark` or light.
    ///
    /// # Panics
    /// When the browser refuses.
    pub async fn looks(&self, width: u32, height: u32, dark: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size)
            .await;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        )
        .await;
    }

    /// The whole page as a picture, PNG in base64.
    ///
    /// # Panics
    /// When the browser makes none.
    pub async fn picture(&self) -> String {
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", &whole).await;
        answer["data"].as_str().unwrap_or_default().to_owned()
    }

    /// What the page's console says, since it was last asked.
    ///
    /// # Panics
    /// When the browser does not say.
    pub async fn console(&self) -> Vec<String> {
        let command = Command {
            path: "se/log",
            body: json!({ "type": "browser" }),
        };
        let entries = must("the console", self.page.issue_cmd(command).await);
        let entries = entries.as_array().cloned().unwrap_or_default();
        let text = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.iter().map(text).collect()
    }

    pub(super) async fn closes(&self) {
        // The answer is mostly lost: the line to the page is gone as well.
        let _ = self
            .page
            .issue_cmd(command("Browser.close", &json!({})))
            .await;
    }

    /// Sends a command.
    ///
    /// # Panics
    /// When the browser refuses it.
    pub async fn devtools(&self, method: &str, parameters: &Value) -> Value {
        must(
            method,
            self.page.issue_cmd(command(method, parameters)).await,
        )
    }
}

impl Cookie {
    fn of(cookie: &Value) -> Self {
        let text = |name: &str| cookie[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            value: text("value"),
            domain: text("domain"),
            path: text("path"),
            http_only: cookie["httpOnly"] == true,
            secure: cookie["secure"] == true,
            same_site: text("sameSite"),
            expires: cookie["expires"].as_f64().filter(|time| *time > 0.0),
        }
    }
}

fn command(method: &str, parameters: &Value) -> Command {
    Command {
        path: "goog/cdp/execute",
        body: json!({ "cmd": method, "params": parameters }),
    }
}

/// A command of Chromium's own driver.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
