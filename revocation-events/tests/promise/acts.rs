//! What can happen, one thing at a time.

use crate::service::{Bus, Fate, REPLICAS};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Replicas beat, the verifier asks for what it needs.
    Work(u16),
    /// Nothing does.
    Silence(u16),
    Revoke(Whom),
    /// The head moves by so many seconds without a revocation.
    Bump(u16),
    Cut {
        replica: usize,
        database_clock: bool,
        from_floor: bool,
        split: usize,
        signer: usize,
        thinking: u16,
        held: u16,
        bus: Bus,
    },
    AskForKeys {
        way: u16,
        held: u16,
    },
    CatchUp {
        way: u16,
        thinking: u16,
        held: u16,
        split: usize,
    },
    Repeat {
        which: usize,
        late: u16,
    },
    Replay {
        held: u16,
        wiped: bool,
    },
    CutOff(u16),
    SetVerifierClock(i32),
    SetReplicaClock(usize, i32),
    SetDatabaseClock(i32),
    Stop {
        ms: u16,
        sleep: bool,
    },
    Restart,
    RestartReplica(usize),
    Verify,
    Forge {
        signer: u8,
        kind: Forgery,
        late: u16,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom {
    Session(u8),
    User(u8, bool),
    Everyone,
    Key(u8),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Forgery {
    /// "There is nothing else up to there", so many milliseconds from now.
    Head(i32),
    /// The same, with a floor.
    Floor(i32),
    /// "That key is revoked."
    Key(u8),
    /// "That key was revoked not long ago."
    KeyAgain(u8),
    /// "That session is revoked."
    Session(u8),
}

/// Mostly short, at times long.
fn ms() -> impl Strategy<Value = u16> + Clone {
    prop_oneof![4 => 0..300_u16, 2 => 0..3_000_u16, 1 => 0..20_000_u16]
}

fn clock() -> impl Strategy<Value = i32> {
    prop_oneof![
        2 => Just(0),
        3 => -2_000..2_000_i32,
        2 => -15_000..15_000_i32,
        1 => -3_600_000..3_600_000_i32,
    ]
}

fn bus(ms: impl Strategy<Value = u16> + Clone + 'static) -> impl Strategy<Value = Bus> {
    let fate = prop_oneof![
        4 => ms.clone().prop_map(Fate::After),
        2 => Just(Fate::Lost),
        1 => (ms.clone(), ms).prop_map(|(late, later)| Fate::Twice(late, later)),
    ];
    let fates = vec(fate, 1..4);
    (fates, prop::bool::weighted(0.8)).prop_map(|(fates, acknowledged)| Bus {
        fates,
        acknowledged,
    })
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        8 => any::<u8>().prop_map(Whom::Session),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(user, refresh)| Whom::User(user, refresh)),
        1 => Just(Whom::Everyone),
        3 => any::<u8>().prop_map(Whom::Key),
    ]
}

fn forgery() -> impl Strategy<Value = Forgery> {
    prop_oneof![
        3 => clock().prop_map(Forgery::Head),
        2 => clock().prop_map(Forgery::Floor),
        4 => any::<u8>().prop_map(Forgery::Key),
        2 => any::<u8>().prop_map(Forgery::KeyAgain),
        1 => any::<u8>().prop_map(Forgery::Session),
    ]
}

fn cut(ms: impl Strategy<Value = u16> + Clone + 'static) -> impl Strategy<Value = Act> {
    let kind = (
        0..REPLICAS,
        any::<bool>(),
        prop::bool::weighted(0.2),
        1..4_usize,
        0..2_usize,
    );
    (kind, ms.clone(), ms.clone(), bus(ms)).prop_map(
        |((replica, database_clock, from_floor, split, signer), thinking, held, bus)| Act::Cut {
            replica,
            database_clock,
            from_floor,
            split,
            signer,
            thinking,
            held,
            bus,
        },
    )
}

/// A thief names the very key that he stole, just before it is revoked in truth, and the verifier
/// asks for keys around it. So many things in a row hardly ever come by chance.
pub(crate) fn race() -> impl Strategy<Value = Vec<Act>> {
    let moment = 0..60_u16;
    let cuts = (cut(moment.clone()), cut(moment.clone()));
    let ask = |held| {
        let ask = (moment.clone(), held);
        ask.prop_map(|(way, held)| Act::AskForKeys { way, held })
    };
    let asks = (
        ask(ms().boxed()),
        prop::option::of(ask(moment.clone().boxed())),
    );
    let moments = prop::array::uniform5(moment.clone());
    (any::<u8>(), moments, asks, cuts).prop_map(
        |(key, [late, waits @ ..], (ask, ask_again), (cut, next_cut))| {
            let [wait_0, wait_1, wait_2, wait_3] = waits.map(Act::Silence);
            let forge = Act::Forge {
                signer: key,
                kind: Forgery::Key(key),
                late,
            };
            let revoke = Act::Revoke(Whom::Key(key));
            let mut acts = vec![forge, wait_0, cut, wait_1, ask, wait_2, revoke];
            acts.extend(ask_again);
            acts.extend([next_cut, wait_3]);
            acts
        },
    )
}

pub(crate) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => ms().prop_map(Act::Work),
        4 => ms().prop_map(Act::Silence),
        14 => whom().prop_map(Act::Revoke),
        1 => (0..600_u16).prop_map(Act::Bump),
        12 => cut(ms()),
        3 => (ms(), ms()).prop_map(|(way, held)| Act::AskForKeys { way, held }),
        4 => (ms(), ms(), ms(), 1..4_usize).prop_map(|(way, thinking, held, split)| {
            Act::CatchUp { way, thinking, held, split }
        }),
        6 => (any::<usize>(), ms()).prop_map(|(which, late)| Act::Repeat { which, late }),
        2 => (ms(), prop::bool::weighted(0.3)).prop_map(|(held, wiped)| {
            Act::Replay { held, wiped }
        }),
        3 => ms().prop_map(Act::CutOff),
        4 => clock().prop_map(Act::SetVerifierClock),
        2 => (0..REPLICAS, clock()).prop_map(|(replica, by)| Act::SetReplicaClock(replica, by)),
        1 => clock().prop_map(Act::SetDatabaseClock),
        2 => (ms(), any::<bool>()).prop_map(|(ms, sleep)| Act::Stop { ms, sleep }),
        2 => Just(Act::Restart),
        1 => (0..REPLICAS).prop_map(Act::RestartReplica),
        3 => Just(Act::Verify),
        6 => (any::<u8>(), forgery(), ms()).prop_map(|(signer, kind, late)| {
            Act::Forge { signer, kind, late }
        }),
    ]
}
