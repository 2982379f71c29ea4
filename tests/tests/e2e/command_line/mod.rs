//! What operators and newcomers type.

mod dev;
mod settings;
