//! Everything that takes a position, committed in groups: this process has one writer, which takes
//! what is queued, without waiting for more. One commit then carries many revocations and one page
//! does, and a lone revocation waits for nobody.
//!
//! | file | what |
//! | --- | --- |
//! | this one | the queue and its writer |
//! | [`command`] | what is asked of a group, and what comes back |
//! | [`draft`] | what a group comes to (pure) |
//!
//! There are two ways to commit. Where it can be, rows are read and decided on without a lock, and
//! one statement locks the head, makes sure that all is as it was, writes and commits. Where that
//! finds something changed (another replica revoked, a session was refreshed), or a command needs it,
//! the group is decided in a transaction that has locked the head and then the rows, for which others
//! wait during all its questions.

pub(super) mod command;
pub(super) mod draft;

use super::{Error, Inner, Result};
use crate::clock;
use crate::relay::Committed;
use crate::session::{Event, Stream};
use crate::store::{Changes, FoundSession, Head};
use command::{Command, Decided};
use draft::Draft;
use futures::future::BoxFuture;
use revocation_events::{Position, UnixMillis, page};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// As many as one page holds.
const MAX_GROUP: usize = page::MAX_REVOCATIONS;

/// Commands that may wait; more are told to come back later.
const QUEUE: usize = 4096;

/// For how long one may wait, where the database is slow; then it is told the same.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// One command on its way to the writer.
struct Job {
    command: Command,
    /// The session of the command, where it was just read.
    seen: Option<FoundSession>,
    /// Later nobody waits for it any more.
    until: Instant,
    answer: oneshot::Sender<Result<Decided>>,
}

/// The way to the writer. Whoever goes away while waiting changes nothing: what was asked for is done.
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    /// The newest head of which other processes are to hear.
    moved: watch::Sender<Position>,
}

/// The other end.
pub(super) struct Jobs {
    jobs: mpsc::Receiver<Job>,
    moved: watch::Receiver<Position>,
}

impl Queue {
    pub(super) fn new() -> (Self, Jobs) {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let (moving, moved) = watch::channel(Position::ZERO);
        let queue = Self {
            jobs: sender,
            moved: moving,
        };
        (queue, Jobs { jobs, moved })
    }

    /// Waits until the command is committed, and handed to the relay.
    pub(super) async fn commit(
        &self,
        command: Command,
        seen: Option<FoundSession>,
    ) -> Result<Decided> {
        self.commit_within(PATIENCE, command, seen).await
    }

    /// The same where somebody has more patience, or less.
    pub(super) async fn commit_within(
        &self,
        patience: Duration,
        command: Command,
        seen: Option<FoundSession>,
    ) -> Result<Decided> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            command,
            seen,
            until: Instant::now() + patience,
            answer,
        };
        self.jobs.try_send(job).map_err(|_| Error::Overloaded)?;
        answered.await.map_err(|_| Error::ShuttingDown)?
    }
}

#[cfg(test)]
impl Queue {
    /// How many commands wait for the writer.
    pub(super) fn waiting(&self) -> usize {
        QUEUE - self.jobs.capacity()
    }
}

/// Takes groups from the queue until the service is gone.
pub(super) async fn write(inner: Weak<Inner>, jobs: Jobs) {
    let Jobs { mut jobs, moved } = jobs;
    tokio::spawn(wake_others(inner.clone(), moved));
    let mut newest = Head {
        position: Position::ZERO,
        everyone: Position::ZERO,
        now: UnixMillis::new(0),
    };
    loop {
        let mut group = Vec::new();
        if jobs.recv_many(&mut group, MAX_GROUP).await == 0 {
            return;
        }
        let Some(inner) = inner.upgrade() else { return };
        let in_time = |job: &Job| Instant::now() < job.until;
        let (group, late): (Vec<_>, Vec<_>) = group.into_iter().partition(in_time);
        for job in late {
            let _gone = job.answer.send(Err(Error::Overloaded));
        }
        // In a task of its own, so that a group that panics takes no other along.
        let written = tokio::spawn(async move { inner.revoke_group(group, newest).await });
        newest = written.await.unwrap_or(newest);
    }
}

/// Beside the commits, which do not wait for it, and once for as many as come meanwhile.
async fn wake_others(inner: Weak<Inner>, mut moved: watch::Receiver<Position>) {
    while moved.changed().await.is_ok() {
        let head = *moved.borrow_and_update();
        let Some(inner) = inner.upgrade() else { return };
        inner.store.wake_others(head).await;
    }
}

/// A group that was committed, if there was anything to commit.
struct Written {
    decided: Vec<Result<Decided>>,
    head: Head,
}

impl Inner {
    /// Commits the group and answers it; the newest head that is known afterwards.
    fn revoke_group(self: Arc<Self>, jobs: Vec<Job>, newest: Head) -> BoxFuture<'static, Head> {
        Box::pin(async move {
            match self.revoke_together(&jobs, newest).await {
                Ok(Written { decided, head }) => {
                    for (job, decided) in jobs.into_iter().zip(decided) {
                        let _gone = job.answer.send(decided);
                    }
                    head
                }
                // A row that cannot be read, or a stream that takes no event, is the trouble of one
                // of them.
                Err(Error::Store(error)) if jobs.len() > 1 && !error.is_away() => {
                    let mut first = jobs;
                    let second = first.split_off(first.len() / 2);
                    let newest = self.clone().revoke_group(first, newest).await;
                    self.revoke_group(second, newest).await
                }
                Err(error) => {
                    for job in jobs {
                        let _gone = job.answer.send(Err(error.clone()));
                    }
                    newest
                }
            }
        })
    }

    async fn revoke_together(&self, jobs: &[Job], newest: Head) -> Result<Written> {
        let seen = self.relay.seen().max(newest.position);
        if jobs.iter().all(|job| job.command.needs_no_lock()) {
            let (mut draft, head) = self.read(jobs, newest).await?;
            let decided = decide(&mut draft, jobs);
            let Some(changes) = draft.changes() else {
                return Ok(Written { decided, head });
            };
            // After an older head there is nothing to write to, or a log that has lost its end.
            if head.position >= seen
                && let Ok(at) = self.store.write(&changes).await?
            {
                let head = self.committed(head.position, at, &changes, head.everyone);
                self.revocations.moved.send_replace(head.position);
                return Ok(Written { decided, head });
            }
        }
        self.revoke_locked(jobs, seen).await
    }

    /// Reads without a lock what is not known yet.
    async fn read(&self, jobs: &[Job], newest: Head) -> Result<(Draft, Head)> {
        let unseen = jobs.iter().filter(|job| job.seen.is_none());
        let unseen: BTreeSet<_> = unseen.filter_map(|job| job.command.session()).collect();
        let users: BTreeSet<_> = jobs.iter().filter_map(|job| job.command.user()).collect();
        let mut sessions: Vec<_> = jobs.iter().filter_map(|job| job.seen.clone()).collect();
        if !unseen.is_empty() {
            sessions.extend(self.store.sessions(&Vec::from_iter(unseen)).await?);
        }
        let mut found = Vec::new();
        if !users.is_empty() {
            found = self.store.users_by_id(&Vec::from_iter(users)).await?;
        }
        // What was read with an older head has changed since or has not: its stream will tell.
        let heads = sessions.iter().map(|found| found.head);
        let heads = heads.chain(found.iter().map(|found| found.head));
        let head = heads.fold(newest, later);
        let mut draft = Draft::after(head, clock::latest_position());
        draft.add_sessions(sessions);
        draft.add_users(found);
        Ok((draft, head))
    }

    async fn revoke_locked(&self, jobs: &[Job], seen: Position) -> Result<Written> {
        let users: BTreeSet<_> = jobs.iter().filter_map(|job| job.command.user()).collect();
        let sessions: BTreeSet<_> = jobs
            .iter()
            .filter_map(|job| job.command.session())
            .collect();
        let mut tx = self.store.begin().await?;
        let taken = tx.take_position(seen).await?;
        // Others wait meanwhile, so nothing is asked that is not needed.
        let mut everyone_version = 0;
        if jobs.iter().any(|job| job.command == Command::EndEveryone) {
            everyone_version = tx.stream_version(Stream::Everyone.uuid()).await?;
        }
        let mut draft = Draft::at(taken, everyone_version);
        if !users.is_empty() {
            draft.add_users(tx.lock_users(&Vec::from_iter(users)).await?);
        }
        if !sessions.is_empty() {
            draft.add_sessions(tx.lock_sessions(&Vec::from_iter(sessions)).await?);
        }
        let decided = decide(&mut draft, jobs);
        let unlocked = draft.unlocked();
        let Some(changes) = draft.changes() else {
            // The position was not taken after all.
            let head = Head {
                position: taken.previous,
                everyone: taken.everyone,
                now: taken.now,
            };
            return Ok(Written { decided, head });
        };
        tx.write(&changes).await?;
        for user in unlocked {
            tx.forget_tries(user).await?;
        }
        tx.commit().await?;
        let head = self.committed(taken.previous, taken.now, &changes, taken.everyone);
        Ok(Written { decided, head })
    }

    /// Tells the relay, which publishes at once; the head from now on.
    fn committed(
        &self,
        previous: Position,
        at: UnixMillis,
        changes: &Changes,
        everyone: Position,
    ) -> Head {
        let head = Head {
            position: changes.to,
            everyone: changes.everyone.unwrap_or(everyone),
            now: at,
        };
        self.relay.committed(Committed {
            at,
            previous,
            to: changes.to,
            revoked: changes
                .events
                .iter()
                .filter_map(Event::revocation)
                .collect(),
        });
        head
    }
}

fn decide(draft: &mut Draft, jobs: &[Job]) -> Vec<Result<Decided>> {
    jobs.iter().map(|job| draft.decide(&job.command)).collect()
}

/// The later of two readings.
fn later(one: Head, other: Head) -> Head {
    Head {
        position: one.position.max(other.position),
        everyone: one.everyone.max(other.everyone),
        now: one.now.max(other.now),
    }
}
