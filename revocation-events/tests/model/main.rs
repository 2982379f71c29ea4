//! The protocol of pages, checked exhaustively within bounds.
//!
//! The promise is: *after a revocation is acknowledged, no verifier that calls itself fresh accepts
//! the token `max_staleness` later, whatever failed.* Here a search goes through every state that a
//! small service, a hostile bus, wrong clocks and thieves can bring about, and holds the promise
//! against each. It is breadth first, by the crate `stateright`.
//!
//! # The world
//! A run has two halves, because nothing that a verifier does changes what the service says:
//!
//! ```text
//!   Service                                     History            Life
//!   a database and two replicas:     all pages ever sent,          a verifier and its machine
//!   commits, cuts, freezes, kills, ──► all revocations, ─────────► live through the same seconds:
//!   answers, prunes, failovers,         heads by second            any page that there can be by
//!   clocks                                                         then comes, or does not
//! ```
//!
//! | file | what | follows |
//! | --- | --- | --- |
//! | [`log`] | the database: positions, floors, prunes, failovers | `session-api/src/store` |
//! | [`replica`] | the tail, cuts, HTTP answers, the filling of the stream | `session-api/src/relay` |
//! | [`service`] | what may happen to those, in any order | |
//! | [`sent`], [`history`] | pages, and all that the world learns of the service | |
//! | [`verifier`] | **the real [`revocation_events::View`]**, and cut-offs beside it | `verifier-sdk/src/feed` |
//! | [`life`] | what may happen to that | |
//! | [`promise`], [`scene`] | what must hold in every state, and what must come about in some | |
//! | [`world`], [`bounds`], [`worlds`] | the state space, how much may happen in it, and the bounds that are checked | |
//! | [`story`] | tells a counterexample, a step a line | |
//!
//! The service's side is a model: it follows the code function by function and names each, so whoever
//! changes one of those looks here too. The verifier's side is the code itself: the view, and what a proof is worth at a time
//! (`Proof::freshness`, which the SDK asks for every token). So is the splitting of pages (`Page::cut`).
//! How the SDK shows a proof to the threads that verify is not in here (`verifier-sdk/src/published.rs`).
//!
//! What can happen: replicas freeze between any two steps of a cut and between a commit and its page,
//! are killed, stand in for each other, split what is too long with `more`, answer HTTP requests from
//! an old cut; acknowledgments of the bus are lost, the stored stream is filled and goes missing; the
//! database prunes, fails over and loses its last commits, its clock is set. Pages are delayed,
//! reordered, repeated and lost. The verifier is killed and starts again, its clock is set, its
//! machine sleeps, key sets come late; keys are revoked, and stolen ones sign lies.
//!
//! # What must hold
//! In every state: the promise; its half that knows no time (whoever is fresh knows all that was
//! committed before the clock of its proof was read); no proof from the future makes fresh; no living
//! token is refused, or refusing everything would do; a key once heard to be revoked stays refused.
//! To one whom a thief deceived nothing is promised, until it hears that a key was revoked.
//!
//! In some state of each world, lest it prove nothing: a fresh verifier accepts, a fresh one refuses
//! what was revoked, one refuses by its floor alone, one has missed something and is stale, a gap
//! is healed, a failover outlived, a thief believed.
//!
//! Five rules that carry the promise, and two that the relay broke until this model was made, are each
//! broken on purpose ([`bounds::Broken`]): the search must then find a run that breaks the promise, and
//! prints the shortest. Where a change of `View` breaks it, it prints the same, which reads:
//!
//! ```text
//! AtAfterLog breaks the promise in 12 steps:
//!     replica 0 reads the head for its first cut
//!     replica 0 begins a cut: it reads the clock
//!     replica 0 reads the log
//!     replica 0 revokes session 0 and publishes it
//!     replica 0 revokes session 1 and publishes it
//!     a second passes
//!     replica 0 signs what it read, and sends it
//!     a second passes
//!     -- the same seconds again, as a verifier lives them --
//!     a second passes
//!     a second passes
//!     it takes the page (0,0] stamped 1
//!   so in second 2 it is fresh and accepts session 0, revoked in second 0 by #0
//! ```
//!
//! # What is left out, and why nothing is lost by it
//! - **Transports.** A page is as true by NATS, from the stored stream and over HTTP. So all pages lie
//!   in one heap from which the verifier draws what it likes: that is loss, delay, repetition,
//!   reordering and forgetting, at their worst.
//! - **When a page was sent.** It may come as soon as its clock was read and what it tells of was
//!   committed. That is more than can happen, so nothing that can happen is missing.
//! - **Runs that end early.** A verifier lives through a run only when all that was allowed has been
//!   revoked, cut and answered. It may pass over any page, so shorter runs are in the longer ones.
//! - **Other verifiers.** They share nothing. What they ask for over HTTP is among the answers.
//! - **Timers and wake-ups.** They decide when something happens; here it happens at any time, or
//!   never.
//! - **Token lifetimes.** Tokens never expire here, so what the floor is for must hold without clocks.
//! - **The monotonic clock, where clocks are right:** a proof is then never older by it.
//!
//! # What is small
//! Time goes by seconds, because a page may be one second ahead: two of them, or three.
//! `max_staleness` is one second, and a floor two seconds old. There are two sessions of one user, and
//! three keys; cuts, pages and answers hold two revocations. Positions count up by one, and a failover
//! raises them by ten. Clocks are set to at most two seconds from true time. Each world gives room to
//! one kind of trouble, beside two revocations and two cuts, by any of two replicas:
//!
//! | world | what may happen in it, at any time | states |
//! | --- | --- | --- |
//! | stream | a freeze; the stored stream is filled, and lost | 142,000 |
//! | HTTP | a freeze; an answer; a replica takes another's heartbeat for its own | 155,000 |
//! | restarts | a freeze; a replica is killed | 70,000 |
//! | splits | cuts, pages and answers hold one revocation; a freeze; an answer | 154,000 |
//! | overflow | a tail holds one revocation; two freezes; the stored stream is filled | 325,000 |
//! | failover | a standby takes over that lacks one commit, or none; an answer | 347,000 |
//! | clocks | one revocation in three seconds; each side's clock is set; the verifier's machine sleeps | 198,000 |
//! | floors | three seconds; a prune; an answer | 87,000 |
//! | keys | a key and a session are revoked; key sets come late | 106,000 |
//! | keys over HTTP | a key is revoked; key sets come late; an answer | 36,000 |
//! | theft | four lies with a stolen key; then it is revoked, or another; one cut | 131,000 |
//! | hidden | two lies that hide a session's revocation and the key's; one cut | 13,000 |
//! | every kind | sessions, the user and everyone are revoked, in any order | 42,000 |
//!
//! In each of them any page may come at any time or never, and the verifier may start again. States are
//! told apart by hashes of 64 bits: that two of a few hundred thousand agree, and one is passed over,
//! has a chance below one in ten million. [`worlds::deeper`] gives more room, and mixes the troubles.
//!
//! # What is not here
//! Signatures and JSON; threads in the verifier (`published.rs` in the SDK); two primaries at once,
//! which whoever fails a database over must prevent; a log that goes back without a failover, of which
//! the service makes no page (that no failover looks like one to it is asserted here); the rule that a raised head also counts from what
//! was seen on the bus, which matters when clocks fail together with two databases; replicas that
//! cannot read their keys; key sets that overtake each other; more than a few of anything.
//! `tests/promise` looks at the same promise at random, with far more of everything, and
//! `tests/torture` at real processes.
//!
//! # How long it takes
//! 1.8 million states, in 40 s of one core in a debug build; `--nocapture` prints their numbers. With
//! `MODEL_DEEPER` set, each world that has more bounds in [`worlds::deeper`] is checked with those too:
//! when last counted 57 million states, at most 35 deep, in four minutes of one core and 2.2 GB, in a release build:
//!
//! ```text
//! MODEL_DEEPER=1 cargo test --release -p revocation-events --test model -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bounds;
mod history;
mod life;
mod log;
mod promise;
mod replica;
mod scene;
mod sent;
mod service;
mod set;
mod story;
mod verifier;
mod world;
mod worlds;

use bounds::{Bounds, Broken};
use stateright::{Checker, HasDiscoveries, Model, Path};
use std::time::Instant;
use world::{Action, World};

/// Checks every state within the bounds, and within the deeper ones of that name where they are
/// wanted.
fn check(name: &str, bounds: Bounds) {
    search(name, bounds);
    if std::env::var_os("MODEL_DEEPER").is_some() {
        let deeper = worlds::deeper().into_iter();
        for (_, more, bounds) in deeper.filter(|(world, ..)| *world == name) {
            search(&format!("{name}, {more}"), bounds);
        }
    }
}

fn search(name: &str, bounds: Bounds) {
    let begun = Instant::now();
    let checker = bounds.checker().spawn_bfs().join();
    println!(
        "{name}: {} states, {} transitions, {} deep, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f32()
    );
    let bounds = checker.model();
    holds(&checker);
    let missing = bounds.sights.names_missing(bounds);
    assert!(missing.is_empty(), "never came about: {missing:?}");
}

fn holds(checker: &impl Checker<Bounds>) {
    for property in [promise::PROMISE, promise::RULES] {
        if checker.discovery(property).is_some() {
            let bounds = checker.model();
            let path = shortest(property, bounds).expect("it was found before");
            story::tell(path, bounds);
            panic!("broken: {property}");
        }
    }
}

/// Checks that the promise holds within the bounds, and that with the broken rule it does not.
fn check_need(rule: Broken, bounds: Bounds) {
    holds(&bounds.clone().checker().spawn_bfs().join());

    let broken = bounds.with(|it| it.broken = Some(rule));
    let path = shortest(promise::PROMISE, &broken);
    let path = path.expect("the promise is kept without that rule");
    println!("{rule:?} breaks the promise in {} steps:", steps(&path));
    story::tell(path, &broken);
}

/// The shortest way to break it. The checker goes breadth first, but tells of whatever it
/// came upon last before it stopped; so it is asked for a shorter one until there is none.
fn shortest(property: &'static str, bounds: &Bounds) -> Option<Path<World, Action>> {
    let mut shortest: Option<Path<_, _>> = None;
    loop {
        let checker = bounds.clone().checker();
        let checker = match &shortest {
            // It passes over states of that depth, and counts the first as 1.
            Some(path) => checker.target_max_depth(steps(path) + 1),
            None => checker,
        };
        let found = HasDiscoveries::AnyOf([property].into());
        let checker = checker.finish_when(found).spawn_bfs().join();
        match checker.discovery(property) {
            Some(path) => shortest = Some(path),
            None => return shortest,
        }
    }
}

fn steps(path: &Path<World, Action>) -> usize {
    path.clone().into_actions().len()
}

#[test]
fn the_promise_holds_where_the_stored_stream_is_lost() {
    check("stream", worlds::stream());
}

#[test]
fn the_promise_holds_where_replicas_freeze() {
    check("HTTP", worlds::http());
}

#[test]
fn the_promise_holds_where_replicas_are_killed() {
    check("restarts", worlds::restarts());
}

#[test]
fn the_promise_holds_where_everything_is_split() {
    check("splits", worlds::splits());
}

#[test]
fn the_promise_holds_where_more_comes_than_a_replica_holds() {
    check("overflow", worlds::overflow());
}

#[test]
fn the_promise_holds_across_a_failover_that_loses_commits() {
    check("failover", worlds::failover());
}

#[test]
fn the_promise_holds_whatever_the_clocks_do() {
    check("clocks", worlds::clocks());
}

#[test]
fn the_promise_holds_where_revocations_are_pruned() {
    check("floors", worlds::floors());
}

#[test]
fn the_promise_holds_where_a_key_is_revoked() {
    check("keys", worlds::keys());
}

#[test]
fn the_promise_holds_where_a_key_is_revoked_and_heard_of_over_http() {
    check("keys over HTTP", worlds::keys_over_http());
}

#[test]
fn the_promise_holds_where_a_key_is_stolen() {
    check("theft", worlds::theft());
}

#[test]
fn the_promise_holds_where_a_thief_hides_revocations() {
    check("hidden", worlds::hidden());
}

#[test]
fn the_promise_holds_for_every_kind_of_revocation() {
    check("every kind", worlds::every_kind());
}

#[test]
fn at_must_be_read_before_the_log() {
    let bounds = Bounds::quiet().with(|it| {
        it.budget.cuts = 1;
        it.budget.freezes = 1;
    });
    check_need(Broken::AtAfterLog, bounds);
}

#[test]
fn nobody_may_advance_over_a_gap() {
    let bounds = Bounds::quiet().with(|it| it.budget.cuts = 2);
    check_need(Broken::AdvanceOverGap, bounds);
}

#[test]
fn a_page_must_say_that_there_is_more() {
    let bounds = Bounds::quiet().with(|it| {
        it.sizes.page = 1;
        it.budget.cuts = 2;
    });
    check_need(Broken::NoMore, bounds);
}

#[test]
fn tokens_below_the_floor_must_be_refused() {
    let bounds = Bounds::quiet().with(|it| {
        it.revocations.truncate(1);
        it.budget.cuts = 2;
    });
    check_need(Broken::NoFloorRule, bounds);
}

#[test]
fn the_head_must_be_raised_after_a_failover() {
    let bounds = Bounds::quiet().with(|it| {
        it.lost_commits = 1;
        it.budget.cuts = 2;
        it.budget.failovers = 1;
    });
    check_need(Broken::NoRaise, bounds);
}

#[test]
fn a_first_cut_that_goes_on_must_be_no_statement() {
    let bounds = worlds::splits().with(|it| it.budget.cuts = 1);
    check_need(Broken::FirstCutSpeaks, bounds);
}

#[test]
fn an_answer_must_not_claim_what_was_pruned() {
    let bounds = worlds::floors().with(|it| it.end = 2);
    check_need(Broken::PrunedIsClaimed, bounds);
}
