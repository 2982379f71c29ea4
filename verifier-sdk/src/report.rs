//! Telling the session service what this verifier has applied, so that whoever revokes can be told.
//!
//! The first report goes out before the first token is judged: no verifier accepts tokens that the
//! service has not heard of, or tried to hear of. A report that fails harms nothing else.

use crate::clock::Clock;
use crate::feed::Progress;
use crate::feed::ways::Ways;
use crate::service::Service;
use crate::shared::Shared;
use crate::task::Task;
use revocation_events::nats::Bus;
use revocation_events::status::{self, Status};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// At most twenty reports a second.
const LEAST_INTERVAL: Duration = Duration::from_millis(50);

/// Where a fault has ended the reports, they begin anew after so long.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How long the first report, and the last, may hold things up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who reports, and to whom.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) service: Service,
    pub(crate) bus: Option<Reporting>,
    /// How the fleet view names the service that this verifier sits in.
    pub(crate) name: String,
    /// Drawn at random.
    pub(crate) instance: String,
    pub(crate) progress: watch::Receiver<Progress>,
}

/// Reporting over NATS.
#[derive(Clone)]
pub(crate) struct Reporting {
    /// There once the feed has begun to connect.
    pub(crate) bus: Arc<OnceLock<Bus>>,
    /// Whether what is sent over NATS can be hoped to arrive.
    pub(crate) ways: Arc<Ways>,
    /// Who reports, as far as NATS is concerned.
    pub(crate) client: String,
}

impl Reporter {
    /// Reports for ever, from the first proof on, and again where a fault has ended it: nobody would
    /// wait for this verifier, which goes on. A fault that ends the feed needs no such care; without a
    /// new proof the verifier is stale.
    pub(crate) async fn run(self, ready: watch::Sender<bool>) {
        again_after_faults(|| self.clone().report(ready.clone())).await;
    }

    async fn report(mut self, ready: watch::Sender<bool>) {
        if self
            .progress
            .wait_for(|progress| progress.proven)
            .await
            .is_err()
        {
            return;
        }
        self.send_within_patience(false).await;
        self.shared.published.set_started();
        ready.send_replace(true);
        loop {
            sleep(LEAST_INTERVAL).await;
            // The head has moved, or it is back.
            let news = self.progress.changed();
            if let Ok(Err(_)) = timeout(status::INTERVAL - LEAST_INTERVAL, news).await {
                return;
            }
            self.send(false).await;
        }
    }

    /// The last report: this verifier is gone, and nobody should wait for it.
    pub(crate) async fn say_goodbye(&self) {
        self.send_within_patience(true).await;
        if let Some(bus) = self.bus.as_ref().and_then(|via| via.bus.get()) {
            // So that it is sent, and not only handed over.
            bus.clone().close().await;
        }
    }

    async fn send_within_patience(&self, goodbye: bool) {
        if timeout(PATIENCE, self.send(goodbye)).await.is_err() {
            tracing::warn!("a report to the session service takes too long; going on without it");
        }
    }

    /// Over NATS where that is up, and over HTTP where it is not, or brings no pages: on the wrong side
    /// of a partition of the bus its connection is up, and nobody hears.
    async fn send(&self, goodbye: bool) {
        let status = self.status(goodbye);
        let up = self.bus.as_ref().and_then(|via| {
            via.bus
                .get()
                .filter(|bus| bus.connected())
                .map(|bus| (bus, via))
        });
        if let Some((bus, via)) = up {
            match bus.publish_status(&via.client, &status).await {
                Ok(()) if !via.ways.stands_in() => return,
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "a report over NATS was lost"),
            }
        }
        if let Err(failed) = self.service.report(&status).await {
            tracing::debug!(%failed, "a report was lost");
        }
    }

    fn status(&self, goodbye: bool) -> Status {
        let freshness = self.shared.freshness(self.clock.now());
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Status {
            service: self.name.clone(),
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            head: self.progress.borrow().head,
            fresh: freshness.is_fresh(),
            age_ms: freshness.age().map(millis),
            max_staleness_ms: millis(self.shared.max_staleness),
            counts: self.shared.counters.read(),
            goodbye,
        }
    }
}

/// Does it until it ends by itself. Where it ends by a fault, it begins anew.
async fn again_after_faults<W>(mut work: impl FnMut() -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    while Task::spawn(work()).finished().await.is_err() {
        tracing::error!(
            "reporting to the session service has ended by a fault; it is started again"
        );
        sleep(RESTART_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_fault_does_not_end_the_reports() {
        let starts = Arc::new(AtomicUsize::new(0));
        let work = || {
            let first = starts.fetch_add(1, Ordering::Relaxed) == 0;
            async move { assert!(!first, "on purpose") }
        };
        again_after_faults(work).await;
        assert_eq!(starts.load(Ordering::Relaxed), 2);
    }
}
