//! The credentials of clients of the feed.

/// Expanded by [`super::statements`]; the argument is its own.
macro_rules! client_statements {
    ($database:ty) => {
        pub(super) async fn client(
            db: impl Executor<'_, Database = $database>,
            name: &str,
        ) -> Result<Option<ClientRow>> {
            const SQL: &str = "select name, secret_hash, created_at from client where name = $1";
            let query = sqlx::query_as::<_, ClientColumns>(SQL).bind(name);
            query
                .fetch_optional(db)
                .await?
                .map(TryInto::try_into)
                .transpose()
        }

        pub(super) async fn clients(
            db: impl Executor<'_, Database = $database>,
        ) -> Result<Vec<ClientRow>> {
            const SQL: &str = "select name, secret_hash, created_at from client order by name";
            rows::all(
                sqlx::query_as::<_, ClientColumns>(SQL)
                    .fetch_all(db)
                    .await?,
            )
        }

        pub(super) async fn add_client(
            db: impl Executor<'_, Database = $database>,
            client: &ClientRow,
        ) -> Result<std::result::Result<(), Taken>> {
            const SQL: &str = "insert into client (name, secret_hash, created_at) \
                               values ($1, $2, $3) on conflict (name) do nothing";
            let query = sqlx::query(SQL)
                .bind(client.name.as_str())
                .bind(client.secret_hash.as_slice())
                .bind(rows::stored(client.created_at));
            let done = query.execute(db).await?;
            Ok(if done.rows_affected() == 1 {
                Ok(())
            } else {
                Err(Taken)
            })
        }

        pub(super) async fn set_client_secret(
            db: impl Executor<'_, Database = $database>,
            name: &str,
            secret_hash: [u8; 32],
        ) -> Result<bool> {
            const SQL: &str = "update client set secret_hash = $2 where name = $1";
            let query = sqlx::query(SQL).bind(name).bind(secret_hash.as_slice());
            Ok(query.execute(db).await?.rows_affected() == 1)
        }

        pub(super) async fn remove_client(
            db: impl Executor<'_, Database = $database>,
            name: &str,
        ) -> Result<bool> {
            let query = sqlx::query("delete from client where name = $1").bind(name);
            Ok(query.execute(db).await?.rows_affected() == 1)
        }
    };
}

pub(in crate::store) use client_statements;
