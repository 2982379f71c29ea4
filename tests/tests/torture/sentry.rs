//! Asks the verifier that is a process of its own, over HTTP.
//!
//! It is asked less often than those in this process: about some of the tokens that somebody revokes,
//! and now and then about another. But it is asked while it is stopped, too, and each question counts
//! from when it was put: what it says on waking must be true of that moment.

use crate::history::{Moment, Outcome, Target, Verdict};
use crate::probe::{Order, Watched, has_nearly_expired};
use crate::world::VERIFIERS;
use std::collections::HashMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;
use verifier_sdk::Reason;

/// How often it is asked.
const TICK: Duration = Duration::from_millis(250);
/// So many tokens that somebody revokes are asked about at a time.
const AT_ONCE: usize = 12;
/// Of each session and user so many tokens are remembered, and of all together.
const REMEMBERED: usize = 2;
/// Longer than it is ever stopped.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// The task that asks, and how it is told.
pub(crate) struct Sentry {
    orders: mpsc::Sender<Order>,
    asking: JoinHandle<Vec<Verdict>>,
}

impl Sentry {
    /// Begins to ask the verifier at `url`; about each token that is revoked for as long as `patience`.
    pub(crate) fn start(began: Instant, url: String, patience: Duration) -> Self {
        let (orders, received) = mpsc::channel();
        let rounds = Rounds {
            began,
            url,
            patience,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(ANSWERS_WITHIN)
                .build()
                .unwrap(),
            newest: Vec::new(),
            by_subject: HashMap::new(),
            hot: Vec::new(),
            asked: JoinSet::new(),
            verdicts: Vec::new(),
        };
        Self {
            orders,
            asking: tokio::spawn(rounds.run(received)),
        }
    }

    pub(crate) fn orders(&self) -> mpsc::Sender<Order> {
        self.orders.clone()
    }

    /// Tells it to end, and waits for the answers that are still to come.
    ///
    /// # Panics
    /// When it does not end in time, or has ended by a panic.
    pub(crate) async fn ends(self) -> Vec<Verdict> {
        // Where it has died, the join tells.
        let _told = self.orders.send(Order::End);
        let ended = timeout(2 * ANSWERS_WITHIN, self.asking).await;
        ended.expect("the sentry goes on after its end").unwrap()
    }
}

struct Rounds {
    began: Instant,
    url: String,
    patience: Duration,
    http: reqwest::Client,
    newest: Vec<Watched>,
    by_subject: HashMap<Uuid, Vec<Watched>>,
    /// What somebody revokes, and since when.
    hot: Vec<(Watched, Moment)>,
    asked: JoinSet<Verdict>,
    verdicts: Vec<Verdict>,
}

impl Rounds {
    async fn run(mut self, orders: mpsc::Receiver<Order>) -> Vec<Verdict> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let ends = orders.try_iter().any(|order| self.ends_by(order));
            if ends {
                return self.finish().await;
            }
            while let Some(verdict) = self.asked.try_join_next() {
                self.note(verdict.unwrap());
            }
            self.ask_all();
        }
    }

    fn ends_by(&mut self, order: Order) -> bool {
        match order {
            Order::Watch(watched) => self.watch(&watched),
            Order::Hot(target) => self.heat(target),
            Order::End => return true,
        }
        false
    }

    fn watch(&mut self, watched: &Watched) {
        remember(&mut self.newest, watched);
        for subject in [watched.session, watched.user] {
            remember(self.by_subject.entry(subject).or_default(), watched);
        }
    }

    fn heat(&mut self, target: Target) {
        let tokens = match target {
            Target::Session(id) | Target::User(id, _) | Target::Roles(id) => {
                self.by_subject.get(&id)
            }
            Target::Everyone => Some(&self.newest),
        };
        let now = self.began.elapsed();
        for watched in tokens.into_iter().flatten() {
            let known = self.hot.iter().any(|(hot, _)| hot.token == watched.token);
            if !known && self.hot.len() < AT_ONCE {
                self.hot.push((watched.clone(), now));
            }
        }
    }

    fn ask_all(&mut self) {
        let now = self.began.elapsed();
        let (patience, began) = (self.patience, self.began);
        self.hot.retain(|(watched, since)| {
            now.saturating_sub(*since) < patience && !has_nearly_expired(watched)
        });
        let other = self.newest.iter().filter(|w| !has_nearly_expired(w));
        let hot = self.hot.iter().map(|(watched, _)| watched);
        for watched in hot.chain(other.take(1)) {
            let request = self.http.get(format!("{}/verify", self.url));
            let request = request.bearer_auth(&watched.text);
            self.asked.spawn(ask(began, request, watched.token));
        }
    }

    fn note(&mut self, verdict: Verdict) {
        if verdict.outcome.is_dead() {
            self.hot.retain(|(hot, _)| hot.token != verdict.token);
        }
        self.verdicts.push(verdict);
    }

    async fn finish(mut self) -> Vec<Verdict> {
        while let Some(verdict) = self.asked.join_next().await {
            self.note(verdict.unwrap());
        }
        self.verdicts
    }
}

fn remember(tokens: &mut Vec<Watched>, watched: &Watched) {
    if tokens.len() == REMEMBERED {
        tokens.remove(0);
    }
    tokens.push(watched.clone());
}

async fn ask(began: Instant, request: reqwest::RequestBuilder, token: usize) -> Verdict {
    let before = began.elapsed();
    let answer = request.send().await;
    let after = began.elapsed();
    Verdict {
        verifier: VERIFIERS,
        token,
        outcome: match answer.map(|answer| answer.status().as_u16()) {
            Ok(200) => Outcome::Accepted,
            // It does not say why. Whatever it was, only the log excuses it.
            Ok(401) => Outcome::Refused(Reason::Revoked),
            Ok(_) => Outcome::NotNow,
            Err(_) => Outcome::Silent,
        },
        began: (before, before),
        ended: (after, after),
        calls: 1,
    }
}
