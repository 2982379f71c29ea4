//! Other Rust crates that verify tokens, in a program of their own: `tests/peers`, a workspace that may
//! bring in what is banned in ours. Where it does not build there are none.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program, running.
pub(crate) struct Peers {
    child: Child,
    answers: RefCell<BufReader<ChildStdout>>,
    names: Vec<String>,
}

impl Peers {
    /// Builds it, which takes minutes the first time, and starts it.
    pub(crate) fn start() -> Option<Self> {
        eprintln!("--- building tests/peers");
        // josekit needs the headers of OpenSSL; the others need nothing but Rust.
        let program = build("josekit").or_else(|why| {
            eprintln!("tests/peers without josekit: {why}");
            build("")
        });
        match program {
            Ok(program) => Some(Self::run(&program)),
            Err(why) => {
                eprintln!("tests/peers does not build, so no other crates are measured: {why}");
                None
            }
        }
    }

    fn run(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut peers = Self {
            answers: RefCell::new(BufReader::new(child.stdout.take().unwrap())),
            child,
            names: Vec::new(),
        };
        peers.names =
            std::iter::from_fn(|| Some(peers.line()).filter(|line| !line.is_empty())).collect();
        peers
    }

    /// Names and versions.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Nanoseconds a token, of one walk over all the tokens of that crate.
    pub(crate) fn walk(&self, name: &str) -> f64 {
        let (name, _version) = name.split_once(' ').unwrap();
        writeln!(self.child.stdin.as_ref().unwrap(), "{name}").unwrap();
        self.line().parse().unwrap()
    }

    fn line(&self) -> String {
        let mut line = String::new();
        let length = self.answers.borrow_mut().read_line(&mut line).unwrap();
        assert!(length > 0, "tests/peers has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Peers {
    /// It ends where it is asked for no more.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

/// The program, or the first thing that cargo says is wrong.
fn build(features: &str) -> Result<PathBuf, String> {
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/peers");
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["build", "--release", "--locked", "--features", features])
        .args(["--manifest-path", "tests/peers/Cargo.toml"])
        .args(["--target-dir", target])
        // Whose settings for the compiler it takes: those that we are built by.
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        return Ok(Path::new(target).join("release/peers"));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let wrong = said.lines().find(|line| line.starts_with("error"));
    Err(wrong.unwrap_or("cargo does not say why").to_owned())
}
