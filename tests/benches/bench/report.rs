//! All that a run has measured, as it is kept.

use crate::growth::{self, Growth};
use crate::table::{Row, Table};
use serde::Serialize;
use serde_json::Value;
use std::process::Command;

#[derive(Serialize)]
struct Report<'a> {
    machine: Machine,
    commit: String,
    quick: bool,
    rows: &'a [Row],
    growth: Vec<Growth>,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    system: String,
}

impl Machine {
    fn this() -> Self {
        let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = about.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| line.split_once(": "));
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            system: said(Command::new("uname").arg("-sr")),
        }
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default())
        .trim()
        .to_owned()
}

/// The report as JSON.
pub(crate) fn json(table: &Table, quick: bool) -> String {
    let report = Report {
        machine: Machine::this(),
        commit: said(Command::new("git").args(["describe", "--always", "--dirty"])),
        quick,
        rows: table.rows(),
        growth: growth::of(table.rows()),
    };
    serde_json::to_string_pretty(&report).unwrap() + "\n"
}

/// The rows of reports that were kept.
pub(crate) fn read(files: &[String]) -> Table {
    let mut table = Table::default();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        table.take(report["rows"].to_string().as_bytes());
    }
    table
}
