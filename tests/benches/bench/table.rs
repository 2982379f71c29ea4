//! What is printed at the end.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// One figure beside its alternative.
#[derive(Deserialize, Serialize)]
struct Row {
    #[serde(rename = "measure")]
    what: String,
    figure: f64,
    beside: String,
    alternative: f64,
    unit: Cow<'static, str>,
    /// Beside nothing at all there is none.
    ratio: Option<f64>,
}

/// All figures.
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

    pub(crate) fn row(
        &mut self,
        what: &str,
        figure: f64,
        beside: &str,
        alternative: f64,
        unit: &'static str,
    ) {
        eprintln!("{what}: {figure:.1} {unit}, beside {beside}: {alternative:.1} {unit}");
        self.0.push(Row {
            what: what.to_owned(),
            figure,
            beside: beside.to_owned(),
            alternative,
            unit: unit.into(),
            ratio: Some(figure / alternative).filter(|ratio| ratio.is_finite()),
        });
    }

    pub(crate) fn print(&self) {
        println!("| measure | figure | beside | figure | ratio |");
        println!("| --- | ---: | --- | ---: | ---: |");
        for Row {
            what,
            figure,
            beside,
            alternative,
            unit,
            ratio,
        } in &self.0
        {
            let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            println!(
                "| {what} | {figure:.1} {unit} | {beside} | {alternative:.1} {unit} | {ratio} |"
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
