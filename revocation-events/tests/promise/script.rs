//! What happens in one run.

use crate::acts::{Act, Forgery, Whom, act, race};
use crate::log;
use crate::service::{Bus, Cut, Fate, Origin, REPLICAS};
use crate::world::World;
use proptest::collection::vec;
use proptest::prelude::*;
use revocation_events::{Page, Position, Revocation, Target, UnixMillis};
use std::time::Duration;

/// Heartbeats come every so often, in milliseconds.
const BEAT: u64 = 500;
/// The verifier looks for what it needs every so often.
const TICK: u64 = 250;
/// How long a calm world may take until the view is fresh and wants nothing. Answers are short and
/// begin again after each key that was revoked.
const RECOVERY: u64 = 60_000;

#[derive(Clone)]
pub(crate) struct Script {
    max_staleness: u16,
    /// Of a hundred pages and requests, how many are lost in ordinary times.
    loss: u8,
    /// Whether some keys are stolen.
    theft: bool,
    noise: u64,
    acts: Vec<Act>,
}

/// An act a line, so that a shrunk failure reads as a story.
impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            max_staleness,
            loss,
            theft,
            noise,
            acts,
        } = self;
        writeln!(
            f,
            "max_staleness {max_staleness}, loss {loss}, theft {theft}, noise {noise}"
        )?;
        acts.iter().try_for_each(|act| writeln!(f, "  {act:?}"))
    }
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let max_staleness = prop_oneof![Just(1_000_u16), Just(3_000), Just(10_000)];
    let loss = prop_oneof![Just(0_u8), Just(20), Just(60)];
    let acts = prop_oneof![15 => act().prop_map(|act| vec![act]), 1 => race()];
    (
        max_staleness,
        loss,
        prop::bool::weighted(0.4),
        any::<u64>(),
        vec(acts, 5..60),
    )
        .prop_map(|(max_staleness, loss, theft, noise, acts)| Script {
            max_staleness,
            loss,
            theft,
            noise,
            acts: acts.concat(),
        })
}

impl Script {
    /// # Panics
    /// Where the promise is broken, or where a calm world leaves the view stale.
    pub(crate) fn run(&self) {
        let mut world = World::new(Duration::from_millis(self.max_staleness.into()));
        let mut noise = Noise(self.noise);
        for act in &self.acts {
            self.perform(act, &mut world, &mut noise);
            world.check();
        }
        world.calm_down();
        let begun = world.now;
        while !is_well(&world) {
            assert!(
                world.now < begun + RECOVERY,
                "all is well, and the view is not: {:?}",
                world.verifier.view
            );
            work(&mut world, &mut noise, 0, TICK);
        }
    }

    fn perform(&self, act: &Act, world: &mut World, noise: &mut Noise) {
        match act.clone() {
            Act::Work(ms) => work(world, noise, self.loss, ms.into()),
            Act::Silence(ms) => world.wait(ms.into()),
            Act::Revoke(whom) => revoke(world, whom),
            Act::Bump(seconds) => world.bump(u64::from(seconds) * 1_000_000),
            Act::Cut {
                replica,
                database_clock,
                from_floor,
                split,
                signer,
                thinking,
                held,
                bus,
            } => {
                let cut = Cut {
                    clock: if database_clock {
                        world.database_clock
                    } else {
                        world.replicas[replica].clock
                    },
                    origin: if from_floor {
                        Origin::Floor
                    } else {
                        Origin::Stored(replica)
                    },
                    split,
                    signer,
                    thinking: thinking.into(),
                    held: held.into(),
                };
                world.cut(cut, Some(bus));
            }
            Act::AskForKeys { way, held } => world.ask_for_keys(way.into(), held.into()),
            Act::CatchUp {
                way,
                thinking,
                held,
                split,
            } => {
                let cut = answer(world, split, thinking.into(), held.into());
                world.catch_up(way.into(), cut);
            }
            Act::Repeat { which, late } => world.repeat(which, late),
            Act::Replay { held, wiped } => {
                if wiped {
                    world.wipe();
                }
                world.replay(held.into());
            }
            Act::CutOff(ms) => world.cut_off(ms.into()),
            Act::SetVerifierClock(by) => world.verifier_clock = by.into(),
            Act::SetReplicaClock(replica, by) => world.replicas[replica].clock = by.into(),
            Act::SetDatabaseClock(by) => world.database_clock = by.into(),
            Act::Stop { ms, sleep } => world.stop(ms.into(), sleep),
            Act::Restart => world.restart(),
            Act::RestartReplica(replica) => world.replicas[replica].stored_to = Position::ZERO,
            Act::Verify => world.verify(),
            Act::Forge { signer, kind, late } => {
                if self.theft {
                    forge(world, signer, kind, late);
                }
            }
        }
    }
}

fn is_well(world: &World) -> bool {
    let needs = world.verifier.view.needs();
    // A thief can send it after pages that do not exist.
    let deceived = !world.verifier.deceived_by.is_empty();
    let content = needs.key_set.is_none() && (!needs.catch_up || deceived);
    // Whoever was told again of the thief's key has forgotten what the thief told.
    let live = world.log.live_keys();
    let undeceived = world
        .verifier
        .deceived_by
        .iter()
        .all(|kid| live.contains(kid));
    content && undeceived && world.verifier.is_fresh(world.clocks(), world.max_staleness)
}

fn revoke(world: &mut World, whom: Whom) {
    let target = match whom {
        Whom::Session(number) => Target::Session(log::session(number)),
        Whom::User(number, refresh) => Target::User {
            id: log::user_of(number),
            refresh,
        },
        Whom::Everyone => Target::Everyone,
        Whom::Key(number) => {
            let kid = world.log.key(number);
            if !world.log.live_keys().contains(&kid) {
                return;
            }
            // The next standby key is published first.
            world.log.add_key();
            Target::Key(kid)
        }
    };
    world.commit(target);
}

fn answer(world: &World, split: usize, thinking: u64, held: u64) -> Cut {
    Cut {
        clock: world.database_clock,
        origin: Origin::After(None),
        split,
        signer: 0,
        thinking,
        held,
    }
}

/// Ordinary times: a replica beats, the verifier fetches what it needs.
fn work(world: &mut World, noise: &mut Noise, loss: u8, ms: u64) {
    let end = world.now + ms;
    while world.now < end {
        if world.now.is_multiple_of(BEAT) {
            // In turn, so that in a calm world each has told all that it has to tell.
            let replica = (world.now / BEAT) as usize % REPLICAS;
            let fate = if noise.below(100) < loss.into() {
                Fate::Lost
            } else {
                Fate::After(noise.below(20) as u16)
            };
            let cut = Cut {
                clock: world.replicas[replica].clock,
                origin: Origin::Stored(replica),
                split: 2,
                signer: 0,
                thinking: noise.below(5),
                held: 0,
            };
            let bus = Bus {
                fates: vec![fate],
                acknowledged: true,
            };
            world.cut(cut, Some(bus));
        }
        if world.now.is_multiple_of(TICK) && noise.below(100) >= loss.into() {
            let needs = world.verifier.view.needs();
            if needs.key_set.is_some() || world.verifier.saw_unknown_key {
                world.ask_for_keys(noise.below(20), noise.below(20));
            } else if needs.catch_up {
                let cut = answer(world, 2, noise.below(5), noise.below(20));
                world.catch_up(noise.below(20), cut);
            }
        }
        let next = (world.now / TICK + 1) * TICK;
        world.wait(next.min(end) - world.now);
    }
}

fn forge(world: &mut World, signer: u8, kind: Forgery, late: u16) {
    let head = world.log.head();
    let wall = world.clocks_of_thief();
    let there = |ms: i32| {
        let ms = wall.get().saturating_add_signed(ms.into());
        Position::new(ms * 1_000).unwrap().max(head)
    };
    let after = Position::new(head.get() + 1).unwrap();
    let one = |target| {
        vec![Revocation {
            position: after,
            target,
        }]
    };
    let mut revoked_keys = Vec::new();
    let (from, to, floor, revoked) = match kind {
        Forgery::Head(ms) => (Position::ZERO, there(ms), Position::ZERO, Vec::new()),
        Forgery::Floor(ms) => (Position::ZERO, there(ms), there(ms), Vec::new()),
        Forgery::Key(number) => (
            head,
            after,
            Position::ZERO,
            one(Target::Key(world.log.key(number))),
        ),
        Forgery::KeyAgain(number) => {
            revoked_keys.push(world.log.key(number));
            (head, head, Position::ZERO, Vec::new())
        }
        Forgery::Session(number) => (
            head,
            after,
            Position::ZERO,
            one(Target::Session(log::session(number))),
        ),
    };
    let page = Page {
        issuer: String::new(),
        at: wall,
        from,
        to,
        floor,
        revoked,
        revoked_keys,
        more: false,
    };
    let kid = world.log.key(signer);
    world.forge(page, kid, late);
}

impl World {
    /// A thief knows what the verifier's clock shows.
    fn clocks_of_thief(&self) -> UnixMillis {
        UnixMillis::new(self.now.checked_add_signed(self.verifier_clock).unwrap())
    }
}

/// Small random numbers for what is not worth an act of its own (splitmix64).
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}
