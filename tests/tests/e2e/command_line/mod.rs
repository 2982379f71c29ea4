//! What operators and newcomers type.

mod accounts;
mod check;
mod dev;
mod settings;
