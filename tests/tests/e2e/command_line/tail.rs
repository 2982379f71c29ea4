//! `log tail`, and what becomes of a command whose output nobody takes.

use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;
use tests::folder::Folder;
use tests::process::{Process, Spec};
use tests::program::Program;
use tests::session_api::Settings;
use tests::{Database, Postgres};

const SOON: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse battery staple";

async fn happens(url: &str, commands: &[&[&str]]) {
    let settings = Settings::new(url);
    for command in commands {
        settings.must_run(command, PASSWORD).await;
    }
}

/// In a shell, which knows `session-api`.
async fn shell(url: &str, script: &str) -> (Option<i32>, String, String) {
    let output = Spec::new("bash", "bash")
        .args([
            "-c",
            &format!(
                "session-api() {{ '{}' \"$@\"; }}; {script}",
                Program::path("session-api").display()
            ),
        ])
        .env("DATABASE_URL", url)
        .output("")
        .await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

async fn with_two_events() -> Database {
    let database = Postgres::fresh_database().await;
    happens(
        database.url(),
        &[
            &["migrate"],
            &["user", "add", "alice"],
            &["user", "disable", "alice"],
        ],
    )
    .await;
    database
}

#[tokio::test]
async fn what_happens_is_printed_until_somebody_ends_it() {
    let database = with_two_events().await;
    let url = database.url();
    let tail = Program::spec("session-api").args(["log", "tail", "--since", "1h"]);
    let tail = Process::start(&tail.env("DATABASE_URL", url));
    tail.says("  user.disabled", SOON).await;
    happens(url, &[&["user", "enable", "alice"]]).await;
    let line = tail.says("  user.enabled", SOON).await;
    assert!(line.contains("  user/") && line.contains("#3"), "{line}");
    tail.signal(Signal::INT);
    assert_eq!(tail.ends(SOON).await.code(), Some(0));
    let kinds: Vec<_> = tail.log().lines();
    let kinds: Vec<_> = kinds
        .iter()
        .filter_map(|line| line.split("  ").nth(1))
        .collect();
    assert_eq!(kinds, ["user.registered", "user.disabled", "user.enabled"]);
}

#[tokio::test]
async fn what_happened_is_printed_for_programs() {
    let folder = Folder::new("tail-");
    let url = format!("sqlite:{}", folder.path().join("x.db").display());
    happens(
        &url,
        &[&["migrate"], &["user", "add", "alice", "--role", "admin"]],
    )
    .await;
    let all = ["log", "tail", "--since", "1h", "--no-follow", "--json"];
    let lines = Settings::new(&url).must_run(&all, "").await;
    let event: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(event["type"], "user.registered");
    assert_eq!(event["data"]["roles"], serde_json::json!(["admin"]));
    assert_eq!(event["version"], 1);
}

/// No bar of nothing, and no word of what Postgres has noticed.
#[tokio::test]
async fn at_a_terminal_nothing_is_shown_of_work_that_there_is_not() {
    let database = with_two_events().await;
    let program = Program::path("session-api");
    let migrate = format!(
        "TERM=xterm script -qec \"'{}' migrate\" /dev/null",
        program.display()
    );
    let (code, seen, _) = shell(database.url(), &migrate).await;
    assert_eq!(
        (code, seen.trim_end()),
        (Some(0), "the schema is up to date")
    );
}

#[tokio::test]
async fn output_that_nobody_takes_ends_well_and_output_that_is_lost_does_not() {
    let database = with_two_events().await;
    for (script, code, said) in [
        // There is no further event by whose printing it could be noticed.
        (
            "session-api log tail --since 1h | head -1 | wc -l; exit ${PIPESTATUS[0]}",
            0,
            "1",
        ),
        ("session-api migrate", 0, "the schema is up to date"),
        ("session-api user list | true; exit ${PIPESTATUS[0]}", 0, ""),
        (
            "session-api user list > /dev/full",
            1,
            "stdout cannot be written",
        ),
        (
            "session-api log tail --since 1h --no-follow > /dev/full",
            1,
            "stdout cannot be written",
        ),
        (
            "session-api log tail --since yesterday",
            2,
            "how long ago (15m",
        ),
        ("session-api log tail --no-follow", 2, "--since"),
    ] {
        let (ended, out, errors) = shell(database.url(), script).await;
        assert_eq!(ended, Some(code), "{script}: {out}{errors}");
        assert!(
            format!("{out}{errors}").contains(said),
            "{script}: {out}{errors}"
        );
        assert!(code != 0 || errors.is_empty(), "{script}: {errors}");
        assert!(!errors.contains("panicked"), "{script}: {errors}");
    }
}
