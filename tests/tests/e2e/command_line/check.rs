//! `check`.

use serde_json::Value;
use tests::folder::Folder;
use tests::session_api::Settings;
use tests::{Nats, SessionApi, eventually};

/// What is well, and what is not with why.
async fn check(settings: &Settings, code: i32) -> (Vec<String>, Vec<(String, String)>) {
    let output = settings.run(&["check", "--json"], "").await;
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], code == 0, "{answer}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (well, not): (Vec<_>, Vec<_>) = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .partition(|item| item["ok"] == true);
    (
        well.iter().map(|item| text(&item["what"])).collect(),
        not.iter()
            .map(|item| (text(&item["what"]), text(&item["wrong"])))
            .collect(),
    )
}

/// Nobody listens for verifiers unless a test says so.
fn sqlite(folder: &Folder) -> Settings {
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    Settings::new(&url).env("SESSION_API_LISTEN_FOR", "0s")
}

async fn append_an_old_event(folder: &Folder) {
    use sqlx::Connection as _;
    const SQL: &str = "insert into event (stream, version, kind, format, at, data) \
        values (randomblob(16), 1, 'user.enabled', 1, (unixepoch() - 120) * 1000, '{}')";
    let file = folder.path().join("x.db");
    let database = sqlx::SqliteConnection::connect(&file.to_string_lossy()).await;
    sqlx::query(SQL)
        .execute(&mut database.unwrap())
        .await
        .unwrap();
}

async fn age_the_access_key(folder: &Folder) {
    use sqlx::Connection as _;
    const SQL: &str = "update signing_key set state_since = state_since - 91 * 86400000 \
        where purpose = 'access' and state = 'active'";
    let file = folder.path().join("x.db");
    let database = sqlx::SqliteConnection::connect(&file.to_string_lossy()).await;
    let aged = sqlx::query(SQL).execute(&mut database.unwrap()).await;
    assert_eq!(aged.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn check_says_that_a_wrong_clock_has_set_the_log_ahead() {
    use sqlx::Connection as _;
    let folder = Folder::new("check-");
    let settings = sqlite(&folder);
    settings.must_run(&["migrate"], "").await;
    let file = folder.path().join("x.db");
    let database = sqlx::SqliteConnection::connect(&file.to_string_lossy()).await;
    sqlx::query("update log_head set position = (unixepoch() + 48 * 3600 + 60) * 1000000")
        .execute(&mut database.unwrap())
        .await
        .unwrap();
    let (_, wrong) = check(&settings, 3).await;
    let clock = wrong.iter().find(|(what, _)| what == "clock");
    assert!(clock.unwrap().1.contains("48 h ahead"), "{wrong:?}");
}

#[tokio::test]
async fn check_follows_a_service_from_nothing_to_well() {
    let folder = Folder::new("check-");
    let mut nats = Nats::start().await;
    let settings = sqlite(&folder).nats(&nats.url());

    let (well, wrong) = check(&settings, 3).await;
    assert_eq!(well, ["nats", "jetstream"], "with no database");
    assert_eq!(wrong[0].0, "database");
    assert_eq!(wrong[1].0, "stream");
    assert_eq!(wrong[2].0, "events");

    settings.must_run(&["migrate"], "").await;
    let (_, wrong) = check(&settings, 3).await;
    let names: Vec<_> = wrong.iter().map(|(what, _)| &**what).collect();
    assert_eq!(
        names,
        ["keys", "stream", "events"],
        "before the first start"
    );

    let service = SessionApi::start(&settings).await;
    eventually("a stream", std::time::Duration::from_secs(20), async || {
        let output = settings.run(&["check"], "").await;
        output.status.success()
    })
    .await;
    let (well, _) = check(&settings, 0).await;
    let all = [
        "database",
        "schema",
        "keys",
        "clock",
        "nats",
        "jetstream",
        "stream",
        "events",
    ];
    assert_eq!(well, all);
    let text = settings.must_run(&["check"], "").await;
    assert_eq!(text.lines().count(), all.len(), "{text}");

    // What is no failure, and what is.
    let listening = settings.clone().env("SESSION_API_LISTEN_FOR", "2500ms");
    let credential = service.has_client("orders").await;
    let advice = listening.must_run(&["check"], "").await;
    assert!(
        advice.contains("verifiers  ok; 0 live, and none reports as `orders`"),
        "{advice}"
    );
    let gate = tests::Gate::beside(&service, &credential).nats(&nats.url());
    let gate = gate.start().await;
    age_the_access_key(&folder).await;
    let advice = listening.must_run(&["check"], "").await;
    assert!(advice.contains("\nverifiers  ok\n"), "{advice}");
    assert!(
        advice.contains("the access key has signed for 91 days"),
        "{advice}"
    );
    drop(gate);
    let three = settings.clone().env("SESSION_API_NATS_REPLICAS", "3");
    let (_, wrong) = check(&three, 3).await;
    assert!(
        wrong[0].1.contains("num_replicas is 1 and should be 3"),
        "{wrong:?}"
    );

    let other_prefix = settings.clone().env("SESSION_API_NATS_PREFIX", "elsewhere");
    let (_, wrong) = check(&other_prefix, 3).await;
    assert_eq!(wrong[0].0, "stream");
    assert_eq!(wrong[1].0, "events");

    drop(service);
    // Without a replica they are late after a minute.
    append_an_old_event(&folder).await;
    let (_, wrong) = check(&settings, 3).await;
    assert_eq!(wrong[0].0, "events");
    assert!(wrong[0].1.contains("1 wait to be published"), "{wrong:?}");
    nats.kill();
    let (well, wrong) = check(&settings, 3).await;
    assert_eq!(well, ["database", "schema", "keys", "clock"]);
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].0, "nats");
    assert!(wrong[0].1.contains("no connection"), "{wrong:?}");
}

#[tokio::test]
async fn a_database_file_that_others_may_read_is_told_of() {
    use std::os::unix::fs::PermissionsExt as _;
    const WARNING: &str = "others on this machine may read password hashes and keys: chmod 600";
    let folder = Folder::new("check-");
    let settings = sqlite(&folder);
    let mut service = SessionApi::start(&settings).await;
    let log = |service: &SessionApi| service.program().server().running().log().clone();
    assert_eq!(log(&service).line_with(WARNING), None);

    service.kill();
    let everyone = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("x.db"), everyone).unwrap();
    service.restart().await;
    assert!(log(&service).line_with(WARNING).is_some());
}

#[tokio::test]
async fn a_server_without_jetstream_and_a_wrong_password_are_told_apart() {
    let folder = Folder::new("check-");
    let plain = Nats::with().config("# no jetstream").start().await;
    let (_, wrong) = check(&sqlite(&folder).nats(&plain.url()), 3).await;
    assert_eq!(wrong[1].0, "jetstream");

    let config = "authorization { user: portcullis, password: hush }";
    let guarded = Nats::with().config(config).start().await;
    let url = guarded.url_for("portcullis", "wrong-and-secret");
    let (_, wrong) = check(&sqlite(&folder).nats(&url), 3).await;
    assert_eq!(wrong[1].0, "nats");
    assert!(wrong[1].1.contains("uthorization"), "{wrong:?}");
    assert!(!wrong[1].1.contains("secret"), "{wrong:?}");
}
