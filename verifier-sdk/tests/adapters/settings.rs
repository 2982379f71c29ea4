//! The gate's settings, its help, and how it fails.

use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

async fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let program = Command::new(env!("CARGO_BIN_EXE_verifier-gate"))
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(Duration::from_secs(60), program).await;
    ended
        .unwrap_or_else(|_| panic!("it runs on with {args:?}"))
        .unwrap()
}

/// Arguments, a variable, and what the line says.
type Case<'a> = (&'a str, Option<(&'a str, &'a str)>, &'a [&'a str]);

/// `--issuer` is there unless the case is about it.
#[tokio::test]
async fn a_bad_setting_is_named_in_one_line() {
    let empty = file_with("\n");
    let url = file_with("http://u:hush@bus\n");
    let url_file = format!("--nats-url-file {url}");
    let secret_file = format!("--client gate --client-secret-file {empty}");
    let two_secrets = format!("{secret_file} --client-secret hush");
    let cases: &[Case<'_>] = &[
        ("", Some(("VERIFIER_GATE_ISSUER", "")), &["--issuer"]),
        ("--issuer=", None, &["--issuer"]),
        (
            "--issuer id.example.com",
            None,
            &["--issuer 'id.example.com'", "https://"],
        ),
        (
            "--issuer ftp://id.example.com",
            None,
            &["--issuer 'ftp://id.example.com'", "https://"],
        ),
        (
            "--issuer https://u:hush@id.example.com",
            None,
            &["--issuer", "password", "https://"],
        ),
        (
            "--listen 8090",
            None,
            &["--listen", "'8090'", "127.0.0.1:8090"],
        ),
        (
            "",
            Some(("VERIFIER_GATE_LISTEN", "localhost:x")),
            &["--listen", "'localhost:x'", "127.0.0.1:8090"],
        ),
        (
            "--max-staleness 10",
            None,
            &["--max-staleness", "'10'", "15m"],
        ),
        (
            "--max-staleness 0s",
            None,
            &["--max-staleness", "'0s'", "more than zero"],
        ),
        (
            "--max-lifetime forever",
            None,
            &["--max-lifetime", "'forever'", "15m"],
        ),
        (
            "--on-stale panic",
            None,
            &["--on-stale", "'panic'", "refuse, accept, introspect"],
        ),
        (
            "--method-from body",
            None,
            &["--method-from", "'body'", "header, request"],
        ),
        ("--service a.b", None, &["--service", "'a.b'", "A-Z"]),
        ("--client a:b", None, &["--client", "'a:b'", "A-Z"]),
        (
            "--nats-prefix a..b",
            None,
            &["--nats-prefix", "'a..b'", "single dots"],
        ),
        (
            "--nats-url http://u:hush@bus",
            None,
            &["--nats-url", "nats://HOST:4222"],
        ),
        (
            "--nats-url nats://bus --nats-creds /nonexistent/creds",
            None,
            &["--nats-creds", "/nonexistent/creds"],
        ),
        (
            "--nats-creds /nonexistent/creds",
            Some(("NATS_URL", "")),
            &["--nats-creds", "--nats-url"],
        ),
        (
            "--nats-url-file /nonexistent/url",
            None,
            &["--nats-url-file", "'/nonexistent/url'", "nats://USER"],
        ),
        (&url_file, None, &["--nats-url", "nats://HOST:4222"]),
        (
            "--nats-url nats://bus",
            Some(("NATS_URL_FILE", "/nonexistent/url")),
            &["--nats-url", "--nats-url-file"],
        ),
        (
            "--max-staleness 99999d",
            None,
            &["--max-staleness", "'99999d'", "1d"],
        ),
        (
            "--max-lifetime 500ms",
            None,
            &["--max-lifetime", "'500ms'", "1s"],
        ),
        ("--log-filter a=b=c", None, &["--log-filter", "'a=b=c'"]),
        (
            "--service-url session-api:8080",
            None,
            &["--service-url 'session-api:8080'", "http://HOST:PORT"],
        ),
        (
            "--allowed-origin https://app.example.com/",
            None,
            &[
                "--allowed-origin",
                "'https://app.example.com/'",
                "write https://app.example.com",
            ],
        ),
        (
            "",
            Some(("VERIFIER_GATE_ALLOWED_ORIGIN", "https://a.example,*")),
            &["--allowed-origin", "'*'", "https://HOST"],
        ),
        (
            "--client gate",
            None,
            &["--client 'gate'", "--client-secret"],
        ),
        ("--client-secret hush", None, &["--client"]),
        (
            "--client gate --client-secret-file /nonexistent/secret",
            None,
            &[
                "--client-secret-file",
                "'/nonexistent/secret'",
                "session-api client add",
            ],
        ),
        (&secret_file, None, &["--client-secret-file", "it is empty"]),
        (
            &two_secrets,
            None,
            &["--client-secret", "--client-secret-file"],
        ),
        ("--isuer x", None, &["--isuer", "--issuer"]),
        ("hello", None, &["hello"]),
    ];
    for (args, env, words) in cases {
        let args: Vec<_> = args.split_whitespace().collect();
        let mut env: Vec<_> = env.iter().copied().collect();
        if !words[0].starts_with("--issuer") {
            env.push(("VERIFIER_GATE_ISSUER", "https://id.example.com"));
        }
        let output = run(&args, &env).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?} {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.starts_with("verifier-gate: "), "{error}");
        for word in *words {
            assert!(error.contains(word), "{word} is missing: {error}");
        }
        assert!(!error.contains("hush"), "{error}");
    }
    std::fs::remove_file(empty).unwrap();
    std::fs::remove_file(url).unwrap();
}

fn file_with(text: &str) -> String {
    let path = std::env::temp_dir().join(format!("verifier-gate-{}", uuid::Uuid::new_v4()));
    std::fs::write(&path, text).unwrap();
    path.into_os_string().into_string().unwrap()
}

#[tokio::test]
async fn the_help_teaches() {
    let secrets = [
        ("VERIFIER_GATE_CLIENT_SECRET", "hush"),
        ("NATS_URL", "nats://u:hush@bus:4222"),
    ];
    let output = run(&["--help"], &secrets).await;
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for word in [
        "[default: 127.0.0.1:8090]",
        "[default: api]",
        "[default: 10s]",
        "[default: refuse]",
        "[default: 15m]",
        "[env: NATS_URL]",
        "[env: VERIFIER_GATE_CLIENT_SECRET]",
        "--log-filter <FILTER>",
        "[env: RUST_LOG=]",
        "Examples:",
        "500ms",
    ] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    let flags = [
        "listen",
        "issuer",
        "audience",
        "service",
        "service-url",
        "client",
        "client-secret",
        "client-secret-file",
        "nats-url",
        "nats-url-file",
        "nats-creds",
        "nats-prefix",
        "max-staleness",
        "on-stale",
        "max-lifetime",
        "allowed-origin",
        "method-from",
    ];
    for flag in flags {
        assert!(help.contains(&format!("--{flag} <")), "{flag}");
        let variable = flag.replace('-', "_").to_uppercase();
        assert!(help.contains(&variable), "{variable}");
    }
    assert!(!help.contains("hush"), "{help}");
}

#[tokio::test]
async fn an_address_in_use_is_no_bad_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(
        &["--issuer", "https://id.example.com", "--listen", &address],
        &[],
    )
    .await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    for words in ["--listen", &address, "choose another address or port"] {
        assert!(error.contains(words), "{words} is missing: {error}");
    }
}
