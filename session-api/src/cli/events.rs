//! Events for other programs.

use super::Failure;
use super::settings;
use crate::events::Events;
use crate::events::sink::NatsSink;
use crate::events::worker::{Settings, Worker};
use crate::store::Store;
use revocation_events::nats::{Bus, Replicas};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which events are published, and for how long they are kept.
#[derive(Debug, clap::Args)]
pub(super) struct EventArgs {
    /// How long the NATS stream of events keeps them, and how long they wait in the database while it
    /// takes none: 1s to 400d.
    #[arg(long, env = "SESSION_API_EVENTS_MAX_AGE", default_value = "7d", value_parser = settings::events_age, value_name = "DURATION")]
    pub(super) events_max_age: Duration,

    /// Publish session.refreshed, too: by far the most of all events. Give it to all replicas.
    #[arg(long, env = "SESSION_API_PUBLISH_REFRESHED")]
    pub(super) publish_refreshed: bool,
}

impl EventArgs {
    /// Whether what is set can be done.
    pub(super) fn check(&self, bus: Option<&Bus>) -> Result<(), Failure> {
        if self.publish_refreshed && bus.is_none() {
            return Err(Failure::setting(
                "--publish-refreshed (or SESSION_API_PUBLISH_REFRESHED) is given without --nats-url (or NATS_URL): events are published on NATS alone; say where it is",
            ));
        }
        Ok(())
    }

    /// What is known of the publishing, and the work itself, until `stop`.
    pub(super) fn publishing(
        &self,
        (store, issuer): (Arc<dyn Store>, String),
        (bus, replicas): (&Bus, Replicas),
        stop: CancellationToken,
    ) -> (Events, impl Future<Output = ()> + Send + use<>) {
        let events = Events::default();
        let sink = NatsSink::new(bus, self.events_max_age, replicas);
        let settings = Settings {
            issuer,
            max_age: self.events_max_age,
            publish_refreshed: self.publish_refreshed,
        };
        let worker = Worker::new(store, Arc::new(sink), events.clone(), settings);
        (events, worker.run(stop))
    }
}
