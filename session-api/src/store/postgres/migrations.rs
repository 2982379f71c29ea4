//! The schema, and which part of it is there.

use crate::store::{Result, schema};
use sqlx::PgConnection;
use sqlx::migrate::Migrator;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/postgres");

/// The migrations that were applied; none in an empty database.
pub(super) async fn applied(connection: &mut PgConnection) -> Result<Vec<schema::Applied>> {
    const LISTED: &str = "select to_regclass('_sqlx_migrations') is not null";
    let listed: bool = sqlx::query_scalar(LISTED)
        .fetch_one(&mut *connection)
        .await?;
    if !listed {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(schema::APPLIED)
        .fetch_all(connection)
        .await?)
}
