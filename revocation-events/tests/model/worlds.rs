//! The bounds that are checked. Each gives room to one kind of trouble, because all of them together
//! would be too much; [`deeper`] gives more room, and mixes them.

use crate::bounds::Bounds;
use crate::log::Whom;
use crate::replica::Sizes;
use crate::sent::Forgery;

/// So small that a second revocation makes a second cut, page and answer.
const SINGLE: Sizes = Sizes {
    tail: 2,
    cut: 1,
    page: 1,
    answer: 1,
};

impl Bounds {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// Live pages and the stored stream, which is lost.
pub(crate) fn stream() -> Bounds {
    Bounds::quiet().with(|it| {
        it.budget.cuts = 2;
        it.budget.freezes = 1;
        it.budget.fills = 1;
        it.budget.wipes = 1;
    })
}

/// Catch-up over HTTP from replicas that freeze and stand in for each other.
pub(crate) fn http() -> Bounds {
    Bounds::quiet().with(|it| {
        it.budget.cuts = 2;
        it.budget.freezes = 1;
        it.budget.answers = 1;
        it.budget.reliefs = 1;
    })
}

/// Replicas are killed, between a commit and its page or in the middle of a cut.
pub(crate) fn restarts() -> Bounds {
    Bounds::quiet().with(|it| {
        it.budget.cuts = 2;
        it.budget.freezes = 1;
        it.budget.restarts = 1;
    })
}

/// Cuts, pages and answers that are too short for all there is to say.
pub(crate) fn splits() -> Bounds {
    Bounds::quiet().with(|it| {
        it.sizes = SINGLE;
        it.budget.cuts = 2;
        it.budget.freezes = 1;
        it.budget.answers = 1;
    })
}

/// More comes at once than the tail holds.
pub(crate) fn overflow() -> Bounds {
    Bounds::quiet().with(|it| {
        it.sizes.tail = 1;
        it.budget.cuts = 2;
        it.budget.freezes = 2;
        it.budget.fills = 1;
    })
}

/// A standby takes over that lacks the last commit, or none.
pub(crate) fn failover() -> Bounds {
    Bounds::quiet().with(|it| {
        it.lost_commits = 1;
        it.budget.cuts = 2;
        it.budget.answers = 1;
        it.budget.failovers = 1;
    })
}

/// Clocks of both sides that are set, and a machine that sleeps.
pub(crate) fn clocks() -> Bounds {
    Bounds::quiet().with(|it| {
        it.end = 3;
        it.revocations = vec![vec![Whom::Session(0)]];
        it.database_clocks = vec![-1, 1, 2];
        it.verifier_clocks = vec![-2, -1, 1, 2];
        it.budget.cuts = 2;
        it.budget.database_clock_steps = 1;
        it.budget.verifier_clock_steps = 1;
        it.budget.sleeps = 1;
    })
}

/// Revocations that grow old, and are pruned.
pub(crate) fn floors() -> Bounds {
    Bounds::quiet().with(|it| {
        it.end = 3;
        it.budget.cuts = 2;
        it.budget.answers = 1;
        it.budget.prunes = 1;
    })
}

/// A key and a session are revoked, and key sets come late.
pub(crate) fn keys() -> Bounds {
    Bounds::quiet().with(|it| {
        it.revocations = vec![vec![Whom::Key(0)], vec![Whom::Session(0)]];
        it.slow_key_sets = true;
        it.budget.cuts = 2;
        it.budget.key_pages = 3;
    })
}

/// A key is revoked, and what was missed comes over HTTP.
pub(crate) fn keys_over_http() -> Bounds {
    keys().with(|it| {
        it.revocations = vec![vec![Whom::Key(0)]];
        it.budget.answers = 1;
    })
}

/// A thief lies with a stolen key about that key, and about the other, before and after one of them is
/// revoked in truth.
pub(crate) fn theft() -> Bounds {
    keys().with(|it| {
        it.revocations = vec![vec![Whom::Key(0), Whom::Key(1)]];
        it.forgeries = vec![
            Forgery::Head,
            Forgery::Floor,
            Forgery::Key(0),
            Forgery::Key(1),
        ];
        it.budget.cuts = 1;
    })
}

/// A thief says that nothing was revoked.
pub(crate) fn hidden() -> Bounds {
    keys().with(|it| {
        it.forgeries = vec![Forgery::Head, Forgery::Floor];
        it.budget.cuts = 1;
        it.budget.key_pages = 2;
    })
}

/// Sessions, users and everyone, one after the other in any order.
pub(crate) fn every_kind() -> Bounds {
    Bounds::quiet().with(|it| {
        let some = vec![Whom::Session(0), Whom::User, Whom::Everyone];
        it.revocations = vec![some.clone(), some];
        it.budget.cuts = 2;
    })
}

/// The name of the world, what is more there, and the bounds.
pub(crate) fn deeper() -> Vec<(&'static str, &'static str, Bounds)> {
    let two = || Bounds::quiet().revocations;
    let three = || {
        let user = vec![Whom::User];
        [two(), vec![user]].concat()
    };
    vec![
        (
            "stream",
            "a third cut, a second freeze, a restart",
            stream().with(|it| {
                it.budget.cuts = 3;
                it.budget.freezes = 2;
                it.budget.restarts = 1;
            }),
        ),
        (
            "HTTP",
            "a third cut, a restart",
            http().with(|it| {
                it.budget.cuts = 3;
                it.budget.restarts = 1;
            }),
        ),
        (
            "HTTP",
            "a third cut, a second more",
            http().with(|it| {
                it.end = 3;
                it.budget.cuts = 3;
                it.budget.reliefs = 0;
            }),
        ),
        (
            "splits",
            "a third revocation",
            splits().with(|it| it.revocations = three()),
        ),
        (
            "failover",
            "two commits lost, a freeze",
            failover().with(|it| {
                it.lost_commits = 2;
                it.budget.freezes = 1;
            }),
        ),
        (
            "failover",
            "a second one",
            failover().with(|it| it.budget.failovers = 2),
        ),
        (
            "failover",
            "splits, a freeze",
            failover().with(|it| {
                it.sizes = SINGLE;
                it.budget.freezes = 1;
            }),
        ),
        (
            "failover",
            "a prune",
            floors().with(|it| {
                it.lost_commits = 1;
                it.budget.failovers = 1;
            }),
        ),
        (
            "clocks",
            "a second revocation",
            clocks().with(|it| it.revocations = two()),
        ),
        (
            "clocks",
            "HTTP, a freeze",
            clocks().with(|it| {
                it.end = 2;
                it.revocations = two();
                it.database_clocks = vec![-2, 2];
                it.verifier_clocks = vec![-1, 1, 2];
                it.budget.freezes = 1;
                it.budget.answers = 1;
                it.budget.sleeps = 0;
            }),
        ),
        (
            "floors",
            "the database's clock, a freeze",
            floors().with(|it| {
                it.database_clocks = vec![-2, 2];
                it.budget.database_clock_steps = 1;
                it.budget.freezes = 1;
            }),
        ),
        (
            "keys",
            "floors, prunes, HTTP",
            keys().with(|it| {
                it.end = 3;
                it.budget.answers = 1;
                it.budget.prunes = 1;
            }),
        ),
        (
            "theft",
            "a second cut, keys named again",
            theft().with(|it| {
                it.forgeries
                    .extend([Forgery::KeyAgain(0), Forgery::KeyAgain(1)]);
                it.budget.cuts = 2;
            }),
        ),
        (
            "hidden",
            "every lie, a second cut",
            keys().with(|it| it.forgeries = theft().forgeries),
        ),
        (
            "keys",
            "a failover",
            keys().with(|it| {
                it.lost_commits = 1;
                it.budget.failovers = 1;
                it.budget.key_pages = 2;
            }),
        ),
    ]
}
