//! The service in Rust: the SDK in actix-web.

use super::SOON;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::json;
use std::time::Duration;
use tests::SessionApi;
use verifier_sdk::actix::Protect;
use verifier_sdk::{Session, Verifier};

/// It tells whose the request is, and what it saw. It ends with the test's runtime.
pub(super) struct Orders {
    url: String,
}

impl Orders {
    /// Follows the revocations of `service`, which it reaches without the gateway.
    pub(super) async fn start(service: &SessionApi) -> Self {
        let credential = service.has_client("orders").await;
        let verifier = Verifier::builder(service.issuer(), "api")
            .service("orders")
            .service_url(service.url())
            .client(&credential.client, &credential.secret)
            .max_staleness(Duration::from_secs(5))
            .start();
        let verifier = tokio::time::timeout(SOON, verifier).await;
        let protect = Protect::new(verifier.expect("in time").unwrap());
        let server = HttpServer::new(move || {
            let all = web::resource(["/orders", "/orders/{rest:.*}"]);
            App::new().service(all.wrap(protect.clone()).to(echo))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

async fn echo(session: Session, request: HttpRequest) -> HttpResponse {
    let headers = request.headers().iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let mut answer = HttpResponse::Ok();
    // What a service that was taken over would try.
    if request.query_string() == "taken-over" {
        answer
            .insert_header(("X-Accel-Redirect", "/session"))
            .insert_header((
                "Set-Cookie",
                "__Secure-session=planted; Path=/session; Secure",
            ));
    }
    answer.json(json!({
        "user": session.user_id(),
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "headers": headers,
    }))
}
