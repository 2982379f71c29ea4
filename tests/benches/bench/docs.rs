//! The tables of README.md and docs/figures.md, each between the marks that stand there for it.

use crate::table::{Row, Table, head, line, number};
use crate::{goals, growth};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const FIRST: &str = "first verification of one of 500 tokens, with revocations and clocks";

/// What README.md tells of, by the measure and in its own words.
const SUMMARY: &[(&str, &str)] = &[
    (
        "protected endpoint, 1000 tokens: the SDK",
        "requests a second of a protected endpoint: the SDK",
    ),
    (
        "protected endpoint, 1000 tokens: a middleware that asks for no token",
        "– a middleware that does nothing",
    ),
    (
        "protected endpoint, 1000 tokens: actix-session with Redis",
        "– actix-session with Redis",
    ),
    (
        "protected endpoint, 1000 tokens: introspection over HTTP, answered from memory",
        "– introspection over HTTP",
    ),
    (
        "protected endpoint, 1000 tokens: a look-up in Postgres",
        "– a look-up in Postgres",
    ),
    (
        "protected endpoint, 1000 tokens: jsonwebtoken's decode",
        "– `jsonwebtoken`",
    ),
    (FIRST, "a token, verified for the first time"),
    (
        "cached verification of 1000 tokens, net of the loop",
        "and again, one of 1,000",
    ),
    (
        "catch-up of 1000000 revocations, over HTTP: time",
        "a verifier's start, a million revocations alive: over HTTP",
    ),
    (
        "catch-up of 1000000 revocations, from the stream: time",
        "– from the stored stream",
    ),
    (
        "revoke call to refusal at the last of 10, p50",
        "revoking call to refusal at the last of ten verifiers, p50",
    ),
    ("revoke call to refusal at the last of 10, p99", "– p99"),
    (
        "refreshes/s over HTTP, 256 clients (tokens and all)",
        "refreshes a second, 256 clients",
    ),
    (
        "1000 revocations/s: a verifier behind an acknowledgement, worst",
        "1,000 revocations a second: how far a verifier is behind, at most",
    ),
];

/// Writes them, in the folder of the workspace.
///
/// # Errors
/// What is missing of a whole run, or of the marks. Nothing is written then.
pub(crate) fn write(table: &Table, root: &Path) -> Result<(), String> {
    is_whole(table.rows())?;
    let sections = [
        ("README.md", "summary", summary(table.rows())?),
        (
            "docs/figures.md",
            "goals",
            lines(table, |row| row.goal.is_some()),
        ),
        (
            "docs/figures.md",
            "peers",
            lines(table, |row| row.measure == FIRST),
        ),
        (
            "docs/figures.md",
            "growth",
            growth::lines(&growth::of(table.rows())),
        ),
    ];
    let mut texts = BTreeMap::new();
    for (file, section, lines) in sections {
        let text = match texts.remove(file) {
            Some(text) => text,
            None => std::fs::read_to_string(root.join(file))
                .map_err(|error| format!("{file}: {error}"))?,
        };
        let text =
            with(&text, section, &lines).ok_or(format!("{file} has no marks for \"{section}\""))?;
        texts.insert(file, text);
    }
    for (file, text) in texts {
        std::fs::write(root.join(file), text).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// Whether nothing is missing, and nothing there twice.
fn is_whole(rows: &[Row]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for row in rows {
        let other = row.alternative.as_ref().map(|other| &other.name);
        if !seen.insert((&row.measure, other)) {
            return Err(format!("two rows of \"{}\"", row.measure));
        }
    }
    if let Some(goal) = goals::missed(|_| true, rows).next() {
        return Err(format!("no row for the goal of \"{goal}\""));
    }
    let of_peers = |row: &Row| {
        let other = row.alternative.as_ref();
        other.is_some_and(|other| other.name.starts_with("jwt-simple"))
    };
    if !rows.iter().any(of_peers) {
        return Err("no row beside the crates of tests/peers".to_owned());
    }
    Ok(())
}

fn lines(table: &Table, wanted: impl Fn(&Row) -> bool) -> Vec<String> {
    let rows = table.rows().iter().filter(|row| wanted(row));
    head().into_iter().chain(rows.map(line)).collect()
}

/// `text` with other lines between the marks of a section. `None` where it has no such marks.
pub(crate) fn with(text: &str, section: &str, lines: &[String]) -> Option<String> {
    let (begin, end) = (
        format!("<!-- bench: {section} -->\n"),
        format!("<!-- bench: end of {section} -->"),
    );
    let (before, rest) = text.split_once(&begin)?;
    let (_old, after) = rest.split_once(&end)?;
    let lines = lines.join("\n");
    Some(format!("{before}{begin}\n{lines}\n\n{end}{after}"))
}

fn summary(rows: &[Row]) -> Result<Vec<String>, String> {
    let mut lines = vec![
        "| | | beside |".to_owned(),
        "| --- | ---: | --- |".to_owned(),
    ];
    for (measure, words) in SUMMARY {
        let of_measure: Vec<_> = rows.iter().filter(|row| row.measure == *measure).collect();
        let row = of_measure
            .first()
            .ok_or(format!("no row of \"{measure}\""))?;
        let beside: Vec<_> = of_measure.iter().filter_map(|row| beside(row)).collect();
        let figure = format!("{} {}", number(row.median), row.unit);
        lines.push(format!("| {words} | {figure} | {} |", beside.join(", ")));
    }
    Ok(lines)
}

fn beside(row: &Row) -> Option<String> {
    let other = row.alternative.as_ref()?;
    Some(format!("{} × {}", number(other.ratio?), other.name))
}
