//! The files of `deploy/`, each held against what reads it.
//!
//! NATS's is in `permissions`.

mod units;
