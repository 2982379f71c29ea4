//! With forty thousand sessions on Postgres: no call reads much more than it needs.

use super::{PASSWORD, Place, add_user, login, refresh, service_and_commits, takes};
use crate::password::Hasher;
use crate::service::access::Keep;
use crate::service::revoke::UserChange;
use crate::session::{EndReason, Roles};
use crate::store::Replica;
use revocation_events::Position;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use std::time::Duration;
use uuid::Uuid;

const BOUND: Duration = Duration::from_secs(60);

/// A fifth of the sessions are over, and alice has a hundred times as many as the others. Three quarters
/// of the revocations are so old that no page needs them.
///
/// In its own time Postgres reads the new parts of the log for the index by time, asked for by the index or
/// when it cleans up, and counts what it read: not here.
const FILL: &str = "
    alter table event set (autovacuum_enabled = false);
    alter index event_by_time set (autosummarize = off);
    create temporary table n as
        select n, gen_random_uuid() as id,
               floor(extract(epoch from now()) * 1000)::bigint as now
        from generate_series(1, 40000) n;
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
        select id, user_id, 'agent', opened_at from session;
    insert into revocation (position, at, kind, subject)
        select (select position from log_head) - 80000 + n,
               now - case when n <= 30000 then 86400000 else 1000 end, 'session', id from n;
    insert into replica (id, beat_at, access_ttl) select id, now, 900000 from n limit 1;
    insert into login_tries (account, source, failed, closed_until, tried_at)
        select id, id, 1, 0, now from n;
    analyze";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_by_name_is_not_looked_for() {
    let place = Place::postgres().await;
    let mut raw = PgConnection::connect(&place.url()).await.unwrap();
    let store = place.store().await;
    let (service, commits) = service_and_commits(store.clone(), Hasher::new(2), 10_000).await;
    let (alice, bob) = (
        add_user(&service, "alice").await,
        add_user(&service, "bob").await,
    );
    service.end_everyone().await.unwrap();
    let filled = FILL.replace("$1", &format!("'{alice}'::uuid"));
    raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(filled)))
        .await
        .unwrap();
    let before = rows_read(&mut raw).await;

    for name in ["alice", "bob"] {
        assert!(
            service
                .log_in(login(name, "not the password at all"))
                .await
                .is_err()
        );
        let granted = service.log_in(login(name, PASSWORD)).await.unwrap();
        let granted = refresh(&service, &granted).await.unwrap();
        assert!(takes(&service, &granted).await);
        let id = granted.session_id;
        let page = service.sessions(alice, None).await.unwrap();
        service.sessions(alice, page.next).await.unwrap();
        service.history(id, None, None).await.unwrap();
        service
            .end_session(id, Some(alice), EndReason::Logout)
            .await
            .ok();
        service.users(Some("user-5")).await.unwrap();
        service.user_by_name("user-10").await.unwrap();
        service.end_sessions(bob, None).await.unwrap();
    }
    let kept = Keep {
        session: service
            .log_in(login("alice", PASSWORD))
            .await
            .unwrap()
            .session_id,
        until: None,
    };
    service
        .change_roles(alice, Roles::default(), Some(kept))
        .await
        .unwrap();
    service.end_sessions(alice, Some(kept)).await.unwrap();
    service.change_user(bob, UserChange::Disable).await.unwrap();
    service.enable_user(bob).await.unwrap();
    service.end_everyone().await.unwrap();
    service.housekeeping_step().await.unwrap();
    let head = store.head().await.unwrap();
    let replica = Replica {
        id: Uuid::from_u128(1),
        access_ttl: Duration::from_secs(900),
    };
    let zero = Position::ZERO;
    store
        .cut(replica, head.position, zero, 1_000)
        .await
        .unwrap();
    store.revocations(zero, head.position, 1_000).await.unwrap();

    // Each connection tells what it counted when it ends.
    drop((service, commits, store));
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
