//! What is read of the events.

/// Expanded by [`super::statements`]; the argument is its own.
macro_rules! log_statements {
    ($database:ty) => {
        pub(super) async fn history(
            db: impl Executor<'_, Database = $database>,
            id: SessionId,
            after: i64,
            limit: u32,
        ) -> Result<Vec<Event>> {
            const SQL: &str = "select stream, version, kind, format, at, data from event \
                               where stream = $1 and version > $2 order by version limit $3";
            let query = sqlx::query_as::<_, EventColumns>(SQL)
                .bind(id.uuid())
                .bind(after)
                .bind(i64::from(limit));
            rows::all(query.fetch_all(db).await?)
        }

        pub(super) async fn was_made_with(
            db: impl Executor<'_, Database = $database>,
            id: SessionId,
            generation: u64,
            key: RetryKey,
        ) -> Result<bool> {
            const SQL: &str = "select exists(select 1 from event \
                               where stream = $1 and kind = 'session.refreshed' \
                               and cast(data->>'generation' as bigint) = $2 \
                               and data->>'retry_key' = $3)";
            let query = sqlx::query_scalar(SQL)
                .bind(id.uuid())
                .bind(i64::try_from(generation).unwrap_or(i64::MAX))
                .bind(key.text());
            Ok(query.fetch_one(db).await?)
        }

        pub(super) async fn events(
            db: impl Executor<'_, Database = $database>,
            after: Option<(Uuid, i64)>,
            limit: u32,
        ) -> Result<Vec<Event>> {
            const SQL: &str = "select stream, version, kind, format, at, data from event \
                               where (stream, version) > ($1, $2) \
                               order by stream, version limit $3";
            // Versions begin with 1.
            let (stream, version) = after.unwrap_or_default();
            let query = sqlx::query_as::<_, EventColumns>(SQL).bind(stream).bind(version);
            rows::all(query.bind(i64::from(limit)).fetch_all(db).await?)
        }

        pub(super) async fn events_by_time(
            db: impl Executor<'_, Database = $database>,
            after: TimedPlace,
            end: UnixMillis,
            limit: u32,
        ) -> Result<Vec<StoredEvent>> {
            // The first condition is there for the index on `at`.
            const SQL: &str = "select stream, version, kind, format, at, data from event \
                               where at >= $1 and at < $2 and (at, stream, version) > ($1, $3, $4) \
                               order by at, stream, version limit $5";
            let query = sqlx::query_as::<_, EventColumns>(SQL)
                .bind(rows::stored(after.at))
                .bind(rows::stored(end))
                .bind(after.stream)
                .bind(after.version)
                .bind(i64::from(limit));
            rows::all(query.fetch_all(db).await?)
        }

        pub(super) async fn any_event(
            db: impl Executor<'_, Database = $database>,
            from: UnixMillis,
            end: UnixMillis,
        ) -> Result<bool> {
            const SQL: &str = "select exists (select 1 from event where at >= $1 and at < $2)";
            let query = sqlx::query_scalar(SQL)
                .bind(rows::stored(from))
                .bind(rows::stored(end));
            Ok(query.fetch_one(db).await?)
        }
    };
}

pub(in crate::store) use log_statements;
