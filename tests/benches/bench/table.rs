//! What is printed at the end.

use crate::goals;
use crate::rounds::Rounds;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// One measure, beside its alternative where there is one.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) measure: String,
    pub(crate) unit: Cow<'static, str>,
    pub(crate) median: f64,
    /// Between these lies half of what was measured, where there was more than one.
    pub(crate) spread: Option<[f64; 2]>,
    pub(crate) alternative: Option<Alternative>,
    /// What is to be reached, in words.
    pub(crate) goal: Option<String>,
    pub(crate) reached: Option<bool>,
}

#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Alternative {
    pub(crate) name: String,
    pub(crate) median: f64,
    pub(crate) spread: Option<[f64; 2]>,
    /// Of the measure to the alternative, round by round; beside nothing at all there is none.
    pub(crate) ratio: Option<f64>,
    pub(crate) ratio_spread: Option<[f64; 2]>,
}

impl Row {
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.alternative.as_ref()?.ratio
    }
}

/// All rows.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn micros(
        &mut self,
        what: &str,
        figure: Duration,
        beside: &str,
        alternative: Duration,
    ) {
        let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
        self.row(what, micros(figure), beside, micros(alternative), "µs");
    }

    /// A figure of one round.
    pub(crate) fn row(
        &mut self,
        what: &str,
        figure: f64,
        beside: &str,
        alternative: f64,
        unit: &'static str,
    ) {
        let other = (beside, &Rounds::once(alternative));
        self.compare(what, unit, &Rounds::once(figure), other);
    }

    /// Figures that nothing stands beside.
    pub(crate) fn alone(&mut self, what: &str, unit: &'static str, figures: &Rounds) {
        self.push(what, unit, figures, None, &goals::of(what, None));
    }

    /// Figures beside those of an alternative, of the same rounds.
    pub(crate) fn compare(
        &mut self,
        what: &str,
        unit: &'static str,
        figures: &Rounds,
        beside: (&str, &Rounds),
    ) {
        let goals = goals::of(what, Some(beside.0));
        self.push(what, unit, figures, Some(beside), &goals);
    }

    fn push(
        &mut self,
        what: &str,
        unit: &'static str,
        figures: &Rounds,
        beside: Option<(&str, &Rounds)>,
        goals: &[goals::Goal],
    ) {
        let spread = |figures: &Rounds| {
            let middle = figures.middle();
            figures.are_many().then_some([middle.low, middle.high])
        };
        let alternative = beside.map(|(name, others)| {
            let ratio = figures.ratio(others);
            Alternative {
                name: name.to_owned(),
                median: others.middle().median,
                spread: spread(others),
                ratio: ratio.map(|ratio| ratio.median),
                ratio_spread: ratio
                    .filter(|_| figures.are_many())
                    .map(|ratio| [ratio.low, ratio.high]),
            }
        });
        let mut row = Row {
            measure: what.to_owned(),
            unit: unit.into(),
            median: figures.middle().median,
            spread: spread(figures),
            alternative,
            goal: None,
            reached: None,
        };
        if !goals.is_empty() {
            let words: Vec<_> = goals.iter().map(|goal| goal.words(unit)).collect();
            row.goal = Some(words.join(", "));
            row.reached = Some(goals.iter().all(|goal| goal.is_reached(&row)));
        }
        eprintln!("{}", line(&row));
        self.0.push(row);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.0
    }

    pub(crate) fn print(&self) {
        println!("{}", head().join("\n"));
        for row in &self.0 {
            println!("{}", line(row));
        }
        let mut beside = self.0.iter().filter_map(|row| {
            let first = row.measure.starts_with("first verification");
            row.alternative.as_ref().filter(|_| first)
        });
        let measured = beside
            .clone()
            .any(|other| other.name.starts_with("jwt-simple"));
        if beside.next().is_some() && !measured {
            println!(
                "\nNot beside the first verification are jwt-simple and the other crates of \
                 tests/peers: they are left out by --quick, and where they do not build."
            );
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string(&self.0).unwrap()
    }

    /// Takes over the rows of another table, in JSON.
    pub(crate) fn take(&mut self, json: &[u8]) {
        let rows: Vec<Row> = serde_json::from_slice(json).unwrap();
        self.0.extend(rows);
    }
}

/// Of a table of rows.
pub(crate) fn head() -> [String; 2] {
    [
        "| measure | median (half of all) | alternative | ratio | goal | reached |",
        "| --- | ---: | --- | ---: | ---: | --- |",
    ]
    .map(str::to_owned)
}

pub(crate) fn line(row: &Row) -> String {
    let unit = &row.unit;
    let figure = format!("{} {unit}{}", number(row.median), range(row.spread));
    let alternative = row.alternative.as_ref().map_or_else(String::new, |other| {
        let (name, median) = (&other.name, number(other.median));
        format!("{name}: {median} {unit}{}", range(other.spread))
    });
    let ratio = row.alternative.as_ref().and_then(|other| {
        let ratio = other.ratio.map(number)?;
        Some(ratio + &range(other.ratio_spread))
    });
    let reached = match row.reached {
        None => "",
        Some(true) => "yes",
        Some(false) => "**no**",
    };
    let goal = row.goal.as_deref().unwrap_or_default();
    let ratio = ratio.unwrap_or_default();
    format!(
        "| {} | {figure} | {alternative} | {ratio} | {goal} | {reached} |",
        row.measure
    )
}

fn range(spread: Option<[f64; 2]>) -> String {
    spread.map_or_else(String::new, |[low, high]| {
        format!(" ({}–{})", number(low), number(high))
    })
}

/// Three digits that count, and no more than the figure has.
pub(crate) fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 || figure == 0.0 => {
            let digits = format!("{:.0}", figure.abs());
            let mut grouped = String::new();
            for (n, digit) in digits.chars().enumerate() {
                if n > 0 && (digits.len() - n) % 3 == 0 {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            if figure < 0.0 {
                format!("-{grouped}")
            } else {
                grouped
            }
        }
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}
