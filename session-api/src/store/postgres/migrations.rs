//! The schema, and which part of it is there.

crate::store::schema::migrations!(
    sqlx::Postgres,
    "../migrations/postgres",
    "select count(to_regclass('_sqlx_migrations'))"
);
