//! A test run that is killed leaves no server and no folder behind.

use std::time::Duration;
use tests::process::{Process, Spec};
use tests::{Nats, Postgres, eventually};

const BOUND: Duration = Duration::from_secs(20);

/// Set in the run that is to be killed, which is this test once more.
const VICTIM: &str = "PORTCULLIS_TEST_VICTIM";
const THIS: &str = "harness::orphans::a_killed_run_leaves_no_server_and_no_folder_behind";

/// What the run that is to be killed does.
async fn start_servers_and_wait() {
    // Started by a thread that ends before the servers are looked at, as a test's thread does.
    let started = std::thread::spawn(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async { (Postgres::shared().await, Nats::start().await) })
    });
    let (postgres, nats) = started.join().expect("both start");
    let ids = [postgres.server(), nats.server()].map(|server| server.running().id());
    let folder = tests::folder::Folder::new("victim-");
    let root = folder.path().parent().expect("that of the process");
    println!("victim: {} {} {}", ids[0], ids[1], root.display());
    std::future::pending().await
}

/// A process that has ended but was not waited for counts as gone.
fn runs(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim().chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

#[tokio::test]
async fn a_killed_run_leaves_no_server_and_no_folder_behind() {
    if std::env::var_os(VICTIM).is_some() {
        return start_servers_and_wait().await;
    }
    let test = std::env::current_exe().unwrap();
    let mut spec = Spec::new("a test run", test)
        .args(["--exact", THIS, "--nocapture"])
        .env(VICTIM, "1");
    for chosen in ["NATS_SERVER", "POSTGRES_BIN"] {
        if let Ok(path) = std::env::var(chosen) {
            spec = spec.env(chosen, &path);
        }
    }
    let run = Process::start(&spec);
    let line = run.says("victim: ", BOUND).await;
    let facts: Vec<&str> = line.split("victim: ").nth(1).unwrap().split(' ').collect();
    let [postgres, nats, root] = facts[..] else {
        panic!("{line}");
    };
    assert!(runs(postgres) && runs(nats), "{line}");
    assert!(std::path::Path::new(root).exists());

    run.kill();
    eventually("the servers and the folder are gone", BOUND, async || {
        !runs(postgres) && !runs(nats) && !std::path::Path::new(root).exists()
    })
    .await;
}
