//! Which faults strike when. In rounds: some strike together, last a while, and are mended; then
//! there is quiet, so that what verifiers do without faults can be told from what they do under them.

use crate::faults::{self, Struck};
use crate::history::{Fault, Moment};
use crate::kinds::Kind;
use crate::world::World;
use fastrand::Rng;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a round takes, about, beside the grace.
const ROUND: Duration = Duration::from_millis(3_500);
/// The most faults at a time.
const AT_ONCE: usize = 5;
/// So many faults that struck nobody are tried again.
const MAX_IN_VAIN: usize = 3;

pub(crate) struct Nemesis {
    pub(crate) rng: Rng,
    /// How often each kind must come.
    pub(crate) min_of_each: usize,
    /// For how long a fault excuses verifiers after it was mended.
    pub(crate) grace: Duration,
    /// The kinds that come next: all of them, shuffled, over and over.
    deck: Vec<Kind>,
    dealt: usize,
    in_vain: usize,
}

impl Nemesis {
    pub(crate) fn new(seed: u64, min_of_each: usize, grace: Duration) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            min_of_each,
            grace,
            deck: Vec::new(),
            dealt: 0,
            in_vain: 0,
        }
    }

    /// Works until `end`, and longer where kinds are missing.
    pub(crate) async fn rages(
        &mut self,
        world: &mut World,
        began: Instant,
        end: Moment,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        loop {
            let left = end.saturating_sub(began.elapsed());
            let missing = (Kind::ALL.len() * self.min_of_each).saturating_sub(self.dealt);
            if left.is_zero() && missing == 0 {
                return faults;
            }
            let rounds = (left.as_millis() / (ROUND + self.grace).as_millis()).max(1);
            let needed = missing.div_ceil(usize::try_from(rounds).unwrap_or(usize::MAX));
            let count = self.rng.usize(1..=3).max(needed).min(AT_ONCE);
            let round = self.deal(count);
            faults.extend(self.round(round, world, began).await);
            let quiet = self.grace + Duration::from_millis(self.rng.u64(1_000..2_500));
            sleep(quiet).await;
        }
    }

    /// At most `count` faults that leave each other alone; what does not fit comes in a later round.
    fn deal(&mut self, count: usize) -> Vec<(Kind, usize)> {
        let mut round = Vec::new();
        let mut claimed = 0;
        let mut passed = Vec::new();
        while round.len() < count {
            let Some(kind) = self.deck.pop() else {
                if !round.is_empty() || !passed.is_empty() {
                    break;
                }
                self.deck = Kind::ALL.to_vec();
                self.rng.shuffle(&mut self.deck);
                continue;
            };
            let target = self.rng.usize(..24);
            let claims = kind.claims(target);
            if claims & claimed == 0 {
                claimed |= claims;
                round.push((kind, target));
            } else {
                passed.push(kind);
            }
        }
        self.deck.extend(passed.into_iter().rev());
        self.dealt += round.len();
        round
    }

    /// It struck nobody, so it does not count.
    fn comes_again(&mut self, kind: Kind) {
        self.in_vain += 1;
        // Where it never succeeds, the run must end all the same.
        if self.in_vain <= MAX_IN_VAIN {
            self.deck.push(kind);
            self.dealt -= 1;
        }
    }

    async fn round(
        &mut self,
        round: Vec<(Kind, usize)>,
        world: &mut World,
        began: Instant,
    ) -> Vec<Fault> {
        let mut going_on: Vec<(Moment, Struck)> = Vec::new();
        for (kind, target) in round {
            let from = began.elapsed();
            let fault = faults::strike(kind, target, world, &mut self.rng).await;
            eprintln!("{:7.1} s  {}", from.as_secs_f64(), kind.name());
            going_on.push((from, fault));
            sleep(Duration::from_millis(self.rng.u64(..200))).await;
        }
        sleep(Duration::from_millis(self.rng.u64(1_000..2_500))).await;
        going_on.sort_by_key(|(_, fault)| fault.kind.mended());
        let mut faults = Vec::new();
        for (from, fault) in going_on {
            let kind = fault.kind;
            let struck = faults::mend(fault, world).await;
            let to = began.elapsed();
            if !struck {
                eprintln!("{:7.1} s  in vain: {}", to.as_secs_f64(), kind.name());
                self.comes_again(kind);
            }
            faults.push(Fault {
                kind: kind.name(),
                from,
                to,
                struck,
            });
        }
        faults
    }
}
