//! Events on their way to other programs.

use super::sql::now;
use super::write::column;
use super::{PRUNE_BATCH, PostgresStore, plain};
use crate::store::{
    KnownStream, Lease, LeaseLost, Outbox, OutboxSize, Refill, Result, Waiting, WaitingEvent,
};
use async_trait::async_trait;
use std::time::Duration;
use uuid::Uuid;

/// One statement. A row that was put in the outbox again meanwhile has another refill's number, and
/// stays.
const FORGET: &str = concat!(
    "with held as ( \
         update event_publisher set last_sequence = greatest(last_sequence, $2) \
         where holder = $1 and held_until > ",
    now!(),
    " returning one), \
     forgotten as ( \
         delete from event_outbox o \
         using held, unnest($3::uuid[], $4::bigint[], $5::bigint[]) p (stream, version, refill) \
         where o.stream = p.stream and o.version = p.version and o.refill = p.refill) \
     select count(*) from held"
);

#[async_trait]
impl Outbox for PostgresStore {
    async fn lease_events(&self, replica: Uuid, span: Duration) -> Result<Option<Lease>> {
        let pool = self.link.pool();
        let leased = plain::lease_events(&pool, replica, span);
        self.link.answers(leased).await
    }

    async fn release_events(&self, replica: Uuid) -> Result<()> {
        let pool = self.link.pool();
        self.link
            .answers(plain::release_events(&pool, replica))
            .await
    }

    async fn note_stream(
        &self,
        replica: Uuid,
        known: KnownStream,
    ) -> Result<std::result::Result<(), LeaseLost>> {
        let pool = self.link.pool();
        self.link
            .answers(plain::note_stream(&pool, replica, known))
            .await
    }

    async fn begin_refill(
        &self,
        replica: Uuid,
        known: KnownStream,
        span: Duration,
    ) -> Result<std::result::Result<(), LeaseLost>> {
        let pool = self.link.pool();
        let begun = plain::begin_refill(&pool, replica, known, span);
        self.link.answers(begun).await
    }

    async fn refill_outbox(
        &self,
        replica: Uuid,
        publish_refreshed: bool,
        limit: u32,
    ) -> Result<std::result::Result<Refill, LeaseLost>> {
        let mut tx = self.link.begin().await?;
        let refilled = plain::refill_outbox(&mut tx, replica, publish_refreshed, limit);
        let refilled = self.link.answers(refilled).await?;
        self.link.answers(tx.commit()).await?;
        Ok(refilled)
    }

    async fn waiting_events(
        &self,
        after: Option<(Uuid, i64)>,
        limit: u32,
    ) -> Result<Vec<WaitingEvent>> {
        let pool = self.link.pool();
        let waiting = plain::waiting_events(&pool, after, limit);
        self.link.answers(waiting).await
    }

    async fn forget_published(
        &self,
        replica: Uuid,
        published: &[Waiting],
        last_sequence: u64,
    ) -> Result<std::result::Result<(), LeaseLost>> {
        let query = sqlx::query_scalar(FORGET)
            .bind(replica)
            .bind(last_sequence.cast_signed())
            .bind(column(published, |waiting| waiting.stream))
            .bind(column(published, |waiting| waiting.version))
            .bind(column(published, |waiting| waiting.refill));
        let pool = self.link.pool();
        let held: i64 = self.link.answers(query.fetch_one(&pool)).await?;
        Ok(if held == 1 { Ok(()) } else { Err(LeaseLost) })
    }

    async fn outbox_size(&self) -> Result<OutboxSize> {
        let pool = self.link.pool();
        self.link.answers(plain::outbox_size(&pool)).await
    }

    async fn prune_outbox(&self, age: Duration) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let pool = self.link.pool();
            let some = plain::prune_outbox(&pool, age, PRUNE_BATCH);
            let some = self.link.answers(some).await?;
            pruned += some;
            if some < u64::from(PRUNE_BATCH) {
                return Ok(pruned);
            }
        }
    }
}
