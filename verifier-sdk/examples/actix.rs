//! A service in actix-web that only lets in whom the session service has let in.
//!
//! ```sh
//! cargo run                                                    # the session service, in one shell
//! cargo run -p verifier-sdk --example actix --features actix   # this, in another
//! # In a third, paste the line `TOKEN=…` that the first has printed, which logs in. Then:
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8082/orders
//! ```
//!
//! `ISSUER` names another session service, and `SERVICE_URL` where it is reached, where that is
//! elsewhere: behind a gateway. `CLIENT` and `CLIENT_SECRET` are its credential for this one, where its
//! feed is not open.

use actix_web::{App, HttpServer, web};
use std::env::var;
use verifier_sdk::{Session, Verifier, actix::Protect};

async fn orders(session: Session) -> String {
    format!("the orders of user {}\n", session.user_id())
}

async fn report(session: Session) -> String {
    format!("all orders, for the admin {}\n", session.user_id())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let issuer = var("ISSUER").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let mut builder = Verifier::builder(&issuer, "api").service("orders");
    if let Ok(url) = var("SERVICE_URL") {
        builder = builder.service_url(&url);
    }
    if let (Ok(client), Ok(secret)) = (var("CLIENT"), var("CLIENT_SECRET")) {
        builder = builder.client(&client, &secret);
    }
    // Returns once it knows all revocations; from then on no request waits for a look-up.
    let verifier = builder.start().await?;

    let protect = Protect::new(verifier.clone());
    HttpServer::new(move || {
        let admins = protect.clone().role("admin");
        App::new()
            .service(web::resource("/orders").wrap(protect.clone()).to(orders))
            .service(web::resource("/report").wrap(admins).to(report))
    })
    .bind(("127.0.0.1", 8082))?
    .run()
    .await?;

    // Tells the session service not to wait for this verifier any more.
    verifier.shutdown().await;
    Ok(())
}
