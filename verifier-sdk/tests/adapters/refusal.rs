//! The gate's refusals in a header: for nginx, which drops the body of what `auth_request` asked for.

use crate::calls::{app, request, web};
use crate::issuer::Issuer;
use crate::servers::{self, until};
use reqwest::Client;

#[tokio::test]
async fn a_refusal_says_the_same_in_a_header() {
    let (issuer, mut silent) = (Issuer::start().await, Issuer::start().await);
    silent.stop().await;
    let (gate, stranded) = (servers::gate(&issuer, &[]), servers::gate(&silent, &[]));
    let readyz = gate.url.replace("/verify", "/readyz");
    until("the gate is ready", async || {
        let answer = reqwest::get(&readyz).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let ann = issuer.mint();
    let who = || request("GET", "/whoami");
    let good = || who().bearer(&app(&ann, &[]));
    let client = Client::new();
    for (gate, request, slug) in [
        (&gate, who(), "token-missing"),
        (&gate, who().bearer("rubbish"), "token-invalid"),
        (&gate, who().bearer("x").bearer("y"), "bad-request"),
        (&gate, who().cookie(&web(&ann, &[])), "csrf"),
        (&stranded, good(), "verifier-starting"),
    ] {
        let answer = request.send(&client, gate).await;
        let header = answer.headers()["x-problem"].to_str().unwrap().to_owned();
        let body = answer.text().await.unwrap();
        assert!(
            body.contains(&format!("\"urn:portcullis:{slug}\"")),
            "{body}"
        );
        assert_eq!(header, body);
    }
    let answer = good().send(&client, &gate).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers().get("x-problem"),
        None,
        "there is nothing to say"
    );
}
