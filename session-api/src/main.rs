//! The session service.

mod session;
mod store;

fn main() {}
