//! Judges a history. Pure: the same history always gets the same judgement.
//!
//! | file | what it looks at |
//! | --- | --- |
//! | `promise` | dead tokens that were accepted, and revocations that were lost |
//! | `availability` | good tokens that were refused, and verifiers that were not fresh |
//! | `evidence` | whether the run was hard enough, and enough was asked, to mean anything |

mod availability;
mod evidence;
mod promise;

use crate::history::{History, Moment, Target};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use uuid::Uuid;

/// By what a history is judged.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) max_staleness: Duration,
    /// By how much the clocks of service, verifiers and checker may differ. Here they are one, and
    /// what is left is that they are read in whole milliseconds and coarse ticks.
    pub(crate) clocks: Duration,
    /// How long after its mending a fault still excuses a verifier that is not fresh.
    pub(crate) grace: Duration,
    pub(crate) min_acknowledged: usize,
    /// The kinds of faults, each of which must have come so often.
    pub(crate) kinds: Vec<&'static str>,
    pub(crate) min_of_each: usize,
    /// Of the pairs of a verifier and a token that died under its watch, the share in which the
    /// verifier must have been seen to refuse, or have been asked after the bound.
    pub(crate) min_settled: f64,
    /// The share of time outside faults in which a verifier must be fresh. Nothing where these times
    /// are too short to tell.
    pub(crate) min_fresh: Option<f64>,
}

impl Rules {
    /// From here on after an acknowledgement, whoever is fresh refuses.
    fn bound(&self) -> Duration {
        self.max_staleness + self.clocks
    }
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) beyond_the_bound: usize,
    /// From each acknowledgement to the last acceptance by each verifier; zero where none came later.
    pub(crate) windows: Vec<Duration>,
    /// From each acknowledgement to the first refusal by each verifier; zero where it came earlier.
    pub(crate) to_refusal: Vec<Duration>,
    pub(crate) longest_staleness: Duration,
    pub(crate) longest_staleness_outside: Duration,
    pub(crate) verdicts: u64,
    pub(crate) accepted: u64,
    pub(crate) not_now: u64,
    /// At most: the first of equal verdicts in a row was wrong, and the others may have been.
    pub(crate) good_refused: u64,
    /// Pairs of a verifier and a token that died while it was asked about.
    pub(crate) pairs: usize,
    /// Those in which it refused, or was asked after the bound.
    pub(crate) settled: usize,
    /// Questions to the verifier that can be stopped, and those after the bound.
    pub(crate) sampled: usize,
    pub(crate) sampled_late: usize,
    /// Dead tokens that were refused as such after the end, by the verifier with the fewest.
    pub(crate) last_refusals: usize,
    pub(crate) fresh_outside: f64,
    pub(crate) fresh_during: f64,
    pub(crate) outside: Duration,
    pub(crate) kinds: BTreeMap<&'static str, usize>,
    /// Why the run does not count or the promise was broken. Empty is good.
    pub(crate) failures: Vec<String>,
}

pub(crate) fn judge(history: &History, rules: &Rules) -> Judgement {
    let mut judgement = Judgement {
        acknowledged: history.acknowledged.len(),
        failures: history.complaints.clone(),
        ..Judgement::default()
    };
    let deaths = Deaths::of(history);
    promise::acceptances(history, rules, &deaths, &mut judgement);
    promise::windows(history, &deaths, &mut judgement);
    promise::losses(history, &deaths, &mut judgement);
    availability::refusals(history, rules, &mut judgement);
    availability::staleness(history, rules, &mut judgement);
    evidence::faults(history, rules, &mut judgement);
    evidence::questions(history, rules, &deaths, &mut judgement);
    evidence::samples(history, rules, &deaths, &mut judgement);
    evidence::freshness(history, rules, &mut judgement);
    judgement
}

/// When each token died at the latest: the first acknowledgement of a revocation that kills it.
struct Deaths {
    /// By token: the acknowledgement's place and time.
    first: Vec<Option<(usize, Moment)>>,
    /// By acknowledgement: the tokens that it kills, whoever else has killed them.
    kills: Vec<Vec<usize>>,
}

impl Deaths {
    fn of(history: &History) -> Self {
        let (mut by_session, mut by_user) = (HashMap::new(), HashMap::new());
        for (index, token) in history.tokens.iter().enumerate() {
            push(&mut by_session, token.session, index);
            push(&mut by_user, token.user, index);
        }
        let all: Vec<usize> = (0..history.tokens.len()).collect();
        let mut first: Vec<Option<(usize, Moment)>> = vec![None; history.tokens.len()];
        let mut kills = Vec::with_capacity(history.acknowledged.len());
        for (number, acknowledged) in history.acknowledged.iter().enumerate() {
            let candidates = match acknowledged.target {
                Target::Session(id) => by_session.get(&id),
                Target::User(id, _) | Target::Roles(id) => by_user.get(&id),
                Target::Everyone => Some(&all),
            };
            let killed: Vec<usize> = candidates
                .into_iter()
                .flatten()
                .copied()
                .filter(|token| history.tokens[*token].position < acknowledged.position)
                .collect();
            for token in &killed {
                let earlier = first[*token].is_some_and(|(_, at)| at <= acknowledged.at);
                if !earlier {
                    first[*token] = Some((number, acknowledged.at));
                }
            }
            kills.push(killed);
        }
        Self { first, kills }
    }
}

fn push(map: &mut HashMap<Uuid, Vec<usize>>, key: Uuid, index: usize) {
    map.entry(key).or_default().push(index);
}
