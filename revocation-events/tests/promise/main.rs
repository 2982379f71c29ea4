//! The promise of a verifier's view, searched: whatever the bus, the clocks and the replicas do,
//! a view that calls itself fresh refuses every token that was killed `max_staleness` ago or more
//! (and longer by what the clock that stamped the proof runs ahead of the verifier's).
//!
//! A model of the service writes a log and cuts pages; the bus loses, delays, repeats and reorders
//! them; a verifier takes them. After each event the view is held against the log.
//!
//! What the model leaves out: signatures (a page comes as its signer made it), and stamping clocks
//! that are wrong by more than an hour.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod acts;
mod check;
mod log;
mod script;
mod service;
mod verifier;
mod world;

use proptest::prelude::*;
use proptest::test_runner::Config;

fn cases(standard: u32) -> Config {
    Config {
        // PROPTEST_CASES asks for more.
        cases: std::env::var("PROPTEST_CASES").map_or(standard, |cases| cases.parse().unwrap()),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(12_000))]

    #[test]
    fn a_fresh_view_refuses_what_was_killed_and_a_calm_world_makes_it_fresh(
        script in script::scripts()
    ) {
        script.run();
    }
}
