//! The same requests through every adapter: actix-web, axum and the gate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod cases;
mod gate;
#[path = "../feed/issuer.rs"]
#[expect(dead_code, reason = "the tests of the feed use more of it")]
mod issuer;
#[path = "../feed/key_sets.rs"]
#[expect(dead_code, reason = "the tests of the feed use more of it")]
mod key_sets;
#[path = "../../../revocation-events/tests/nats/server.rs"]
#[expect(dead_code, reason = "the tests of the bus use more of it")]
mod nats_server;
mod refusal;
mod servers;
mod settings;

use ::tests::port;
use calls::Answer::{For, Refused};
use calls::{Request, app, check, request, web};
use cases::fresh;
use futures::{StreamExt as _, stream};
use issuer::{Issuer, Minted};
use reqwest::Client;
use revocation_events::Target;
use servers::{Server, all, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test]
async fn every_adapter_gives_the_same_answers() {
    let issuer = Issuer::start().await;
    let servers = all(&issuer).await;
    check(&servers, &fresh(&issuer.mint(), &issuer.mint())).await;
}

#[tokio::test]
async fn only_pages_of_trusted_origins_change_anything() {
    let issuer = Issuer::start().await;
    let servers = all(&issuer).await;
    check(&servers, &cases::origins(&issuer.mint())).await;
}

#[tokio::test]
async fn a_handler_that_says_who_may_keep_its_answer_is_heard() {
    let issuer = Issuer::start().await;
    let token = app(&issuer.mint(), &[]);
    for server in &all(&issuer).await[..2] {
        let cached = request("GET", "/cached").bearer(&token);
        let answer = cached.send(&Client::new(), server).await;
        assert_eq!(answer.headers()["cache-control"], "private, max-age=60");
    }
}

async fn status(request: &Request, server: &Server) -> u16 {
    request.send(&Client::new(), server).await.status().as_u16()
}

#[tokio::test]
async fn a_revocation_ends_what_it_names_and_nothing_else() {
    let issuer = Issuer::start().await;
    let servers = all(&issuer).await;
    let (ann, bob, cleo) = (issuer.mint(), issuer.mint(), issuer.mint());
    let who = || request("GET", "/whoami");
    let anns = app(&ann, &[]);
    let anns_web = web(&ann, &[]);
    let bobs = app(&bob, &[]);
    let cleos = web(&cleo, &[]);
    check(
        &servers,
        &[
            ("before", who().bearer(&anns), For(ann.user)),
            ("before", who().cookie(&anns_web), For(ann.user)),
            ("before", who().bearer(&bobs), For(bob.user)),
        ],
    )
    .await;

    issuer.revoke(Target::Session(ann.session));
    issuer.revoke(Target::User {
        id: bob.user,
        refresh: false,
    });
    for server in &servers {
        until("the last of both revocations arrives", async || {
            status(&who().bearer(&bobs), server).await == 401
        })
        .await;
    }
    let refused = Refused(401, "token-invalid");
    let again = Minted {
        position: issuer.head(),
        ..bob.clone()
    };
    let again = app(&again, &[]);
    check(
        &servers,
        &[
            ("its session ended", who().bearer(&anns), refused),
            ("its session ended", who().cookie(&anns_web), refused),
            ("its user's sessions ended", who().bearer(&bobs), refused),
            ("somebody else", who().cookie(&cleos), For(cleo.user)),
            ("logged in again", who().bearer(&again), For(bob.user)),
        ],
    )
    .await;
}

#[tokio::test]
async fn while_stale_the_policy_of_the_route_decides() {
    let issuer = Issuer::start().await;
    let servers = all(&issuer).await;
    let ann = issuer.mint();
    let token = web(&ann, &["admin"]);
    let who = || request("GET", "/whoami").cookie(&token);
    let relaxed = || request("GET", "/relaxed").cookie(&token);
    let asked = || request("GET", "/asked").cookie(&token);
    check(&servers, &[("fresh", who(), For(ann.user))]).await;

    issuer.log().silent = true;
    for server in &servers {
        until("it notices that nothing comes", async || {
            status(&who(), server).await == 503
        })
        .await;
    }
    let stale = Refused(503, "verifier-stale");
    check(
        &servers,
        &[
            ("stale", who(), stale),
            (
                "stale, with a role",
                request("GET", "/admin").cookie(&token),
                stale,
            ),
            ("stale, but relaxed", relaxed(), For(ann.user)),
            ("stale, but asked about", asked(), For(ann.user)),
            (
                "stale, asked about, from another site",
                request("POST", "/asked").cookie(&token),
                Refused(403, "csrf"),
            ),
            (
                "stale, without a token",
                request("GET", "/whoami"),
                Refused(401, "token-missing"),
            ),
        ],
    )
    .await;

    issuer.revoke(Target::Session(ann.session));
    issuer.log().active = false;
    check(
        &servers,
        &[
            ("nobody knows yet", relaxed(), For(ann.user)),
            (
                "only the issuer knows",
                asked(),
                Refused(401, "token-invalid"),
            ),
        ],
    )
    .await;

    issuer.log().silent = false;
    for server in &servers {
        until("it has caught up", async || {
            status(&who(), server).await == 401
        })
        .await;
    }
}

#[tokio::test]
async fn a_verifier_that_knows_nothing_yet_takes_nothing() {
    let mut issuer = Issuer::start().await;
    let token = app(&issuer.mint(), &[]);
    issuer.stop().await;
    let spawn = || servers::builder(&issuer).spawn().unwrap();
    let servers = [
        servers::actix(spawn()),
        servers::axum(spawn()).await,
        servers::gate(&issuer, &["--method-from", "request"]),
    ];
    let starting = Refused(503, "verifier-starting");
    check(
        &servers,
        &[
            (
                "a token",
                request("GET", "/whoami").bearer(&token),
                starting,
            ),
            (
                "even relaxed",
                request("GET", "/relaxed").bearer(&token),
                starting,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_handler_that_nobody_protects_is_not_run() {
    let issuer = Issuer::start().await;
    let token = app(&issuer.mint(), &[]);
    for server in &all(&issuer).await[..2] {
        let open = request("GET", "/open").bearer(&token);
        assert_eq!(status(&open, server).await, 500, "{}", server.name);
    }
}

#[tokio::test]
async fn nobody_gets_the_identity_of_another() {
    let issuer = Issuer::start().await;
    let servers = all(&issuer).await;
    let people: Vec<_> = (0..16)
        .map(|n| {
            let login = issuer.mint();
            let by_cookie = n % 2 == 0;
            let mint = if by_cookie { web } else { app };
            (login.user, by_cookie, mint(&login, &[]))
        })
        .collect();
    let client = Client::new();
    for server in &servers {
        let calls = stream::iter(0..2_000).map(async |n| {
            let (user, by_cookie, token) = &people[n * 7 % people.len()];
            let request = request("GET", "/whoami");
            let request = if *by_cookie {
                request.cookie(token)
            } else {
                request.bearer(token)
            };
            let response = request.send(&client, server).await;
            For(*user).check(server.name, response).await;
        });
        calls.buffer_unordered(64).collect::<()>().await;
    }
}

/// Many requests in one packet: the frameworks reuse what they keep about a request.
#[tokio::test]
async fn requests_in_one_packet_do_not_mix() {
    let issuer = Issuer::start().await;
    let (ann, bob) = (issuer.mint(), issuer.mint());
    let anns = app(&ann, &[]);
    let bobs = web(&bob, &[]);
    let kinds = [
        (format!("authorization: Bearer {anns}"), Some(ann.user)),
        (format!("cookie: __Host-Http-access={bobs}"), Some(bob.user)),
        ("x: y".to_owned(), None),
        ("authorization: Bearer x".to_owned(), None),
    ];
    let order: Vec<_> = (0..40).map(|n| &kinds[n * n % 7 % 4]).collect();
    for server in &all(&issuer).await {
        let authority = server.url.strip_prefix("http://").unwrap();
        let (address, prefix) = authority.split_once('/').unwrap_or((authority, ""));
        let path = format!("/{prefix}/whoami").replace("//", "/");
        let mut packet: String = order
            .iter()
            .map(|(header, _)| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n"))
            .collect();
        let last = packet.rfind("host: x\r\n").unwrap();
        packet.insert_str(last, "connection: close\r\n");

        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        connection.write_all(packet.as_bytes()).await.unwrap();
        let mut answers = String::new();
        connection.read_to_string(&mut answers).await.unwrap();

        let users: Vec<_> = answers
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| {
                answer
                    .lines()
                    .find_map(|line| line.strip_prefix("x-user-id: "))
            })
            .collect();
        let expected: Vec<_> = order
            .iter()
            .map(|(_, user)| user.map(|user| user.to_string()))
            .collect();
        let expected: Vec<_> = expected.iter().map(Option::as_deref).collect();
        assert_eq!(users, expected, "{}", server.name);
    }
}
