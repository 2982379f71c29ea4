//! The runbook's backup and its way back, by the very commands that stand there: with Postgres's own
//! programs where it says `docker compose exec postgres`.

use crate::revocation::{SOON, World};
use reqwest::{Method, Url};
use tests::eventually;
use tests::folder::Folder;
use tests::guide::blocks;
use tests::postgres;
use tests::process::Spec;

const RUNBOOK: &str = include_str!("../../../../deploy/README.md");

/// What stands below a heading, up to the next.
fn section(heading: &str) -> &'static str {
    let (_, from) = RUNBOOK.split_once(heading).expect("the heading");
    from.split("\n## ").next().unwrap_or(from)
}

/// A command in the container of Postgres, with this database in the place of that one.
async fn in_postgres(world: &World, folder: &Folder, command: &str) {
    let url: Url = world.database.url().parse().unwrap();
    let database = url.path().trim_start_matches('/');
    let command = command
        .trim_start_matches("-T ")
        .trim_start_matches("postgres ")
        .replace("-U portcullis", "-U postgres")
        .replace(" portcullis.dump", " backup")
        .replace(" portcullis", &format!(" {database}"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", postgres::binaries().display());
    let output = Spec::new("bash", "bash")
        .args(["-c", &command])
        .directory(folder.path())
        .env("PATH", &path)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", &url.port().unwrap().to_string())
        .output("")
        .await;
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Does each line of commands.
async fn follows(world: &mut World, folder: &Folder, commands: &str) {
    for line in commands.lines() {
        let line = line.split('#').next().unwrap_or(line).trim();
        let what = line.strip_prefix("docker compose ").expect(line);
        if let Some(command) = what.strip_prefix("exec ") {
            in_postgres(world, folder, command).await;
        } else if let Some(command) = what.strip_prefix("run --rm ") {
            let words: Vec<_> = command
                .split(' ')
                .filter(|word| *word != "--no-deps")
                .collect();
            // The service `migrate` is the command of that name; a replica runs what it is told.
            let command = words.strip_prefix(&["session-api-1"]).unwrap_or(&words);
            world.service.settings().must_run(command, "").await;
        } else if what.starts_with("stop session-api") {
            world.service.stop().await;
        } else if what.starts_with("up ") {
            world.service.restart().await;
        } else {
            panic!("nobody has tried this: {line}");
        }
    }
}

#[tokio::test]
async fn a_backup_that_was_brought_back_lets_nobody_in_who_was_revoked_since() {
    let folder = Folder::new("backup-");
    let mut world = World::begins().await;
    let gate = world.gate().await;
    let blocks = blocks(section("\n## Backup\n"));
    let [backup, back] = blocks.as_slice() else {
        panic!("a block to back up, and one to bring back")
    };
    let mut alice = world.alice();
    alice.logs_in().await;
    follows(&mut world, &folder, &backup.commands).await;

    // What the backup does not know: an end, and a session.
    let mut thief = alice.clone();
    alice.logs_out().await;
    let mut later = world.alice();
    later.logs_in().await;
    let (stolen, later) = (thief.access_token(), later.access_token());
    eventually("the gate hears of both", SOON, async || {
        gate.verdict(&stolen).await == 401 && gate.verdict(&later).await == 200
    })
    .await;

    follows(&mut world, &folder, &back.commands).await;
    thief.tries_to_refresh().await.must_be(401);
    thief
        .sends(Method::GET, "/session", None)
        .await
        .must_be(401);
    // It has known more than the log that it follows now.
    eventually("the gate refuses what was before", SOON, async || {
        gate.verdict(&later).await == 401
    })
    .await;
    assert_eq!(gate.verdict(&stolen).await, 401);
    alice.logs_in().await;
    let fresh = alice.access_token();
    eventually("and takes what is new", SOON, async || {
        gate.verdict(&fresh).await == 200
    })
    .await;
}
