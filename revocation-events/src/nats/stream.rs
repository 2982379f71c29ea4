//! A stored stream, as the service makes, keeps and fills it.

mod state;

pub use state::StreamState;

use super::{Bus, Error, REQUEST_TIMEOUT};
use async_nats::jetstream::context::{
    ContextBuilder, CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
    PublishErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context};
use std::time::Duration;

/// How long JetStream remembers a message's id.
const DEDUPLICATION: Duration = Duration::from_secs(2 * 60);
/// Messages that wait for their acknowledgment; the next one waits for one of them.
const MAX_IN_FLIGHT: usize = 256;

/// On how many servers of a NATS cluster a stream is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replicas {
    /// One: the stream is away while its server is, and the service fills it again if it is lost.
    #[default]
    One,
    /// Three, in a cluster of three servers or more.
    Three,
}

impl Replicas {
    const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// JetStream has the message. That means "cached", not "safe": by default it writes to the disk every
/// two minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The message's number in the stream.
    pub sequence: u64,
    /// It was there already, under the same message id.
    pub duplicate: bool,
}

/// When the stream was made, in nanoseconds since 1970: another value is another stream, which
/// holds nothing of what the one before acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Incarnation(i64);

impl Incarnation {
    /// One that was remembered.
    #[must_use]
    pub const fn new(nanos: i64) -> Self {
        Self(nanos)
    }

    /// To remember it by.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    pub(super) fn of(info: &Info) -> Self {
        // It holds until the year 2262.
        Self(i64::try_from(info.created.unix_timestamp_nanos()).unwrap_or(i64::MAX))
    }
}

/// What happens to the next message of a stream that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    DropTheOldest,
    RefuseTheNewest,
}

/// One of the service's streams.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    bus: Bus,
    jetstream: Context,
    name: &'static str,
    /// What it captures.
    subject: String,
}

impl Stored {
    /// Needs a tokio runtime.
    pub(super) fn new(bus: &Bus, name: &'static str, subject: String) -> Self {
        let jetstream = ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .ack_timeout(REQUEST_TIMEOUT)
            .max_ack_inflight(MAX_IN_FLIGHT)
            .build(bus.client.clone());
        Self {
            bus: bus.clone(),
            jetstream,
            name,
            subject,
        }
    }

    pub(super) const fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The stream, if there is one.
    pub(super) async fn find(&self) -> Result<Option<Stream<Info>>, Error> {
        let subject = format!("$JS.API.STREAM.INFO.{}", self.name);
        self.bus
            .ask(&subject, async {
                match self.jetstream.get_stream(self.name).await {
                    Ok(stream) => Ok(Some(stream)),
                    Err(error) => match error.kind() {
                        GetStreamErrorKind::JetStream(e) if is_gone(&e) => Ok(None),
                        _ => Err(self.reading(&error)),
                    },
                }
            })
            .await
    }

    /// What there is of it, beside what `adapt` would make of it.
    pub(super) async fn state(
        &self,
        adapt: impl Fn(&Config) -> Result<Config, Error>,
    ) -> Result<StreamState, Error> {
        let Some(stream) = self.find().await? else {
            return Ok(StreamState::Missing);
        };
        let info = stream.cached_info();
        if !info.config.subjects.contains(&self.subject) {
            return Ok(StreamState::Missing);
        }
        let wanted = adapt(&info.config)?;
        Ok(StreamState::There {
            differences: state::differences(&info.config, &wanted),
            behind: state::behind(info.cluster.as_ref()),
        })
    }

    /// Makes the stream, or changes it where `adapt` says so.
    pub(super) async fn ensure(
        &self,
        fresh: Config,
        adapt: impl Fn(&Config) -> Result<Config, Error>,
    ) -> Result<Info, Error> {
        let Some(stream) = self.find().await? else {
            let wanted = adapt(&fresh)?;
            let subject = format!("$JS.API.STREAM.CREATE.{}", self.name);
            let create = async {
                let created = self.jetstream.create_stream(wanted).await;
                created.map_err(|error| self.changing(&error))
            };
            let created = self.bus.ask(&subject, create).await?;
            tracing::info!(stream = self.name, "made the stream");
            return Ok(created.cached_info().clone());
        };
        let info = stream.cached_info();
        let wanted = adapt(&info.config)?;
        if wanted == info.config {
            return Ok(info.clone());
        }
        let subject = format!("$JS.API.STREAM.UPDATE.{}", self.name);
        let update = async {
            let updated = self.jetstream.update_stream(&wanted).await;
            updated.map_err(|error| self.changing(&error))
        };
        let updated = self.bus.ask(&subject, update).await?;
        tracing::info!(
            stream = self.name,
            max_age_s = wanted.max_age.as_secs(),
            "adapted the stream"
        );
        Ok(updated)
    }

    /// Publishes a message, live and to the stream, and waits for the stream's acknowledgment.
    pub(super) async fn publish(
        &self,
        subject: &str,
        payload: String,
        message_id: &str,
    ) -> Result<Ack, Error> {
        let len = payload.len();
        let message = PublishMessage::build()
            .payload(payload.into())
            .message_id(message_id)
            // Should another stream ever take the subject, its acknowledgment is none.
            .expected_stream(self.name);
        self.bus
            .ask(subject, async {
                let sent = self.jetstream.send_publish(subject.to_owned(), message);
                let acknowledged = match sent.await {
                    Ok(acknowledgment) => acknowledgment.await,
                    Err(error) => Err(error),
                };
                let ack = acknowledged.map_err(|error| match error.kind() {
                    PublishErrorKind::StreamNotFound => self.missing(),
                    PublishErrorKind::TimedOut => Error::TimedOut,
                    PublishErrorKind::MaxPayloadExceeded => Error::TooLarge { len },
                    PublishErrorKind::BrokenPipe => Error::Closed,
                    _ => Error::refused("store a message", error),
                })?;
                Ok(Ack {
                    sequence: ack.sequence,
                    duplicate: ack.duplicate,
                })
            })
            .await
    }

    /// What a new stream begins with.
    pub(super) fn fresh(&self, description: &str, max_consumers: i32) -> Config {
        Config {
            name: self.name.to_owned(),
            description: Some(description.to_owned()),
            storage: StorageType::File,
            max_consumers,
            max_messages: -1,
            max_bytes: -1,
            // Not zero, which would mean for ever and win over any age.
            max_age: Duration::from_nanos(1),
            ..Config::default()
        }
    }

    /// `existing`, with what every stream here needs and without taking away what somebody else may
    /// need: an operator's limits on its size, another deployment's subject.
    pub(super) fn adapted(
        &self,
        existing: &Config,
        max_age: Duration,
        replicas: Replicas,
        when_full: WhenFull,
    ) -> Result<Config, Error> {
        if existing.retention != RetentionPolicy::Limits {
            return Err(Error::UnusableStream {
                stream: self.name,
                reason: "drops what somebody has read",
            });
        }
        let mut wanted = existing.clone();
        // Two deployments with prefixes of their own may share an account, and then share the stream.
        if !wanted.subjects.contains(&self.subject) {
            wanted.subjects.push(self.subject.clone());
        }
        wanted.max_age = max_age;
        wanted.num_replicas = wanted.num_replicas.max(replicas.count());
        wanted.duplicate_window = wanted.duplicate_window.max(DEDUPLICATION);
        if !max_age.is_zero() {
            // JetStream wants it to be no longer than the age.
            wanted.duplicate_window = wanted.duplicate_window.min(max_age);
        }
        wanted.max_messages_per_subject = -1;
        wanted.discard = match when_full {
            WhenFull::DropTheOldest => DiscardPolicy::Old,
            WhenFull::RefuseTheNewest => DiscardPolicy::New,
        };
        wanted.no_ack = false;
        wanted.deny_delete = true;
        wanted.deny_purge = true;
        Ok(wanted)
    }

    const fn missing(&self) -> Error {
        Error::NoStream { stream: self.name }
    }

    fn reading(&self, error: &GetStreamError) -> Error {
        use std::error::Error as _;
        let request = error
            .source()
            .and_then(|source| source.downcast_ref::<RequestError>());
        match request.map(RequestError::kind) {
            Some(RequestErrorKind::NoResponders) => self.missing(),
            Some(RequestErrorKind::TimedOut) => Error::TimedOut,
            _ => Error::refused("look at a stream", error),
        }
    }

    fn changing(&self, error: &CreateStreamError) -> Error {
        match error.kind() {
            CreateStreamErrorKind::TimedOut => Error::TimedOut,
            CreateStreamErrorKind::JetStreamUnavailable => self.missing(),
            _ => Error::refused("make or change a stream", error),
        }
    }
}

pub(super) fn is_gone(error: &jetstream::Error) -> bool {
    error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND
}
