//! The service's side of the revocations: the stored stream, pages and heartbeats.

use super::stream::{
    Ack, Incarnation, Replicas, Stored as StoredStream, StreamState, WhenFull, is_gone,
};
use super::{Bus, Error};
use crate::subject::REVOCATIONS_STREAM;
use async_nats::jetstream::stream::{Config, LastRawMessageErrorKind};
use std::time::Duration;

/// Nobody needs a consumer here, and each costs the server; a few are left for an operator's tool.
const MAX_CONSUMERS: i32 = 8;

const DESCRIPTION: &str = "Signed pages of revocations: a cache of the session service's log";

/// Publishes pages and keeps the stream that stores them.
#[derive(Clone, Debug)]
pub struct Publisher {
    stream: StoredStream,
    revocations: String,
    heartbeats: String,
}

/// The end of the stored stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which stream it is.
    pub incarnation: Incarnation,
    /// The last page's number.
    pub sequence: u64,
    /// The last page, in the order of storing: another replica's may reach further.
    pub page: String,
}

impl Publisher {
    /// Needs a tokio runtime.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        let revocations = bus.subjects.revocations();
        Self {
            stream: StoredStream::new(bus, REVOCATIONS_STREAM, revocations.clone()),
            revocations,
            heartbeats: bus.subjects.heartbeats(),
        }
    }

    /// Makes the stream, or changes it where it cannot serve. Call it after each connect.
    ///
    /// `max_age` is the longest access TTL in force + leeway + 120 s. An existing stream keeps what
    /// is longer or more than is wanted here, since another replica may need that: nothing is ever
    /// shortened. It keeps an operator's limits on its size, too.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::NoStream`] where
    /// JetStream is off, [`Error::UnusableStream`], [`Error::Refused`].
    pub async fn ensure_stream(&self, max_age: Duration, replicas: Replicas) -> Result<(), Error> {
        let fresh = self.stream.fresh(DESCRIPTION, MAX_CONSUMERS);
        let adapt = |existing: &Config| self.adapted(existing, max_age, replicas);
        self.stream.ensure(fresh, adapt).await.map(drop)
    }

    fn adapted(
        &self,
        existing: &Config,
        max_age: Duration,
        replicas: Replicas,
    ) -> Result<Config, Error> {
        // Zero is for ever.
        let max_age = if existing.max_age.is_zero() {
            Duration::ZERO
        } else {
            existing.max_age.max(max_age)
        };
        let mut wanted =
            self.stream
                .adapted(existing, max_age, replicas, WhenFull::DropTheOldest)?;
        wanted.allow_direct = true;
        Ok(wanted)
    }

    /// Publishes a page, live and to the stream, and waits for the stream's acknowledgment.
    ///
    /// Whatever the error, it may have reached verifiers and the stream. Try again with the same
    /// `message_id` ([`crate::Page::message_id`]), or with a newer page from the same position.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`] after [`super::REQUEST_TIMEOUT`],
    /// [`Error::Denied`], [`Error::NoStream`], [`Error::TooLarge`], [`Error::Refused`].
    pub async fn publish(&self, page: String, message_id: &str) -> Result<Ack, Error> {
        self.stream
            .publish(&self.revocations, page, message_id)
            .await
    }

    /// Publishes an empty page, live only. Success means that it was handed to the connection.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TooLarge`], [`Error::Closed`].
    pub async fn heartbeat(&self, page: String) -> Result<(), Error> {
        let bus = self.stream.bus();
        bus.send(self.heartbeats.clone(), page.into()).await
    }

    /// The end of the stored stream, as its leader has it; `None` where the stream is empty or
    /// gone.
    ///
    /// The stream still holds all that it acknowledged to this replica (and that is not too old
    /// for it) while the incarnation is the same and `sequence` is not below the last
    /// acknowledgment's. Else fill it again from the floor.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::NoStream`] where
    /// JetStream is off, [`Error::Refused`].
    pub async fn stored(&self) -> Result<Option<Stored>, Error> {
        let Some(stream) = self.stream.find().await? else {
            return Ok(None);
        };
        let incarnation = Incarnation::of(stream.cached_info());
        let subject = format!("$JS.API.STREAM.MSG.GET.{REVOCATIONS_STREAM}");
        let last = async {
            let last = stream.get_last_raw_message_by_subject(&self.revocations);
            match last.await {
                Ok(last) => Ok(Some(last)),
                Err(error) => match error.kind() {
                    LastRawMessageErrorKind::NoMessageFound => Ok(None),
                    LastRawMessageErrorKind::JetStream(e) if is_gone(&e) => Ok(None),
                    _ => Err(Error::refused("read the last stored page", error)),
                },
            }
        };
        let last = self.stream.bus().ask(&subject, last).await?;
        Ok(last.map(|last| Stored {
            incarnation,
            sequence: last.sequence,
            page: String::from_utf8_lossy(&last.payload).into_owned(),
        }))
    }

    /// How the stream is, beside what [`Publisher::ensure_stream`] would make of it. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::NoStream`] where
    /// JetStream is off, [`Error::UnusableStream`], [`Error::Refused`].
    pub async fn stream_state(
        &self,
        max_age: Duration,
        replicas: Replicas,
    ) -> Result<StreamState, Error> {
        let adapt = |existing: &Config| self.adapted(existing, max_age, replicas);
        self.stream.state(adapt).await
    }
}
