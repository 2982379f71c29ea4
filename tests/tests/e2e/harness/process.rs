use std::time::Duration;
use tests::process::{Process, Spec};

const BOUND: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Spec {
    Spec::new("a script", "/bin/sh").args(["-c", script])
}

#[tokio::test]
async fn what_a_process_says_is_kept() {
    let process = Process::start(&shell("echo to stdout; echo to stderr >&2; exec sleep 60"));
    assert_eq!(process.says("stdout", BOUND).await, "to stdout");
    assert_eq!(process.says("stderr", BOUND).await, "to stderr");
    assert_eq!(process.ended(), None);
    process.kill();
    assert!(process.ended().is_some_and(|status| !status.success()));
}

#[tokio::test]
#[should_panic(expected = "it ended with exit status: 3\nwhat went wrong")]
async fn nobody_waits_for_a_process_that_has_ended() {
    let process = Process::start(&shell("echo what went wrong; exit 3"));
    process.says("ready", Duration::from_mins(10)).await;
}

#[tokio::test]
async fn a_process_meets_an_environment_that_a_developers_shell_does_not_reach() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let spec = shell("echo \"$CARGO_MANIFEST_DIR|$GIVEN\"; cat").env("GIVEN", "x");
    let output = spec.output("and the input").await;
    assert!(output.status.success());
    assert_eq!(output.stdout, b"|x\nand the input");
}

#[tokio::test]
async fn a_dropped_process_is_asked_to_end() {
    let folder = tests::folder::Folder::new("dropped-");
    let mark = folder.path().join("mark");
    let script = format!(
        "trap 'echo bye > {}; exit' TERM; echo ready; while :; do sleep 0.01; done",
        mark.display()
    );
    let process = Process::start(&shell(&script));
    process.says("ready", BOUND).await;
    drop(process);
    assert_eq!(std::fs::read_to_string(mark).unwrap(), "bye\n");
}
