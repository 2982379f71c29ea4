//! How long a login is refused: unknown user, wrong password, closed account. Whoever measures must
//! not learn which it was.

use crate::samples::Samples;
use crate::table::Table;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use std::time::{Duration, Instant};
use tests::folder::Folder;
use tests::session_api::{SessionApi, Settings};
use tests::{Postgres, User};

const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "wrong horse battery staple";

/// From here on an account is closed to strangers.
const CLOSED_FROM: usize = 100;

/// By how much two medians may differ.
const WITHIN: f64 = 0.05;

/// Whether the medians of `tries` of each kind, in turns, are within 5 % of each other.
pub(crate) async fn measure(table: &mut Table, tries: usize) -> bool {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let folder = Folder::new("login-timing-");
    let file = format!("sqlite:{}", folder.path().join("x.db").display());
    let mut all_within = true;
    for (name, url) in [("Postgres", database.url()), ("SQLite", file.as_str())] {
        let service = SessionApi::start(&Settings::new(url)).await;
        all_within &= on(&service, (name, url), table, tries).await;
    }
    all_within
}

async fn on(
    service: &SessionApi,
    (name, url): (&str, &str),
    table: &mut Table,
    tries: usize,
) -> bool {
    // No account is tried so often that it closes, and no kind has fewer names, rows and connections
    // than another.
    let accounts = tries / (CLOSED_FROM - 1) + 1;
    let users = |kind: &str, password: &str| -> Vec<User> {
        let name = |number| format!("{kind}-{number}");
        (0..accounts)
            .map(|number| User::on_phone(service, &name(number), password))
            .collect()
    };
    for number in 0..accounts {
        for kind in ["known", "closed"] {
            let name = format!("{kind}-{number}");
            service.has_user(&name, PASSWORD, None).await;
        }
    }
    for knocks in &mut users("closed", WRONG) {
        for _ in 0..CLOSED_FROM {
            is_refused(knocks).await;
        }
    }
    stay_closed(url).await;
    let mut kinds = [
        users("unknown", WRONG),
        users("known", WRONG),
        users("closed", PASSWORD),
    ];
    let mut times: [Samples; 3] = Default::default();
    for number in 0..tries {
        for (users, times) in kinds.iter_mut().zip(&mut times) {
            times.push(is_refused(&mut users[number % accounts]).await);
        }
    }
    let [unknown, wrong, closed] = times.map(|times| times.median());
    let mut all_within = true;
    for (what, median) in [
        ("wrong password", wrong),
        ("right password, closed account", closed),
    ] {
        let what = format!("refusal of a login on {name}: {what}, median of {tries}");
        table.micros(&what, median, "unknown user", unknown);
        let ratio = median.as_secs_f64() / unknown.as_secs_f64();
        all_within &= (ratio - 1.0).abs() <= WITHIN;
    }
    all_within
}

/// For almost an hour more. The first delay is half a minute, and the tries take longer; one of more than
/// an hour would be taken for that of a clock that was set back, and not count.
async fn stay_closed(url: &str) {
    const SQL: &str = "update login_tries set closed_until = closed_until + 3540000 \
                       where closed_until > 0";
    if url.starts_with("sqlite:") {
        let mut raw = SqliteConnection::connect(url).await.unwrap();
        raw.execute(SQL).await.unwrap();
    } else {
        let mut raw = PgConnection::connect(url).await.unwrap();
        raw.execute(SQL).await.unwrap();
    }
}

async fn is_refused(user: &mut User) -> Duration {
    let began = Instant::now();
    let answer = user.tries_to_log_in().await;
    let took = began.elapsed();
    answer.must_be(401);
    took
}
