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

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let json = match args.as_slice() {
        [] => None,
        [flag, file] if flag == "--json" => Some(file),
        _ => {
            eprintln!("usage: tests/bench [--json FILE]");
            std::process::exit(2);
        }
    };
    let mut table = Table::default();
    verify::measure(&mut table).await;
    revoke::measure(&mut table).await;
    refresh::measure(&mut table).await;
    flood::measure(&mut table).await;
    table.print();
    if let Some(file) = json {
        std::fs::write(file, table.json()).unwrap();
    }
}
