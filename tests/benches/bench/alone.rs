//! A measure in a process of its own: what others left behind in memory would be counted with it, or
//! be used again and not be counted.

use crate::effort;
use crate::machine;
use crate::table::Table;
use std::process::{Command, Stdio};

/// The first argument of such a process; the measure's name and its argument follow.
const ALONE: &str = "--alone";

/// What this process is to measure, where it is such a one.
pub(crate) fn asked() -> Option<(String, String)> {
    let mut args = std::env::args().skip(1);
    (args.next()? == ALONE).then(|| Some((args.next()?, args.next()?)))?
}

/// Prints what such a process has measured.
pub(crate) fn answer(table: &Table) {
    println!("{}", table.json());
}

/// Measures `name` of `argument` in a process of its own.
pub(crate) fn measure(table: &mut Table, name: &str, argument: &str) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args([ALONE, name, argument])
        .envs(effort::environment())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{name} {argument}: {}",
        output.status
    );
    table.take(&output.stdout);
}

/// The same for who makes rows of many rounds: the figures of the two rows.
pub(crate) fn two_figures(name: &str, argument: &str) -> (f64, f64) {
    let mut rows = Table::default();
    measure(&mut rows, name, argument);
    let [one, other] = rows.rows() else {
        panic!("{name} {argument}: not two rows")
    };
    (one.median, other.median)
}

/// What this process has in memory, in bytes.
pub(crate) fn memory() -> u64 {
    machine::memory(&[std::process::id()])
}
