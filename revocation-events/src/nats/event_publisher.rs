//! The service's side of the events: the stored stream, and what goes into it.

use super::stream::{Ack, Incarnation, Replicas, Stored, StreamState, WhenFull};
use super::{Bus, Error};
use crate::event::Event;
use crate::subject::{EVENTS_STREAM, Subjects};
use crate::time::UnixMillis;
use async_nats::jetstream::stream::{Config, Info};
use std::time::Duration;

/// As many as the account allows: consumers are what the stream is for.
const MAX_CONSUMERS: i32 = -1;

const DESCRIPTION: &str = "Events for other programs: a cache of the session service's log";

/// Publishes events and keeps the stream that stores them.
#[derive(Clone, Debug)]
pub struct EventPublisher {
    stream: Stored,
    subjects: Subjects,
}

/// The stored stream of events, as its leader has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStream {
    /// Which stream it is.
    pub incarnation: Incarnation,
    /// The number and the time of the oldest event that is left; none where it is empty.
    pub first: Option<(u64, UnixMillis)>,
    /// The number of the newest event that it was ever given.
    pub last_sequence: u64,
    /// How long it keeps an event; zero is for ever.
    pub max_age: Duration,
}

impl EventPublisher {
    /// Needs a tokio runtime.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self {
            stream: Stored::new(bus, EVENTS_STREAM, bus.subjects.events()),
            subjects: bus.subjects.clone(),
        }
    }

    /// Makes the stream, or changes it where it cannot serve. Call it after each connect.
    ///
    /// It keeps events for `max_age`, and refuses new ones when it is full rather than drop old ones
    /// that somebody has not read. An operator's limits on its size stay as they are.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::NoStream`] where
    /// JetStream is off, [`Error::UnusableStream`], [`Error::Refused`].
    pub async fn ensure_stream(
        &self,
        max_age: Duration,
        replicas: Replicas,
    ) -> Result<EventStream, Error> {
        let stream = &self.stream;
        let fresh = stream.fresh(DESCRIPTION, MAX_CONSUMERS);
        let ensured = stream.ensure(fresh, |existing| {
            stream.adapted(existing, max_age, replicas, WhenFull::RefuseTheNewest)
        });
        Ok(EventStream::of(&ensured.await?))
    }

    /// The stream, if there is one. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::NoStream`] where
    /// JetStream is off, [`Error::Refused`].
    pub async fn look(&self) -> Result<Option<EventStream>, Error> {
        let found = self.stream.find().await?;
        Ok(found.map(|stream| EventStream::of(stream.cached_info())))
    }

    /// Publishes an event, live and to the stream, and waits for the stream's acknowledgment.
    ///
    /// Whatever the error, it may be in the stream. JetStream drops a copy with the same
    /// `message_id` for two minutes.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`] after [`super::REQUEST_TIMEOUT`],
    /// [`Error::Denied`], [`Error::NoStream`], [`Error::TooLarge`], and [`Error::Refused`] where the
    /// stream is full, among others.
    pub async fn publish(&self, event: &Event, message_id: &str) -> Result<Ack, Error> {
        let subject = self.subjects.event(event.what.kind());
        self.stream
            .publish(&subject, event.to_json(), message_id)
            .await
    }

    /// How the stream is, beside what [`EventPublisher::ensure_stream`] would make of it; whatever its
    /// age is, where none is given. Changes nothing.
    ///
    /// # Errors
    /// Those of [`EventPublisher::look`], and [`Error::UnusableStream`].
    pub async fn stream_state(
        &self,
        max_age: Option<Duration>,
        replicas: Replicas,
    ) -> Result<StreamState, Error> {
        let stream = &self.stream;
        let adapt = |existing: &Config| {
            let max_age = max_age.unwrap_or(existing.max_age);
            stream.adapted(existing, max_age, replicas, WhenFull::RefuseTheNewest)
        };
        stream.state(adapt).await
    }
}

impl EventStream {
    fn of(info: &Info) -> Self {
        let state = &info.state;
        let millis = state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
        // An empty stream gives a time long before 1970.
        let first = u64::try_from(millis).ok().filter(|_| state.messages > 0);
        Self {
            incarnation: Incarnation::of(info),
            first: first.map(|at| (state.first_sequence, UnixMillis::new(at))),
            last_sequence: state.last_sequence,
            max_age: info.config.max_age,
        }
    }
}
