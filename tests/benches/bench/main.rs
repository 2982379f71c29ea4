//! What is promised to be quick, each figure beside its alternative in the same run.
//!
//! | module | what |
//! | --- | --- |
//! | `revoke` | from the revoking call to the refusal at the last of ten verifiers |
//! | `verify` | one token, first and again |
//! | `refresh` | refreshes per second |
//! | `flood` | what a flood of logins does to all others |
//! | `login_timing` | whether the time of a refused login tells why it was refused |

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

mod flood;
mod login_timing;
mod refresh;
mod revoke;
mod samples;
mod table;
mod verify;

use table::Table;

/// What was asked for on the command line.
struct Asked {
    json: Option<String>,
    /// Of each kind, for `login-timing`.
    tries: usize,
    /// All modules where it is empty.
    modules: Vec<String>,
}

impl Asked {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self {
            json: None,
            tries: 1_000,
            modules: Vec::new(),
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => asked.json = Some(args.next()?),
                "--tries" => asked.tries = args.next()?.parse().ok().filter(|tries| *tries > 0)?,
                "verify" | "revoke" | "refresh" | "flood" | "login-timing" => {
                    asked.modules.push(arg);
                }
                _ => return None,
            }
        }
        Some(asked)
    }

    fn wants(&self, module: &str) -> bool {
        self.modules.is_empty() || self.modules.iter().any(|asked| asked == module)
    }
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let Some(asked) = Asked::parse(args) else {
        eprintln!(
            "usage: tests/bench [--json FILE] [--tries N] [verify] [revoke] [refresh] [flood] [login-timing]"
        );
        std::process::exit(2);
    };
    let mut table = Table::default();
    if asked.wants("verify") {
        verify::measure(&mut table).await;
    }
    if asked.wants("revoke") {
        revoke::measure(&mut table).await;
    }
    if asked.wants("refresh") {
        refresh::measure(&mut table).await;
    }
    if asked.wants("flood") {
        flood::measure(&mut table).await;
    }
    let mut tells_nothing = true;
    if asked.wants("login-timing") {
        tells_nothing = login_timing::measure(&mut table, asked.tries).await;
    }
    table.print();
    if let Some(file) = asked.json {
        std::fs::write(file, table.json()).unwrap();
    }
    if !tells_nothing {
        eprintln!("login-timing: two medians differ by more than 5 %");
        std::process::exit(1);
    }
}
