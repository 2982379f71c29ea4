//! What operators and newcomers type.

mod check;
mod dev;
mod settings;
