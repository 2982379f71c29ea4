//! What every backend must do: one suite, run on both, each test in a database of its own.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the list of tests, and the databases that they run on |
//! | `fixture` | users, sessions and revocations to work with |
//! | `log` | positions, events, transactions |
//! | `writes` | what is written with a position, in a transaction or as one |
//! | `pages` | cuts, floor, pruning, wake-ups |
//! | `sessions`, `users` | rows, locks, snapshots |
//! | `outbox`, `refills` | events on their way to other programs |
//! | `tries` | tries at passwords |
//! | `alive` | which sessions are alive |
//! | `admin` | keys, clients, reports of verifiers, the schema |
//! | `on_postgres`, `failover`, `silence`, `rights`, `on_sqlite` | what there is of one backend alone |
//!
//! To add one: an `async fn(&Db)` in the file of its kind, and its name in the list below.

mod admin;
mod alive;
mod failover;
mod fixture;
mod log;
mod on_postgres;
mod on_sqlite;
mod outbox;
mod pages;
mod refills;
mod rights;
mod sessions;
mod silence;
mod tries;
mod users;
mod writes;

use super::{IfMissing, Options, Store, connect};
use sqlx::Connection as _;
use std::sync::Arc;
use std::time::Duration;
use tests::Postgres;

/// How long anything may take that must happen.
const BOUND: Duration = Duration::from_secs(60);

macro_rules! contract {
    ($($file:ident { $($test:ident,)* })*) => {
        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$file::$test(&super::Db::postgres().await).await;
                }
            )*)*
        }
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$file::$test(&super::Db::sqlite().await).await;
                }
            )*)*
        }
    };
}

contract! {
    log {
        positions_are_in_the_order_of_commits,
        a_raised_head_is_above_all_that_was_given_out,
        a_position_is_never_given_twice,
        a_position_is_above_the_clock,
        what_is_not_committed_never_was,
        a_version_is_taken_once,
        events_come_back_as_they_went,
        events_can_be_read_by_their_times,
        the_log_is_only_ever_appended_to,
        the_head_can_be_locked_without_moving_it,
    }
    writes {
        a_write_is_there_as_a_whole,
        nothing_is_written_after_another_head,
        nothing_is_written_to_a_stream_that_has_grown,
        what_is_written_in_a_transaction_is_there_after_its_commit,
        everyones_cut_off_only_rises,
        positions_are_in_the_order_of_commits_however_they_are_written,
        a_write_waits_for_a_refresh_and_finds_it,
        a_write_wakes_others,
    }
    pages {
        a_cut_of_nothing_is_a_heartbeat,
        a_cut_holds_all_after_its_start,
        a_long_cut_goes_on_in_the_next,
        a_log_that_has_lost_its_end_is_not_cut,
        a_log_that_has_lost_its_end_gives_out_no_position,
        at_is_not_after_the_snapshot,
        the_floor_waits_for_the_longest_lifetime,
        the_floor_waits_for_the_tokens_of_a_silent_replica,
        pruning_leaves_what_pages_need,
        pruning_waits_for_a_replica,
        a_clock_set_back_does_not_lower_the_floor_below_what_is_gone,
        what_is_long_silent_is_forgotten,
        a_commit_wakes_this_process_and_others,
    }
    sessions {
        a_session_comes_back_as_it_went,
        an_older_row_does_not_replace_a_newer_one,
        sessions_are_locked_in_order,
        a_locked_session_is_waited_for,
        a_session_comes_with_its_user_and_the_head,
        head_and_state_are_from_one_snapshot,
        overdue_sessions_are_found,
        a_client_is_known_by_its_user_agent,
        rows_can_be_cleared_and_built_again,
        a_row_that_is_distrusted_is_older_than_any,
    }
    alive {
        alive_sessions_are_listed,
        a_login_in_flight_does_not_survive_a_revocation,
        alive_sessions_come_in_pages,
        sessions_beyond_a_number_are_the_oldest,
    }
    users {
        a_user_comes_back_as_it_went,
        a_name_is_taken_once,
        users_come_in_pages_by_name,
        a_locked_user_is_waited_for,
        a_hash_is_replaced_where_it_is_still_the_same,
    }
    outbox {
        every_event_waits_but_refreshes,
        refreshes_wait_where_they_are_published,
        what_is_not_committed_does_not_wait,
        events_wait_in_the_order_of_their_stream_and_with_their_user,
        an_event_of_a_newer_program_keeps_no_other_waiting,
        one_replica_publishes_at_a_time,
        what_was_published_is_forgotten,
        whoever_has_lost_the_lease_changes_nothing,
        what_is_known_of_the_stream_is_known_to_the_next,
        what_is_too_old_is_pruned,
        the_outbox_can_be_counted,
    }
    refills {
        the_first_stream_gets_what_is_young_enough,
        a_refill_puts_all_in_the_outbox_again,
        a_refill_goes_on_where_another_replica_left_it,
        what_waits_again_is_not_forgotten_for_what_was_before,
    }
    tries {
        tries_come_back_as_they_went,
        tries_at_once_are_counted_one_after_the_other,
        tries_are_forgotten_with_their_account,
        two_who_forget_the_same_tries_do_not_wait_for_each_other,
        tries_long_past_are_pruned,
    }
    admin {
        keys_come_back_as_they_went,
        a_client_has_a_name_and_a_secret,
        a_report_replaces_the_one_before,
        a_schema_is_made_once,
        another_schema_is_refused,
    }
}

/// An empty database with its schema.
struct Db {
    store: Arc<dyn Store>,
    url: String,
    kind: Kind,
}

enum Kind {
    Sqlite { _folder: tempfile::TempDir },
    Postgres { _database: tests::Database },
}

impl Db {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self::new(url, Kind::Sqlite { _folder: folder }).await
    }

    async fn postgres() -> Self {
        let database = Postgres::fresh_database().await;
        let url = database.url().to_owned();
        Self::new(
            url,
            Kind::Postgres {
                _database: database,
            },
        )
        .await
    }

    async fn new(url: String, kind: Kind) -> Self {
        let store = connect(&url, IfMissing::Create).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, url, kind }
    }

    /// As another process would.
    async fn connect(&self) -> Arc<dyn Store> {
        connect(&self.url, IfMissing::Fail).await.unwrap()
    }

    /// As another process would that publishes refreshes.
    async fn connect_publishing_refreshes(&self) -> Arc<dyn Store> {
        let options = Options {
            if_missing: IfMissing::Fail,
            publish_refreshed: true,
        };
        connect(&self.url, options).await.unwrap()
    }

    /// Does what no store does.
    async fn execute(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self.kind {
            Kind::Sqlite { .. } => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await?;
                connection.close().await
            }
            Kind::Postgres { .. } => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await?;
                sqlx::raw_sql(sql).execute(&mut connection).await?;
                connection.close().await
            }
        }
    }

    async fn number(&self, sql: &'static str) -> i64 {
        match self.kind {
            Kind::Sqlite { .. } => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(sql)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
            Kind::Postgres { .. } => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(sql)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            }
        }
    }

    /// Waits until a statement waits for a lock. SQLite does not tell; what comes of the wait is
    /// looked at there all the same.
    async fn somebody_waits(&self) {
        const WAITING: &str = "select count(*) from pg_stat_activity \
                               where datname = current_database() and wait_event_type = 'Lock'";
        if matches!(self.kind, Kind::Postgres { .. }) {
            tests::eventually("a statement waits for a lock", BOUND, async || {
                self.number(WAITING).await > 0
            })
            .await;
        }
    }
}
