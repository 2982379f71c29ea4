//! Which verifiers are there, by their own reports.
//!
//! Reports come over NATS to every replica, or by HTTP to one, which stores them for the others.

mod hearing;
mod newest;
#[cfg(test)]
mod tests;

pub(crate) use newest::Verifier;

use crate::store::{self, Store};
use hearing::{Ears, Hearing};
use newest::{ANYONE, MAX_STANDING};
use revocation_events::Position;
use revocation_events::status::Status;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Reports that are remembered. A verifier more is not shown, and as long as it may be there no fence
/// says that all have applied anything; none is refused for it.
const MAX_VERIFIERS: usize = 20_000;

/// Instances of one client that are remembered, of those that report over HTTP in an hour: for all
/// those together that report without a credential, and for a credential. One more is not shown
/// either, so that no credential takes the places of all others.
const MAX_UNKNOWN: u32 = 100;
const MAX_INSTANCES: u32 = 10_000;

/// How often all fences together look at the fleet: a report is noticed so late at most, and a
/// thousand reports a second cost no more than a hundred looks.
const LOOK: Duration = Duration::from_millis(10);

/// How often all fences together read what other replicas have stored.
const READ: Duration = Duration::from_millis(50);

/// How often, at most, room is made for verifiers that report over NATS.
const SWEEP: Duration = Duration::from_secs(1);

/// Fences that wait at a time. Each holds a request for as long.
const MAX_FENCES: usize = 256;

/// All verifiers heard of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fleet {
    store: Arc<dyn Store>,
    /// Those who report over NATS; goodbyes too, which older reports that came by HTTP must not
    /// outlive.
    heard: Arc<Mutex<Heard>>,
    ears: Arc<Mutex<Ears>>,
    last: Arc<tokio::sync::Mutex<Last>>,
    fences: Arc<Semaphore>,
    /// How often stored reports were read.
    reads: Arc<AtomicU64>,
    /// What came over NATS in the place of a report.
    nonsense: Arc<AtomicU64>,
}

/// Reports that came over NATS.
#[derive(Default)]
struct Heard {
    /// By client and instance.
    by_client: HashMap<String, HashMap<String, Arc<Verifier>>>,
    /// How many there are.
    count: usize,
    /// When those that do not stand any more were last looked for. Whoever sends under ever new names
    /// must not have all looked through each time.
    swept: Option<Instant>,
    /// Until then somebody may be live for whom there was no room, here or in the table.
    crowded_until: Option<Instant>,
}

impl Heard {
    fn iter(&self) -> impl Iterator<Item = &Arc<Verifier>> {
        self.by_client.values().flat_map(HashMap::values)
    }

    /// Drops those that do not stand any more.
    fn sweep(&mut self, hearing: &Hearing, now: Instant) {
        self.by_client.retain(|_, instances| {
            instances.retain(|_, verifier| hearing.stands(verifier, now));
            !instances.is_empty()
        });
        self.count = self.by_client.values().map(HashMap::len).sum();
        self.swept = Some(now);
    }

    /// Whether another instance of a client may be remembered.
    fn has_room(&self, client: &str) -> bool {
        let instances = self.by_client.get(client).map_or(0, HashMap::len);
        self.count < MAX_VERIFIERS && instances < MAX_INSTANCES as usize
    }

    /// There was no room for a verifier that has just reported.
    fn overlook(&mut self, verifier: &Verifier) {
        let until = verifier.seen + verifier.stands_for();
        self.crowded_until = self.crowded_until.max(Some(until));
    }

    fn put(&mut self, verifier: Verifier, hearing: &Hearing) {
        let (client, instance) = (&verifier.client, &verifier.status.instance);
        let known = self.by_client.get(client);
        if !known.is_some_and(|known| known.contains_key(instance)) {
            let now = verifier.seen;
            let lately = |swept| now.saturating_duration_since(swept) < SWEEP;
            if !self.has_room(client) && !self.swept.is_some_and(lately) {
                self.sweep(hearing, now);
            }
            if !self.has_room(client) {
                return self.overlook(&verifier);
            }
            self.count += 1;
        }
        let instances = self.by_client.entry(client.clone()).or_default();
        instances.insert(instance.clone(), Arc::new(verifier));
    }
}

/// What was found last, for all who ask about the same time.
#[derive(Default)]
struct Last {
    read: Option<Read>,
    look: Option<Look>,
    /// When the database last failed to answer.
    failed: Option<Instant>,
}

/// The stored reports.
struct Read {
    began: Instant,
    reports: Vec<Arc<Verifier>>,
    /// A credential has as many as it may, so another replica may have found no room for one more.
    crowded: bool,
}

/// The live verifiers at one moment.
#[derive(Clone)]
struct Look {
    at: Instant,
    live: Arc<[Arc<Verifier>]>,
    /// The least of their heads: where a fence need not look at each.
    least: Option<Option<Position>>,
    /// Nobody else can be live.
    whole: bool,
}

/// Leave to wait, until it is dropped.
pub(crate) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Who has applied a revocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Live verifiers: those that were heard of.
    pub(crate) live: usize,
    /// The live ones whose view does not reach to the position yet.
    pub(crate) missing: Vec<Arc<Verifier>>,
    /// Whether nobody else can be live: else somebody may be missing who was not heard.
    pub(crate) whole: bool,
}

impl Fleet {
    /// Of verifiers that report over the bus, or by HTTP alone. It has to be told that it
    /// [hears](Self::hears) them, and that it can [read](Self::can_read) what was posted.
    pub(crate) fn new(store: Arc<dyn Store>, by_bus: bool) -> Self {
        let ears = Ears::new(by_bus, Instant::now());
        Self {
            store,
            heard: Arc::default(),
            ears: Arc::new(Mutex::new(ears)),
            last: Arc::default(),
            fences: Arc::new(Semaphore::new(MAX_FENCES)),
            reads: Arc::default(),
            nonsense: Arc::default(),
        }
    }

    /// Whether reports come to this process over the bus: whenever that changes, and at least once a
    /// second.
    pub(crate) fn hears(&self, up: bool, now: Instant) {
        if let Some(bus) = &mut lock(&self.ears).bus {
            bus.is(up, now);
        }
    }

    /// Whether the database answers: at least once a second. Where it does not, nobody can post a report
    /// either.
    pub(crate) fn can_read(&self, up: bool, now: Instant) {
        lock(&self.ears).table.is(up, now);
    }

    /// A report came over NATS.
    pub(crate) fn heard(&self, client: String, status: Status, now: Instant) {
        let Some(hearing) = lock(&self.ears).bus else {
            return;
        };
        let verifier = Verifier {
            client,
            status,
            seen: now,
        };
        lock(&self.heard).put(verifier, &hearing);
    }

    /// What came over NATS was no report.
    pub(crate) fn heard_nonsense(&self) {
        self.nonsense.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was so.
    pub(crate) fn nonsense(&self) -> u64 {
        self.nonsense.load(Ordering::Relaxed)
    }

    /// How often stored reports were read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// A report came by HTTP, from a client or, where the feed is open, from anyone.
    pub(crate) async fn posted(&self, client: Option<&str>, status: &Status) -> store::Result<()> {
        let (name, at_most) = match client {
            Some(client) => (client, MAX_INSTANCES),
            None => (ANYONE, MAX_UNKNOWN),
        };
        let report = serde_json::to_value(status)
            .unwrap_or_else(|_| unreachable!("a status is made of strings and integers"));
        let taken = self
            .store
            .put_status(name, &status.instance, &report, at_most)
            .await?;
        // Strangers could take each other's places for good, so nothing depends on theirs.
        if !taken && let Some(client) = client {
            lock(&self.heard).overlook(&Verifier {
                client: client.to_owned(),
                status: status.clone(),
                seen: Instant::now(),
            });
        }
        Ok(())
    }

    /// Leave to wait at a fence; none where too many do.
    pub(crate) fn place(&self) -> Option<Place> {
        self.fences.clone().try_acquire_owned().ok().map(Place)
    }

    /// Waits until every live verifier has applied everything up to `position`, and until it is known
    /// who is live, but not past `end`.
    pub(crate) async fn fence(&self, position: Position, end: Instant) -> store::Result<Applied> {
        let began = Instant::now();
        loop {
            let look = self.look(began).await?;
            let now = Instant::now();
            if (look.whole && look.have_all(position)) || now >= end {
                return Ok(look.applied(position));
            }
            sleep_until(end.min(now + LOOK)).await;
        }
    }

    /// The live verifiers, by service and instance.
    pub(crate) async fn live(&self) -> store::Result<Vec<Arc<Verifier>>> {
        let look = self.look(Instant::now()).await?;
        let mut live = look.live.to_vec();
        live.sort_by(by_name);
        Ok(live)
    }

    /// Verifiers that reported over HTTP within the last hour, do so no more and said no goodbye. What
    /// came over NATS was heard by those who listened then.
    pub(crate) async fn gone(&self) -> store::Result<Vec<Arc<Verifier>>> {
        let now = Instant::now();
        let mut gone = self.read().await?.reports;
        let over = |verifier: &Verifier| verifier.seen + verifier.stands_for() <= now;
        gone.retain(|verifier| over(verifier) && !verifier.status.goodbye);
        gone.sort_by(by_name);
        Ok(gone)
    }

    /// Looks at the fleet, or takes what somebody else has just seen of it, but not before `since`: a
    /// verifier that reported before a revocation must not be overlooked.
    async fn look(&self, since: Instant) -> store::Result<Look> {
        let called = Instant::now();
        let mut last = self.last.lock().await;
        if last.failed > Some(called) {
            // Else each would wait for a silent database after the other.
            return Err(store::Error::Unavailable(sqlx::Error::PoolTimedOut));
        }
        let read_at = last.read.as_ref().map(|read| read.began);
        let enough = |began: Instant| began >= since && began.elapsed() < READ;
        if !read_at.is_some_and(enough) {
            if let Some(began) = read_at {
                sleep_until(began + READ).await;
            }
            match self.read().await {
                Ok(read) => last.read = Some(read),
                Err(error) => {
                    last.failed = Some(Instant::now());
                    return Err(error);
                }
            }
            last.look = None;
        }
        if let Some(look) = &last.look
            && look.at.elapsed() < LOOK
        {
            return Ok(look.clone());
        }
        let look = self.look_with(last.read.as_ref());
        last.look = Some(look.clone());
        Ok(look)
    }

    fn look_with(&self, read: Option<&Read>) -> Look {
        let at = Instant::now();
        let ears = *lock(&self.ears);
        let mut heard = lock(&self.heard);
        if let Some(bus) = &ears.bus {
            heard.sweep(bus, at);
        }
        let stored = read.map_or(&[][..], |read| read.reports.as_slice());
        let stored = stored.iter().filter(|report| ears.table.stands(report, at));
        let live = newest::live(heard.iter().chain(stored));
        // A stranger's word must not make everyone wait for an hour.
        let known = live.iter().filter(|verifier| verifier.client != ANYONE);
        let longest = known.map(|verifier| verifier.stands_for()).max();
        Look {
            at,
            least: live.iter().map(|verifier| verifier.status.head).min(),
            live: live.into(),
            whole: ears.know_all(longest.unwrap_or_default(), at)
                && heard.crowded_until.is_none_or(|until| until < at)
                && !read.is_some_and(|read| read.crowded),
        }
    }

    async fn read(&self) -> store::Result<Read> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let rows = self.store.statuses(MAX_STANDING).await?;
        // They come in the order of clients.
        let most = rows.chunk_by(|one, other| one.client == other.client);
        let most = most.filter(|of_one| of_one[0].client != ANYONE);
        let crowded = most.map(<[_]>::len).max() >= Some(MAX_INSTANCES as usize);
        // Not before: a slow answer must not make a verifier look more silent than it is.
        let answered = Instant::now();
        let reports = rows.into_iter().filter_map(|row| {
            // A report of a newer version that does not read is one verifier less to show.
            let status = serde_json::from_value(row.report).ok()?;
            Some(Arc::new(Verifier {
                client: row.client,
                status,
                seen: answered.checked_sub(row.age).unwrap_or(answered),
            }))
        });
        let reports = reports.collect();
        Ok(Read {
            began,
            reports,
            crowded,
        })
    }
}

impl Look {
    fn have_all(&self, position: Position) -> bool {
        self.least.is_none_or(|least| least >= Some(position))
    }

    fn applied(&self, position: Position) -> Applied {
        let behind = |verifier: &&Arc<Verifier>| verifier.status.head < Some(position);
        let mut missing: Vec<_> = self.live.iter().filter(behind).cloned().collect();
        missing.sort_by(by_name);
        Applied {
            live: self.live.len(),
            missing,
            whole: self.whole,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn by_name(a: &Arc<Verifier>, b: &Arc<Verifier>) -> std::cmp::Ordering {
    let (a, b) = (&a.status, &b.status);
    (&a.service, &a.instance).cmp(&(&b.service, &b.instance))
}
