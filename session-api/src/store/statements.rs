//! The statements that read the same in both databases, and the lists of columns.
//!
//! sqlx's types differ by database, and the bounds of a function over both are longer than its body;
//! so each backend expands [`statements`] once, as functions of its own.

mod clients;
mod log;
mod outbox;
mod tries;

/// Of `users u`, as [`super::rows::UserColumns`] reads them.
macro_rules! user_columns {
    () => {
        "u.id, u.name, u.password_hash, u.version, \
         u.roles, u.disabled, u.cut_off, u.token_cut_off"
    };
}

/// Of `session s`, as [`super::rows::SessionColumns`] reads them.
macro_rules! session_columns {
    () => {
        "s.id, s.version, s.user_id, s.delivery, s.since, s.opened_at, s.generation, \
         s.rotated_at, s.retry_key, s.expires_at, s.ends_at, s.ended_at, s.end_reason, \
         s.end_position"
    };
}

/// Of `session s`, `users u` and `log_head h`, as [`super::rows::FoundSessionColumns`] reads them,
/// with `now` to follow.
macro_rules! found_session_columns {
    () => {
        concat!(
            session_columns!(),
            ", u.name as user_name, u.roles, u.disabled, u.cut_off, u.token_cut_off, \
             h.position, h.everyone"
        )
    };
}

/// That `session s` of `users u` is alive by `log_head h`, in the words of
/// [`crate::session::OpenSession::is_alive`]. `$now` is SQL.
macro_rules! alive {
    ($now:expr) => {
        concat!(
            "s.ended_at is null and s.expires_at > ",
            $now,
            " and s.ends_at > ",
            $now,
            " and s.since >= u.cut_off and s.since >= h.everyone"
        )
    };
}

/// The floor by `log_head h`: the last revocation that every token older than it has outlived, or the
/// mark of the last prune. `$greatest` is the function of that name; `$now` is SQL.
///
/// That is the longest lifetime of access tokens (`replica`; of one that is silent, until its last
/// tokens and ten minutes more have passed), the verifiers' leeway of 5 s and a margin of 60 s ago.
/// Without any replica there is none. `at` runs with `position`, but for the moments that
/// transactions wait for the head and for a clock that was set back; where it does not, a floor that
/// is not quite the greatest is right too.
macro_rules! floor {
    ($greatest:literal, $now:expr) => {
        concat!(
            $greatest,
            "(h.pruned, coalesce((select r.position from revocation r \
             where r.at <= ",
            $now,
            " - 65000 - (select max(t.access_ttl) from replica t \
                                                 where t.beat_at > ",
            $now,
            " - t.access_ttl - 600000) \
             order by r.at desc, r.position desc limit 1), 0))"
        )
    };
}

/// `$database` is sqlx's type, `$greatest` the function of that name, `$now` SQL for the milliseconds
/// since 1970.
macro_rules! statements {
    ($database:ty, $greatest:literal, $now:expr) => {
        use crate::store::rows::{self, *};
        use crate::store::statements::{
            bind_user, client_statements, floor, log_statements, outbox_statements,
            session_columns, tries_statements, user_columns,
        };
        use crate::store::*;
        use sqlx::Executor;
        use sqlx::types::Json;

        pub(super) async fn users(
            db: impl Executor<'_, Database = $database>,
            after: Option<&str>,
            limit: u32,
        ) -> Result<Vec<UserRow>> {
            const SQL: &str = concat!(
                "select ", user_columns!(), " from users u where u.name > $1 order by u.name limit $2"
            );
            // No name is empty.
            let query = sqlx::query_as::<_, UserColumns>(SQL).bind(after.unwrap_or_default());
            rows::all(query.bind(i64::from(limit)).fetch_all(db).await?)
        }

        pub(super) async fn session_rows(
            db: impl Executor<'_, Database = $database>,
            after: Option<SessionId>,
            limit: u32,
        ) -> Result<Vec<StoredSession>> {
            const SQL: &str = concat!(
                "select ", session_columns!(), " from session s where s.id > $1 order by s.id limit $2"
            );
            // No session has the nil uuid.
            let after = after.map_or(Uuid::nil(), SessionId::uuid);
            let query = sqlx::query_as::<_, SessionColumns>(SQL).bind(after);
            let columns = query.bind(i64::from(limit)).fetch_all(db).await?;
            let stored = |columns: SessionColumns| StoredSession {
                id: SessionId::new(columns.id),
                row: columns.try_into().ok(),
            };
            Ok(columns.into_iter().map(stored).collect())
        }

        pub(super) async fn stream_version(
            db: impl Executor<'_, Database = $database>,
            stream: Uuid,
        ) -> Result<i64> {
            const SQL: &str = "select coalesce(max(version), 0) from event where stream = $1";
            Ok(sqlx::query_scalar(SQL).bind(stream).fetch_one(db).await?)
        }

        pub(super) async fn distrust_session(
            db: impl Executor<'_, Database = $database>,
            id: SessionId,
        ) -> Result<()> {
            const SQL: &str = "update session set version = 0 where id = $1";
            sqlx::query(SQL).bind(id.uuid()).execute(db).await?;
            Ok(())
        }

        pub(super) async fn delete_session(
            db: impl Executor<'_, Database = $database>,
            id: SessionId,
        ) -> Result<()> {
            const SQL: &str = "delete from session where id = $1";
            sqlx::query(SQL).bind(id.uuid()).execute(db).await?;
            Ok(())
        }

        pub(super) async fn add_user(
            db: impl Executor<'_, Database = $database>,
            row: &UserRow,
        ) -> Result<std::result::Result<(), Taken>> {
            const SQL: &str = concat!(
                "insert into users (id, name, password_hash, version, roles, disabled, cut_off, \
                 token_cut_off, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, ", $now, ") \
                 on conflict (name) do nothing"
            );
            let done = bind_user!(sqlx::query(SQL), row).execute(db).await?;
            Ok(if done.rows_affected() == 1 { Ok(()) } else { Err(Taken) })
        }

        pub(super) async fn save_user(
            db: impl Executor<'_, Database = $database>,
            row: &UserRow,
        ) -> Result<()> {
            const SQL: &str = "update users set name = $2, password_hash = $3, version = $4, \
                               roles = $5, disabled = $6, cut_off = $7, token_cut_off = $8 \
                               where id = $1";
            found(bind_user!(sqlx::query(SQL), row).execute(db).await?.rows_affected())
        }

        pub(super) async fn save_client_info(
            db: impl Executor<'_, Database = $database>,
            session: SessionId,
            client: &ClientInfo,
        ) -> Result<()> {
            const SQL: &str = concat!(
                "insert into session_client (session_id, user_id, ip, user_agent, device, created_at) \
                 select s.id, s.user_id, $2, $3, $4, ", $now, " from session s where s.id = $1 \
                 on conflict (session_id) do update \
                 set ip = excluded.ip, user_agent = excluded.user_agent, device = excluded.device"
            );
            let query = sqlx::query(SQL)
                .bind(session.uuid())
                .bind(client.ip.as_deref())
                .bind(client.user_agent.as_deref())
                .bind(client.device.as_deref());
            found(query.execute(db).await?.rows_affected())
        }

        pub(super) async fn keys(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<Vec<KeyRow>> {
            const SQL: &str = "select kid, purpose, public, sealed, state, created_at, state_since \
                               from signing_key order by created_at, kid";
            rows::all(sqlx::query_as::<_, KeyColumns>(SQL).fetch_all(db).await?)
        }

        pub(super) async fn save_key(
            db: impl Executor<'_, Database = $database>,
            key: &KeyRow,
        ) -> Result<()> {
            const SQL: &str = "insert into signing_key \
                               (kid, purpose, public, sealed, state, created_at, state_since) \
                               values ($1, $2, $3, $4, $5, $6, $7) on conflict (kid) do update \
                               set sealed = excluded.sealed, state = excluded.state, \
                                   state_since = excluded.state_since";
            let query = sqlx::query(SQL)
                .bind(key.kid.as_str())
                .bind(key.purpose.as_str())
                .bind(key.public.as_slice())
                .bind(key.sealed.as_slice())
                .bind(key.state.as_str())
                .bind(rows::stored(key.created_at))
                .bind(rows::stored(key.state_since));
            query.execute(db).await?;
            Ok(())
        }

        client_statements!($database);

        pub(super) async fn put_status(
            db: impl Executor<'_, Database = $database>,
            client: &str,
            instance: &str,
            report: &serde_json::Value,
            at_most: u32,
        ) -> Result<bool> {
            const SQL: &str = concat!(
                "insert into verifier_status (client, instance, report, seen_at) \
                 select $1, $2, $3, ", $now, " where \
                 exists (select 1 from verifier_status where client = $1 and instance = $2) \
                 or (select count(*) from verifier_status \
                     where client = $1 and seen_at >= ", $now, " - 3600000) < $4 \
                 on conflict (client, instance) do update \
                 set report = excluded.report, seen_at = excluded.seen_at"
            );
            let query = sqlx::query(SQL)
                .bind(client)
                .bind(instance)
                .bind(Json(report))
                .bind(i64::from(at_most));
            Ok(query.execute(db).await?.rows_affected() > 0)
        }

        pub(super) async fn statuses(
            db: impl Executor<'_, Database = $database>,
            within: Duration,
        ) -> Result<Vec<StatusRow>> {
            const SQL: &str = concat!(
                "select client, instance, report, ", $now, " - seen_at as age from verifier_status \
                 where seen_at >= ", $now, " - $1 order by client, instance"
            );
            let query = sqlx::query_as::<_, StatusColumns>(SQL).bind(rows::stored_span(within));
            rows::all(query.fetch_all(db).await?)
        }

        pub(super) async fn pruned(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<Position> {
            const SQL: &str = "select pruned from log_head";
            rows::position(sqlx::query_scalar(SQL).fetch_one(db).await?)
        }

        /// Sets the mark before anything is deleted: what pages say depends on it.
        pub(super) async fn mark_pruned(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<Position> {
            const SQL: &str = concat!(
                "update log_head as h set pruned = ", floor!($greatest, $now), " returning pruned"
            );
            rows::position(sqlx::query_scalar(SQL).fetch_one(db).await?)
        }

        /// Deletes some of the revocations below the mark; how many. A key's stay: they kill at any
        /// position. By the ends of a range, which the index finds: of a list of positions Postgres
        /// makes a reading of the whole table, for each of these statements.
        pub(super) async fn prune_revocations(
            db: impl Executor<'_, Database = $database>,
            mark: Position,
            limit: u32,
        ) -> Result<u64> {
            const SQL: &str = "with ends as (select min(position) as first, max(position) as last \
                                   from (select position from revocation \
                                         where position < $1 and kind <> 'key' \
                                         order by position limit $2) oldest) \
                               delete from revocation \
                               where position >= (select first from ends) \
                                   and position <= (select last from ends) and kind <> 'key'";
            let query = sqlx::query(SQL).bind(i64::from(mark)).bind(i64::from(limit));
            Ok(query.execute(db).await?.rows_affected())
        }

        pub(super) async fn prune_replicas(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<()> {
            const SQL: &str =
                concat!("delete from replica where beat_at <= ", $now, " - access_ttl - 600000");
            sqlx::query(SQL).execute(db).await?;
            Ok(())
        }

        pub(super) async fn prune_statuses(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<()> {
            const SQL: &str =
                concat!("delete from verifier_status where seen_at < ", $now, " - 7200000");
            sqlx::query(SQL).execute(db).await?;
            Ok(())
        }

        log_statements!($database);
        outbox_statements!($database, $now);
        tries_statements!($database, $now);

        /// One row was expected.
        fn found(rows: u64) -> Result<()> {
            if rows == 1 { Ok(()) } else { Err(Error::Database(sqlx::Error::RowNotFound)) }
        }
    };
}

/// `$1` to `$8` of a user.
macro_rules! bind_user {
    ($query:expr, $row:ident) => {
        $query
            .bind($row.id.uuid())
            .bind($row.name.as_str())
            .bind($row.password_hash.as_str())
            .bind($row.version)
            .bind(Json(&$row.user.roles))
            .bind($row.user.disabled)
            .bind(i64::from($row.user.cut_off))
            .bind(i64::from($row.user.token_cut_off))
    };
}

pub(super) use clients::client_statements;
pub(super) use log::log_statements;
pub(super) use outbox::outbox_statements;
pub(super) use tries::tries_statements;
pub(super) use {
    alive, bind_user, floor, found_session_columns, session_columns, statements, user_columns,
};
