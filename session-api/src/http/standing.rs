//! Whether clients that hold a stream still have the credential that they showed: it is looked at again
//! and again, for all of them together.

use crate::store::{self, ClientRow, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often. A client that is removed keeps its stream for no longer.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// The clients of the last look.
pub(super) struct Clients(watch::Sender<Arc<Vec<ClientRow>>>);

impl Clients {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }

    /// One look, where anybody holds a stream. While the database does not answer nobody loses one.
    pub(super) async fn look(&self, store: &dyn Store) -> store::Result<()> {
        if self.0.receiver_count() > 0 {
            self.0.send_replace(store.clients().await?.into());
        }
        Ok(())
    }

    /// For a client whose credential was right just now.
    pub(super) fn standing(&self, client: ClientRow) -> Standing {
        Standing {
            client,
            looks: self.0.subscribe(),
        }
    }
}

/// One client's.
pub(super) struct Standing {
    client: ClientRow,
    looks: watch::Receiver<Arc<Vec<ClientRow>>>,
}

impl Standing {
    /// Waits until the client was removed or was given another secret. A look that had begun before a
    /// new client was added ends its stream too; it asks again.
    pub(super) async fn lost(&mut self) {
        while self.looks.changed().await.is_ok() {
            let is_it = |row: &ClientRow| {
                row.name == self.client.name && row.secret_hash == self.client.secret_hash
            };
            if !self.looks.borrow_and_update().iter().any(is_it) {
                return;
            }
        }
        // The service ends, and ends the stream by itself.
        std::future::pending().await
    }
}
