//! What must hold in every state, and what must come about in some, lest the model prove nothing.

use crate::bounds::Bounds;
use crate::scene::Scene;
use crate::world::World;
use stateright::Property;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A fresh verifier refuses what was revoked `max_staleness` ago.
pub(crate) const PROMISE: &str = "promise";
/// All of [`ALWAYS`].
pub(crate) const RULES: &str = "rules";
/// All of [`SOMETIMES`] that the bounds allow.
const SIGHTS: &str = "sights";

type Condition = fn(Scene<'_>) -> bool;

/// What must hold besides. They are one property with a short name, because the checker looks up each
/// by its name in every state, which costs more than to judge it.
const ALWAYS: [(&str, Condition); 4] = [
    (
        // The half of the promise that has nothing to do with time, and breaks sooner.
        "a fresh verifier knows all from before its proof's clock was read",
        |scene| scene.knows_all(),
    ),
    (
        "nobody is fresh by a proof that is, or was, from the future",
        |scene| scene.believes_no_future(),
    ),
    (
        // Else refusing everything would be a way to keep the promise.
        "nobody but the deceived refuses a token of the present head",
        |scene| scene.is_deceived() || scene.refuses_no_living_token(),
    ),
    (
        "whoever has heard that a key was revoked refuses it from then on",
        |scene| scene.forgets_no_key(),
    ),
];

/// Something that must come about, or the model proves nothing.
struct Sight {
    name: &'static str,
    /// Within which bounds.
    wanted: fn(&Bounds) -> bool,
    is_seen: Condition,
}

const SOMETIMES: [Sight; 8] = [
    Sight {
        name: "a fresh verifier accepts",
        wanted: |_| true,
        is_seen: |scene| scene.is_fresh() && scene.refuses_no_living_token(),
    },
    Sight {
        name: "a fresh verifier refuses what was revoked",
        wanted: |_| true,
        is_seen: |scene| scene.is_fresh_and_refuses(),
    },
    Sight {
        name: "a verifier has missed what was revoked long ago, and is stale",
        wanted: |_| true,
        is_seen: |scene| scene.is_stale_for_a_reason(),
    },
    Sight {
        name: "a fresh verifier refuses by its floor alone",
        wanted: |bounds| {
            let mut revoked = bounds.revocations.iter().flatten();
            revoked.any(|whom| whom.key().is_none())
        },
        is_seen: |scene| scene.refuses_by_floor(),
    },
    Sight {
        name: "a gap is healed",
        wanted: |bounds| bounds.budget.answers + bounds.budget.fills > 0,
        is_seen: |scene| scene.is_healed(),
    },
    Sight {
        name: "a verifier knew what a failover has lost, and is fresh again",
        wanted: |bounds| bounds.budget.failovers > 0,
        is_seen: |scene| scene.has_outlived_a_failover(),
    },
    Sight {
        name: "a fresh verifier has heard that a key was revoked",
        wanted: |bounds| bounds.slow_key_sets,
        is_seen: |scene| scene.has_heard_of_a_key() && scene.is_fresh(),
    },
    Sight {
        name: "a thief makes a verifier fresh",
        wanted: |bounds| !bounds.forgeries.is_empty(),
        is_seen: |scene| scene.is_deceived() && scene.claims_to_be_fresh(),
    },
];

pub(crate) fn properties() -> Vec<Property<Bounds>> {
    type P = Property<Bounds>;
    vec![
        P::always(PROMISE, |bounds, world| {
            Scene::of(bounds, world).is_none_or(Scene::keeps_promise)
        }),
        P::always(RULES, |bounds, world| {
            let holds = |scene| ALWAYS.iter().all(|(_, holds)| holds(scene));
            Scene::of(bounds, world).is_none_or(holds)
        }),
        P::sometimes(SIGHTS, |bounds, world| {
            Scene::of(bounds, world).is_some_and(|scene| bounds.sights.see(scene))
        }),
    ]
}

/// Which of [`SOMETIMES`] have come about in a search so far: the one thing that it remembers beside
/// the states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sights(Arc<AtomicU8>);

impl Sights {
    /// Whether everything has been seen, and nothing has to be looked for any more.
    fn see(&self, scene: Scene<'_>) -> bool {
        let missing = self.missing(scene.bounds);
        let seen = missing.filter(|index| (SOMETIMES[*index].is_seen)(scene));
        let seen = seen.fold(0, |seen, index| seen | 1 << index);
        self.0.fetch_or(seen, Relaxed);
        self.missing(scene.bounds).next().is_none()
    }

    fn missing(&self, bounds: &Bounds) -> impl Iterator<Item = usize> {
        let seen = self.0.load(Relaxed);
        let unseen = (0..SOMETIMES.len()).filter(move |index| seen & 1 << index == 0);
        unseen.filter(|index| (SOMETIMES[*index].wanted)(bounds))
    }

    pub(crate) fn names_missing(&self, bounds: &Bounds) -> Vec<&'static str> {
        self.missing(bounds)
            .map(|index| SOMETIMES[index].name)
            .collect()
    }
}

/// What does not hold in this state.
pub(crate) fn broken_rules(bounds: &Bounds, world: &World) -> Vec<&'static str> {
    let scene = Scene::of(bounds, world).into_iter();
    let broken = scene.flat_map(|scene| ALWAYS.iter().filter(move |(_, holds)| !holds(scene)));
    broken.map(|(name, _)| *name).collect()
}
