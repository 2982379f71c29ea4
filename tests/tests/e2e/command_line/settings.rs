//! Settings of the service that cannot be, and some that look so.

use std::process::Output;
use tests::folder::Folder;
use tests::program::Program;

async fn session_api(args: &str, env: &[(&str, &str)]) -> Output {
    let spec = Program::spec("session-api").args(args.split_whitespace());
    env.iter()
        .fold(spec, |spec, (name, value)| spec.env(name, value))
        .output("")
        .await
}

/// Arguments of `serve`, and what the error says.
#[tokio::test]
async fn a_bad_setting_is_named_with_a_remedy() {
    let cases = [
        (
            "--access-ttl 500ms",
            ["--access-ttl", "whole seconds, from 1s to 1d"],
        ),
        ("--access-ttl 0s", ["--access-ttl", "from 1s"]),
        ("--access-ttl 99999d", ["--access-ttl", "to 1d"]),
        ("--session-ttl 1500ms", ["--session-ttl", "whole seconds"]),
        ("--session-max-age 99999d", ["--session-max-age", "to 400d"]),
        (
            "--session-ttl 18446744073709551615ms",
            ["--session-ttl", "to 400d"],
        ),
        (
            "--max-sessions-per-user 4294967295",
            ["--max-sessions-per-user", "from 0 to 100000"],
        ),
        (
            "--max-streams 18446744073709551615",
            ["--max-streams", "from 0 to 1000000"],
        ),
        (
            "--max-streams-per-client x",
            ["--max-streams-per-client", "a whole number"],
        ),
        (
            "--max-streams-per-address=-1",
            ["--max-streams-per-address", "a whole number"],
        ),
        (
            "--ops-listen localhost:8081",
            ["--ops-listen", "127.0.0.1:8080"],
        ),
        ("--throttle never", ["--throttle", "never"]),
        ("--audience=", ["--audience", "value is required"]),
        ("--log-filter a=b=c", ["--log-filter", "a=b=c"]),
        ("--log-format xml", ["--log-format", "text, json"]),
        ("--nats-creds x", ["--nats-creds", "--nats-url"]),
        (
            "--nats-url nats://127.0.0.1:1 --nats-creds /nonexistent/creds",
            ["--nats-creds", "No such file"],
        ),
        (
            "--events-max-age 0s",
            ["--events-max-age", "from 1s to 400d"],
        ),
        (
            "--database-url mysql://app:SECRET@db/x",
            ["--database-url", "sqlite:FILE"],
        ),
        (
            "--database-url postgres://app:SEC/RET@db/x",
            ["--database-url", "%2F"],
        ),
        ("--publish-refreshed", ["--publish-refreshed", "--nats-url"]),
        (
            "--nats-url-file /nonexistent/url",
            ["--nats-url-file", "/nonexistent/url"],
        ),
    ];
    let folder = Folder::new("settings-");
    let database = format!("sqlite:{}", folder.path().join("x.db").display());
    let env = [("DATABASE_URL", database.as_str())];
    assert!(session_api("migrate", &env).await.status.success());
    for (args, words) in cases {
        let serve = format!("serve --listen 127.0.0.1:0 --issuer http://127.0.0.1:8080 {args}");
        let output = session_api(&serve, &env).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {error}");
        for word in words {
            assert!(error.contains(word), "{word} is missing: {error}");
        }
        assert!(!error.contains("panicked"), "{error}");
        assert!(!error.contains("SEC"), "a password is repeated: {error}");
    }
    // `check` finds out what is wrong elsewhere, and not what was said wrongly to it.
    for (name, value, flag) in [
        ("DATABASE_URL", "mysql://app:SECRET@db/x", "--database-url"),
        (
            "SESSION_API_KEY_ENCRYPTION_KEY",
            "SECRET",
            "--key-encryption-key",
        ),
    ] {
        let output = session_api("check", &[env[0], (name, value)]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(flag) && !error.contains("SECRET"), "{error}");
    }
}

/// Rates are off for tests, and never where strangers are.
#[tokio::test]
async fn passwords_are_tried_without_a_rate_on_loopback_alone() {
    let folder = Folder::new("settings-");
    let database = format!("sqlite:{}", folder.path().join("x.db").display());
    let key = "0123456789abcdef0123456789abcdef";
    let env = [
        ("DATABASE_URL", database.as_str()),
        ("SESSION_API_KEY_ENCRYPTION_KEY", key),
    ];
    let serve = "serve --listen 127.0.0.1:0 --issuer https://id.example.com";
    for (args, more) in [("--throttle off", None), ("", Some("off"))] {
        let mut env = env.to_vec();
        env.extend(more.map(|value| ("SESSION_API_THROTTLE", value)));
        let output = session_api(&format!("{serve} {args}"), &env).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("--throttle off"), "{error}");
    }
}

/// Keys in the clear, and a demo user whose password is printed.
#[tokio::test]
async fn what_is_for_this_machine_alone_is_refused_elsewhere() {
    // Nobody's address: where `dev` goes on, it cannot listen.
    for (args, word) in [
        (
            "serve --issuer https://id.example.com",
            "--key-encryption-key",
        ),
        ("dev --listen 192.0.2.1:8080", "this machine only"),
    ] {
        let output = session_api(args, &[("DATABASE_URL", "sqlite:/nonexistent/x.db")]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {error}");
        assert!(error.contains(word), "{args}: {error}");
    }
}

/// Behind a proxy that is not named all users are one client.
#[tokio::test]
async fn serve_warns_where_a_proxy_must_be_and_none_is_trusted() {
    let folder = Folder::new("settings-");
    let database = format!("sqlite:{}", folder.path().join("x.db").display());
    let env = [("DATABASE_URL", database.as_str())];
    assert!(session_api("migrate", &env).await.status.success());
    for (issuer, trusted, warns) in [
        ("https://id.example.com", None, true),
        ("https://id.example.com", Some("127.0.0.1"), false),
        ("http://127.0.0.1:8080", None, false),
    ] {
        let mut spec = Program::spec("session-api")
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--issuer", issuer])
            .env("DATABASE_URL", &database)
            .env("SESSION_API_KEY_ENCRYPTION_KEY", &"0".repeat(64));
        if let Some(proxy) = trusted {
            spec = spec.args(["--trusted-proxy", proxy]);
        }
        let program = Program::start(spec).await;
        let lines = program.server().running().log().lines();
        let warned = |line: &String| line.contains("WARN") && line.contains("--trusted-proxy");
        assert_eq!(
            lines.iter().any(warned),
            warns,
            "{issuer} {trusted:?}: {lines:?}"
        );
    }
}

/// As compose files and charts leave them.
#[tokio::test]
async fn an_empty_variable_is_not_set() {
    let folder = Folder::new("settings-");
    let database = format!("sqlite:{}", folder.path().join("x.db").display());
    let env = [
        ("DATABASE_URL", database.as_str()),
        ("DATABASE_URL_FILE", ""),
        ("RUST_LOG", ""),
        ("SESSION_API_LOG_FORMAT", ""),
    ];
    let migrated = session_api("migrate --json", &env).await;
    let said = String::from_utf8(migrated.stdout).unwrap();
    assert!(said.starts_with("{\"migrated\":[1"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    let mut spec = Program::spec("session-api")
        .arg("serve")
        .args(["--listen", "127.0.0.1:0"])
        .args(["--issuer", "http://127.0.0.1:8080"]);
    for (name, value) in env {
        spec = spec.env(name, value);
    }
    for name in [
        "NATS_URL",
        "NATS_URL_FILE",
        "SESSION_API_ACCESS_TTL",
        "SESSION_API_ALLOWED_ORIGIN",
        "SESSION_API_AUDIENCE",
        "SESSION_API_BASE_PATH",
        "SESSION_API_EVENTS_MAX_AGE",
        "SESSION_API_KEY_ENCRYPTION_KEY",
        "SESSION_API_KEY_ENCRYPTION_KEY_FILE",
        "SESSION_API_MAX_SESSIONS_PER_USER",
        "SESSION_API_MAX_STREAMS",
        "SESSION_API_MAX_STREAMS_PER_ADDRESS",
        "SESSION_API_MAX_STREAMS_PER_CLIENT",
        "SESSION_API_NATS_CREDS",
        "SESSION_API_NATS_PREFIX",
        "SESSION_API_NATS_REPLICAS",
        "SESSION_API_OPEN_FEED",
        "SESSION_API_OPEN_REGISTRATION",
        "SESSION_API_OPS_LISTEN",
        "SESSION_API_PUBLISH_REFRESHED",
        "SESSION_API_THROTTLE",
        "SESSION_API_TRUSTED_PROXY",
    ] {
        spec = spec.env(name, "");
    }
    // It listens, or this fails.
    Program::start(spec).await;
}
