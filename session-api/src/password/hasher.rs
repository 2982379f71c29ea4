//! Hashing beside everything else that the machine has to do.

use super::argon::{self, Memory};
use super::{Password, Refused};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroizing;

/// How many callers may wait for each one whose hash runs, before a login is told to come back later.
const QUEUE_PER_THREAD: usize = 16;

/// How much the threads that hash yield to all others, as `nice` has it: a flood of logins must not
/// keep refreshes and revocations waiting. At 10 a thread gets a tenth of a core that is wanted by
/// one of 0, and all of a core that nobody wants.
const NICE: i32 = 10;

/// More logins at once than the machine can hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overloaded;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Hashes with Argon2id on threads of its own, each with memory of its own.
#[derive(Clone)]
pub(crate) struct Hasher {
    jobs: mpsc::Sender<Job>,
    places: Arc<Semaphore>,
    /// Verified for users that do not exist, so that the answer takes as long.
    decoy: Arc<str>,
    #[cfg(test)]
    threads: usize,
    /// How many jobs callers have put into the queue.
    #[cfg(test)]
    queued: Arc<AtomicUsize>,
}

/// A place in line, for all that one use case has to hash. It is taken before anything else is
/// done: whoever finds none is told so without having cost the database anything.
pub(crate) struct Place {
    jobs: mpsc::Sender<Job>,
    decoy: Arc<str>,
    /// Shared with the job under way, which lasts on where its caller goes away.
    permit: Arc<OwnedSemaphorePermit>,
    #[cfg(test)]
    queued: Arc<AtomicUsize>,
}

/// What came of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) right: bool,
    /// The hash was made with other parameters than those of today.
    pub(crate) outdated: bool,
}

impl Hasher {
    /// One for each core but one, which is left to everybody else.
    pub(crate) fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new(cores.saturating_sub(1).max(1))
    }

    /// The threads end with the last clone.
    pub(crate) fn new(threads: usize) -> Self {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = queue.clone();
            std::thread::spawn(move || work(&queue));
        }
        Self {
            jobs,
            places: Arc::new(Semaphore::new(threads * (1 + QUEUE_PER_THREAD))),
            decoy: argon::hash(b"the password of nobody", &mut Memory::default()).into(),
            #[cfg(test)]
            threads,
            #[cfg(test)]
            queued: Arc::default(),
        }
    }

    pub(crate) fn place(&self) -> Result<Place, Overloaded> {
        let permit = self.places.clone().try_acquire_owned();
        Ok(Place {
            jobs: self.jobs.clone(),
            decoy: self.decoy.clone(),
            permit: Arc::new(permit.map_err(|_| Overloaded)?),
            #[cfg(test)]
            queued: self.queued.clone(),
        })
    }
}

impl Place {
    /// A new password, where nothing speaks against it; see [`Refused`].
    pub(crate) async fn choose(
        &self,
        text: Zeroizing<String>,
        words: Vec<String>,
    ) -> Result<Result<Password, Refused>, Overloaded> {
        self.run(move |_| Password::chosen(&text, &words)).await
    }

    pub(crate) async fn hash(&self, password: Password) -> Result<String, Overloaded> {
        self.run(move |memory| argon::hash(password.bytes(), memory))
            .await
    }

    /// Whether the password is the one that was hashed. `None` stands for a user who does not
    /// exist: it costs the same and is never right.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<&str>,
    ) -> Result<Verified, Overloaded> {
        let exists = stored.is_some();
        let stored: Arc<str> = stored.map_or_else(|| self.decoy.clone(), Into::into);
        self.run(move |memory| Verified {
            right: argon::verify(password.bytes(), &stored, memory) && exists,
            outdated: argon::is_outdated(&stored),
        })
        .await
    }

    /// Where the work panics the caller does, and the thread lives on for all the others.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let permit = self.permit.clone();
        let (answer, answered) = oneshot::channel();
        let job = move |memory: &mut Memory| {
            // Nobody waits any more for what is not begun.
            let done = (!answer.is_closed()).then(|| caught(work, memory));
            drop(permit);
            if let Some(done) = done {
                let _gone = answer.send(done);
            }
        };
        self.jobs.send(Box::new(job)).map_err(|_| Overloaded)?;
        #[cfg(test)]
        self.queued.fetch_add(1, Ordering::Relaxed);
        match answered.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Overloaded),
        }
    }
}

/// Whatever it left of the memory, the next job has a fresh one.
fn caught<T>(work: impl FnOnce(&mut Memory) -> T, memory: &mut Memory) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(|| work(memory))).inspect_err(|_| *memory = Memory::default())
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    // Of this thread alone. Where it may not be lowered it stays as it is.
    let of_process = rustix::process::getpriority_process(None).unwrap_or(0);
    let _same = rustix::process::setpriority_process(None, (of_process + NICE).min(19));
    let mut memory = Memory::default();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(&mut memory);
    }
}

#[cfg(test)]
impl Hasher {
    /// Lets no hash begin until the answer is dropped.
    pub(crate) async fn hold(&self) -> impl Sized {
        let (guard, dropped) = mpsc::channel::<()>();
        let dropped = Arc::new(Mutex::new(dropped));
        for _ in 0..self.threads {
            let (begun, begins) = oneshot::channel();
            let dropped = dropped.clone();
            let job = move |_: &mut Memory| {
                let _waited = begun.send(());
                // Ends with an error when the other end is gone.
                let _gone = dropped
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .recv();
            };
            self.jobs.send(Box::new(job)).unwrap();
            begins.await.unwrap();
        }
        guard
    }

    /// How many jobs callers have put into the queue since the start.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// How many callers have a place.
    pub(crate) fn in_line(&self) -> usize {
        self.threads * (1 + QUEUE_PER_THREAD) - self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_or_not() {
        let hasher = Hasher::new(1);
        let place = hasher.place().unwrap();
        let password = |text: &str| Password::presented(text).unwrap();
        let stored = place.hash(password("caf\u{e9} au lait")).await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        let verified = |right| {
            let outdated = false;
            Ok(Verified { right, outdated })
        };
        for (text, stored, right) in [
            ("cafe\u{301} au lait", Some(&*stored), true),
            ("cafe au lait", Some(&*stored), false),
            ("the password of nobody", None, false),
        ] {
            let found = place.verify(password(text), stored).await;
            assert_eq!(found, verified(right), "{text}");
        }
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_turned_away() {
        let hasher = Hasher::new(1);
        let mut places: Vec<_> = (0..=QUEUE_PER_THREAD)
            .map(|_| hasher.place().unwrap())
            .collect();
        assert!(hasher.place().is_err());
        // One after the other costs one place.
        let place = places.pop().unwrap();
        for _ in 0..2 {
            place
                .verify(Password::presented("x").unwrap(), None)
                .await
                .unwrap();
        }
        drop(place);
        assert!(hasher.place().is_ok());
    }

    /// Else a stranger who hangs up again and again would fill the queue.
    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_the_place_with_the_job() {
        let hasher = Hasher::new(1);
        let hold = hasher.hold().await;
        let place = hasher.place().unwrap();
        let mut waiting = Box::pin(async move {
            let _answer = place.hash(Password::presented("x").unwrap()).await;
        });
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
        assert_eq!(hasher.in_line(), 1, "the job is in the queue");
        drop(hold);
        let bound = std::time::Duration::from_secs(60);
        ::tests::eventually("the place is free", bound, async || hasher.in_line() == 0).await;
    }

    /// Else one password that a library trips over would end all log-ins until the next start.
    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let hasher = Hasher::new(1);
        for _ in 0..3 {
            let place = hasher.place().unwrap();
            let job = async move {
                place
                    .run(|memory| {
                        argon::hash(b"what fills the memory", memory);
                        panic!("on purpose");
                    })
                    .await
            };
            let failed = tokio::spawn(job).await.unwrap_err();
            assert!(failed.is_panic(), "the caller learns of it: {failed}");
        }
        assert_eq!(hasher.in_line(), 0, "nobody keeps a place");
        let password = Password::presented("a password").unwrap();
        let place = hasher.place().unwrap();
        let stored = place.hash(password.clone()).await.unwrap();
        assert!(place.verify(password, Some(&stored)).await.unwrap().right);
    }

    /// Each lowers itself, and nobody else.
    #[test]
    fn its_threads_yield_to_all_others() {
        let (told, priority) = mpsc::channel();
        let hasher = Hasher::new(1);
        let job = move |_: &mut Memory| {
            let own = rustix::process::getpriority_process(None).unwrap();
            told.send(own).unwrap();
        };
        hasher.jobs.send(Box::new(job)).unwrap();
        let before = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(priority.recv().unwrap(), (before + NICE).min(19));
    }
}
