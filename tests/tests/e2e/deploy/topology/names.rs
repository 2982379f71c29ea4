//! One name for a request, in the logs of all that have to do with it.

use super::{GATE, PASSWORD, REPLICAS, SOON, WHOAMI};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tests::folder::Folder;
use tests::server::Server;
use tests::session_api::Settings;
use tests::{Gate, Nginx, SessionApi, User, port, until};

/// The lines of a log of ours, each a JSON object with what a collector looks for.
fn lines(server: &Server) -> Vec<Value> {
    let lines = server.running().log().lines();
    let parsed = lines.iter().map(|line| {
        let parsed: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for member in ["timestamp", "level", "target"] {
            assert!(parsed[member].is_string(), "{line}");
        }
        assert!(parsed["fields"].is_object(), "{line}");
        parsed
    });
    parsed.collect()
}

/// Waits for a line whose member at `place` is the request's name, and returns it.
async fn line_of(server: &Server, place: &str, name: &str) -> Value {
    let what = format!("a line about {name}");
    until(&what, SOON, async || {
        let mut lines = lines(server).into_iter();
        lines.find(|line| line.pointer(place).is_some_and(|found| found == name))
    })
    .await
}

/// What nginx calls the request of this path that it was asked for last.
async fn name_of(nginx: &Nginx, path: &str) -> String {
    let asked = format!("\"GET {path} ");
    let line = nginx.server().running().says(&asked, SOON).await;
    let (_, rest) = line.split_once(" request=").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_request_has_one_name_in_every_log_and_no_stranger_chooses_it() {
    let folder = Folder::new("names-");
    let database = format!("sqlite:{}", folder.path().join("log.db").display());
    let settings = Settings::new(&database)
        .flag("--log-format", "json")
        .flag("--log-filter", "info,session_api=debug");
    let service = SessionApi::start(&settings).await;
    service.has_user("alice", PASSWORD, None).await;
    let credential = service.has_client("gate").await;
    let gate = Gate::beside(&service, &credential)
        .flag("--log-format", "json")
        .flag("--log-filter", "info,verifier_gate=debug")
        .start()
        .await;
    let nowhere = format!("http://127.0.0.1:{}", port::free());
    let nginx = Nginx::of_compose()
        .finds(REPLICAS[0], service.url())
        .finds(REPLICAS[1], service.url())
        .finds(GATE, &gate.url(""))
        .finds(WHOAMI, &nowhere)
        .start()
        .await;
    let asks = async |path: &str| -> HeaderMap {
        let request = reqwest::Client::new().get(nginx.url(path));
        let request = request
            .header("X-Request-Id", "mine")
            .bearer_auth("rubbish");
        request.send().await.unwrap().headers().clone()
    };

    // The gate, which refuses,
    asks("/whoami").await;
    let name = name_of(&nginx, "/whoami").await;
    let line = line_of(gate.server(), "/fields/id", &name).await;
    let said = line["fields"]["message"].as_str().unwrap();
    assert!(said.starts_with("refused: "), "{line}");

    // the service, which does too and says so to the client,
    let headers = asks("/sessions").await;
    let name = name_of(&nginx, "/sessions").await;
    assert_eq!(headers["x-request-id"], name.as_str());
    let line = line_of(service.program().server(), "/span/id", &name).await;
    assert_eq!(line["span"]["path"], "/sessions", "{line}");

    // and the auditor's lines.
    let mut guest = User::on_phone(&service, "nobody", PASSWORD).by_way_of(&nginx.url(""));
    let refused = guest.tries_to_log_in().await.must_be(401);
    let name = refused.headers["x-request-id"].to_str().unwrap();
    let log = service.program().server();
    until("the auditor's line", SOON, async || {
        let mut lines = lines(log).into_iter();
        lines.find(|line| line["target"] == "audit" && line["span"]["id"] == name)
    })
    .await;
    for line in lines(log).iter().chain(&lines(gate.server())) {
        assert!(!line.to_string().contains("\"mine\""), "{line}");
    }
}
