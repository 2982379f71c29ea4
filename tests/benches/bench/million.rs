//! A million live sessions, and fewer for comparison: what the service has in memory, how long its start
//! takes, what lists and revocations of a user with ten thousand of them cost, what a revocation of
//! everyone does, and how Postgres carries all that out.

use crate::crowd::{self, Operator};
use crate::effort;
use crate::machine;
use crate::refresh::clients::{self, Client};
use crate::rounds::Rounds;
use crate::start;
use crate::table::Table;
use serde_json::Value;
use sqlx::Executor as _;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tests::Postgres;
use tests::session_api::{SessionApi, Settings};

pub(crate) const NAME: &str = "million";
const CLIENTS: usize = 256;
/// Where two minutes must do for all.
const FEW_CLIENTS: usize = 64;
/// Of one user.
const MANY: usize = 10_000;
const MIB: f64 = 1_048_576.0;

/// Each grows with the sessions.
const LARGE: [&str; 5] = ["users", "session", "event", "revocation", "session_client"];

pub(crate) async fn measure(table: &mut Table) {
    // Plans are written to the log where a database asks for it.
    let postgres = Postgres::start_with(&["shared_preload_libraries=auto_explain"]).await;
    for many in effort::of(vec![10_000, 100_000, 1_000_000], vec![20_000]) {
        let database = postgres.database().await;
        let mut at = At::start(table, database.url(), many).await;
        at.memory().await;
        at.lists().await;
        at.plans(&postgres).await;
        at.revocations().await;
    }
}

/// Ten times as many as are measured else; to make them takes minutes, and ten gigabytes on disk.
pub(crate) async fn measure_large(table: &mut Table) {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let mut at = At::start(table, database.url(), 10_000_000).await;
    at.memory().await;
    at.lists().await;
    at.revocations().await;
}

/// At one number of sessions.
struct At<'a> {
    table: &'a mut Table,
    many: usize,
    service: SessionApi,
    url: &'a str,
    owner: String,
}

impl<'a> At<'a> {
    async fn start(table: &'a mut Table, url: &'a str, many: usize) -> Self {
        let service = SessionApi::start(&Settings::new(url)).await;
        Operator::exists(&service).await;
        let owner = crowd::add_user(&service, url, "owner").await;
        let operator = Operator::log_in(&service).await;
        let mut connection = operator.connect().await;
        operator
            .calls(&mut connection, "DELETE", "/admin/sessions")
            .await;
        crowd::fill(url, many, &owner, MANY).await;
        Self {
            table,
            many,
            service,
            url,
            owner,
        }
    }

    fn tell(&mut self, what: &str, unit: &'static str, rounds: &Rounds) {
        let name = format!("{} live sessions: {what}", self.many);
        self.table.alone(&name, unit, rounds);
    }

    async fn memory(&mut self) {
        let mut started = Rounds::default();
        for _ in 0..effort::of(5, 3) {
            self.service.stop().await;
            started.push(start::to_ready(&mut self.service).await);
        }
        self.tell("start to ready", "ms", &started);
        let process = [machine::id(self.service.program().server())];
        // It keeps house meanwhile.
        tokio::time::sleep(effort::of(Duration::from_secs(10), Duration::from_secs(2))).await;
        let idle = Rounds::once(machine::memory(&process) as f64 / MIB);
        self.tell("memory of the service, idle", "MiB", &idle);

        let many = effort::of(CLIENTS, FEW_CLIENTS);
        let mut clients = clients::log_in(&self.service, "refreshing", many).await;
        let over = AtomicBool::new(false);
        let span = effort::of(Duration::from_secs(20), Duration::from_secs(2));
        let (most, done) = std::thread::scope(|threads| {
            let watching = threads.spawn(|| {
                let mut most = 0;
                while !over.load(Ordering::Relaxed) {
                    most = most.max(machine::memory(&process));
                    std::thread::sleep(Duration::from_millis(20));
                }
                most
            });
            let done = Client::refresh(&mut clients, &self.service, span);
            over.store(true, Ordering::Relaxed);
            (watching.join().unwrap(), done)
        });
        let what = "memory of the service at full refresh load, at most";
        self.tell(what, "MiB", &Rounds::once(most as f64 / MIB));
        let refreshed = Rounds::once(done.per_second());
        self.tell("refreshes/s meanwhile", "/s", &refreshed);
    }

    /// Of the user who has ten thousand.
    async fn lists(&mut self) {
        let operator = Operator::log_in(&self.service).await;
        let mut connection = operator.connect().await;
        let path = format!("/admin/users/{}/sessions", self.owner);
        let (mut first, mut whole) = (Rounds::default(), Rounds::default());
        for _ in 0..effort::of(15, 3) {
            let began = Instant::now();
            let mut page = operator.calls(&mut connection, "GET", &path).await;
            first.push(millis(began));
            let mut listed = page["items"].as_array().unwrap().len();
            while let Some(after) = page["next"].as_str() {
                let next = format!("{path}?after={after}");
                page = operator.calls(&mut connection, "GET", &next).await;
                listed += page["items"].as_array().unwrap().len();
            }
            whole.push(millis(began));
            assert_eq!(listed, MANY);
        }
        self.tell("the first page of a user with 10,000", "ms", &first);
        self.tell("all pages of a user with 10,000", "ms", &whole);
    }

    /// What Postgres does for each kind of call, in its own words.
    async fn plans(&mut self, postgres: &Postgres) {
        let name = self.url.rsplit_once('/').unwrap().1;
        let (name, _) = name.split_once('?').unwrap_or((name, ""));
        let mut raw = crowd::raw(self.url).await;
        let sql = format!(
            "alter database {name} set auto_explain.log_min_duration = 0; \
             alter database {name} set auto_explain.log_nested_statements = on"
        );
        raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))
            .await
            .unwrap();
        let lines_before = postgres.server().running().log().lines().len();
        // Its connections are new ones then.
        self.service.restart().await;
        let mut clients = clients::log_in(&self.service, "explained", 64).await;
        Client::refresh(&mut clients, &self.service, Duration::from_millis(200));
        let operator = Operator::log_in(&self.service).await;
        let mut connection = operator.connect().await;
        let path = format!("/admin/users/{}/sessions", self.owner);
        let page = operator.calls(&mut connection, "GET", &path).await;
        let session = page["items"][50]["id"].as_str().unwrap();
        for (method, path) in [
            ("GET", format!("{path}?after={session}")),
            ("DELETE", format!("{path}/{session}")),
            ("GET", "/admin/users".to_owned()),
            ("GET", "/session".to_owned()),
        ] {
            operator.calls(&mut connection, method, &path).await;
        }
        let sql = format!("alter database {name} reset auto_explain.log_min_duration");
        raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))
            .await
            .unwrap();
        self.service.restart().await;
        let log = postgres.server().running().log().lines();
        let plans = explained(&log[lines_before..]);
        assert!(
            plans.len() > 20,
            "{} plans in the log of Postgres",
            plans.len()
        );
        let whole: Vec<_> = plans.iter().filter(|plan| reads_a_whole(plan)).collect();
        let kinds: BTreeSet<_> = whole.iter().map(|plan| plan[0]).collect();
        for query in &kinds {
            eprintln!("{query}");
        }
        let what = "kinds of statements whose plan reads a large table as a whole";
        self.tell(what, "statements", &Rounds::once(kinds.len() as f64));
    }

    async fn revocations(&mut self) {
        let mut operator = Operator::log_in(&self.service).await;
        let mut connection = operator.connect().await;
        let path = format!("/admin/users/{}/sessions", self.owner);
        let page = operator.calls(&mut connection, "GET", &path).await;
        let mut one = Rounds::default();
        for session in page["items"]
            .as_array()
            .unwrap()
            .iter()
            .take(effort::of(50, 20))
        {
            let path = format!("{path}/{}", session["id"].as_str().unwrap());
            let began = Instant::now();
            operator.calls(&mut connection, "DELETE", &path).await;
            one.push(millis(began));
        }
        self.tell("the end of one session", "ms", &one);
        let mut all = Rounds::default();
        for _ in 0..effort::of(30, 10) {
            let began = Instant::now();
            operator.calls(&mut connection, "DELETE", &path).await;
            all.push(millis(began));
        }
        self.tell("the end of a user's 10,000", "ms", &all);
        let (mut everyone, mut events) = (Rounds::default(), Rounds::default());
        for _ in 0..effort::of(15, 5) {
            operator.again().await;
            let before = self.events().await;
            let began = Instant::now();
            let ended = operator
                .calls(&mut connection, "DELETE", "/admin/sessions")
                .await;
            everyone.push(millis(began));
            assert_ne!(ended["position"], Value::Null);
            events.push((self.events().await - before) as f64);
        }
        self.tell("the end of everyone's", "ms", &everyone);
        self.tell(
            "events that the end of everyone's appends",
            "events",
            &events,
        );
    }

    async fn events(&self) -> i64 {
        let count = sqlx::query_scalar("select count(*) from event");
        count
            .fetch_one(&mut crowd::raw(self.url).await)
            .await
            .unwrap()
    }
}

/// The plans in a log, each with its query in the first line.
fn explained(log: &[String]) -> Vec<Vec<&str>> {
    let mut plans: Vec<Vec<&str>> = Vec::new();
    let mut inside = false;
    for line in log {
        // What follows a message's first line is indented.
        inside &= line.starts_with(char::is_whitespace);
        let line = line.trim();
        if let Some(query) = line.strip_prefix("Query Text: ") {
            plans.push(vec![query]);
            inside = true;
        } else if let Some(plan) = plans.last_mut().filter(|_| inside) {
            plan.push(line);
        }
    }
    plans
}

fn reads_a_whole(plan: &[&str]) -> bool {
    plan.iter().any(|line| {
        let table = line.split_once("Seq Scan on ").map(|(_, table)| table);
        let name = table.and_then(|table| table.split_whitespace().next());
        name.is_some_and(|name| LARGE.contains(&name))
    })
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}
