//! NATS, as the worker sees it.

use async_trait::async_trait;
use revocation_events::event::Event;
use revocation_events::nats::{Ack, Bus, Error, EventPublisher, EventStream, Health, Replicas};
use std::time::Duration;
use tokio::sync::watch;

/// Where events go. NATS, or what a test puts in its place.
#[async_trait]
pub(crate) trait Sink: Send + Sync + 'static {
    /// Which of all connections so far is up; nothing while none is.
    fn connection(&self) -> Option<u64>;

    /// Comes back once the connection is another one, or there is none any more.
    async fn changed(&self);

    /// Makes the stream, or changes it where it cannot serve.
    async fn ensure(&self) -> Result<EventStream, Error>;

    /// The stream, if there is one.
    async fn look(&self) -> Result<Option<EventStream>, Error>;

    /// Publishes an event, and waits until the stream has it.
    async fn publish(&self, event: &Event, message_id: &str) -> Result<Ack, Error>;
}

/// The stream on the bus.
pub(crate) struct NatsSink {
    publisher: EventPublisher,
    health: watch::Receiver<Health>,
    max_age: Duration,
    replicas: Replicas,
}

impl NatsSink {
    pub(crate) fn new(bus: &Bus, max_age: Duration, replicas: Replicas) -> Self {
        Self {
            publisher: EventPublisher::new(bus),
            health: bus.health(),
            max_age,
            replicas,
        }
    }
}

#[async_trait]
impl Sink for NatsSink {
    fn connection(&self) -> Option<u64> {
        let health = self.health.borrow();
        health.connected.then_some(health.connects)
    }

    async fn changed(&self) {
        let before = self.connection();
        let mut health = self.health.clone();
        let another = |health: &Health| health.connected.then_some(health.connects) != before;
        if health.wait_for(another).await.is_err() {
            // The bus was closed: the process is ending.
            std::future::pending::<()>().await;
        }
    }

    async fn ensure(&self) -> Result<EventStream, Error> {
        self.publisher
            .ensure_stream(self.max_age, self.replicas)
            .await
    }

    async fn look(&self) -> Result<Option<EventStream>, Error> {
        self.publisher.look().await
    }

    async fn publish(&self, event: &Event, message_id: &str) -> Result<Ack, Error> {
        self.publisher.publish(event, message_id).await
    }
}
