//! What operators and newcomers type.

mod accounts;
mod check;
mod database_role;
mod dev;
mod restored;
mod settings;
mod tail;
