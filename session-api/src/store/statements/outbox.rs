//! The outbox, and the lease of whoever publishes.

/// Expanded by [`super::statements`]; the arguments are its own.
macro_rules! outbox_statements {
    ($database:ty, $now:expr) => {
        type Connection = <$database as sqlx::Database>::Connection;

        pub(super) async fn lease_events(
            db: impl Executor<'_, Database = $database>,
            replica: Uuid,
            span: Duration,
        ) -> Result<Option<Lease>> {
            const SQL: &str = concat!(
                "update event_publisher set holder = $1, held_until = ",
                $now,
                " + $2 where holder = $1 or holder is null or held_until <= ",
                $now,
                " returning incarnation, last_sequence, first_sequence, first_at, \
                 refill_since is not null as refilling"
            );
            let query = sqlx::query_as::<_, LeaseColumns>(SQL)
                .bind(replica)
                .bind(rows::stored_span(span));
            let columns = query.fetch_optional(db).await?;
            columns.map(TryInto::try_into).transpose()
        }

        pub(super) async fn release_events(
            db: impl Executor<'_, Database = $database>,
            replica: Uuid,
        ) -> Result<()> {
            const SQL: &str = "update event_publisher set held_until = 0 where holder = $1";
            sqlx::query(SQL).bind(replica).execute(db).await?;
            Ok(())
        }

        pub(super) async fn note_stream(
            db: impl Executor<'_, Database = $database>,
            replica: Uuid,
            known: KnownStream,
        ) -> Result<std::result::Result<(), LeaseLost>> {
            const SQL: &str = concat!(
                "update event_publisher set incarnation = $2, last_sequence = $3, \
                 first_sequence = $4, first_at = $5 where holder = $1 and held_until > ",
                $now
            );
            let known = KnownColumns::from(known);
            let query = sqlx::query(SQL)
                .bind(replica)
                .bind(known.incarnation)
                .bind(known.last_sequence)
                .bind(known.first_sequence)
                .bind(known.first_at);
            Ok(held(query.execute(db).await?.rows_affected()))
        }

        /// The first filling of the first stream has the number 0: its events are published as any.
        pub(super) async fn begin_refill(
            db: impl Executor<'_, Database = $database>,
            replica: Uuid,
            known: KnownStream,
            span: Duration,
        ) -> Result<std::result::Result<(), LeaseLost>> {
            const SQL: &str = concat!(
                "update event_publisher set \
                 refills = refills + case when incarnation is null then 0 else 1 end, \
                 incarnation = $2, last_sequence = $3, first_sequence = $4, first_at = $5, \
                 refill_since = ",
                $now,
                " - $6, refill_stream = $7, refill_version = 0 \
                 where holder = $1 and held_until > ",
                $now
            );
            let known = KnownColumns::from(known);
            let query = sqlx::query(SQL)
                .bind(replica)
                .bind(known.incarnation)
                .bind(known.last_sequence)
                .bind(known.first_sequence)
                .bind(known.first_at)
                .bind(rows::stored_span(span))
                .bind(Uuid::nil());
            Ok(held(query.execute(db).await?.rows_affected()))
        }

        /// In a transaction. The publisher's row is locked first, so that nobody takes the lease in
        /// between.
        pub(super) async fn refill_outbox(
            db: &mut Connection,
            replica: Uuid,
            publish_refreshed: bool,
            limit: u32,
        ) -> Result<std::result::Result<Refill, LeaseLost>> {
            const LOCK: &str = concat!(
                "update event_publisher set holder = holder where holder = $1 and held_until > ",
                $now,
                " returning refills, refill_since, refill_stream, refill_version"
            );
            // The limit is part of the text: a plan for any limit is one for a tenth of the table.
            let next = format!(
                "(select stream, version, kind, at from event where (stream, version) > ($1, $2) \
                 order by stream, version limit {limit}) e"
            );
            let end = format!(
                "select stream, version from {next} order by stream desc, version desc limit 1"
            );
            let fill = format!(
                "insert into event_outbox (stream, version, at, refill) \
                 select stream, version, at, $6 from {next} \
                 where (stream, version) <= ($3, $4) and at >= $5 \
                 and ($7 or kind <> 'session.refreshed') \
                 on conflict (stream, version) do update set refill = excluded.refill"
            );
            const MOVE: &str = "update event_publisher \
                                set refill_since = $1, refill_stream = $2, refill_version = $3";
            let locked = sqlx::query_as::<_, RefillColumns>(LOCK).bind(replica);
            let Some(refill) = locked.fetch_optional(&mut *db).await? else {
                return Ok(Err(LeaseLost));
            };
            let RefillColumns {
                refills,
                refill_since: Some(since),
                refill_stream: Some(stream),
                refill_version: Some(version),
            } = refill
            else {
                return Ok(Ok(Refill::Done));
            };
            let end = sqlx::query_as::<_, (Uuid, i64)>(sqlx::AssertSqlSafe(end))
                .bind(stream)
                .bind(version);
            let end = end.fetch_optional(&mut *db).await?;
            if let Some((last_stream, last_version)) = end {
                let fill = sqlx::query(sqlx::AssertSqlSafe(fill))
                    .bind(stream)
                    .bind(version)
                    .bind(last_stream)
                    .bind(last_version)
                    .bind(since)
                    .bind(refills)
                    .bind(publish_refreshed);
                fill.execute(&mut *db).await?;
            }
            let moved = sqlx::query(MOVE)
                .bind(end.map(|_| since))
                .bind(end.map(|(stream, _)| stream))
                .bind(end.map(|(_, version)| version));
            moved.execute(&mut *db).await?;
            Ok(Ok(end.map_or(Refill::Done, |_| Refill::GoesOn)))
        }

        pub(super) async fn waiting_events(
            db: impl Executor<'_, Database = $database>,
            after: Option<(Uuid, i64)>,
            limit: u32,
        ) -> Result<Vec<WaitingEvent>> {
            // As above, so that each event and each session is looked up by its key.
            let sql = format!(
                "select o.refill, e.stream, e.version, e.kind, e.format, e.at, e.data, s.user_id \
                 from (select stream, version, refill from event_outbox \
                       where (stream, version) > ($1, $2) \
                       order by stream, version limit {limit}) o \
                 join event e on e.stream = o.stream and e.version = o.version \
                 left join session s on s.id = o.stream order by o.stream, o.version"
            );
            let (stream, version) = after.unwrap_or_default();
            let query = sqlx::query_as::<_, WaitingColumns>(sqlx::AssertSqlSafe(sql))
                .bind(stream)
                .bind(version);
            let columns = query.fetch_all(db).await?;
            Ok(columns.into_iter().map(Into::into).collect())
        }

        pub(super) async fn outbox_size(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<OutboxSize> {
            const SQL: &str = concat!(
                "select count(*) as events, min(at) as oldest, ",
                $now,
                " as now from (select at from event_outbox order by at limit $1) o"
            );
            let query = sqlx::query_as::<_, SizeColumns>(SQL).bind(i64::from(MOST_COUNTED));
            Ok(query.fetch_one(db).await?.into())
        }

        /// Some of those; how many.
        pub(super) async fn prune_outbox(
            db: impl Executor<'_, Database = $database>,
            age: Duration,
            limit: u32,
        ) -> Result<u64> {
            const SQL: &str = concat!(
                "delete from event_outbox where (stream, version) in \
                 (select stream, version from event_outbox where at < ",
                $now,
                " - $1 order by at limit $2)"
            );
            let query = sqlx::query(SQL)
                .bind(rows::stored_span(age))
                .bind(i64::from(limit));
            Ok(query.execute(db).await?.rows_affected())
        }

        fn held(rows: u64) -> std::result::Result<(), LeaseLost> {
            if rows == 1 { Ok(()) } else { Err(LeaseLost) }
        }
    };
}

pub(in crate::store) use outbox_statements;
