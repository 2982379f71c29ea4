//! What `tests/bench` makes of its figures: the pure part of it.

#![expect(dead_code, reason = "the benchmark itself uses all of it")]
#![expect(clippy::unwrap_used, reason = "a benchmark that fails says where")]

#[path = "../../benches/bench/docs.rs"]
mod docs;
#[path = "../../benches/bench/goals.rs"]
mod goals;
#[path = "../../benches/bench/growth.rs"]
mod growth;
#[path = "../../benches/bench/rounds.rs"]
mod rounds;
#[path = "../../benches/bench/table.rs"]
mod table;

use rounds::Rounds;
use table::{Table, number};
use tests::folder::Folder;

const ENDPOINT: &str = "protected endpoint, 1000 tokens: the SDK";

fn rounds(figures: &[f64]) -> Rounds {
    figures.iter().copied().collect()
}

#[test]
fn the_middle_of_many_figures_is_one_of_them() {
    let middle = rounds(&[9.0, 1.0, 5.0, 7.0, 3.0]).middle();
    assert_eq!((middle.low, middle.median, middle.high), (3.0, 5.0, 7.0));
}

#[test]
fn a_ratio_compares_the_figures_of_one_round() {
    // The machine was ten times slower in the second round, and that says nothing of either.
    let (ours, theirs) = (rounds(&[20.0, 2.0, 30.0]), rounds(&[10.0, 1.0, 15.0]));
    let ratio = ours.ratio(&theirs).unwrap();
    assert_eq!((ratio.low, ratio.median, ratio.high), (2.0, 2.0, 2.0));
    assert!(ours.ratio(&rounds(&[0.0, 0.0, 0.0])).is_none());
}

#[test]
fn what_the_loop_costs_is_taken_off_in_its_own_round() {
    let net = rounds(&[110.0, 25.0, 42.0]).minus(&rounds(&[100.0, 5.0, 12.0]));
    let middle = net.middle();
    assert_eq!((middle.low, middle.median, middle.high), (10.0, 20.0, 30.0));
}

#[test]
fn a_goal_is_held_against_the_row_that_it_names() {
    let mut table = Table::default();
    let none = rounds(&[100.0]);
    table.compare(ENDPOINT, "/s", &rounds(&[97.0]), ("no check", &none));
    table.compare(ENDPOINT, "/s", &rounds(&[96.0]), ("no check", &none));
    table.compare(ENDPOINT, "/s", &rounds(&[96.0]), ("something else", &none));
    let processor = format!("{ENDPOINT}, processor a request");
    table.compare(&processor, "µs", &none, ("no check", &none));
    let reached: Vec<_> = table.rows().iter().map(|row| row.reached).collect();
    assert_eq!(reached, [Some(true), Some(false), None, None]);
    assert_eq!(table.rows()[0].goal.as_deref(), Some("≥ 0.97×"));
}

#[test]
fn both_goals_of_a_row_must_be_reached() {
    let papaya = "a bare hit in papaya";
    let what = "cached verification of 1000 tokens, net of the loop";
    let mut table = Table::default();
    for (ours, theirs) in [(50.0, 60.0), (50.0, 40.0), (70.0, 80.0)] {
        table.row(what, ours, papaya, theirs, "ns");
    }
    let reached: Vec<_> = table.rows().iter().map(|row| row.reached).collect();
    assert_eq!(reached, [Some(true), Some(false), Some(false)]);
}

#[test]
fn a_goal_whose_row_is_missing_is_named() {
    let mut table = Table::default();
    let missed = |table: &Table| -> Vec<_> {
        goals::missed(|module| module == "endpoint", table.rows()).collect()
    };
    assert_eq!(missed(&table), [ENDPOINT]);
    table.row(ENDPOINT, 1.0, "no check", 1.0, "/s");
    assert!(missed(&table).is_empty());
}

#[test]
fn the_documents_change_between_their_marks_alone() {
    let text = "a\n<!-- bench: goals -->\nold\n<!-- bench: end of goals -->\nb\n";
    let lines = ["x", "y"].map(str::to_owned);
    assert_eq!(
        docs::with(text, "goals", &lines).unwrap(),
        "a\n<!-- bench: goals -->\n\nx\ny\n\n<!-- bench: end of goals -->\nb\n"
    );
    assert_eq!(docs::with(text, "growth", &lines), None);
    let without_an_end = text.replace("end of goals", "end");
    assert_eq!(docs::with(&without_an_end, "goals", &lines), None);
}

#[test]
fn the_documents_are_not_written_of_half_a_run_or_of_two() {
    let folder = Folder::new("docs-");
    let file = folder.path().join("README.md");
    let before = "<!-- bench: summary -->\nold\n<!-- bench: end of summary -->\n";
    std::fs::write(&file, before).unwrap();
    let mut table = Table::default();
    for why in [
        "no row for the goal of",
        "no row for the goal of",
        "two rows of",
    ] {
        let said = docs::write(&table, folder.path()).unwrap_err();
        assert!(said.starts_with(why), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        table.row(ENDPOINT, 1.0, "no check", 1.0, "/s");
    }
}

#[test]
fn rows_that_differ_by_one_number_show_how_it_grows() {
    let mut table = Table::default();
    for (size, p50, p99) in [
        (1_000, 10.0, 20.0),
        (10_000, 11.0, 21.0),
        (100_000, 44.0, 22.0),
    ] {
        for (percent, figure) in [(50, p50), (99, p99)] {
            let what = format!("a user's 10,000 of {size} sessions, p{percent}");
            table.row(&what, figure, "the floor", 1.0, "ms");
        }
    }
    let growth = growth::of(table.rows());
    let found: Vec<_> = growth
        .iter()
        .map(|growth| (growth.measure.as_str(), growth.points.len(), growth.bend))
        .collect();
    assert_eq!(
        found,
        [
            (
                "a user's 10,000 of N sessions, p50",
                3,
                Some((100_000.0, 4.0))
            ),
            ("a user's 10,000 of N sessions, p99", 3, None),
        ]
    );
}

#[test]
fn rows_go_from_one_process_to_another() {
    let mut table = Table::default();
    table.compare(
        "a",
        "/s",
        &rounds(&[1.0, 2.0, 3.0]),
        ("b", &rounds(&[2.0, 4.0, 6.0])),
    );
    let mut other = Table::default();
    other.take(table.json().as_bytes());
    assert_eq!(other.json(), table.json());
    assert_eq!(other.rows()[0].ratio(), Some(0.5));
}

#[test]
fn numbers_have_the_digits_that_count() {
    let texts = [0.0, 0.0421, 1.234, 12.34, 123.4, 1_234_567.0, -1_234.0].map(number);
    assert_eq!(
        texts,
        ["0", "0.042", "1.23", "12.3", "123", "1,234,567", "-1,234"]
    );
}
