//! A test run that is killed leaves no server and no folder behind.

use std::time::Duration;
use tests::process::{Process, Spec};
use tests::{Browser, Nats, Nginx, Postgres, eventually};

const BOUND: Duration = Duration::from_secs(60);

/// Set in the run that is to be killed, which is this test once more.
const VICTIM: &str = "PORTCULLIS_TEST_VICTIM";
const THIS: &str = "harness::orphans::a_killed_run_leaves_no_server_and_no_folder_behind";

/// What the run that is to be killed does.
async fn start_servers_and_wait() {
    // Started by a thread that ends before the servers are looked at, as a test's thread does.
    let started = std::thread::spawn(|| {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let servers = (Postgres::shared().await, Nats::start().await);
            (servers, Nginx::with().start().await, Browser::opens().await)
        })
    });
    let _running = started.join().expect("all start");
    let folder = tests::folder::Folder::new("victim-");
    let root = folder.path().parent().expect("that of the process");
    println!("victim: {}", root.display());
    std::future::pending().await
}

/// How many processes have the folder `root` in their arguments or their environment: each server,
/// and whatever it has started itself. One that has ended but was not waited for has neither.
fn processes_in(root: &str) -> usize {
    let names_root = |file: std::path::PathBuf| {
        std::fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(root))
    };
    let processes = std::fs::read_dir("/proc").expect("Linux");
    processes
        .flatten()
        .map(|process| process.path())
        .filter(|path| names_root(path.join("cmdline")) || names_root(path.join("environ")))
        .count()
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
    for chosen in [
        "NATS_SERVER",
        "POSTGRES_BIN",
        "CHROMIUM",
        "CHROMEDRIVER",
        "NGINX",
    ] {
        if let Ok(path) = std::env::var(chosen) {
            spec = spec.env(chosen, &path);
        }
    }
    let run = Process::start(&spec);
    let line = run.says("victim: ", BOUND).await;
    let root = line.split("victim: ").nth(1).unwrap();
    // Postgres, NATS, nginx, Chromium, its driver, and what removes the folder.
    assert!(processes_in(root) >= 6, "{line}");

    run.kill();
    eventually("all of them and the folder are gone", BOUND, async || {
        processes_in(root) == 0 && !std::path::Path::new(root).exists()
    })
    .await;
}
