//! `docs/gateway.md`, run as it stands there. Only ports, folders and the lives of the servers are others.

use std::path::Path;
use tests::folder::Folder;
use tests::guide::blocks;
use tests::nginx::{self, Nginx};
use tests::port;
use tests::process::Spec;
use tests::program::Program;

const GUIDE: &str = include_str!("../../../../docs/gateway.md");

/// Between the output of two blocks.
const MARK: &str = "=== the next block";

/// All commands end with the script, and the servers with it, however it ends.
const PRELUDE: &str = "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n";

/// Servers in the background get a signal of their own when the shell is killed.
fn mortal(commands: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut began = 0;
    for line in commands.lines() {
        if !lines.last().is_some_and(|before| before.ends_with('\\')) {
            began = lines.len();
        }
        lines.push(line.to_owned());
        if line.ends_with(" &") {
            lines[began].insert_str(0, "setpriv --pdeathsig KILL -- ");
        }
    }
    lines.join("\n") + "\n"
}

/// The text with each of the `changes`, all of which are needed.
fn changed(text: &str, changes: &[(&str, String)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "not in the guide: {from}");
        text.replace(from, to)
    })
}

#[tokio::test]
async fn the_guide_does_what_it_says() {
    let folder = Folder::new("guide-");
    let own = |name: &str| folder.path().join(name).display().to_string();
    let [service, gate, notes] = [(); 3].map(|()| port::free());
    let at = |port: u16| format!("127.0.0.1:{port}");
    let nginx = Nginx::with()
        .finds(&at(8080), &at(service))
        .finds(&at(8090), &at(gate))
        .finds(&at(8084), &at(notes));
    let door = nginx.port();
    std::fs::create_dir(own("nginx")).unwrap();
    nginx.write(&folder.path().join("nginx"));

    // Built already, so that the guide's own command finds nothing left to do.
    let _built = Program::spec("session-api");
    let target = std::env::current_exe().unwrap();
    let target = target.ancestors().find(|path| path.ends_with("debug"));
    let target = target.expect("a debug build").parent().unwrap();
    let binary = nginx::binary().display().to_string();
    let changes = [
        ("$PWD/target", target.display().to_string()),
        ("$PWD/deploy/nginx", own("nginx")),
        ("data/gateway", own("data")),
        ("nginx -e", format!("{binary} -e")),
        // A worker would outlive a master that is killed.
        ("daemon off;", "daemon off; master_process off;".to_owned()),
        ("127.0.0.1:8000", at(door)),
        ("127.0.0.1:8080", at(service)),
        ("127.0.0.1:8090", at(gate)),
        ("\"127.0.0.1\", 8084", format!("\"127.0.0.1\", {notes}")),
    ];
    let blocks = blocks(GUIDE);
    let script: String = blocks
        .iter()
        .map(|block| format!("\n{}echo '{MARK}'\n", mortal(&block.commands)))
        .collect();
    let script = PRELUDE.to_owned() + &changed(&script, &changes);

    let mut shell = Spec::new("the guide", "/bin/bash")
        .args(["-c", &script])
        .directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("SESSION_API_LISTEN", &at(service))
        .env("VERIFIER_GATE_LISTEN", &at(gate))
        .env("CARGO_TARGET_DIR", &target.display().to_string());
    for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Ok(value) = std::env::var(name) {
            shell = shell.env(name, &value);
        }
    }
    let output = shell.output("").await;
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    let parts: Vec<_> = said.split(MARK).collect();
    assert_eq!(
        parts.len(),
        blocks.len() + 1,
        "it broke off:\n{said}{errors}"
    );
    assert!(
        output.status.success(),
        "{}:\n{said}{errors}",
        output.status
    );
    for (block, part) in blocks.iter().zip(parts) {
        let missing = block.missing(part);
        assert_eq!(missing, None, "of\n{}\nin\n{part}", block.commands);
    }
    let shown = blocks
        .iter()
        .filter(|block| !block.shows.is_empty())
        .count();
    assert_eq!((blocks.len(), shown), (10, 4), "blocks of the guide");
}
