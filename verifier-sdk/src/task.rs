//! A background task that ends with its owner.

use std::future::Future;
use tokio::task::{JoinError, JoinHandle};

/// A task that is aborted when this is dropped.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    /// Needs a tokio runtime.
    pub(crate) fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Waits for its end. May be cancelled and called again.
    pub(crate) async fn finished(&mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Task<T> {
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

/// Waits for the end of a task, by itself or by a fault; for ever where there is none. May be
/// cancelled.
pub(crate) async fn finished(task: &mut Option<Task<()>>) {
    match task {
        // A task that panicked has said so.
        Some(task) => drop(task.finished().await),
        None => std::future::pending().await,
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.abort();
    }
}
