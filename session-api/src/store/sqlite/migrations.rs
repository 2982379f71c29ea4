//! The schema, and which part of it is there.

use crate::store::{Result, schema};
use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

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
