//! What nobody asks for: the end of sessions that nobody refreshed, and pruning.

use super::{Result, Service, device};
use crate::session::{Event, Fact, Stream, decide, state};
use crate::store::{KeyPurpose, KeyRow, KeyState, SessionRow};
use std::time::Duration;

/// Sessions that are expired in one transaction.
const BATCH: u32 = 500;

/// How often [`Service::keep_house`] works.
const INTERVAL: Duration = Duration::from_secs(60);

/// How soon a rotation by another process is noticed. The standby was published long before.
const KEY_INTERVAL: Duration = Duration::from_secs(2);

/// How long after the last token of a retired key that key still counts, for clocks that differ and
/// verifiers that read late.
const KEY_SLACK: Duration = Duration::from_secs(600);

impl Service {
    /// Works every minute, until the future is dropped. Any replica, or all of them.
    pub(crate) async fn keep_house(self) {
        let mut tick = tokio::time::interval(INTERVAL);
        loop {
            tick.tick().await;
            if let Err(error) = self.housekeeping_step().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "housekeeping failed; it is tried again in a minute"
                );
            }
        }
    }

    /// Reads the keys again when another process has changed them, until the future is dropped.
    pub(crate) async fn watch_keys(self) {
        let mut tick = tokio::time::interval(KEY_INTERVAL);
        let mut known = None;
        loop {
            tick.tick().await;
            let reading = self.keys().reading().await;
            // A failure is told of by whoever needs the database; the keys of before still sign.
            let Ok(rows) = self.store().keys().await else {
                continue;
            };
            if known.as_ref() != Some(&rows) {
                match reading.put_to_use(&rows) {
                    Ok(()) => known = Some(rows),
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the changed keys cannot be used"
                    ),
                }
            }
        }
    }

    /// One round. Public, so that tests drive it and nobody has to wait.
    pub(crate) async fn housekeeping_step(&self) -> Result<()> {
        while self.expire_sessions().await? == BATCH as usize {}
        self.forget_retired_keys().await?;
        self.store().prune().await?;
        self.prune_outbox().await
    }

    /// What nobody published in time; without a bus that is everything.
    async fn prune_outbox(&self) -> Result<()> {
        let age = self.settings().events_max_age;
        let pruned = self.store().prune_outbox(age).await?;
        if pruned > 0 && self.relay().has_bus() {
            tracing::warn!(
                events = pruned,
                "events were not published before their time was over; other programs never see them"
            );
        }
        Ok(())
    }

    /// Appends `session.expired` where an end has passed; how many sessions were looked at.
    async fn expire_sessions(&self) -> Result<usize> {
        self.detached(|this| async move {
            let overdue = this.store.overdue_sessions(BATCH).await?;
            if overdue.is_empty() {
                return Ok(0);
            }
            let mut tx = this.store.begin().await?;
            let mut events = Vec::new();
            let mut rows = Vec::new();
            for found in tx.lock_sessions(&overdue).await? {
                let now = found.head.now;
                let Some(fact) = decide::expire(&found.row.session, now) else {
                    continue;
                };
                let session = state::apply(Some(found.row.session), now, &fact)
                    .unwrap_or_else(|_| unreachable!("an open session may expire"));
                let (id, version) = (found.row.id, found.row.version + 1);
                events.push(Event {
                    stream: Stream::Session(id),
                    version,
                    at: now,
                    fact: Fact::Session(fact),
                });
                rows.push(SessionRow {
                    id,
                    version,
                    session,
                });
            }
            tx.append(&events).await?;
            tx.save_sessions(&rows).await?;
            tx.commit().await?;
            Ok(overdue.len())
        })
        .await
    }

    /// How long what a key makes may be of use.
    fn lifetime_by(&self, purpose: KeyPurpose) -> Duration {
        let settings = self.settings();
        match purpose {
            KeyPurpose::Access => settings.issuer.access_ttl,
            // No refresh moves a token past that.
            KeyPurpose::Session => settings.session_max_age,
            KeyPurpose::Csrf => settings.session_max_age.max(device::LIFETIME),
        }
    }

    /// A retired key is of no use, and leaves the key set, once its last token has expired.
    async fn forget_retired_keys(&self) -> Result<()> {
        let lifetimes = KeyPurpose::ALL.map(|purpose| (purpose, self.lifetime_by(purpose)));
        self.detached(move |this| async move {
            let now = this.store.head().await?.now;
            let over = |row: &KeyRow| {
                let is_over = |(purpose, lifetime): &(KeyPurpose, Duration)| {
                    row.purpose == *purpose && now.since(row.state_since) > *lifetime + KEY_SLACK
                };
                row.state == KeyState::Retired && lifetimes.iter().any(is_over)
            };
            let rows = this.store.keys().await?;
            if rows.iter().any(over) {
                let mut tx = this.store.begin().await?;
                tx.lock_head().await?;
                for row in tx.keys().await?.into_iter().filter(over) {
                    tx.save_key(&KeyRow {
                        state: KeyState::Forgotten,
                        state_since: now,
                        ..row
                    })
                    .await?;
                }
                tx.commit().await?;
                this.reload_keys().await?;
            }
            Ok(())
        })
        .await
    }
}
