//! What is promised to be quick, each figure beside its alternative in the same run.
//!
//! | module | what |
//! | --- | --- |
//! | `revoke` | from the revoking call to the refusal at the last of ten verifiers |
//! | `verify` | one token, first and again |
//! | `revoked_set` | the revoked set: bytes, look-ups, inserts, at several sizes |
//! | `catch_up` | the start of a verifier when a million revocations are alive |
//! | `bad_tokens` | floods of tokens and revocations that are no use to anybody |
//! | `refresh` | refreshes per second |
//! | `flood` | what a flood of logins does to all others |
//! | `fanout` | the same at the last of thousands, and what each of those costs; only where asked for |
//! | `floor` | what a message costs whoever does not trust the bus |
//! | `tokens`, `alone` | what is measured with: tokens without a service, a process of its own |
//! | `login_timing` | whether the time of a refused login tells why it was refused |

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

mod alone;
mod bad_tokens;
mod catch_up;
mod fanout;
mod flood;
mod floor;
mod login_timing;
mod refresh;
mod revoke;
mod revoked_set;
mod samples;
mod table;
mod tokens;
mod verify;

use table::Table;

/// What was asked for on the command line.
struct Asked {
    json: Option<String>,
    /// Of each kind, for `login-timing`.
    tries: usize,
    /// For `fanout`.
    fleet: fanout::Fleet,
    /// All modules but `fanout` where it is empty.
    modules: Vec<String>,
}

impl Asked {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self {
            json: None,
            tries: 1_000,
            fleet: fanout::Fleet::default(),
            modules: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut number = || args.next()?.parse().ok().filter(|number| *number > 0);
            match arg.as_str() {
                "--tries" => asked.tries = number()?,
                "--subscribers" => asked.fleet.subscribers = number()?,
                "--verifiers" => asked.fleet.verifiers = number()?,
                "--json" => asked.json = Some(args.next()?),
                "verify" | "revoked-set" | "catch-up" | "bad-tokens" | "revoke" | "refresh"
                | "flood" | "login-timing" | "fanout" => asked.modules.push(arg),
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
    if fanout::member().await {
        return;
    }
    let mut table = Table::default();
    if let Some((name, argument)) = alone::asked() {
        match name.as_str() {
            catch_up::NAME => catch_up::alone(&mut table, &argument).await,
            _ => revoked_set::grow(&mut table, argument.parse().unwrap()),
        }
        alone::answer(&table);
        return;
    }
    // Cargo adds `--bench`.
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let Some(asked) = Asked::parse(args) else {
        eprintln!(
            "usage: tests/bench [--json FILE] [--tries N] [--subscribers N] [--verifiers N] \
             [verify] [revoked-set] [catch-up] [bad-tokens] [revoke] [refresh] [flood] \
             [login-timing] [fanout]"
        );
        std::process::exit(2);
    };
    if asked.wants("verify") {
        verify::measure(&mut table);
    }
    if asked.wants(revoked_set::NAME) {
        revoked_set::measure(&mut table);
    }
    if asked.wants(catch_up::NAME) {
        catch_up::measure(&mut table).await;
    }
    if asked.wants("bad-tokens") {
        bad_tokens::measure(&mut table);
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
    // It takes every core that there is for some minutes.
    if asked.modules.iter().any(|module| module == "fanout") {
        fanout::measure(&mut table, asked.fleet).await;
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
