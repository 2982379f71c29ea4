//! Which way pages come, and whether HTTP has to stand in for NATS.

use revocation_events::UnixMillis;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A stand-in that begins so soon after another ended stays at least as long: NATS comes and goes,
/// and each change costs a connection.
const RESTLESS: Duration = Duration::from_secs(10);

/// Two ways are as good as each other where one is behind by no more than a heartbeat.
const ABREAST: Duration = Duration::from_millis(500);

/// Where the stand-in knew nothing newer either, it is tried again after so long, and twice as long
/// after each time: clocks that differ make good pages look late, and that does not pass.
const FIRST_DOUBT: Duration = Duration::from_secs(10);
const LONGEST_DOUBT: Duration = Duration::from_secs(600);

/// How a page came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Live, over NATS.
    Nats,
    /// Live, by the stream over HTTP.
    Http,
    /// It was asked for.
    Asked,
}

/// What has come so far. Written by the loop that takes the pages, read by the transport.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// How many proofs came that were newer than all before.
    newer: AtomicU64,
    /// The time of the newest proof.
    newest: AtomicU64,
    /// The time of the proof that last came over NATS, the newest or not.
    over_nats: AtomicU64,
    /// How many pages were taken from the stream over HTTP.
    over_http: AtomicU64,
    /// HTTP stands in for NATS.
    standing_in: AtomicBool,
}

impl Ways {
    /// A page was taken. `at` is what it proves; `newest` is the newest proof, after it.
    pub(crate) fn taken(
        &self,
        way: Way,
        at: Option<UnixMillis>,
        newest: Option<UnixMillis>,
        newer: bool,
    ) {
        if newer {
            self.newer.fetch_add(1, Ordering::Relaxed);
        }
        let millis = newest.map_or(0, UnixMillis::get);
        self.newest.store(millis, Ordering::Relaxed);
        match (way, at) {
            // What is newer than the newest was not believed.
            (Way::Nats, Some(at)) if Some(at) <= newest => {
                self.over_nats.store(at.get(), Ordering::Relaxed);
            }
            (Way::Http, _) => {
                self.over_http.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Whether HTTP stands in for NATS: then reports over NATS may come to nobody either.
    pub(crate) fn stands_in(&self) -> bool {
        self.standing_in.load(Ordering::Relaxed)
    }

    pub(crate) fn set_standing_in(&self, stands: bool) {
        self.standing_in.store(stands, Ordering::Relaxed);
    }

    fn seen(&self) -> Seen {
        Seen {
            newer: self.newer.load(Ordering::Relaxed),
            newest: UnixMillis::new(self.newest.load(Ordering::Relaxed)),
            over_nats: UnixMillis::new(self.over_nats.load(Ordering::Relaxed)),
            over_http: self.over_http.load(Ordering::Relaxed),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    newer: u64,
    newest: UnixMillis,
    over_nats: UnixMillis,
    over_http: u64,
}

/// What to do about the stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    Begin,
    End,
    Nothing,
}

/// Looks at what comes, a few times in each `patience`. It does no I/O.
#[derive(Debug)]
pub(crate) struct Lookout {
    /// No proof may be older, and none be longer in coming.
    patience: Duration,
    newer: u64,
    /// When a newer proof last came.
    moved: Instant,
    stand_in: Option<StandIn>,
    /// When the stand-in last ended.
    ended: Option<Instant>,
    /// Proofs that are late, but go on coming, are put up with until then.
    doubts_until: Option<Instant>,
    doubt: Duration,
}

#[derive(Debug)]
struct StandIn {
    began: Instant,
    seen: Seen,
    at_least: Duration,
}

impl Lookout {
    pub(crate) const fn new(patience: Duration, now: Instant) -> Self {
        Self {
            patience,
            newer: 0,
            moved: now,
            stand_in: None,
            ended: None,
            doubts_until: None,
            doubt: FIRST_DOUBT,
        }
    }

    /// A stand-in has begun, whatever for.
    pub(crate) fn has_begun(&mut self, ways: &Ways, now: Instant) {
        let restless = self
            .ended
            .is_some_and(|ended| now.duration_since(ended) < RESTLESS);
        self.stand_in = Some(StandIn {
            began: now,
            seen: ways.seen(),
            at_least: if restless { RESTLESS } else { Duration::ZERO },
        });
    }

    /// `age` is that of the newest proof, `wall` this machine's clock. `connected` says whether NATS
    /// is there at all.
    pub(crate) fn look(
        &mut self,
        ways: &Ways,
        age: Option<Duration>,
        connected: bool,
        wall: UnixMillis,
        now: Instant,
    ) -> Advice {
        let seen = ways.seen();
        if std::mem::replace(&mut self.newer, seen.newer) != seen.newer {
            self.moved = now;
        }
        let late = age.is_none_or(|age| age > self.patience);
        let Some(stand_in) = &self.stand_in else {
            let silent = now.duration_since(self.moved) > self.patience;
            if !late {
                // A minute without doubt, and the next is the first.
                let long_ago = |until| now.duration_since(until) > FIRST_DOUBT * 6;
                if self.doubts_until.is_some_and(long_ago) {
                    (self.doubts_until, self.doubt) = (None, FIRST_DOUBT);
                }
                return Advice::Nothing;
            }
            let doubts = self.doubts_until.is_some_and(|until| now < until);
            return if silent || !doubts {
                Advice::Begin
            } else {
                Advice::Nothing
            };
        };
        // NATS has brought something since, and what is newer than that is a page or two.
        let came = connected
            && seen.over_nats > stand_in.seen.over_nats
            && seen.newest.since(seen.over_nats) <= ABREAST;
        let young = wall.since(seen.over_nats) <= self.patience;
        let no_better = seen.over_http > stand_in.seen.over_http;
        let long_enough = now.duration_since(stand_in.began) >= stand_in.at_least;
        if !(came && long_enough && (young || no_better)) {
            return Advice::Nothing;
        }
        if !young {
            self.doubts_until = Some(now + self.doubt);
            self.doubt = (self.doubt * 2).min(LONGEST_DOUBT);
        }
        Advice::End
    }

    /// The stand-in has ended, as advised or by a fault.
    pub(crate) fn has_ended(&mut self, now: Instant) {
        (self.stand_in, self.ended) = (None, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    /// A verifier that is looked at twice a second. Times are in milliseconds after the beginning.
    struct World {
        ways: Ways,
        lookout: Lookout,
        began: Instant,
        millis: u64,
        newest: Option<UnixMillis>,
        stands_in: bool,
        begun: usize,
    }

    impl World {
        fn begins() -> Self {
            let began = Instant::now();
            Self {
                ways: Ways::default(),
                lookout: Lookout::new(PATIENCE, began),
                began,
                millis: 0,
                newest: None,
                stands_in: false,
                begun: 0,
            }
        }

        fn wall(&self) -> UnixMillis {
            UnixMillis::new(1_000_000 + self.millis)
        }

        /// A page that was cut `old` milliseconds ago.
        fn comes(&mut self, way: Way, old: u64) {
            let at = Some(UnixMillis::new(self.wall().get() - old));
            let newer = at > self.newest;
            self.newest = self.newest.max(at);
            self.ways.taken(way, at, self.newest, newer);
        }

        fn half_a_second_later(&mut self) {
            self.millis += 500;
            let now = self.began + Duration::from_millis(self.millis);
            let age = self.newest.map(|at| self.wall().since(at));
            match self.lookout.look(&self.ways, age, true, self.wall(), now) {
                Advice::Begin => {
                    assert!(!std::mem::replace(&mut self.stands_in, true));
                    self.lookout.has_begun(&self.ways, now);
                    self.begun += 1;
                }
                Advice::End => {
                    assert!(std::mem::replace(&mut self.stands_in, false));
                    self.lookout.has_ended(now);
                }
                Advice::Nothing => {}
            }
        }

        /// For so many seconds NATS brings pages that are `nats` milliseconds old, and the stand-in
        /// brings those that are `http` old.
        fn goes_on(&mut self, seconds: u64, nats: Option<u64>, http: Option<u64>) {
            for _ in 0..2 * seconds {
                if let Some(old) = http.filter(|_| self.stands_in) {
                    self.comes(Way::Http, old);
                }
                if let Some(old) = nats {
                    self.comes(Way::Nats, old);
                }
                self.half_a_second_later();
            }
        }
    }

    #[test]
    fn http_stands_in_for_as_long_as_nats_is_silent() {
        let mut world = World::begins();
        world.goes_on(60, Some(5), Some(5));
        assert_eq!(world.begun, 0);
        world.goes_on(60, None, Some(5));
        assert!(world.stands_in);
        world.goes_on(1, Some(5), Some(5));
        assert!(!world.stands_in);
        assert_eq!(world.begun, 1);
    }

    #[test]
    fn late_pages_end_no_stand_in_that_has_yet_to_connect_or_that_brings_newer_ones() {
        let mut world = World::begins();
        world.goes_on(60, Some(8_000), None);
        assert!(world.stands_in);
        world.goes_on(60, Some(8_000), Some(5));
        assert!(world.stands_in);
        assert_eq!(world.begun, 1);
    }

    #[test]
    fn clocks_that_differ_cost_fewer_and_fewer_connections() {
        let mut world = World::begins();
        world.goes_on(3_600, Some(4_000), Some(4_000));
        assert!(world.begun <= 12, "{}", world.begun);
        // Silence is another thing.
        let before = world.begun;
        world.goes_on(10, None, Some(4_000));
        assert!(world.stands_in);
        assert_eq!(world.begun, before + 1);
    }

    #[test]
    fn nats_that_comes_and_goes_costs_a_connection_now_and_then() {
        let mut world = World::begins();
        for _ in 0..60 {
            world.goes_on(5, None, Some(5));
            world.goes_on(1, Some(5), Some(5));
        }
        assert!(world.begun <= 35, "{} in 360 s", world.begun);
    }
}
