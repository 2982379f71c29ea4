//! Strangers whose pages may set cookies that come with the user's: on a sister domain, and on another
//! port of the same host.

use super::*;

const PLANT: &str = "for (const cookie of arguments) document.cookie = cookie";

/// The cookies of a session of mallory's, by name, as they are written.
async fn mallorys(world: &World) -> impl Fn(&str) -> String {
    let cookies = world.browser_of("mallory").await.cookies().await;
    move |name| {
        let cookie = cookies.iter().find(|cookie| cookie.name == name);
        format!("{name}={}", cookie.unwrap().value)
    }
}

/// A page of a sister domain plants the stranger's session: the browser does not take it, or the service
/// does not. Nowhere does the user go on in a session that somebody else knows.
#[tokio::test]
async fn a_planted_session_is_never_the_users() {
    const SISTER: &str = "evil.portcullis.localhost";
    let world = World::begins_at("id.portcullis.localhost").await;
    let mallorys = mallorys(&world).await;
    let alices = world.browser().await;
    let for_all = |name: &str, path: &str| {
        let cookie = mallorys(name);
        format!("{cookie}; Domain=portcullis.localhost; Path={path}; Secure").into()
    };
    alices
        .visits(&world.stranger.url_at(SISTER, "/session"))
        .await;
    let planted = [
        for_all(ACCESS, "/"),
        for_all(SESSION, "/session"),
        for_all(CSRF, "/"),
    ];
    alices.runs(PLANT, &planted).await;
    // The session cookie's prefix asks for no more than `Secure`; those of the others do.
    assert_eq!(names(&alices.cookies().await), [SESSION]);

    let home = world.app.url_at(world.host, "/");
    alices.visits(&home).await;
    for (method, path) in [
        ("GET", "/session"),
        ("DELETE", "/session"),
        ("POST", "/session/refresh"),
    ] {
        let answer = world.calls(&alices, method, path, None).await;
        let ended = answer.must_be(401)["type"] == "urn:portcullis:session-ended";
        assert!(ended, "{method} {path}");
    }

    // While the planted one lies beside her own, nobody can tell which is which: her session is
    // refused, and what she does by her access cookie is hers.
    world.logs_in(&alices, "alice").await;
    let answer = world.calls(&alices, "GET", "/session", None).await;
    assert_eq!(answer.must_be(400)["type"], "urn:portcullis:bad-request");
    let list = world.calls(&alices, "GET", "/sessions", None).await;
    assert_eq!(list.must_be(200)["items"].as_array().unwrap().len(), 1);
    let cookies = alices.cookies().await;
    let mut planted = cookies
        .iter()
        .filter(|cookie| mallorys(SESSION).ends_with(&cookie.value));
    alices.forgets(planted.next().unwrap()).await;
    assert_eq!(world.user_in(&alices).await.as_deref(), Some("alice"));
}

/// It sees no cookie of the service's, and the browser sends all of them.
#[tokio::test]
async fn an_application_on_a_sister_domain_logs_in_refreshes_and_logs_out() {
    const USE: &str = r#"
        const [service, login] = arguments;
        const call = async (method, path, csrf, body) => {
            const headers = {};
            if (csrf) headers["X-CSRF-Token"] = csrf;
            if (body) headers["Content-Type"] = "application/json";
            const request = { method, headers, credentials: "include", body: body && JSON.stringify(body) };
            const answer = await fetch(service + path, request);
            return { status: answer.status, ...await answer.json() };
        };
        const answers = [await call("POST", "/session", null, login)];
        answers.push(await call("GET", "/session"));
        answers.push(await call("POST", "/session/refresh", answers[1].csrf_token));
        answers.push(await call("GET", "/session"));
        answers.push(await call("DELETE", "/session", answers[3].csrf_token));
        return [document.cookie, answers.map((answer) => answer.status)];
    "#;
    let world = World::begins_apart("id.portcullis.localhost", "app.portcullis.localhost").await;
    let browser = world.browser().await;
    let login = json!({ "username": "alice", "password": PASSWORD });
    let told = browser
        .runs(USE, &[world.service_url().into(), login])
        .await;
    assert_eq!(told, json!(["", [201, 200, 200, 200, 200]]));
}

/// To cookies another port is the same host: a stranger who serves pages there is let in, and no
/// prefix helps. A log-in replaces what was planted, all the same.
#[tokio::test]
async fn what_another_port_has_planted_a_login_replaces() {
    let world = World::begins().await;
    let mallorys = mallorys(&world).await;
    let alices = world.browser().await;
    alices.visits(&world.stranger.url("/session")).await;
    alices
        .runs(
            PLANT,
            &[
                format!("{}; Path=/; Secure", mallorys(ACCESS)).into(),
                format!("{}; Path=/session; Secure", mallorys(SESSION)).into(),
                format!("{}; Path=/; Secure", mallorys(CSRF)).into(),
                "__SECURE-session=x; Path=/session".into(),
                "=__Host-Http-access=x; Path=/; Secure".into(),
            ],
        )
        .await;
    // The session cookie's prefix asks for no more than `Secure`; that of the access cookie does.
    assert_eq!(names(&alices.cookies().await), [CSRF, SESSION]);

    alices.visits(&world.app.url("/")).await;
    assert_eq!(world.user_in(&alices).await.as_deref(), Some("mallory"));
    world.logs_in(&alices, "alice").await;
    assert_eq!(
        names(&alices.cookies().await),
        [ACCESS, CSRF, DEVICE, SESSION]
    );
    assert_eq!(world.user_in(&alices).await.as_deref(), Some("alice"));
    for cookie in alices.cookies().await {
        assert!(
            !mallorys(&cookie.name).ends_with(&cookie.value),
            "{cookie:?}"
        );
    }

    // A second cookie of that name, which a browser sends first because its path is longer.
    let narrower = format!("{}; Path=/session/refresh; Secure", mallorys(SESSION));
    alices.visits(&world.stranger.url("/")).await;
    alices.runs(PLANT, &[narrower.into()]).await;
    alices.visits(&world.app.url("/")).await;
    let refresh = world.calls(&alices, "POST", "/session/refresh", None).await;
    assert_eq!(refresh.must_be(400)["type"], "urn:portcullis:bad-request");
    assert_eq!(world.user_in(&alices).await.as_deref(), Some("alice"));
}
