//! What is printed at the end.

use std::time::Duration;

/// One figure beside its alternative.
struct Row {
    what: String,
    figure: f64,
    beside: String,
    alternative: f64,
    unit: &'static str,
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

    pub(crate) fn nanos(
        &mut self,
        what: &str,
        figure: Duration,
        beside: &str,
        alternative: Duration,
    ) {
        let nanos = |duration: Duration| duration.as_secs_f64() * 1e9;
        self.row(what, nanos(figure), beside, nanos(alternative), "ns");
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
        let (what, beside) = (what.to_owned(), beside.to_owned());
        self.0.push(Row {
            what,
            figure,
            beside,
            alternative,
            unit,
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
        } in &self.0
        {
            let ratio = figure / alternative;
            // Beside nothing at all there is none.
            let ratio = Some(ratio).filter(|ratio| ratio.is_finite());
            let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            println!(
                "| {what} | {figure:.1} {unit} | {beside} | {alternative:.1} {unit} | {ratio} |"
            );
        }
    }

    pub(crate) fn json(&self) -> String {
        let row = |row: &Row| {
            serde_json::json!({
                "measure": row.what, "figure": row.figure, "beside": row.beside,
                "alternative": row.alternative, "unit": row.unit, "ratio": row.figure / row.alternative,
            })
        };
        serde_json::Value::Array(self.0.iter().map(row).collect()).to_string()
    }
}
