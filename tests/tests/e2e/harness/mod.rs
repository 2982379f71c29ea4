//! That the harness does what the other tests rely on.

mod browser;
mod nats;
mod orphans;
mod postgres;
mod process;
