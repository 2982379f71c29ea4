//! Those who wait for the end of a session, and how a revocation finds them.
//!
//! A waiter belongs to two of a fixed number of shards, that of its session and that of its user.
//! A revocation wakes one shard, and each waiter there looks for itself whether it was meant: no
//! list of waiters is kept, and nobody polls.

use revocation_events::{SessionId, Target, UserId};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use uuid::Uuid;

/// With 100,000 waiters a revocation wakes about 400 of them.
const SHARDS: usize = 256;

pub(crate) struct Waiters {
    shards: Box<[Notify]>,
    all: Notify,
    lost: AtomicBool,
}

/// Wakes that were waited for since this was made.
pub(crate) struct Wakes<'a>(pub(crate) [Notified<'a>; 3]);

impl Waiters {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Notify::new()).collect(),
            all: Notify::new(),
            lost: AtomicBool::new(true),
        }
    }

    /// Look at the session's state only after this, and no wake is missed.
    pub(crate) fn wakes(&self, session: SessionId, user: UserId) -> Wakes<'_> {
        // A `Notified` counts from when it is made, polled or not.
        Wakes([
            self.shard(session.uuid()).notified(),
            self.shard(user.uuid()).notified(),
            self.all.notified(),
        ])
    }

    /// Wakes those whom a revocation may mean. Insert its cut-off first.
    pub(crate) fn wake(&self, target: &Target) {
        match target {
            Target::Session(id) => self.shard(id.uuid()).notify_waiters(),
            Target::User { id, .. } => self.shard(id.uuid()).notify_waiters(),
            Target::Everyone | Target::Key(_) => self.wake_all(),
        }
    }

    pub(crate) fn wake_all(&self) {
        for shard in &self.shards {
            shard.notify_waiters();
        }
        self.all.notify_waiters();
    }

    /// Whether the verifier has been without a recent proof for so long that it cannot tell any
    /// more which sessions live.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Says whether it can tell; where it no longer can, all are woken.
    pub(crate) fn set_lost(&self, lost: bool) {
        if !self.lost.swap(lost, Ordering::AcqRel) && lost {
            self.wake_all();
        }
    }

    fn shard(&self, id: Uuid) -> &Notify {
        // The last bytes are random in every kind of uuid that is used here.
        let [.., high, low] = id.into_bytes();
        &self.shards[usize::from(u16::from_be_bytes([high, low])) % SHARDS]
    }
}
