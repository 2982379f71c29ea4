//! What is promised to be quick, each figure beside its alternative in the same run.
//!
//! | module | what |
//! | --- | --- |
//! | `revoke` | from the revoking call to the refusal at the last of ten verifiers |
//! | `verify` | one token, first and again |
//! | `refresh` | refreshes per second |
//! | `flood` | what a flood of logins does to all others |

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

mod flood;
mod refresh;
mod revoke;
mod samples;
mod table;
mod verify;

use table::Table;

/// What was asked for on the command line.
struct Asked {
    json: Option<String>,
    /// All modules where it is empty.
    modules: Vec<String>,
}

impl Asked {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self {
            json: None,
            modules: Vec::new(),
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--json" => asked.json = Some(args.next()?),
                "verify" | "revoke" | "refresh" | "flood" => asked.modules.push(arg),
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
        eprintln!("usage: tests/bench [--json FILE] [verify] [revoke] [refresh] [flood]");
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
    table.print();
    if let Some(file) = asked.json {
        std::fs::write(file, table.json()).unwrap();
    }
}
