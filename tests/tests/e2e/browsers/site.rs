//! A web server of somebody: at every path a page without any protection, which shows the cookies
//! that came with the request.

use actix_web::http::header::{COOKIE, ContentType};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use tests::Browser;

/// A server on both names of this machine. It ends with the test's runtime.
pub(super) struct Site {
    port: u16,
}

impl Site {
    pub(super) fn starts() -> Self {
        let server = HttpServer::new(|| App::new().default_service(web::to(page)))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let port = server.addrs()[0].port();
        tokio::spawn(server.run());
        Self { port }
    }

    /// On the host of the service.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Under another name of this machine: whatever ends with `.localhost` is.
    pub(super) fn url_at(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// On another site.
    pub(super) fn url_elsewhere(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }
}

async fn page(request: HttpRequest) -> HttpResponse {
    let cookies = request.headers().get_all(COOKIE);
    let cookies: Vec<_> = cookies.filter_map(|line| line.to_str().ok()).collect();
    let names = cookies
        .iter()
        .flat_map(|line| line.split("; "))
        .map(|pair| pair.split('=').next().unwrap_or_default());
    let names = serde_json::to_string(&names.collect::<Vec<_>>()).unwrap();
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(format!(
            "<!doctype html><link rel=icon href=data:,><pre>{names}</pre>"
        ))
}

/// The names of the cookies that came with the request for the page that is open, sorted.
pub(super) async fn cookies_sent(browser: &Browser) -> Vec<String> {
    let shown = browser.text().await;
    let names: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let mut names: Vec<_> = names
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}
