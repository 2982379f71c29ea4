//! That the harness does what the other tests rely on.

mod nats;
mod orphans;
mod postgres;
mod process;
