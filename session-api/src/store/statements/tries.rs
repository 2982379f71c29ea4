//! Tries at passwords, and hashes that are made again after one.

/// Expanded by [`super::statements`]; the arguments are its own.
macro_rules! tries_statements {
    ($database:ty, $now:expr) => {
        pub(super) async fn lock_tries(
            db: impl Executor<'_, Database = $database>,
            source: TrySource,
        ) -> Result<(Tries, UnixMillis)> {
            const SQL: &str = concat!(
                "insert into login_tries (account, source, failed, closed_until, tried_at) \
                 values ($1, $2, 0, 0, ",
                $now,
                ") on conflict (account, source) do update \
                 set tried_at = excluded.tried_at returning failed, closed_until, ",
                $now,
                " as now"
            );
            let query = sqlx::query_as::<_, TriesColumns>(SQL)
                .bind(source.account.uuid())
                .bind(source.source);
            query.fetch_one(db).await?.try_into()
        }

        pub(super) async fn save_tries(
            db: impl Executor<'_, Database = $database>,
            source: TrySource,
            tries: Tries,
        ) -> Result<()> {
            const SQL: &str = "update login_tries set failed = $3, closed_until = $4 \
                               where account = $1 and source = $2";
            let query = sqlx::query(SQL)
                .bind(source.account.uuid())
                .bind(source.source)
                .bind(i32::try_from(tries.failed).unwrap_or(i32::MAX))
                .bind(rows::stored(tries.closed_until));
            found(query.execute(db).await?.rows_affected())
        }

        /// No device's proof and no session lives longer.
        pub(super) async fn prune_tries(db: impl Executor<'_, Database = $database>) -> Result<()> {
            const SQL: &str = concat!(
                "delete from login_tries where tried_at < ",
                $now,
                " - 34560000000"
            );
            sqlx::query(SQL).execute(db).await?;
            Ok(())
        }

        pub(super) async fn replace_password_hash(
            db: impl Executor<'_, Database = $database>,
            id: UserId,
            old: &str,
            new: &str,
        ) -> Result<()> {
            const SQL: &str =
                "update users set password_hash = $3 where id = $1 and password_hash = $2";
            let query = sqlx::query(SQL).bind(id.uuid()).bind(old).bind(new);
            query.execute(db).await?;
            Ok(())
        }
    };
}

pub(in crate::store) use tries_statements;
