//! The schema, and which part of it is there.

use crate::store::{Result, TellMigration, schema};
use sqlx::migrate::Migrator;
use sqlx::{SqliteConnection, SqlitePool};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/sqlite");

/// The migrations that were applied; none in an empty database.
pub(super) async fn applied(connection: &mut SqliteConnection) -> Result<Vec<schema::Applied>> {
    const LISTED: &str = "select count(*) from sqlite_schema where name = '_sqlx_migrations'";
    let listed: i64 = sqlx::query_scalar(LISTED)
        .fetch_one(&mut *connection)
        .await?;
    if listed == 0 {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(schema::APPLIED)
        .fetch_all(connection)
        .await?)
}

/// Applies what is missing; the versions. One after the other, so that each can be told of.
pub(super) async fn apply(pool: &SqlitePool, tell: &TellMigration) -> Result<Vec<i64>> {
    let before = applied(&mut *pool.acquire().await?).await?;
    let failed = |error| schema::failed(error, &MIGRATIONS);
    for (migration, step) in schema::missing(&before, &MIGRATIONS) {
        tell(step);
        let done = MIGRATIONS.run_to(migration.version, pool).await;
        done.map_err(failed)?;
    }
    // Also where nothing is missing: it compares those that are there.
    MIGRATIONS.run(pool).await.map_err(failed)?;
    let after = applied(&mut *pool.acquire().await?).await?;
    Ok(schema::added(&before, &after))
}
