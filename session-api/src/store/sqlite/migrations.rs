//! The schema, and which part of it is there.

crate::store::schema::migrations!(
    sqlx::Sqlite,
    "../migrations/sqlite",
    "select count(*) from sqlite_schema where name = '_sqlx_migrations'"
);
