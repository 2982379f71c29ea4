//! Two users, and two sessions of one of them: cookies and CSRF values never mix.

mod calls;
mod odd_cookies;
mod people;

use calls::Call;
use people::{Owner, People};

/// What a request brings along, each thing of one session.
#[derive(Clone, Copy, Debug)]
struct Shown {
    access: Owner,
    session: Owner,
    csrf: Owner,
}

/// Read by people first.
const TABLE: &str = include_str!("table.txt");

/// A row: what is shown, and the verdict on each call.
fn rows() -> Vec<(Shown, Vec<&'static str>)> {
    let body = TABLE.lines().skip_while(|line| !line.starts_with("------"));
    let rows = body.skip(1).filter(|line| !line.is_empty()).map(|line| {
        let mut words = line.split_whitespace().filter(|word| *word != "|");
        let mut owner = || words.next().unwrap().parse().unwrap();
        let shown = Shown {
            access: owner(),
            session: owner(),
            csrf: owner(),
        };
        let verdicts: Vec<_> = words.collect();
        assert_eq!(verdicts.len(), Call::ALL.len(), "{line}");
        (shown, verdicts)
    });
    rows.collect()
}

#[tokio::test]
async fn two_users_and_two_sessions_never_mix() {
    let mut people = People::meet().await;
    let (mut right, mut wrong) = (0, Vec::new());
    for (shown, verdicts) in rows() {
        for (call, expected) in Call::ALL.into_iter().zip(verdicts) {
            let found = call.verdict(&mut people, shown).await;
            let out = people.who_is_out().await;
            if found == expected && (out.is_empty() || call.ends_something(expected)) {
                right += 1;
            } else {
                wrong.push(format!("{shown:?}, {call:?}: {found}, not {expected}"));
            }
            people.come_back(out).await;
        }
    }
    println!(
        "{right} verdicts as the table has them, {} not",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(right, 4 * 4 * 4 * Call::ALL.len());
}
