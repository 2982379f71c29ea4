//! The session service: see `cli` for what it is told, `service` for what it does.

mod audit;
mod cli;
mod clock;
mod events;
mod http;
mod keys;
mod password;
mod relay;
mod replay;
mod service;
mod session;
mod store;
mod token;

fn main() -> std::process::ExitCode {
    cli::run()
}
