//! Hashing beside everything else that the machine has to do.

use super::Password;
use super::argon::{self, Memory};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::{Semaphore, oneshot};

/// How many hashes may wait for each one that runs, before a login is told to come back later.
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
    /// Hashes that wait or run.
    places: Arc<Semaphore>,
    /// Verified for users that do not exist, so that the answer takes as long.
    decoy: Arc<str>,
    #[cfg(test)]
    threads: usize,
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
        }
    }

    pub(crate) async fn hash(&self, password: Password) -> Result<String, Overloaded> {
        self.run(move |memory| argon::hash(password.0.as_bytes(), memory))
            .await
    }

    /// Whether the password is the one that was hashed. `None` stands for a user who does not
    /// exist: it costs the same and is never right.
    pub(crate) async fn verify(
        &self,
        password: Password,
        stored: Option<&str>,
    ) -> Result<bool, Overloaded> {
        let exists = stored.is_some();
        let stored: Arc<str> = stored.map_or_else(|| self.decoy.clone(), Into::into);
        let right = self
            .run(move |memory| argon::verify(password.0.as_bytes(), &stored, memory))
            .await?;
        Ok(right && exists)
    }

    async fn run<T: Send + 'static>(
        &self,
        hash: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| Overloaded)?;
        let (answer, answered) = oneshot::channel();
        let job = move |memory: &mut Memory| {
            // Nobody waits any more for what is not begun.
            if !answer.is_closed() {
                let _gone = answer.send(hash(memory));
            }
            drop(place);
        };
        self.jobs.send(Box::new(job)).map_err(|_| Overloaded)?;
        answered.await.map_err(|_| Overloaded)
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    // Of this thread alone. Where it may not be lowered it stays as it is.
    let _same = rustix::process::setpriority_process(None, NICE);
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

    /// How many callers wait or run.
    pub(crate) fn in_line(&self) -> usize {
        self.threads * (1 + QUEUE_PER_THREAD) - self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_text_in_another_normal_form_is_the_same_password() {
        let hasher = Hasher::new(1);
        let password = |text: &str| Password::presented(text).unwrap();
        let stored = hasher
            .hash(password("caf\u{e9} au lait, bien chaud"))
            .await
            .unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        for (text, right) in [
            ("cafe\u{301} au lait, bien chaud", true),
            ("cafe au lait, bien chaud", false),
        ] {
            assert_eq!(
                hasher.verify(password(text), Some(&stored)).await,
                Ok(right)
            );
        }
        assert_eq!(
            hasher
                .verify(password("the password of nobody"), None)
                .await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_turned_away() {
        let hasher = Hasher::new(1);
        let all = (0..=QUEUE_PER_THREAD + 1).map(|_| {
            let hasher = hasher.clone();
            async move { hasher.verify(Password::presented("x").unwrap(), None).await }
        });
        let answers = futures::future::join_all(all).await;
        assert_eq!(
            answers
                .iter()
                .filter(|answer| **answer == Err(Overloaded))
                .count(),
            1
        );
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
