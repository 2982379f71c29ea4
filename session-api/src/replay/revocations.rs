//! What pages are cut from, compared with the log.

use super::Difference;
use crate::session::Event;
use crate::store::{Result, Store};
use revocation_events::{Position, Revocation, Target};
use std::collections::BTreeMap;

/// Rows that are read at once.
const BATCH: u32 = 10_000;

/// The revocations that events hold, but for those that may be gone.
pub(super) struct Revocations {
    /// Of the moment at which the events began to be read: what came later is left alone.
    head: Position,
    pruned: Position,
    held: BTreeMap<Position, Target>,
    greatest: Position,
}

impl Revocations {
    pub(super) async fn begin(store: &dyn Store) -> Result<Self> {
        Ok(Self {
            head: store.head().await?.position,
            pruned: store.pruned().await?,
            held: BTreeMap::new(),
            greatest: Position::ZERO,
        })
    }

    pub(super) fn take(&mut self, event: &Event) {
        if let Some(revocation) = event.revocation() {
            self.greatest = self.greatest.max(revocation.position);
            if self.must_be_there(&revocation) {
                self.held.insert(revocation.position, revocation.target);
            }
        }
    }

    /// A key's revocation kills at any position and so is never pruned.
    fn must_be_there(&self, revocation: &Revocation) -> bool {
        let lasting = matches!(revocation.target, Target::Key(_));
        revocation.position <= self.head && (lasting || revocation.position > self.pruned)
    }

    /// Compares with the rows.
    pub(super) async fn differences(mut self, store: &dyn Store) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        let mut differs = |position, what| {
            differences.push(Difference::Revocation { position, what });
        };
        let mut after = Position::ZERO;
        loop {
            let rows = store.revocations(after, self.head, BATCH).await?.revoked;
            let Some(last) = rows.last() else { break };
            after = last.position;
            for row in &rows {
                if !self.must_be_there(row) {
                    continue;
                }
                match self.held.remove(&row.position) {
                    Some(target) if target == row.target => {}
                    Some(_) => differs(row.position, "the row differs from its event"),
                    None => differs(row.position, "there is a row and no event"),
                }
            }
        }
        // Pruned meanwhile, perhaps.
        let pruned = store.pruned().await?;
        for (position, target) in self.held {
            if position > pruned || matches!(target, Target::Key(_)) {
                differs(position, "the row is missing");
            }
        }
        let head = store.head().await?.position;
        if head < self.greatest || head < pruned {
            differences.push(Difference::Head {
                head,
                log: self.greatest.max(pruned),
            });
        }
        Ok(differences)
    }
}
