//! Asks every verifier about every token, over and over, from a thread of its own, and writes down
//! each verdict with the times before and after the call.
//!
//! Whenever somebody is about to revoke, the tokens concerned are asked about in quick succession
//! until they are refused. Equal verdicts in a row become one entry, or ten minutes would not fit
//! into memory; the times of the first and the last of them are kept, and nothing else is needed.

use crate::history::{Freshness, Moment, Outcome, Target, Verdict};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;
use uuid::Uuid;
use verifier_sdk::{Error, Freshness as State, Verifier};

/// How soon a token that somebody is revoking is asked about again, at the start and later on.
const HOT: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(25));
const ACCEPTED: Duration = Duration::from_secs(1);
const REFUSED: Duration = Duration::from_secs(20);
const NOT_NOW: Duration = Duration::from_millis(50);
/// How often verifiers are asked whether they are fresh.
const LOOK: Duration = Duration::from_millis(20);
/// A token about to expire says nothing more.
pub(crate) const NEARLY_EXPIRED: Duration = Duration::from_secs(5);

/// It ends between two questions, and these take microseconds.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// The verifiers of a run. One of them may be exchanged for a new one at any time.
pub(crate) type Fleet = Arc<Mutex<Vec<Verifier>>>;

/// What whoever asks is told.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// A token was given out.
    Watch(Watched),
    /// Somebody is about to revoke.
    Hot(Target),
    /// The run is over.
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Its place in the history.
    pub(crate) token: usize,
    pub(crate) text: String,
    pub(crate) session: Uuid,
    pub(crate) user: Uuid,
    pub(crate) expires: SystemTime,
}

/// What the thread has written down.
#[derive(Default)]
pub(crate) struct Probed {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) freshness: Vec<Freshness>,
    /// The tokens that had not expired by the end.
    pub(crate) left: Vec<Watched>,
}

/// The thread that asks, and how it is told.
pub(crate) struct Probe {
    orders: mpsc::Sender<Order>,
    probed: oneshot::Receiver<Probed>,
}

pub(crate) fn start(began: Instant, fleet: Fleet, patience: Duration) -> Probe {
    let (orders, received) = mpsc::channel();
    let (finished, probed) = oneshot::channel();
    let mut prober = Prober::new(began, fleet, patience);
    std::thread::spawn(move || {
        prober.run(&received);
        // Nobody waits any more where it took too long.
        let _late = finished.send(prober.finish());
    });
    Probe { orders, probed }
}

impl Probe {
    pub(crate) fn orders(&self) -> mpsc::Sender<Order> {
        self.orders.clone()
    }

    /// Tells it to end, whoever may still send it orders, and waits for what it has written down.
    ///
    /// # Panics
    /// When it does not end in time, or has ended by a panic.
    pub(crate) async fn ends(self) -> Probed {
        // Where it has died, the answer tells.
        let _told = self.orders.send(Order::End);
        let probed = tokio::time::timeout(ENDS_WITHIN, self.probed).await;
        let probed = probed.expect("the prober goes on after its end");
        probed.expect("the prober has died")
    }
}

/// One call, written down as an entry of its own.
pub(crate) fn ask(began: Instant, verifier: (usize, &Verifier), watched: &Watched) -> Verdict {
    let before = began.elapsed();
    let verdict = verifier.1.verify(&watched.text);
    let after = began.elapsed();
    Verdict {
        verifier: verifier.0,
        token: watched.token,
        outcome: match verdict {
            Ok(_) => Outcome::Accepted,
            Err(Error::Invalid(reason)) => Outcome::Refused(reason),
            Err(_) => Outcome::NotNow,
        },
        began: (before, before),
        ended: (after, after),
        calls: 1,
    }
}

pub(crate) struct Prober {
    began: Instant,
    fleet: Fleet,
    verifiers: usize,
    /// For how long a token stays hot: after that every fresh verifier must have refused.
    patience: Duration,
    tokens: Vec<Option<Watched>>,
    /// By place in `tokens`.
    hot_since: Vec<Option<Moment>>,
    by_session: HashMap<Uuid, Vec<usize>>,
    by_user: HashMap<Uuid, Vec<usize>>,
    /// When a verifier is to be asked about a token; entries that were overtaken are passed over.
    queue: BinaryHeap<Reverse<(Moment, usize, usize)>>,
    pairs: Vec<Pair>,
    /// By verifier: since when, and whether it was fresh when it was looked at last.
    states: Vec<Freshness>,
    looked: Moment,
    probed: Probed,
}

#[derive(Clone, Copy, Default)]
struct Pair {
    due: Moment,
    /// The place of its newest entry.
    entry: Option<usize>,
}

impl Prober {
    pub(crate) fn new(began: Instant, fleet: Fleet, patience: Duration) -> Self {
        let verifiers = lock(&fleet).len();
        let now = began.elapsed();
        let state = Freshness {
            fresh: false,
            from: now,
            to: now,
        };
        Self {
            began,
            fleet,
            verifiers,
            patience,
            tokens: Vec::new(),
            hot_since: Vec::new(),
            by_session: HashMap::new(),
            by_user: HashMap::new(),
            queue: BinaryHeap::new(),
            pairs: Vec::new(),
            states: vec![state; verifiers],
            looked: now,
            probed: Probed::default(),
        }
    }

    /// Until the run is over, or nobody is left to say so.
    pub(crate) fn run(&mut self, orders: &mpsc::Receiver<Order>) {
        loop {
            let now = self.began.elapsed();
            let next = self
                .queue
                .peek()
                .map_or(now + HOT.0, |Reverse((due, ..))| *due);
            let wait = next
                .saturating_sub(now)
                .clamp(Duration::from_micros(200), HOT.0);
            let first = match orders.recv_timeout(wait) {
                Ok(order) => Some(order),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            // What came in while this was busy is taken before anything is asked, in order.
            for order in first.into_iter().chain(orders.try_iter()) {
                match order {
                    Order::Watch(watched) => self.watch(watched),
                    Order::Hot(target) => self.heat(target),
                    Order::End => return,
                }
            }
            let verifiers = lock(&self.fleet).clone();
            self.look(&verifiers);
            self.ask_all_due(&verifiers);
        }
    }

    fn ask_all_due(&mut self, verifiers: &[Verifier]) {
        let until = self.began.elapsed();
        while let Some(Reverse((due, token, verifier))) = self.queue.peek().copied() {
            if due > until {
                return;
            }
            self.queue.pop();
            if self.pairs[token * self.verifiers + verifier].due == due {
                self.ask((verifier, &verifiers[verifier]), token);
            }
        }
    }

    fn watch(&mut self, watched: Watched) {
        let place = self.tokens.len();
        self.by_session
            .entry(watched.session)
            .or_default()
            .push(place);
        self.by_user.entry(watched.user).or_default().push(place);
        self.tokens.push(Some(watched));
        self.hot_since.push(None);
        let fresh = vec![Pair::default(); self.verifiers];
        self.pairs.extend(fresh);
        let now = self.began.elapsed();
        (0..self.verifiers).for_each(|verifier| self.schedule(place, verifier, now));
    }

    fn heat(&mut self, target: Target) {
        let all: Vec<usize>;
        let places = match target {
            Target::Session(id) => self.by_session.get(&id).cloned(),
            Target::User(id, _) | Target::Roles(id) => self.by_user.get(&id).cloned(),
            Target::Everyone => {
                all = (0..self.tokens.len()).collect();
                Some(all)
            }
        };
        let now = self.began.elapsed();
        for place in places.unwrap_or_default() {
            if self.tokens[place].is_none() {
                continue;
            }
            self.hot_since[place] = Some(now);
            for verifier in 0..self.verifiers {
                if !self.is_refused(place, verifier) {
                    self.schedule(place, verifier, now);
                }
            }
        }
    }

    fn is_refused(&self, place: usize, verifier: usize) -> bool {
        let entry = self.pairs[place * self.verifiers + verifier].entry;
        entry
            .is_some_and(|entry| matches!(self.probed.verdicts[entry].outcome, Outcome::Refused(_)))
    }

    fn schedule(&mut self, place: usize, verifier: usize, due: Moment) {
        self.pairs[place * self.verifiers + verifier].due = due;
        self.queue.push(Reverse((due, place, verifier)));
    }

    fn ask(&mut self, verifier: (usize, &Verifier), place: usize) {
        let Some(watched) = &self.tokens[place] else {
            return;
        };
        if has_nearly_expired(watched) {
            self.forget(place);
            return;
        }
        let verdict = ask(self.began, verifier, watched);
        let (outcome, now) = (verdict.outcome, verdict.ended.1);
        self.note(place, verdict);
        let hot = self.hot_since[place].map(|since| now.saturating_sub(since));
        let pause = match (outcome, hot.filter(|hot| *hot < self.patience)) {
            (Outcome::Accepted, Some(hot)) => (hot / 20).clamp(HOT.0, HOT.1),
            (Outcome::Accepted, None) => ACCEPTED,
            (Outcome::Refused(_), _) => REFUSED,
            (Outcome::NotNow | Outcome::Silent, _) => NOT_NOW,
        };
        self.schedule(place, verifier.0, now + pause);
    }

    fn forget(&mut self, place: usize) {
        if let Some(watched) = self.tokens[place].take() {
            for (map, key) in [
                (&mut self.by_session, watched.session),
                (&mut self.by_user, watched.user),
            ] {
                if let Some(places) = map.get_mut(&key) {
                    places.retain(|other| *other != place);
                }
            }
        }
    }

    fn note(&mut self, place: usize, verdict: Verdict) {
        let pair = &mut self.pairs[place * self.verifiers + verdict.verifier];
        let last = pair.entry.map(|entry| &mut self.probed.verdicts[entry]);
        match last {
            Some(last) if last.outcome == verdict.outcome => {
                last.began.1 = verdict.began.1;
                last.ended.1 = verdict.ended.1;
                last.calls += 1;
            }
            _ => {
                pair.entry = Some(self.probed.verdicts.len());
                self.probed.verdicts.push(verdict);
            }
        }
    }

    fn look(&mut self, verifiers: &[Verifier]) {
        let now = self.began.elapsed();
        if now.saturating_sub(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        for (state, verifier) in self.states.iter_mut().zip(verifiers) {
            let fresh = verifier.status().freshness == State::Fresh;
            // What lies between two looks belongs to the later one.
            if fresh != state.fresh {
                let from = state.to;
                let next = Freshness {
                    fresh,
                    from,
                    to: now,
                };
                self.probed.freshness.push(std::mem::replace(state, next));
            }
            state.to = now;
        }
    }

    fn finish(mut self) -> Probed {
        self.probed.freshness.append(&mut self.states);
        let left = self.tokens.into_iter().flatten();
        self.probed.left = left
            .filter(|watched| !has_nearly_expired(watched))
            .collect();
        self.probed
    }
}

pub(crate) fn has_nearly_expired(watched: &Watched) -> bool {
    SystemTime::now() + NEARLY_EXPIRED >= watched.expires
}

/// A poisoned lock holds whole verifiers.
pub(crate) fn lock(fleet: &Fleet) -> std::sync::MutexGuard<'_, Vec<Verifier>> {
    fleet.lock().unwrap_or_else(PoisonError::into_inner)
}
