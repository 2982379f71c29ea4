//! The session service.

mod clock;
mod http;
mod keys;
mod password;
mod relay;
mod service;
mod session;
mod store;
mod token;

fn main() {}
