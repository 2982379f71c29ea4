//! The picture of a report: what a check costs a service, and how costs grow.

use crate::growth::{self, Growth};
use crate::table::{Row, Table, number};
use plotters::coord::Shift;
use plotters::prelude::*;

const WIDTH: u32 = 900;
const BAR: u32 = 34;
const CURVES: u32 = 420;
const MARGIN: u32 = 60;
const FONT: (&str, u32) = ("sans-serif", 15);

/// What bars are drawn of: a heading and the beginning of the measures.
const BARS: [(&str, &str); 2] = [
    (
        "Requests a second of a protected endpoint",
        "protected endpoint, 1000 tokens",
    ),
    ("Refreshes a second", "refreshes/s"),
];

/// What curves are drawn of: more of them nobody could tell apart.
const GROWN: [&str; 6] = [
    "a refresh over HTTP, N clients, p99",
    "N revocations/s: a refresh beside them, p99",
    "protected endpoint, N tokens: the SDK, processor a request",
    "revoked set of N: a token's two look-ups, alive",
    "N live sessions: start to ready",
    "N live sessions: the first page of a user with 10,000",
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws `table` into an SVG file.
pub(crate) fn draw(table: &Table, file: &str) {
    let charts: Vec<_> = BARS
        .iter()
        .map(|(heading, begins)| (*heading, bars(table.rows(), begins)))
        .filter(|(_, bars)| bars.len() > 1)
        .collect();
    let curves = curves(table.rows());
    let heights: Vec<_> = charts
        .iter()
        .map(|(_, bars)| u32::try_from(bars.len()).unwrap() * BAR + MARGIN)
        .chain((!curves.is_empty()).then_some(CURVES))
        .collect();
    let root = SVGBackend::new(file, (WIDTH, heights.iter().sum::<u32>().max(MARGIN)));
    let root = root.into_drawing_area();
    root.fill(&WHITE).unwrap();
    let mut rest = root.clone();
    for ((heading, bars), height) in charts.iter().zip(&heights) {
        let (area, below) = rest.split_vertically(*height);
        draw_bars(&area, heading, bars);
        rest = below;
    }
    if !curves.is_empty() {
        draw_curves(&rest, &curves);
    }
    root.present().unwrap();
}

/// Names and figures: the measures', and those of their alternatives.
fn bars(rows: &[Row], begins: &str) -> Vec<(String, f64)> {
    let mut bars: Vec<(String, f64)> = Vec::new();
    // Other sizes of what is drawn stand beside nothing.
    let of_chart = |row: &&Row| {
        row.measure.starts_with(begins) && row.unit == "/s" && row.alternative.is_some()
    };
    for row in rows.iter().filter(of_chart) {
        let name = row.measure.strip_prefix(begins).unwrap();
        let name = name.trim_start_matches([':', ' ']).to_owned();
        let beside = row.alternative.as_ref();
        let other = beside.map(|other| (other.name.clone(), other.median));
        for (name, figure) in [Some((name, row.median)), other].into_iter().flatten() {
            if bars.iter().all(|(known, _)| *known != name) {
                bars.push((name, figure));
            }
        }
    }
    bars.sort_by(|one, other| one.1.total_cmp(&other.1));
    bars
}

fn draw_bars(area: &Area<'_>, heading: &str, bars: &[(String, f64)]) {
    let most = bars.iter().map(|(_, figure)| *figure).fold(0.0, f64::max);
    let count = bars.len();
    let mut chart = ChartBuilder::on(area)
        .caption(heading, FONT)
        .margin(10)
        .margin_right(90)
        .set_label_area_size(LabelAreaPosition::Left, 330)
        .build_cartesian_2d(0.0..most * 1.02, (0..count - 1).into_segmented())
        .unwrap();
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .y_labels(count)
        .y_label_formatter(&|at| match at {
            SegmentValue::CenterOf(n) | SegmentValue::Exact(n) => bars
                .get(*n)
                .map_or_else(String::new, |(name, _)| name.clone()),
            SegmentValue::Last => String::new(),
        })
        .label_style(FONT)
        .draw()
        .unwrap();
    let bar = |(n, (_, figure)): (usize, &(String, f64))| {
        let corners = [
            (0.0, SegmentValue::Exact(n)),
            (*figure, SegmentValue::Exact(n + 1)),
        ];
        let mut bar = Rectangle::new(corners, RGBColor(70, 110, 160).filled());
        bar.set_margin(4, 4, 0, 0);
        bar
    };
    chart.draw_series(bars.iter().enumerate().map(bar)).unwrap();
    let label = |(n, (_, figure)): (usize, &(String, f64))| {
        Text::new(
            number(*figure),
            (*figure * 1.005, SegmentValue::CenterOf(n)),
            FONT,
        )
    };
    chart
        .draw_series(bars.iter().enumerate().map(label))
        .unwrap();
}

/// Times that grow with a size.
fn curves(rows: &[Row]) -> Vec<Growth> {
    let mut all = growth::of(rows);
    all.retain(|growth| {
        GROWN.contains(&growth.measure.as_str())
            && growth.points.len() > 2
            && growth.points.iter().all(|(n, y)| *n > 0.0 && *y > 0.0)
    });
    all
}

/// Each beside its smallest size, so that all fit one scale.
fn draw_curves(area: &Area<'_>, curves: &[Growth]) {
    let relative = |growth: &Growth| -> Vec<(f64, f64)> {
        let first = growth.points[0].1;
        let points = growth.points.iter();
        points
            .map(|(size, median)| (*size, median / first))
            .collect()
    };
    let all: Vec<_> = curves.iter().flat_map(relative).collect();
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = all
            .iter()
            .map(of)
            .fold((f64::MAX, f64::MIN), |(low, high), figure| {
                (low.min(figure), high.max(figure))
            });
        low * 0.8..high * 1.25
    };
    let mut chart = ChartBuilder::on(area)
        .caption(
            "How times grow with N, beside those at the smallest N",
            FONT,
        )
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            range(|point| point.0).log_scale(),
            range(|point| point.1).log_scale(),
        )
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("N")
        .y_desc("×")
        .x_label_formatter(&|n| number(*n))
        .y_label_formatter(&|times| number(*times))
        .label_style(FONT)
        .draw()
        .unwrap();
    for (n, growth) in curves.iter().enumerate() {
        let color = Palette99::pick(n).to_rgba();
        chart
            .draw_series(LineSeries::new(relative(growth), color.stroke_width(2)))
            .unwrap()
            .label(growth.measure.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], color));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 12))
        .draw()
        .unwrap();
}
