//! The rows made anew.

use super::{BATCH, Difference, Events, Folded, Folder, verify};
use crate::store::{Result, Store};
use revocation_events::SessionId;

/// What `rebuild` did.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    /// Rows that were missing, behind, wrong, or without a stream.
    pub(crate) rows: u64,
    /// What is not a session's row, and stays as it is.
    pub(crate) left: Vec<Difference>,
}

/// Folds every session's stream and puts the rows right. `progress` is told how many events were read
/// since its last call; each is read twice.
pub(crate) async fn rebuild(store: &dyn Store, progress: impl Fn(u64)) -> Result<Rebuilt> {
    let mut rebuilt = Rebuilt {
        rows: add_what_is_missing(store, &progress).await?,
        left: Vec::new(),
    };
    for difference in verify(store, &progress).await?.differences {
        if let Difference::Session { id, .. } = difference {
            put_right(store, id).await?;
            rebuilt.rows += 1;
        } else {
            rebuilt.left.push(difference);
        }
    }
    Ok(rebuilt)
}

/// Many rows at once, and only such as are newer than what is there: a running service may be ahead.
async fn add_what_is_missing(store: &dyn Store, progress: impl Fn(u64)) -> Result<u64> {
    let mut folder = Folder::new();
    let mut events = Events::all(store);
    let mut rows = Vec::new();
    let mut added = 0;
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
            let mut tx = store.begin().await?;
            added += tx.save_sessions(&rows).await?;
            tx.commit().await?;
            rows.clear();
        }
        if event.is_none() {
            return Ok(added);
        }
        progress(1);
    }
}

/// Nobody appends to a stream without having locked its row, so what is read after that is all of it.
async fn put_right(store: &dyn Store, id: SessionId) -> Result<()> {
    let mut tx = store.begin().await?;
    tx.distrust_session(id).await?;
    match super::fold_stream(store, id.uuid(), i64::MAX).await? {
        Some(Folded::Session(row)) => {
            tx.save_sessions(&[row]).await?;
        }
        _ => tx.delete_session(id).await?,
    }
    tx.commit().await
}
