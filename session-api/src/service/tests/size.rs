//! With forty thousand sessions on Postgres: no call reads much more than it needs.

use super::{PASSWORD, Place, add_user, login, refresh, service_with_limit, takes};
use crate::password::Hasher;
use crate::service::Service;
use crate::service::access::Keep;
use crate::service::revoke::UserChange;
use crate::session::{EndReason, Roles};
use crate::store::{Replica, Store};
use revocation_events::{Position, UserId};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const BOUND: Duration = Duration::from_secs(60);

/// In its own time Postgres looks at what is new and plans anew: not here, where it looks when it is told
/// to. It reads the new parts of the log for the index by time, too, and counts what it read.
const QUIET: &str = "
    alter table users set (autovacuum_enabled = false);
    alter table event set (autovacuum_enabled = false);
    alter table event_outbox set (autovacuum_enabled = false);
    alter table session set (autovacuum_enabled = false);
    alter table session_client set (autovacuum_enabled = false);
    alter table revocation set (autovacuum_enabled = false);
    alter table login_tries set (autovacuum_enabled = false);
    alter index event_by_time set (autosummarize = off);
    create temporary table n (n int, id uuid, now bigint)";

/// A fifth of the sessions are over, and alice has a hundred times as many as the others. Three quarters
/// of the revocations are so old that no page needs them.
const FILL: &str = "
    truncate n;
    insert into n
        select n, gen_random_uuid(), floor(extract(epoch from now()) * 1000)::bigint
        from generate_series($2, $3) n;
    insert into users (id, name, password_hash, version, roles, disabled, cut_off, token_cut_off,
                       created_at)
        select id, 'user-' || n, '', 1, '[]', false, 0, 0, 0 from n where n % 5 = 0;
    insert into event (stream, version, kind, format, at, data)
        select id, version, 'session.refreshed', 1, now, '{}' from n, generate_series(1, 2) version;
    insert into session (id, version, user_id, delivery, since, opened_at, generation, rotated_at,
                         expires_at, ends_at, ended_at, end_reason)
        select id, 2, case when n % 200 = 0 then $1 else user_of_n end, 'body', 0, now, 2, now,
               now + 7 * 86400000::bigint, now + 30 * 86400000::bigint,
               case when n % 5 = 1 then now end, case when n % 5 = 1 then 'expired' end
        from (select n.*, u.id as user_of_n from n join n u on u.n = n.n / 5 * 5) n;
    insert into session_client (session_id, user_id, user_agent, created_at)
        select id, user_id, 'agent', opened_at from session
        on conflict do nothing;
    insert into revocation (position, at, kind, subject)
        select (select min(position) from revocation) - 80000 + n,
               now - case when n <= 30000 then 86400000 else 1000 end, 'session', id from n;
    insert into replica (id, beat_at, access_ttl) select id, now, 900000 from n limit 1;
    insert into login_tries (account, source, failed, closed_until, tried_at)
        select id, id, 1, 0, now from n where n <= 40000 or n % 30 = 0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_by_name_is_not_looked_for() {
    let mut full = Full::new().await;
    full.fill(1..=40_000).await;
    full.execute("analyze").await;
    let before = rows_read(&mut full.raw).await;
    full.asks().await;
    full.has_read_little_since(&before).await;
}

/// Statements are planned once, for tables that have just so many rows that Postgres looks at them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_from_when_tables_were_small_reads_no_large_one() {
    let mut full = Full::new().await;
    full.fill(40_001..=40_060).await;
    full.execute("analyze").await;
    // Whichever connection they take.
    full.asks().await;
    full.asks().await;
    full.fill(1..=40_000).await;
    let before = rows_read(&mut full.raw).await;
    full.asks().await;
    full.has_read_little_since(&before).await;
}

/// The oldest events waited when Postgres looked, and the newest do now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_wait_are_found_without_walking_through_the_log() {
    const WAIT: &str = "delete from event_outbox; \
                        insert into event_outbox (stream, version, at) \
                        select stream, version, at from event order by stream";
    let mut full = Full::new().await;
    full.fill(1..=40_000).await;
    full.execute(&format!("{WAIT} limit 1000; analyze")).await;
    assert_eq!(
        full.store.waiting_events(None, 500).await.unwrap().len(),
        500
    );
    full.execute(&format!("{WAIT} desc limit 20")).await;
    let before = rows_read(&mut full.raw).await;
    assert_eq!(
        full.store.waiting_events(None, 500).await.unwrap().len(),
        20
    );
    full.has_read_little_since(&before).await;
}

/// A service on Postgres, and a connection beside it.
struct Full {
    raw: PgConnection,
    store: Arc<dyn Store>,
    service: Service,
    alice: UserId,
    bob: UserId,
    _place: Place,
}

impl Full {
    async fn new() -> Self {
        let place = Place::postgres().await;
        let raw = PgConnection::connect(&place.url()).await.unwrap();
        let store = place.store().await;
        let service = service_with_limit(store.clone(), Hasher::new(2), 10_000).await;
        let (alice, bob) = (
            add_user(&service, "alice").await,
            add_user(&service, "bob").await,
        );
        service.end_everyone().await.unwrap();
        let mut new = Self {
            raw,
            store,
            service,
            alice,
            bob,
            _place: place,
        };
        new.execute(QUIET).await;
        new
    }

    async fn execute(&mut self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        self.raw.execute(sqlx::raw_sql(sql)).await.unwrap();
    }

    async fn fill(&mut self, numbers: RangeInclusive<u32>) {
        let sql = FILL
            .replace("$1", &format!("'{}'::uuid", self.alice))
            .replace("$2", &numbers.start().to_string())
            .replace("$3", &numbers.end().to_string());
        self.execute(&sql).await;
    }

    /// Each kind of call.
    async fn asks(&self) {
        for name in ["alice", "bob"] {
            assert!(
                self.service
                    .log_in(login(name, "not the password at all"))
                    .await
                    .is_err()
            );
            let granted = self.service.log_in(login(name, PASSWORD)).await.unwrap();
            let granted = refresh(&self.service, &granted).await.unwrap();
            assert!(takes(&self.service, &granted).await);
            let id = granted.session_id;
            let page = self.service.sessions(self.alice, None).await.unwrap();
            self.service.sessions(self.alice, page.next).await.unwrap();
            self.service.history(id, None, None).await.unwrap();
            self.service
                .end_session(id, Some(self.alice), EndReason::Logout)
                .await
                .ok();
            self.service.users(Some("user-5")).await.unwrap();
            self.service.user_by_name("user-10").await.unwrap();
            self.service.end_sessions(self.bob, None).await.unwrap();
        }
        let kept = Keep {
            session: self
                .service
                .log_in(login("alice", PASSWORD))
                .await
                .unwrap()
                .session_id,
            until: None,
        };
        self.service
            .change_roles(self.alice, Roles::default(), Some(kept))
            .await
            .unwrap();
        self.service
            .end_sessions(self.alice, Some(kept))
            .await
            .unwrap();
        self.service
            .change_user(self.bob, UserChange::Disable)
            .await
            .unwrap();
        self.service.enable_user(self.bob).await.unwrap();
        self.service.end_everyone().await.unwrap();
        self.service.housekeeping_step().await.unwrap();
        self.store.waiting_events(None, 500).await.unwrap();
        let head = self.store.head().await.unwrap();
        let replica = Replica {
            id: Uuid::from_u128(1),
            access_ttl: Duration::from_secs(900),
        };
        let zero = Position::ZERO;
        self.store
            .cut(replica, head.position, zero, 1_000)
            .await
            .unwrap();
        self.store
            .revocations(zero, head.position, 1_000)
            .await
            .unwrap();
    }

    async fn has_read_little_since(self, before: &[(String, i64)]) {
        // Each connection tells what it counted when it ends.
        let Self {
            mut raw,
            store,
            service,
            ..
        } = self;
        drop((service, store));
        tests::eventually("all connections are closed", BOUND, async || {
            const OTHERS: &str = "select count(*) from pg_stat_activity \
                                  where datname = current_database() and pid <> pg_backend_pid()";
            sqlx::query_scalar::<_, i64>(OTHERS)
                .fetch_one(&mut raw)
                .await
                .unwrap()
                == 0
        })
        .await;
        let after = rows_read(&mut raw).await;
        for ((table, before), (_, after)) in before.iter().zip(&after) {
            let looked_through = match table.as_str() {
                // Housekeeping looks through those whose last login failed.
                "login_tries" => 40_000,
                // The old ones, to find where some of them end and to delete them.
                "revocation" => 2 * 30_000,
                _ => 0,
            };
            assert!(
                after - before < looked_through + 4_000,
                "{table}: {} rows",
                after - before
            );
        }
    }
}

/// Of each large table: how many rows were read, by an index or without.
async fn rows_read(raw: &mut PgConnection) -> Vec<(String, i64)> {
    const READ: &str = "select relname, seq_tup_read + idx_tup_fetch from pg_stat_user_tables \
                        where relname in ('users', 'event', 'session', 'session_client', \
                                          'revocation', 'login_tries') order by 1";
    raw.execute("select pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        .await
        .unwrap();
    let rows = raw.fetch_all(READ).await.unwrap();
    assert_eq!(rows.len(), 6);
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}
