//! The small protected service of `dev`: what any microservice with the SDK looks like.

use super::Failure;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;
use std::net::TcpListener;
use verifier_sdk::actix::Protect;
use verifier_sdk::{Session, Verifier};

async fn orders(session: Session) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "user": session.user_id(),
        "orders": [{ "item": "portcullis, wrought iron", "quantity": 1 }],
    }))
}

/// Serves `/orders` until the process ends.
pub(super) async fn serve(listener: TcpListener, verifier: Verifier) -> Result<(), Failure> {
    let protect = Protect::new(verifier);
    let server = HttpServer::new(move || {
        App::new().service(web::resource("/orders").wrap(protect.clone()).to(orders))
    });
    // The session service beside it handles the signals.
    let running = server.workers(1).disable_signals().listen(listener)?.run();
    Ok(running.await?)
}
