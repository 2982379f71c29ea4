//! Whether the schema is the one that this program was written for.

use super::{Error, MigrationStep, SchemaError};
use sqlx::migrate::{MigrateError, Migration, Migrator};

/// A migration as the database remembers it.
#[derive(sqlx::FromRow)]
pub(super) struct Applied {
    pub(super) version: i64,
    pub(super) checksum: Vec<u8>,
}

pub(super) const APPLIED: &str =
    "select version, checksum from _sqlx_migrations where success order by version";

/// Compares what was applied with what this program knows.
pub(super) fn check(applied: &[Applied], known: &Migrator) -> std::result::Result<(), SchemaError> {
    let found = applied.last().ok_or(SchemaError::Missing)?.version;
    let wanted = newest(known);
    for migration in applied {
        let known = known
            .iter()
            .find(|known| known.version == migration.version);
        match known {
            Some(known) if *known.checksum != *migration.checksum => {
                let version = migration.version;
                return Err(SchemaError::Altered { version });
            }
            Some(_) => {}
            None => return Err(SchemaError::TooNew { found, wanted }),
        }
    }
    if applied.len() < known.iter().count() {
        return Err(SchemaError::TooOld { found, wanted });
    }
    Ok(())
}

/// What is missing: each with what is to be told of it.
pub(super) fn missing<'a>(
    applied: &[Applied],
    known: &'a Migrator,
) -> Vec<(&'a Migration, MigrationStep)> {
    let is_missing = |known: &&Migration| {
        let version = known.version;
        applied.iter().all(|applied| applied.version != version)
    };
    let missing: Vec<_> = known.iter().filter(is_missing).collect();
    let of = missing.len() as u64;
    let step = |(done, migration): (u64, &'a Migration)| {
        let name = migration.description.to_string();
        (migration, MigrationStep { done, of, name })
    };
    (0..).zip(missing).map(step).collect()
}

/// The versions in `after` that are not in `before`.
pub(super) fn added(before: &[Applied], after: &[Applied]) -> Vec<i64> {
    after
        .iter()
        .map(|applied| applied.version)
        .filter(|version| before.iter().all(|before| before.version != *version))
        .collect()
}

/// A migration that did not go through.
pub(super) fn failed(error: MigrateError, known: &Migrator) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(found) => {
            let wanted = newest(known);
            SchemaError::TooNew { found, wanted }.into()
        }
        MigrateError::VersionMismatch(version) => SchemaError::Altered { version }.into(),
        other => Error::Corrupt(other.to_string()),
    }
}

fn newest(known: &Migrator) -> i64 {
    known
        .iter()
        .map(|known| known.version)
        .max()
        .unwrap_or_default()
}

/// Expanded by each store for its database: the folder of its migrations, and a question that counts
/// the table in which it remembers them.
macro_rules! migrations {
    ($database:ty, $folder:tt, $listed:tt) => {
        use crate::store::{Result, TellMigration, schema};
        use sqlx::migrate::Migrator;
        use sqlx::{Database, Pool};

        pub(super) static MIGRATIONS: Migrator = sqlx::migrate!($folder);

        /// The migrations that were applied; none in an empty database.
        pub(super) async fn applied(
            connection: &mut <$database as Database>::Connection,
        ) -> Result<Vec<schema::Applied>> {
            let listed: i64 = sqlx::query_scalar($listed)
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
        pub(super) async fn apply(
            pool: &Pool<$database>,
            tell: &TellMigration,
        ) -> Result<Vec<i64>> {
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
    };
}

pub(super) use migrations;

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::SqlSafeStr as _;
    use sqlx::migrate::MigrationType;

    fn known() -> Migrator {
        let sql = ["create table a (b int)", "create table c (d int)"];
        let migrations = sql.into_iter().zip(1..).map(|(sql, version)| {
            let sql = sql.into_sql_str();
            Migration::new(version, "a table".into(), MigrationType::Simple, sql, false)
        });
        Migrator::with_migrations(migrations.collect())
    }

    fn applied(versions: &[i64]) -> Vec<Applied> {
        let checksum = |version| {
            let known = known();
            known
                .iter()
                .find(|known| known.version == version)
                .map(|known| known.checksum.to_vec())
        };
        let applied = |version: &i64| Applied {
            version: *version,
            checksum: checksum(*version).unwrap_or_default(),
        };
        versions.iter().map(applied).collect()
    }

    #[test]
    fn each_step_is_told_with_how_many_there_are() {
        let steps = |versions: &[i64]| {
            let known = known();
            let steps = missing(&applied(versions), &known).into_iter();
            let step = |(m, step): (&Migration, MigrationStep)| (m.version, step.done, step.of);
            steps.map(step).collect::<Vec<_>>()
        };
        assert_eq!(steps(&[]), [(1, 0, 2), (2, 1, 2)]);
        assert_eq!(steps(&[1]), [(2, 0, 1)]);
        assert!(steps(&[1, 2]).is_empty());
    }

    #[test]
    fn each_difference_has_a_name() {
        let check = |versions: &[i64]| check(&applied(versions), &known());
        assert_eq!(check(&[1, 2]), Ok(()));
        assert_eq!(check(&[]), Err(SchemaError::Missing));
        assert_eq!(
            check(&[1]),
            Err(SchemaError::TooOld {
                found: 1,
                wanted: 2
            })
        );
        assert_eq!(
            check(&[2]),
            Err(SchemaError::TooOld {
                found: 2,
                wanted: 2
            })
        );
        assert_eq!(
            check(&[1, 2, 3]),
            Err(SchemaError::TooNew {
                found: 3,
                wanted: 2
            })
        );
        let mut altered = applied(&[1, 2]);
        altered[0].checksum.push(0);
        assert_eq!(
            super::check(&altered, &known()),
            Err(SchemaError::Altered { version: 1 })
        );
    }
}
