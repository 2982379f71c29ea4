//! The service's side: the stored stream, pages and heartbeats.

use super::{Bus, Error, REQUEST_TIMEOUT};
use crate::subject::REVOCATIONS_STREAM;
use async_nats::jetstream::context::{
    ContextBuilder, CreateStreamErrorKind, GetStreamErrorKind, PublishErrorKind, RequestErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, context::GetStreamError};
use std::time::Duration;

/// How long JetStream remembers a page's message id.
const DEDUPLICATION: Duration = Duration::from_secs(2 * 60);
/// Nobody needs a consumer here, and each costs the server; a few are left for an operator's tool.
const MAX_CONSUMERS: i32 = 8;
/// Pages that wait for their acknowledgment; the next one waits for one of them.
const MAX_IN_FLIGHT: usize = 256;

/// Publishes pages and keeps the stream that stores them.
#[derive(Clone, Debug)]
pub struct Publisher {
    bus: Bus,
    jetstream: jetstream::Context,
    revocations: String,
    heartbeats: String,
}

/// On how many servers of a NATS cluster the stream is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// One: the stream is away while its server is, and the service fills it again if it is lost.
    #[default]
    One,
    /// Three, in a cluster of three servers or more.
    Three,
}

/// JetStream has the page. That means "cached", not "safe": by default it writes to the disk every
/// two minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The page's number in the stream.
    pub sequence: u64,
    /// It was there already, under the same message id.
    pub duplicate: bool,
}

/// When the stream was made, in nanoseconds since 1970: another value is another stream, which
/// holds nothing of what the one before acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(i128);

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
        let jetstream = ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .ack_timeout(REQUEST_TIMEOUT)
            .max_ack_inflight(MAX_IN_FLIGHT)
            .build(bus.client.clone());
        Self {
            jetstream,
            revocations: bus.subjects.revocations(),
            heartbeats: bus.subjects.heartbeats(),
            bus: bus.clone(),
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
        let Some(stream) = self.stream().await? else {
            let wanted = adapted(&fresh(), &self.revocations, max_age, replicas)?;
            return self.create(wanted).await;
        };
        let existing = &stream.cached_info().config;
        let wanted = adapted(existing, &self.revocations, max_age, replicas)?;
        if wanted == *existing {
            return Ok(());
        }
        let subject = format!("$JS.API.STREAM.UPDATE.{REVOCATIONS_STREAM}");
        let update = async {
            let updated = self.jetstream.update_stream(&wanted).await;
            updated.map(|_| ()).map_err(|e| changing(&e))
        };
        self.bus.ask(&subject, update).await?;
        tracing::info!(
            max_age_s = wanted.max_age.as_secs(),
            "adapted the stream of pages"
        );
        Ok(())
    }

    /// Publishes a page, live and to the stream, and waits for the stream's acknowledgment.
    ///
    /// Whatever the error, it may have reached verifiers and the stream. Try again with the same
    /// `message_id` ([`crate::Page::message_id`]), or with a newer page from the same position.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`] after [`REQUEST_TIMEOUT`], [`Error::Denied`],
    /// [`Error::NoStream`], [`Error::TooLarge`], [`Error::Refused`].
    pub async fn publish(&self, page: String, message_id: &str) -> Result<Ack, Error> {
        let len = page.len();
        let message = PublishMessage::build()
            .payload(page.into())
            .message_id(message_id)
            // Should another stream ever take the subject, its acknowledgment is none.
            .expected_stream(REVOCATIONS_STREAM);
        self.bus
            .ask(&self.revocations, async {
                let subject = self.revocations.clone();
                let sent = self.jetstream.send_publish(subject, message).await;
                let acknowledged = match sent {
                    Ok(acknowledgment) => acknowledgment.await,
                    Err(error) => Err(error),
                };
                let ack = acknowledged.map_err(|error| match error.kind() {
                    PublishErrorKind::StreamNotFound => no_stream(),
                    PublishErrorKind::TimedOut => Error::TimedOut,
                    PublishErrorKind::MaxPayloadExceeded => Error::TooLarge { len },
                    PublishErrorKind::BrokenPipe => Error::Closed,
                    _ => Error::refused("store a page", error),
                })?;
                Ok(Ack {
                    sequence: ack.sequence,
                    duplicate: ack.duplicate,
                })
            })
            .await
    }

    /// Publishes an empty page, live only. Success means that it was handed to the connection.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TooLarge`], [`Error::Closed`].
    pub async fn heartbeat(&self, page: String) -> Result<(), Error> {
        self.bus.send(self.heartbeats.clone(), page.into()).await
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
        let Some(stream) = self.stream().await? else {
            return Ok(None);
        };
        let created = stream.cached_info().created;
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
        let last = self.bus.ask(&subject, last).await?;
        Ok(last.map(|last| Stored {
            incarnation: Incarnation(created.unix_timestamp_nanos()),
            sequence: last.sequence,
            page: String::from_utf8_lossy(&last.payload).into_owned(),
        }))
    }

    /// Whether the stream is there and stores this publisher's pages. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::NoStream`] where
    /// JetStream is off, [`Error::Refused`].
    pub async fn is_stored(&self) -> Result<bool, Error> {
        let stream = self.stream().await?;
        let takes = |stream: Stream<Info>| {
            let subjects = &stream.cached_info().config.subjects;
            subjects.contains(&self.revocations)
        };
        Ok(stream.is_some_and(takes))
    }

    async fn stream(&self) -> Result<Option<Stream<Info>>, Error> {
        let subject = format!("$JS.API.STREAM.INFO.{REVOCATIONS_STREAM}");
        self.bus
            .ask(&subject, async {
                match self.jetstream.get_stream(REVOCATIONS_STREAM).await {
                    Ok(stream) => Ok(Some(stream)),
                    Err(error) => match error.kind() {
                        GetStreamErrorKind::JetStream(e) if is_gone(&e) => Ok(None),
                        _ => Err(reading(&error)),
                    },
                }
            })
            .await
    }

    async fn create(&self, wanted: Config) -> Result<(), Error> {
        let subject = format!("$JS.API.STREAM.CREATE.{REVOCATIONS_STREAM}");
        let create = async {
            let created = self.jetstream.create_stream(wanted).await;
            created.map(|_| ()).map_err(|e| changing(&e))
        };
        self.bus.ask(&subject, create).await?;
        tracing::info!("made the stream of pages");
        Ok(())
    }
}

fn fresh() -> Config {
    Config {
        name: REVOCATIONS_STREAM.to_owned(),
        description: Some(
            "Signed pages of revocations: a cache of the session service's log".into(),
        ),
        storage: StorageType::File,
        max_consumers: MAX_CONSUMERS,
        max_messages: -1,
        max_bytes: -1,
        // Not zero, which would mean for ever and win over any age.
        max_age: Duration::from_nanos(1),
        ..Config::default()
    }
}

/// `existing`, with what pages need and without taking away what somebody else may need.
fn adapted(
    existing: &Config,
    subject: &str,
    max_age: Duration,
    replicas: Replicas,
) -> Result<Config, Error> {
    if existing.retention != RetentionPolicy::Limits {
        return Err(Error::UnusableStream {
            stream: REVOCATIONS_STREAM,
            reason: "drops what somebody has read",
        });
    }
    let mut wanted = existing.clone();
    // Two deployments with prefixes of their own may share an account, and then share the stream.
    if !wanted.subjects.iter().any(|one| one == subject) {
        wanted.subjects.push(subject.to_owned());
    }
    if !wanted.max_age.is_zero() {
        wanted.max_age = wanted.max_age.max(max_age);
    }
    let replicas = match replicas {
        Replicas::One => 1,
        Replicas::Three => 3,
    };
    wanted.num_replicas = wanted.num_replicas.max(replicas);
    // JetStream wants it to be no longer than the age.
    let deduplication = if wanted.max_age.is_zero() {
        DEDUPLICATION
    } else {
        DEDUPLICATION.min(wanted.max_age)
    };
    wanted.duplicate_window = wanted.duplicate_window.max(deduplication);
    wanted.max_messages_per_subject = -1;
    wanted.discard = DiscardPolicy::Old;
    wanted.no_ack = false;
    wanted.allow_direct = true;
    wanted.deny_delete = true;
    wanted.deny_purge = true;
    Ok(wanted)
}

fn is_gone(error: &jetstream::Error) -> bool {
    error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND
}

const fn no_stream() -> Error {
    Error::NoStream {
        stream: REVOCATIONS_STREAM,
    }
}

fn reading(error: &GetStreamError) -> Error {
    use std::error::Error as _;
    let request = error
        .source()
        .and_then(|source| source.downcast_ref::<jetstream::context::RequestError>());
    match request.map(jetstream::context::RequestError::kind) {
        Some(RequestErrorKind::NoResponders) => no_stream(),
        Some(RequestErrorKind::TimedOut) => Error::TimedOut,
        _ => Error::refused("look at the stream of pages", error),
    }
}

fn changing(error: &jetstream::context::CreateStreamError) -> Error {
    match error.kind() {
        CreateStreamErrorKind::TimedOut => Error::TimedOut,
        CreateStreamErrorKind::JetStreamUnavailable => no_stream(),
        _ => Error::refused("make or change the stream of pages", error),
    }
}
