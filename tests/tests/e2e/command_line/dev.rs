//! `dev`, and what it prints to be pasted.

use std::path::Path;
use std::time::Duration;
use tests::folder::Folder;
use tests::process::Spec;
use tests::program::Program;
use tests::server::Server;

/// Its last line.
const READY: &str = "Stop with Ctrl-C";
const START: Duration = Duration::from_secs(60);

async fn starts(spec: Spec) -> Server {
    Server::start(spec, READY, START).await
}

fn dev(data: &Path) -> Spec {
    Program::spec("session-api")
        .args(["dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
}

/// The five lines that are printed to be pasted.
fn walk_through(dev: &Server) -> Vec<String> {
    let lines = dev.running().log().lines();
    let first = lines.iter().position(|line| line.starts_with("TOKEN="));
    lines[first.unwrap()..][..5].to_vec()
}

/// The one that is printed to look on, made to end.
async fn what_can_be_watched(dev: &Server) -> String {
    let line = dev.running().log().line_with(" log tail ");
    pasted(&[format!("{} --no-follow", line.unwrap())]).await
}

/// What a shell says to them.
async fn pasted(lines: &[String]) -> String {
    let script = lines.join("\n");
    let output = Spec::new("bash", "/bin/bash").arg("-c").arg(script);
    let output = output.output("").await;
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn works_as_printed(dev: &Server) {
    let said = pasted(&walk_through(dev)).await;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].ends_with(" 200"), "{said}");
    assert!(lines[1].contains(r#""revoked":1"#), "{said}");
    assert!(lines[2].ends_with(" 401"), "{said}");
    assert!(lines[3].starts_with("refused "), "{said}");
}

#[tokio::test]
async fn what_dev_prints_works_whatever_is_set_for_serve() {
    let folder = Folder::new("dev-");
    let set_for_serve = [
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"),
        ("NATS_URL", "nats://127.0.0.1:1"),
        ("SESSION_API_ISSUER", "https://id.example.com"),
        ("SESSION_API_AUDIENCE", "foo"),
        ("SESSION_API_BASE_PATH", "/auth"),
        ("SESSION_API_ACCESS_TTL", "wrong"),
        ("SESSION_API_OPS_LISTEN", "127.0.0.1:1"),
        ("SESSION_API_KEY_ENCRYPTION_KEY", "short"),
    ];
    // Pasted into a shell that is in another folder, and knows no `session-api`.
    let spec = dev(Path::new("it's data")).directory(folder.path());
    let spec = set_for_serve
        .iter()
        .fold(spec, |spec, (name, value)| spec.env(name, value));
    let dev = starts(spec).await;
    works_as_printed(&dev).await;
    let log = what_can_be_watched(&dev).await;
    assert!(log.contains("  session.revoked        session/"), "{log}");
}

/// Not into the folder, and not into any file in it.
fn nobody_else_may_look(data: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data), 0o700);
    let files: Vec<_> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // The passwords, and the database with its log and its index, which go when it is closed.
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn no_command_is_dev_with_its_variables() {
    let folder = Folder::new("dev-");
    let data = folder.path().join("data");
    let spec = Program::spec("session-api")
        .env("SESSION_API_LISTEN", "127.0.0.1:0")
        .env("SESSION_API_DATA", data.to_str().unwrap())
        .env("SESSION_API_LOG_FORMAT", "");
    let dev = starts(spec).await;
    works_as_printed(&dev).await;
    assert!(data.join("portcullis.db").exists());
    nobody_else_may_look(&data);
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_not_called_one() {
    let folder = Folder::new("dev-");
    let dev = starts(dev(folder.path())).await;
    let mut lines = walk_through(&dev);
    lines[0] = "TOKEN=none".to_owned();
    let said = pasted(&lines).await;
    assert!(
        said.contains("not as promised: /orders answered 401 before"),
        "{said}"
    );
    assert!(!said.contains("refused "), "{said}");
}

/// Deleted, or never written because the start before was killed: the same folder.
#[tokio::test]
async fn dev_starts_again_whichever_of_its_files_is_gone() {
    let folder = Folder::new("dev-");
    let mut dev = starts(dev(folder.path())).await;
    let first = walk_through(&dev);

    dev.restart().await;
    assert_eq!(password(&walk_through(&dev)), password(&first), "kept");
    works_as_printed(&dev).await;

    dev.kill();
    std::fs::remove_file(folder.path().join("demo.json")).unwrap();
    dev.restart().await;
    assert_ne!(
        password(&walk_through(&dev)),
        password(&first),
        "drawn anew"
    );
    works_as_printed(&dev).await;

    dev.kill();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("portcullis.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    dev.restart().await;
    works_as_printed(&dev).await;
}

fn password(walk_through: &[String]) -> String {
    let (_, rest) = walk_through[0].split_once(r#""password":""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}
