//! Refreshes, committed in groups: each writer takes what is queued, without waiting for more.
//!
//! One commit then carries many refreshes, and a lone refresh waits for nobody. Sessions are locked
//! in the order of their ids, so that two writers cannot wait for each other.

use super::revoking::PATIENCE;
use super::revoking::command::Command;
use super::{Error, Granted, Inner, Result, Service, Snapshot};
use crate::audit;
use crate::session::{
    CutOffs, Delivery, EndReason, Event, Fact, Refresh, Refreshed, Refusal, RetryKey, Stream,
    decide, state,
};
use crate::store::{self, FoundSession};
use crate::token::SessionToken;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

/// Groups that are committed at once. SQLite has one writer and lets them take turns.
const WRITERS: usize = 4;
/// Past this a longer group saves nothing.
const MAX_GROUP: usize = 64;
/// Refreshes that may wait; more are told to come back later.
const QUEUE: usize = 4096;

/// One refresh on its way to a writer.
struct Job {
    token: SessionToken,
    way_in: Delivery,
    retry_key: Option<RetryKey>,
    /// Later nobody waits for it any more.
    until: Instant,
    answer: oneshot::Sender<Result<Granted>>,
}

/// The way to the writers.
#[derive(Clone)]
pub(super) struct Queue(mpsc::Sender<Job>);

impl Queue {
    pub(super) fn start(inner: &Arc<Inner>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..WRITERS {
            tokio::spawn(write(Arc::downgrade(inner), receiver.clone()));
        }
        Self(sender)
    }
}

impl Service {
    /// New tokens for a session token that came by cookie or in the body.
    pub(crate) async fn refresh(
        &self,
        token: SessionToken,
        way_in: Delivery,
        retry_key: Option<RetryKey>,
    ) -> Result<Granted> {
        self.refresh_within(PATIENCE, token, way_in, retry_key)
            .await
    }

    /// The same where somebody has more patience, or less.
    pub(super) async fn refresh_within(
        &self,
        patience: Duration,
        token: SessionToken,
        way_in: Delivery,
        retry_key: Option<RetryKey>,
    ) -> Result<Granted> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            token,
            way_in,
            retry_key,
            until: Instant::now() + patience,
            answer,
        };
        self.refreshes
            .0
            .try_send(job)
            .map_err(|_| Error::Overloaded)?;
        answered.await.map_err(|_| Error::ShuttingDown)?
    }
}

async fn write(inner: Weak<Inner>, receiver: Arc<Mutex<mpsc::Receiver<Job>>>) {
    loop {
        let mut group = Vec::new();
        if receiver.lock().await.recv_many(&mut group, MAX_GROUP).await == 0 {
            return;
        }
        let Some(inner) = inner.upgrade() else { return };
        // Whoever has gone away asks again, if at all.
        group.retain(|job| !job.answer.is_closed());
        let in_time = |job: &Job| Instant::now() < job.until;
        let (group, late): (Vec<_>, Vec<_>) = group.into_iter().partition(in_time);
        for job in late {
            let _gone = job.answer.send(Err(Error::Overloaded));
        }
        if group.is_empty() {
            continue;
        }
        // In a task of its own, so that a group that panics does not end this writer.
        let _panicked = tokio::spawn(inner.refresh_group(group)).await;
    }
}

/// What becomes of one job, before the group is committed.
enum Outcome {
    Granted(Box<Granted>),
    Refused(Refusal),
}

impl Inner {
    async fn refresh_group(self: Arc<Self>, jobs: Vec<Job>) {
        match self.decide_and_commit(&jobs).await {
            // A row that cannot be read is the trouble of one of them.
            Err(Error::Store(error))
                if jobs.len() > 1 && matches!(*error, store::Error::Corrupt(_)) =>
            {
                for job in jobs {
                    Box::pin(self.clone().refresh_group(vec![job])).await;
                }
            }
            Err(error) => {
                for job in jobs {
                    // A client that has gone away is told nothing; its retry gets the same answer.
                    let _gone = job.answer.send(Err(error.clone()));
                }
            }
            Ok(outcomes) => {
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    match outcome {
                        Outcome::Granted(granted) => {
                            let _gone = job.answer.send(Ok(*granted));
                        }
                        Outcome::Refused(Refusal::Reused) => {
                            tokio::spawn(self.clone().answer_old(job));
                        }
                        Outcome::Refused(Refusal::Ended | Refusal::NeverIssued) => {
                            let _gone = job.answer.send(Err(Error::SessionEnded));
                        }
                    }
                }
            }
        }
    }

    /// Several jobs may be for one session. Each then finds what the one before it made of the
    /// session; cut-offs, roles and `pos` are those of the one snapshot for all.
    async fn decide_and_commit(&self, jobs: &[Job]) -> Result<Vec<Outcome>> {
        let ids: HashSet<_> = jobs.iter().map(|job| job.token.session).collect();
        let mut tx = self.store.begin().await?;
        let found = tx.lock_sessions(&Vec::from_iter(ids)).await?;
        let mut found: HashMap<_, _> = found
            .into_iter()
            .map(|found| (found.row.id, found))
            .collect();
        let mut events = Vec::new();
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(match found.get_mut(&job.token.session) {
                Some(found) => self.refresh_one(job, found, &mut events),
                None => Outcome::Refused(Refusal::Ended),
            });
        }
        if !events.is_empty() {
            let changed: HashSet<_> = events.iter().map(|event| event.stream.uuid()).collect();
            let rows: Vec<_> = found
                .into_values()
                .map(|found| found.row)
                .filter(|row| changed.contains(&row.id.uuid()))
                .collect();
            tx.append(&events).await?;
            tx.save_sessions(&rows).await?;
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    fn refresh_one(&self, job: &Job, found: &mut FoundSession, events: &mut Vec<Event>) -> Outcome {
        let details = found.row.session.details();
        // The token in the other place was taken out of its cookie, or put into one.
        if details.user != job.token.user || details.delivery != job.way_in {
            return Outcome::Refused(Refusal::Ended);
        }
        let now = found.head.now;
        if job.token.is_over(now) {
            return Outcome::Refused(Refusal::Ended);
        }
        let cut_offs = CutOffs {
            user: found.user.cut_off,
            everyone: found.head.everyone,
        };
        let command = Refresh {
            generation: job.token.generation,
            retry_key: job.retry_key,
            ttl: self.settings.session_ttl,
        };
        match decide::refresh(&found.row.session, cut_offs, command, now) {
            Err(refusal) => return Outcome::Refused(refusal),
            Ok(Refreshed::SameSuccessor) => {}
            Ok(Refreshed::Rotated(fact)) => {
                found.row.version += 1;
                found.row.session = state::apply(Some(found.row.session.clone()), now, &fact)
                    .unwrap_or_else(|_| unreachable!("an open session may be refreshed"));
                events.push(Event {
                    stream: Stream::Session(found.row.id),
                    version: found.row.version,
                    at: now,
                    fact: Fact::Session(fact),
                });
            }
        }
        Outcome::Granted(Box::new(self.grant(&Snapshot {
            id: found.row.id,
            session: found.row.session.details(),
            user_name: &found.user_name,
            roles: found.user.roles.names(),
            position: found.head.position,
            now,
            until: None,
        })))
    }

    /// A token whose successor was used already.
    async fn answer_old(self: Arc<Self>, job: Job) {
        let settled = match self.came_late(&job).await {
            Ok(true) => Ok(()),
            Ok(false) => self.end_stolen(&job).await,
            Err(error) => Err(error),
        };
        let _gone = job.answer.send(settled.and(Err(Error::SessionEnded)));
    }

    /// Whether the token was refreshed with the very key of this request: a replica stood still with
    /// it, say, and its sender, who had the answer from another, has gone on since. It gets nothing,
    /// and nobody is a thief.
    async fn came_late(&self, job: &Job) -> Result<bool> {
        let Some(key) = job.retry_key else {
            return Ok(false);
        };
        let SessionToken {
            session,
            generation,
            ..
        } = job.token;
        Ok(self
            .store
            .was_made_with(session, generation + 1, key)
            .await?)
    }

    /// Two hold the same session token and it cannot be known which is the thief: neither keeps it.
    async fn end_stolen(self: &Arc<Self>, job: &Job) -> Result<()> {
        let session = job.token.session;
        let command = Command::EndSession {
            session,
            owner: None,
            reason: EndReason::Reuse,
        };
        self.revoke(command, None).await?;
        audit::session_stolen(job.token.user, session);
        Ok(())
    }
}
