//! One application in each of the three ways: actix-web, axum, and a service behind the gate.

use crate::issuer::{ISSUER, Issuer};
use actix_web::{App, HttpResponse, HttpServer, web};
use axum::{Extension, Router, routing::any};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use verifier_sdk::{OnStale, Protect, Session, Verifier};

/// Far more than a heartbeat, so that a busy machine is not taken for a silent issuer.
const MAX_STALENESS: Duration = Duration::from_secs(5);

const CACHED: (&str, &str) = ("cache-control", "private, max-age=60");

/// A server that answers under `url`: `/whoami` to anybody with a token, and, but for the gate,
/// `/cached` with a word on caching, `/admin` to admins, `/audit` to admins who audit, `/relaxed` also while stale, `/asked` while
/// stale by introspection, `/open` to a handler that nobody protects.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    gate: Option<Child>,
}

impl Server {
    pub(crate) fn has_routes(&self) -> bool {
        self.gate.is_none()
    }

    /// Asks the gate to stop, as an orchestrator does.
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        let gate = self.gate.as_mut().unwrap();
        let kill = Command::new("kill").arg(gate.id().to_string()).status();
        assert!(kill.unwrap().success());
        gate.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(gate) = &mut self.gate {
            let _ = gate.kill();
            let _ = gate.wait();
        }
    }
}

/// A verifier of this issuer.
pub(crate) fn builder(issuer: &Issuer) -> verifier_sdk::Builder {
    Verifier::builder(ISSUER, "api")
        .service_url(issuer.url())
        .client("orders", "secret")
        .max_staleness(MAX_STALENESS)
        .allowed_origins(["https://app.example.com"])
}

/// All three, complete and fresh.
pub(crate) async fn all(issuer: &Issuer) -> [Server; 3] {
    let verifier = builder(issuer).start().await.unwrap();
    let servers = [
        actix(verifier.clone()),
        axum(verifier).await,
        gate(issuer, &["--method-from", "request"]),
    ];
    until("the gate is ready", async || {
        reqwest::get(servers[2].url.replace("/verify", "/readyz"))
            .await
            .is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    servers
}

pub(crate) fn actix(verifier: Verifier) -> Server {
    async fn whoami(session: Session) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header(("x-user-id", session.user_id().to_string()))
            .body(session.user_id().to_string())
    }
    async fn cached(_: Session) -> HttpResponse {
        HttpResponse::Ok().insert_header(CACHED).finish()
    }
    let server = HttpServer::new(move || {
        let protect = || Protect::new(verifier.clone());
        App::new()
            .service(web::resource("/open").to(whoami))
            .service(
                web::resource("/relaxed")
                    .wrap(protect().on_stale(OnStale::Accept))
                    .to(whoami),
            )
            .service(
                web::resource("/asked")
                    .wrap(protect().on_stale(OnStale::Introspect))
                    .to(whoami),
            )
            .service(
                web::scope("")
                    .wrap(protect())
                    .route("/whoami", web::to(whoami))
                    .route("/cached", web::to(cached))
                    .service(
                        web::resource("/admin")
                            .wrap(protect().role("admin"))
                            .to(whoami),
                    )
                    .service(
                        web::resource("/audit")
                            .wrap(protect().role("admin").role("auditor"))
                            .to(whoami),
                    ),
            )
    })
    .workers(2)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    Server {
        name: "actix",
        url,
        gate: None,
    }
}

pub(crate) async fn axum(verifier: Verifier) -> Server {
    async fn whoami(
        Extension(session): Extension<Session>,
    ) -> ([(&'static str, String); 1], String) {
        let user = session.user_id().to_string();
        ([("x-user-id", user.clone())], user)
    }
    async fn cached() -> [(&'static str, &'static str); 1] {
        [CACHED]
    }
    let protect = || Protect::new(verifier.clone());
    let app = Router::new()
        .route("/whoami", any(whoami))
        .route("/cached", any(cached))
        .route("/admin", any(whoami).layer(protect().role("admin")))
        .route(
            "/audit",
            any(whoami).layer(protect().role("admin").role("auditor")),
        )
        .layer(protect())
        .route(
            "/relaxed",
            any(whoami).layer(protect().on_stale(OnStale::Accept)),
        )
        .route(
            "/asked",
            any(whoami).layer(protect().on_stale(OnStale::Introspect)),
        )
        .route("/open", any(whoami));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    Server {
        name: "axum",
        url,
        gate: None,
    }
}

/// The real program; it may not be ready yet.
pub(crate) fn gate(issuer: &Issuer, flags: &[&str]) -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_verifier-gate"))
        .args(["--listen", "127.0.0.1:0", "--issuer", ISSUER])
        .args(["--service-url", &issuer.url()])
        .args(["--client", "orders", "--client-secret", "secret"])
        .args(["--max-staleness", &format!("{}s", MAX_STALENESS.as_secs())])
        .args(["--allowed-origin", "https://app.example.com"])
        .args(flags)
        .env_clear()
        .env("RUST_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = log
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned()))
        .expect("it says where it listens");
    // Somebody has to read on, or the gate would wait for room in the pipe.
    std::thread::spawn(move || log.for_each(drop));
    Server {
        name: "gate",
        url: format!("http://{address}/verify"),
        gate: Some(child),
    }
}

/// Waits for a condition, and fails where it does not come true.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let limit = Duration::from_secs(60);
    if tokio::time::timeout(limit, patience).await.is_err() {
        panic!("waited {limit:?} in vain: {what}");
    }
}
