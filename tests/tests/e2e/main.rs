//! The end-to-end tests: one binary, so that it links once and starts one Postgres.
//!
//! | module | what it shows |
//! | --- | --- |
//! | `harness` | that the harness does what the other tests rely on |

mod harness;
