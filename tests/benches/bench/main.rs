//! What is promised to be quick, each figure beside its alternative in the same run.
//!
//! | module | what |
//! | --- | --- |
//! | `endpoint` | a protected endpoint, beside no check and beside what people use today |
//! | `revoke` | from the revoking call to the refusal at the last of ten verifiers |
//! | `verify` | one token, first and again |
//! | `revoked_set` | the revoked set: bytes, look-ups, inserts, at several sizes |
//! | `catch_up` | the start of a verifier when a million revocations are alive |
//! | `bad_tokens` | floods of tokens and revocations that are no use to anybody |
//! | `refresh` | refreshes per second, and what one costs |
//! | `storm` | a thousand revocations a second, beside clients that refresh |
//! | `million` | a million live sessions: memory, lists, revocations, the plans of Postgres |
//! | `start` | from the start to ready |
//! | `flood` | what a flood of logins does to all others |
//! | `large` | ten times as much of all that; only where asked for |
//! | `fanout` | the same at the last of thousands, and what each of those costs; only where asked for |
//! | `floor` | what a message costs whoever does not trust the bus |
//! | `tokens`, `alone` | what is measured with: tokens without a service, a process of its own |
//! | `peers` | other Rust crates that verify tokens, in a program of their own |
//! | `machine` | memory and time that a process takes, and how many files it may have open |
//! | `load`, `crowd` | clients that take little of the machine; sessions that nobody logged in |
//! | `verifiers` | verifiers that follow a service over NATS |
//! | `effort` | how long is measured |
//! | `goals` | what is to be reached |
//! | `rounds`, `samples`, `table`, `growth`, `report`, `plot`, `docs` | figures, and how they are told |
//! | `login_timing` | whether the time of a refused login tells why it was refused |
//!
//! Clients and servers share the cores of one machine, so ratios count and absolutes do not. Some of the
//! alternatives bring in what is banned here: they are in `tests/peers`, a workspace of its own, and are
//! measured where that builds.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

mod alone;
mod bad_tokens;
mod catch_up;
mod crowd;
mod docs;
mod effort;
mod endpoint;
mod fanout;
mod flood;
mod floor;
mod goals;
mod growth;
mod large;
mod load;
mod login_timing;
mod machine;
mod million;
mod peers;
mod plot;
mod refresh;
mod report;
mod revoke;
mod revoked_set;
mod rounds;
mod samples;
mod start;
mod storm;
mod table;
mod tokens;
mod verifiers;
mod verify;

use std::path::Path;
use table::Table;

/// All that is measured, in this order; the last two take every core that there is for some minutes, and
/// are measured only where they are asked for.
const MODULES: [&str; 14] = [
    "verify",
    revoked_set::NAME,
    catch_up::NAME,
    bad_tokens::NAME,
    endpoint::NAME,
    "revoke",
    refresh::NAME,
    storm::NAME,
    million::NAME,
    start::NAME,
    "flood",
    LOGIN_TIMING,
    large::NAME,
    FANOUT,
];
const LOGIN_TIMING: &str = "login-timing";
const FANOUT: &str = "fanout";

/// Those that need no program but this one.
const WITHOUT_SERVERS: [&str; 3] = ["verify", revoked_set::NAME, bad_tokens::NAME];

/// What was asked for on the command line.
struct Asked {
    quick: bool,
    json: Option<String>,
    plot: Option<String>,
    /// Whether to write the tables of the documents.
    docs: bool,
    /// Reports to tell of together, instead of measuring.
    from: Vec<String>,
    /// Of each kind, for `login-timing`.
    tries: Option<usize>,
    /// For `fanout`.
    fleet: fanout::Fleet,
    /// Where it is empty, all modules but `large` and `fanout`, and but `login-timing` where it is to be
    /// quick.
    modules: Vec<String>,
}

impl Asked {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self {
            quick: false,
            json: None,
            plot: None,
            docs: false,
            from: Vec::new(),
            tries: None,
            fleet: fanout::Fleet::default(),
            modules: Vec::new(),
        };
        while let Some(arg) = args.next() {
            let mut number = || args.next()?.parse().ok().filter(|number| *number > 0);
            match arg.as_str() {
                "--tries" => asked.tries = Some(number()?),
                "--subscribers" => asked.fleet.subscribers = number()?,
                "--verifiers" => asked.fleet.verifiers = number()?,
                "--quick" => asked.quick = true,
                "--docs" => asked.docs = true,
                "--json" => asked.json = Some(args.next()?),
                "--plot" => asked.plot = Some(args.next()?),
                "--from" => asked.from.push(args.next()?),
                module if MODULES.contains(&module) => asked.modules.push(arg),
                _ => return None,
            }
        }
        Some(asked)
    }

    fn wants(&self, module: &str) -> bool {
        // Of few tries medians tell nothing.
        let left_out =
            [large::NAME, FANOUT].contains(&module) || self.quick && module == LOGIN_TIMING;
        let chosen = self.modules.iter().any(|asked| asked == module);
        chosen || self.modules.is_empty() && !left_out
    }
}

fn main() {
    if endpoint::server::asked() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if !runtime.block_on(run()) {
        std::process::exit(1);
    }
}

/// Whether all is as it has to be.
async fn run() -> bool {
    if fanout::member().await {
        return true;
    }
    let mut table = Table::default();
    if let Some((name, argument)) = alone::asked() {
        match name.as_str() {
            catch_up::NAME => catch_up::alone(&mut table, &argument).await,
            bad_tokens::NAME => bad_tokens::alone(&mut table, &argument),
            _ => revoked_set::grow(&mut table, argument.parse().unwrap()),
        }
        alone::answer(&table);
        return true;
    }
    // Cargo adds `--bench`.
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let Some(asked) = Asked::parse(args) else {
        eprintln!(
            "usage: tests/bench [--quick] [--json FILE] [--plot FILE] [--docs] [--from FILE]... [--tries N] \
             [--subscribers N] [--verifiers N] [{}]",
            MODULES.join("] [")
        );
        std::process::exit(2);
    };
    if !asked.from.is_empty() {
        return tell(&report::read(&asked.from), &asked);
    }
    effort::set(asked.quick);
    if MODULES
        .iter()
        .any(|module| asked.wants(module) && !WITHOUT_SERVERS.contains(module))
    {
        // Not when the first of them starts, as a part of what is measured there.
        let _built = tests::Program::path("session-api");
    }
    let mut whole = true;
    for module in MODULES.into_iter().filter(|module| asked.wants(module)) {
        let began = std::time::Instant::now();
        whole &= measure(module, &mut table, &asked).await;
        eprintln!("--- {module}: {:.0} s", began.elapsed().as_secs_f64());
    }
    whole &= tell(&table, &asked);
    if let Some(file) = &asked.json {
        std::fs::write(file, report::json(&table, asked.quick)).unwrap();
    }
    for goal in goals::missed(|module| asked.wants(module), table.rows()) {
        eprintln!("no row for the goal of \"{goal}\"");
        // Where two minutes must do, the largest sizes are left out.
        whole &= asked.quick;
    }
    whole
}

/// As a table, as a picture and in the documents where those are asked for; whether that could be done.
fn tell(table: &Table, asked: &Asked) -> bool {
    table.print();
    growth::print(&growth::of(table.rows()));
    if let Some(file) = &asked.plot {
        plot::draw(table, file);
    }
    if asked.docs
        && let Err(why) = docs::write(table, Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")))
    {
        eprintln!("the documents are as before: {why}");
        return false;
    }
    true
}

/// Whether it is as it has to be.
async fn measure(module: &str, table: &mut Table, asked: &Asked) -> bool {
    match module {
        "verify" => verify::measure(table),
        revoked_set::NAME => revoked_set::measure(table),
        catch_up::NAME => catch_up::measure(table).await,
        bad_tokens::NAME => bad_tokens::measure(table),
        endpoint::NAME => endpoint::measure(table).await,
        "revoke" => revoke::measure(table).await,
        refresh::NAME => refresh::measure(table).await,
        storm::NAME => storm::measure(table).await,
        million::NAME => million::measure(table).await,
        start::NAME => start::measure(table).await,
        "flood" => flood::measure(table).await,
        LOGIN_TIMING => {
            let tries = asked.tries.unwrap_or(effort::of(1_000, 10));
            let tells_nothing = login_timing::measure(table, tries).await;
            if !tells_nothing {
                eprintln!("login-timing: two medians differ by more than 5 %");
            }
            return tells_nothing || asked.quick;
        }
        large::NAME => large::measure(table).await,
        FANOUT => fanout::measure(table, asked.fleet).await,
        _ => unreachable!("{module} is not on the list"),
    }
    true
}
