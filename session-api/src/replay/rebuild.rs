//! The rows made anew.

use super::{BATCH, Events, Folded, Folder};
use crate::store::{Result, Store};

/// Folds every session's stream and stores the rows; how many. A row that is newer than what was
/// read stays, so that it can be done beside a running service.
pub(crate) async fn rebuild(store: &dyn Store, progress: impl Fn(u64)) -> Result<u64> {
    let mut folder = Folder::new();
    let mut events = Events::all(store);
    let mut rows = Vec::new();
    let mut rebuilt = 0;
    loop {
        let event = events.next().await?;
        let folded = match &event {
            Some(event) => folder.take(event),
            None => folder.finish(),
        };
        if let Some(Folded::Session(row)) = folded {
            rows.push(row);
        }
        if rows.len() == BATCH as usize || (event.is_none() && !rows.is_empty()) {
            rebuilt += rows.len() as u64;
            let mut tx = store.begin().await?;
            tx.save_sessions(&rows).await?;
            tx.commit().await?;
            rows.clear();
        }
        if event.is_none() {
            return Ok(rebuilt);
        }
        progress(1);
    }
}
