//! The tables of README.md and docs/figures.md, each between the marks that stand there for it.

use crate::growth;
use crate::table::{Row, Table, head, line, number};
use std::path::Path;

const FIRST: &str = "first verification of 500 tokens, with revocations and clocks";

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

/// Writes them, below the folder of the workspace.
///
/// # Errors
/// What is missing, and nothing is written then.
pub(crate) fn write(table: &Table) -> Result<(), String> {
    let summary = summary(table.rows())?;
    let goals = lines(table, |row| row.goal.is_some());
    let peers = lines(table, |row| row.measure == FIRST);
    let growth = growth::lines(&growth::of(table.rows()));
    for file in ["README.md", "docs/figures.md"] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file);
        let mut text =
            std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
        for (section, lines) in [
            ("summary", &summary),
            ("goals", &goals),
            ("peers", &peers),
            ("growth", &growth),
        ] {
            text = with(&text, section, lines);
        }
        std::fs::write(&path, text).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn lines(table: &Table, wanted: impl Fn(&Row) -> bool) -> Vec<String> {
    let rows = table.rows().iter().filter(|row| wanted(row));
    head().into_iter().chain(rows.map(line)).collect()
}

/// `text` with other lines between the marks of a section, or as it is where it has none.
pub(crate) fn with(text: &str, section: &str, lines: &[String]) -> String {
    let (begin, end) = (
        format!("<!-- bench: {section} -->\n"),
        "<!-- bench: end -->",
    );
    let replaced = text.split_once(&begin).and_then(|(before, rest)| {
        let (_old, after) = rest.split_once(end)?;
        Some(format!(
            "{before}{begin}\n{}\n\n{end}{after}",
            lines.join("\n")
        ))
    });
    replaced.unwrap_or_else(|| text.to_owned())
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
