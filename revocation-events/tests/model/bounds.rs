//! How much may happen in a run, and which rule is broken.

use crate::log::{Tick, Whom};
use crate::promise::Sights;
use crate::replica::Sizes;
use crate::sent::Forgery;

/// What a model checks.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// True time ends here.
    pub(crate) end: Tick,
    /// Whom each revocation may end, in the order of commits.
    pub(crate) revocations: Vec<Vec<Whom>>,
    pub(crate) sizes: Sizes,
    /// What the database's clock may be set to, against true time.
    pub(crate) database_clocks: Vec<Tick>,
    /// What the verifier's wall clock may be set to.
    pub(crate) verifier_clocks: Vec<Tick>,
    /// Commits that a failover may lose, at most.
    pub(crate) lost_commits: u8,
    /// Whether key sets take their time. Else they are known, and come as soon as they are asked for.
    pub(crate) slow_key_sets: bool,
    /// What a thief who has stolen the first key signs with it.
    pub(crate) forgeries: Vec<Forgery>,
    pub(crate) budget: Budget,
    pub(crate) broken: Option<Broken>,
    pub(crate) sights: Sights,
}

/// How often each may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Cuts that a replica begins.
    pub(crate) cuts: u8,
    /// Cuts and commits after which a replica freezes, so that the rest comes later or never.
    pub(crate) freezes: u8,
    /// A replica fills the stored stream, and knows from then on what is stored.
    pub(crate) fills: u8,
    /// A replica finds the stored stream gone.
    pub(crate) wipes: u8,
    /// Requests over HTTP, by this verifier or another.
    pub(crate) answers: u8,
    /// A replica takes another's heartbeat for its own.
    pub(crate) reliefs: u8,
    /// A replica is killed and starts again.
    pub(crate) restarts: u8,
    pub(crate) failovers: u8,
    pub(crate) prunes: u8,
    pub(crate) database_clock_steps: u8,
    pub(crate) verifier_clock_steps: u8,
    /// Pages come to the verifier that make it want another key set, because of a key that they name.
    /// It counts those, so that there would be no end of states.
    pub(crate) key_pages: u8,
    /// Seconds in which the verifier's machine sleeps.
    pub(crate) sleeps: u8,
}

/// One rule of the protocol, broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A page's `at` is read after the log, just before the page is signed.
    AtAfterLog,
    /// A verifier advances over a gap. That rule is in [`revocation_events::View`], so it is not
    /// broken there: instead each page that would leave a gap is given to the view with a `from`
    /// that leaves none. It comes to the same, because the view looks at `from` for nothing else but
    /// to move its head up to it, where that lies below the floor.
    AdvanceOverGap,
    /// No page says that it has `more`. In the view that is the rule that such a page proves nothing.
    NoMore,
    /// Tokens below the floor are judged by the cut-offs alone. The rule is not the view's but that
    /// of whoever holds the cut-offs: here the model, in the SDK `Shared::verify_with`.
    NoFloorRule,
    /// After a failover the head is not raised.
    NoRaise,
    /// A first cut that goes on counts as a statement of its time. The relay did that, until this
    /// model was made.
    FirstCutSpeaks,
    /// An HTTP answer reaches down below what was pruned since the replica's last cut. The relay
    /// did that, too.
    PrunedIsClaimed,
}

impl Bounds {
    /// Nothing but two revocations of two sessions, and two seconds.
    pub(crate) fn quiet() -> Self {
        Self {
            end: 2,
            revocations: vec![vec![Whom::Session(0)], vec![Whom::Session(1)]],
            sizes: Sizes {
                tail: 2,
                cut: 2,
                page: 2,
                answer: 2,
            },
            database_clocks: Vec::new(),
            verifier_clocks: Vec::new(),
            lost_commits: 0,
            slow_key_sets: false,
            forgeries: Vec::new(),
            budget: Budget::default(),
            broken: None,
            sights: Sights::default(),
        }
    }

    pub(crate) const fn clocks_may_be_wrong(&self) -> bool {
        let Budget {
            database_clock_steps,
            verifier_clock_steps,
            sleeps,
            ..
        } = self.budget;
        database_clock_steps + verifier_clock_steps + sleeps > 0
    }

    pub(crate) fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }
}
