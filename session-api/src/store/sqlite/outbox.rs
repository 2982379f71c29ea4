//! Events on their way to other programs.

use super::{PRUNE_BATCH, SqliteStore, plain};
use crate::store::{
    KnownStream, Lease, LeaseLost, Outbox, OutboxSize, Refill, Result, Waiting, WaitingEvent,
};
use async_trait::async_trait;
use std::time::Duration;
use uuid::Uuid;

#[async_trait]
impl Outbox for SqliteStore {
    async fn lease_events(&self, replica: Uuid, span: Duration) -> Result<Option<Lease>> {
        plain::lease_events(&self.writer, replica, span).await
    }

    async fn release_events(&self, replica: Uuid) -> Result<()> {
        plain::release_events(&self.writer, replica).await
    }

    async fn note_stream(
        &self,
        replica: Uuid,
        known: KnownStream,
    ) -> Result<std::result::Result<(), LeaseLost>> {
        plain::note_stream(&self.writer, replica, known).await
    }

    async fn begin_refill(
        &self,
        replica: Uuid,
        known: KnownStream,
        span: Duration,
    ) -> Result<std::result::Result<(), LeaseLost>> {
        plain::begin_refill(&self.writer, replica, known, span).await
    }

    async fn refill_outbox(
        &self,
        replica: Uuid,
        publish_refreshed: bool,
        limit: u32,
    ) -> Result<std::result::Result<Refill, LeaseLost>> {
        let (mut tx, _) = self.begin_immediate().await?;
        let refilled = plain::refill_outbox(&mut tx, replica, publish_refreshed, limit).await?;
        tx.commit().await?;
        Ok(refilled)
    }

    async fn waiting_events(
        &self,
        after: Option<(Uuid, i64)>,
        limit: u32,
    ) -> Result<Vec<WaitingEvent>> {
        plain::waiting_events(&self.readers, after, limit).await
    }

    async fn forget_published(
        &self,
        replica: Uuid,
        published: &[Waiting],
        last_sequence: u64,
    ) -> Result<std::result::Result<(), LeaseLost>> {
        const HELD: &str = "update event_publisher set last_sequence = max(last_sequence, $2) \
                            where holder = $1 and held_until > $3";
        const FORGET: &str =
            "delete from event_outbox where stream = $1 and version = $2 and refill = $3";
        let (mut tx, now) = self.begin_immediate().await?;
        let held = sqlx::query(HELD)
            .bind(replica)
            .bind(last_sequence.cast_signed())
            .bind(super::rows::stored(now));
        if held.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(Err(LeaseLost));
        }
        for waiting in published {
            let forget = sqlx::query(FORGET)
                .bind(waiting.stream)
                .bind(waiting.version)
                .bind(waiting.refill);
            forget.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    async fn outbox_size(&self) -> Result<OutboxSize> {
        plain::outbox_size(&self.readers).await
    }

    async fn prune_outbox(&self, age: Duration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let some = plain::prune_outbox(&self.writer, age, PRUNE_BATCH).await?;
            pruned += some;
            if some < u64::from(PRUNE_BATCH) {
                return Ok(pruned);
            }
        }
    }
}
