//! Everything there is, and the passing of time.

use crate::log::{Log, Moment};
use crate::service::{Bus, Cut, Origin, REPLICAS, Replica, Sent};
use crate::verifier::Verifier;
use revocation_events::view::{KeySetTicket, MAX_AHEAD};
use revocation_events::{KeyId, Now, Target, UnixMillis};
use std::collections::BTreeMap;
use std::time::Duration;

/// True time at the start, in milliseconds since 1970.
const START: u64 = 1_000_000_000_000;

pub(crate) struct World {
    pub(crate) max_staleness: Duration,
    pub(crate) now: u64,
    order: u64,
    pub(crate) log: Log,
    pub(crate) database_clock: i64,
    pub(crate) replicas: [Replica; REPLICAS],
    /// What happens next, by true time and then by the order of arranging.
    agenda: BTreeMap<(u64, u64), Event>,
    /// Every page that was ever on the bus.
    pub(crate) history: Vec<Sent>,
    /// What the stored stream holds.
    pub(crate) stream: Vec<Sent>,
    /// When each `at` was read: the first time, where two clocks gave the same.
    pub(crate) stamps: BTreeMap<UnixMillis, Moment>,
    pub(crate) verifier: Verifier,
    pub(crate) verifier_clock: i64,
    /// How long the verifier's monotonic clock has stood still so far.
    pub(crate) stood_still: u64,
    stopped_until: u64,
    cut_off_until: u64,
    pub(crate) proof: Option<Proof>,
}

/// What this test knows of the view's newest proof.
#[derive(Clone, Copy)]
pub(crate) struct Proof {
    pub(crate) at: UnixMillis,
    /// The true time when it came.
    pub(crate) came: u64,
    /// How long the monotonic clock had stood still by then.
    pub(crate) stood_still: u64,
    /// It was used when it lay too far ahead of the wall clock.
    pub(crate) impossible: bool,
}

pub(crate) enum Event {
    Request(Cut),
    Snapshot(Cut, UnixMillis, Option<Bus>),
    Arrive(Vec<Sent>),
    KeySetRead {
        asked: u64,
        ticket: Option<KeySetTicket>,
        held: u64,
    },
    KeySetArrives {
        asked: u64,
        ticket: Option<KeySetTicket>,
        live: Vec<KeyId>,
    },
    Wake,
}

pub(crate) fn shifted(ms: u64, by: i64) -> u64 {
    ms.checked_add_signed(by).unwrap()
}

impl World {
    pub(crate) fn new(max_staleness: Duration) -> Self {
        Self {
            max_staleness,
            now: START,
            order: 0,
            log: Log::new(START),
            database_clock: 0,
            replicas: [Replica::default(); REPLICAS],
            agenda: BTreeMap::new(),
            history: Vec::new(),
            stream: Vec::new(),
            stamps: BTreeMap::new(),
            verifier: Verifier::new(),
            verifier_clock: 0,
            stood_still: 0,
            stopped_until: 0,
            cut_off_until: 0,
            proof: None,
        }
    }

    pub(crate) fn moment(&mut self) -> Moment {
        self.order += 1;
        Moment {
            order: self.order,
            ms: self.now,
        }
    }

    pub(crate) fn arrange(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.agenda.insert((self.now + after, self.order), event);
    }

    pub(crate) fn database_now(&self) -> u64 {
        shifted(self.now, self.database_clock)
    }

    /// The verifier's clocks.
    pub(crate) fn clocks(&self) -> Now {
        Now {
            wall: UnixMillis::new(shifted(self.now, self.verifier_clock)),
            monotonic: Duration::from_millis(self.now - START - self.stood_still),
        }
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(next) = self.agenda.first_entry() {
            if next.key().0 > end {
                break;
            }
            let ((at, _), event) = next.remove_entry();
            self.now = at;
            self.happen(event);
            self.check();
        }
        self.now = end;
        self.check();
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Request(cut) => self.cut(cut, None),
            Event::Snapshot(cut, at, bus) => self.snapshot(cut, at, bus),
            Event::KeySetRead {
                asked,
                ticket,
                held,
            } => {
                let live = self.log.live_keys();
                self.arrange(
                    held,
                    Event::KeySetArrives {
                        asked,
                        ticket,
                        live,
                    },
                );
            }
            Event::Wake => {}
            arrival if self.is_stopped() => {
                // It waits in the socket.
                self.arrange(self.stopped_until - self.now, arrival);
            }
            Event::KeySetArrives {
                asked,
                ticket,
                live,
            } => {
                self.verifier.key_set_came(asked, ticket, &live);
                self.verifier.check_soundness(&self.log);
            }
            Event::Arrive(pages) => pages.iter().for_each(|sent| self.arrive(sent)),
        }
    }

    fn arrive(&mut self, sent: &Sent) {
        let when = (self.clocks(), self.moment().order);
        if self.verifier.take(&sent.page, sent.forged, when) {
            self.use_proof();
            self.look_at_proof();
            self.verifier.check_soundness(&self.log);
        }
    }

    /// Somebody verifies a token, which may change the view.
    pub(crate) fn verify(&mut self) {
        if !self.is_stopped() {
            self.use_proof();
            self.verifier
                .view
                .freshness(self.clocks(), self.max_staleness);
            self.look_at_proof();
        }
    }

    fn use_proof(&mut self) {
        let latest = self.clocks().wall.plus(MAX_AHEAD);
        if let Some(proof) = &mut self.proof {
            proof.impossible |= proof.at > latest;
        }
    }

    fn look_at_proof(&mut self) {
        let at = self.verifier.view.proof().map(|proof| proof.at);
        if at != self.proof.map(|proof| proof.at) {
            self.proof = at.map(|at| Proof {
                at,
                came: self.now,
                stood_still: self.stood_still,
                impossible: false,
            });
        }
    }

    pub(crate) fn commit(&mut self, target: Target) {
        let (moment, clock) = (self.moment(), self.database_now());
        self.log.commit(target, moment, clock);
    }

    pub(crate) fn bump(&mut self, by: u64) {
        let clock = self.database_now();
        self.log.bump(by, clock);
    }

    /// Asks for the pages after the head.
    pub(crate) fn catch_up(&mut self, way: u64, cut: Cut) {
        if !self.is_stopped() && !self.is_cut_off() {
            let origin = Origin::After(self.verifier.view.head());
            self.arrange(way, Event::Request(Cut { origin, ..cut }));
        }
    }

    pub(crate) fn ask_for_keys(&mut self, way: u64, held: u64) {
        if !self.is_stopped() && !self.is_cut_off() {
            let ticket = self.verifier.view.needs().key_set;
            let asked = self.moment().order;
            self.verifier.saw_unknown_key = false;
            self.arrange(
                way,
                Event::KeySetRead {
                    asked,
                    ticket,
                    held,
                },
            );
        }
    }

    /// The process stands still, or with `sleep` the machine and its monotonic clock.
    pub(crate) fn stop(&mut self, ms: u64, sleep: bool) {
        if !self.is_stopped() {
            self.stopped_until = self.now + ms;
            // Nobody reads the clocks before it wakes.
            self.stood_still += if sleep { ms } else { 0 };
            self.arrange(ms, Event::Wake);
        }
    }

    pub(crate) fn restart(&mut self) {
        // Answers to the process before it go nowhere. Pages are as good as any that are late.
        self.agenda.retain(|_, event| {
            !matches!(
                event,
                Event::KeySetRead { .. } | Event::KeySetArrives { .. }
            )
        });
        self.verifier = Verifier::new();
        self.proof = None;
    }

    pub(crate) fn cut_off(&mut self, ms: u64) {
        self.cut_off_until = self.now + ms;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.now < self.stopped_until
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        self.now < self.cut_off_until
    }

    /// From here on clocks are right, nothing is cut off, and thieves are silent.
    pub(crate) fn calm_down(&mut self) {
        self.wait(self.stopped_until.saturating_sub(self.now));
        self.database_clock = 0;
        self.replicas
            .iter_mut()
            .for_each(|replica| replica.clock = 0);
        self.verifier_clock = 0;
        self.cut_off_until = 0;
        // What was under way is lost.
        self.agenda.clear();
    }
}
