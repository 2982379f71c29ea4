//! The promise while something fails: no verifier that calls itself fresh accepts a token
//! `max_staleness` after its revocation was acknowledged, nobody is logged out by a fault, and
//! nothing that was acknowledged is lost.
//!
//! | file | what fails |
//! | --- | --- |
//! | `catch_up` | lines to the bus and to the service, and the bus with what it stored |
//! | `crashes` | the service, and its database, at random points under load |
//! | `failover` | the primary dies, and a standby that lacks the last commits takes over |
//! | `lost_pages` | single pages, while the connection stays up |
//! | `replicas` | a replica of the service, or what it tells the others |
//! | `staleness` | the feed, or the verifier's process stands still |
//! | `clocks` | somebody's wall clock is wrong |

mod catch_up;
mod clocks;
mod crashes;
mod failover;
mod lost_pages;
mod replicas;
mod staleness;

use crate::revocation::{SOON, World};
use std::time::{Duration, Instant};
use tests::User;
use tests::eventually::until;
use tests::gate::{self, Gate};
use tests::link::Link;
use tests::session_api::{Credential, SessionApi};

/// Many heartbeats, so that a machine that stands still for a moment makes nobody stale; and no test
/// takes long.
const MAX_STALENESS: Duration = Duration::from_secs(5);

const HEARTBEATS: &str = "sessions.v1.heartbeats";

/// A gate that is stale after [`MAX_STALENESS`].
fn gate_of(world: &World) -> gate::Settings {
    gate_beside(&world.service, &world.credential)
}

/// The same without a whole world.
fn gate_beside(service: &SessionApi, credential: &Credential) -> gate::Settings {
    let staleness = format!("{}ms", MAX_STALENESS.as_millis());
    Gate::beside(service, credential).flag("--max-staleness", &staleness)
}

/// The same behind a line of its own to the service.
async fn gate_behind_a_line(world: &World) -> (gate::Settings, Link) {
    let line = Link::before(world.service.url()).await;
    (gate_of(world).service_url(line.url()), line)
}

/// Alice, whose session will end, and the admin, whose will not; with their access tokens.
async fn two(world: &World, gate: &Gate) -> (User, String, String) {
    let (mut alice, mut admin) = (world.alice(), world.admin());
    alice.logs_in().await;
    admin.logs_in().await;
    let (dead, good) = (alice.access_token(), admin.access_token());
    for token in [&dead, &good] {
        verdict_becomes(gate, token, 200, &[503]).await;
    }
    (alice, dead, good)
}

/// Asks until the verdict is `wanted`. Meanwhile it may be one of `meanwhile` and nothing else.
pub(crate) async fn verdict_becomes(gate: &Gate, token: &str, wanted: u16, meanwhile: &[u16]) {
    let what = format!("the verdict {wanted}");
    until(&what, 6 * SOON, async || {
        let verdict = gate.verdict(token).await;
        assert!(
            verdict == wanted || meanwhile.contains(&verdict),
            "{verdict} while {wanted} was awaited"
        );
        (verdict == wanted).then_some(())
    })
    .await;
}

/// Asks until `token`, whose revocation was acknowledged at `revoked`, is not accepted any more.
async fn acceptance_ends_in_time(gate: &Gate, token: &str, revoked: Instant) {
    until("an end of acceptance", SOON + MAX_STALENESS, async || {
        let asked = revoked.elapsed();
        let accepted = gate.verdict(token).await == 200;
        let late = accepted && asked > MAX_STALENESS;
        assert!(!late, "accepted {asked:?} after its revocation");
        (!accepted).then_some(())
    })
    .await;
}

/// It says nothing about any token but that it cannot tell, and when to come back.
async fn says_that_it_is_stale(gate: &Gate, token: &str) {
    for token in [token, "not a token"] {
        let answer = gate.judges(token).await.must_be(503);
        assert_eq!(answer.problem(), Some("verifier-stale"));
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
}

/// Not ready, for a reason that holds `words`.
async fn is_not_ready(gate: &Gate, freshness: &str, words: &str) {
    let what = format!("a reason with {words:?}");
    until(&what, SOON, async || {
        let answer = gate.readiness().await.must_be(503);
        assert_eq!(answer.body["freshness"], freshness, "{}", answer.body);
        let reason = answer.body["reason"].as_str().unwrap();
        reason.contains(words).then_some(())
    })
    .await;
}
