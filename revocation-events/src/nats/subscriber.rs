//! The stored events, for a program that must not miss any.

use super::{Bus, Error, Health, REQUEST_TIMEOUT};
use crate::event::Event;
use crate::subject::{EVENTS_STREAM, is_token};
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::context::{ConsumerInfoError, ConsumerInfoErrorKind, ContextBuilder};
use async_nats::jetstream::{AckKind, Context, Message};
use futures::StreamExt as _;
use std::time::Duration;
use tokio::sync::watch;

/// For so long one question waits at the server for an event.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between attempts, where the stream or the consumer cannot be used.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads every event, in the order of each stream of the log, through a durable consumer: what was not
/// acknowledged comes again, to this process or the next one.
///
/// **An event may come more than once**: after a crash between the work and the acknowledgment, and
/// when the service has filled a lost stream again. It has the same [`id`](Event::id) then. A program
/// whose work must happen once keeps the ids of what it has done where it keeps the work itself, in
/// the same transaction, for as long as the service publishes events again (`--events-max-age`).
///
/// **Order.** The consumer that this makes gives out one event at a time, so what fails is tried again
/// before what comes after it. With a consumer whose `max_ack_pending` is greater, events overtake one
/// that failed.
///
/// The consumer is made where it is missing, from the oldest stored event on. Where this program may
/// not make it, an operator does, again whenever the stream was lost; see `deploy/README.md`.
///
/// ```no_run
/// # async fn example() -> Result<(), revocation_events::nats::Error> {
/// use revocation_events::event::What;
/// use revocation_events::nats::{Bus, EventSubscriber, Settings};
///
/// let bus = Bus::connect(Settings::new("nats://localhost:4222")?).await?;
/// let mut events = EventSubscriber::new(&bus, "mailer")?;
/// while let Some(delivery) = events.next().await {
///     if let What::SessionOpened { user, new_device: true, .. } = &delivery.event().what {
///         println!("a new device of {user}");
///     }
///     delivery.ack().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventSubscriber {
    bus: Bus,
    jetstream: Context,
    api: String,
    name: String,
    ack_wait: Duration,
    health: watch::Receiver<Health>,
    /// At which of the connections what follows was made.
    connects: u64,
    consumer: Option<PullConsumer>,
    pull: Option<Pull>,
    /// The server has said that this program may not make its consumer.
    may_not_create: bool,
    /// Said once, however long it lasts.
    trouble: Option<String>,
}

/// A question that waits at the server.
struct Pull(Batch);

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pull")
    }
}

/// An event that has yet to be acknowledged. Dropped without that, it comes again after `ack_wait`.
#[derive(Debug)]
pub struct Delivery {
    event: Event,
    message: Message,
    bus: Bus,
}

impl EventSubscriber {
    /// Through the durable consumer `name`, which is this program's own. Asks nothing of the server
    /// yet.
    ///
    /// Defaults: JetStream's own subjects, and events come again after 30 s without an
    /// acknowledgment. An operator's consumer keeps its own settings. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::ConsumerName`].
    pub fn new(bus: &Bus, name: &str) -> Result<Self, Error> {
        if !is_token(name) {
            return Err(Error::ConsumerName);
        }
        let health = bus.health();
        let connects = health.borrow().connects;
        let subscriber = Self {
            bus: bus.clone(),
            jetstream: context(bus, JETSTREAM),
            api: JETSTREAM.to_owned(),
            name: name.to_owned(),
            ack_wait: Duration::from_secs(30),
            health,
            connects,
            consumer: None,
            pull: None,
            may_not_create: false,
            trouble: None,
        };
        Ok(subscriber)
    }

    /// Asks JetStream under another prefix than `$JS.API`: that of an account which imports the
    /// questions, such as `JS.SESSIONS` of `deploy/nats.conf`.
    ///
    /// # Errors
    /// [`Error::ConsumerName`] where it is not made of plain tokens.
    pub fn api_prefix(self, prefix: &str) -> Result<Self, Error> {
        if !prefix.split('.').all(is_token) {
            return Err(Error::ConsumerName);
        }
        Ok(Self {
            jetstream: context(&self.bus, prefix),
            api: prefix.to_owned(),
            ..self
        })
    }

    /// After how long an event that was not acknowledged comes again, where this makes the consumer.
    #[must_use]
    pub fn ack_wait(self, ack_wait: Duration) -> Self {
        Self { ack_wait, ..self }
    }

    /// Waits for the next event, for as long as it takes and whatever happens to the server; `None`
    /// once the bus was closed. May be cancelled: nothing is lost.
    ///
    /// What is no event is dropped for good, with a warning: nobody else could read it either. Kinds
    /// that this version does not know are given as [`crate::event::What::Unknown`].
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if self.health.has_changed().is_err() {
                return None;
            }
            match self.pulled().await {
                Ok(Some(message)) => match Event::from_json(&message.payload) {
                    Ok(event) => {
                        let bus = self.bus.clone();
                        return Some(Delivery {
                            event,
                            message,
                            bus,
                        });
                    }
                    Err(error) => self.drop_for_good(&message, &error).await,
                },
                Ok(None) => {}
                Err(error) => self.rest(&error).await,
            }
        }
    }

    /// What came within a while.
    async fn pulled(&mut self) -> Result<Option<Message>, Error> {
        let Health {
            connected,
            connects,
            ..
        } = *self.health.borrow_and_update();
        if !connected {
            return Err(Error::NotConnected);
        }
        if connects != self.connects {
            // What was asked on the connection before is forgotten there.
            self.connects = connects;
            self.may_not_create = false;
            self.begin_anew();
        }
        if self.consumer.is_none() {
            self.consumer = Some(self.consumer().await?);
        }
        let Some(consumer) = &self.consumer else {
            return Ok(None);
        };
        let pull = match &mut self.pull {
            Some(pull) => pull,
            none => {
                let asked = consumer.batch().max_messages(1).expires(PATIENCE);
                let asked = asked.messages().await;
                let asked = asked.map_err(|error| Error::refused("give events", error))?;
                none.insert(Pull(asked))
            }
        };
        let answer = tokio::select! {
            biased;
            answer = pull.0.next() => answer,
            changed = self.health.wait_for(|health| !health.connected || health.connects != connects) => {
                drop(changed);
                return Ok(None);
            }
        };
        self.pull = None;
        match answer {
            Some(Ok(message)) => {
                self.trouble = None;
                Ok(Some(message))
            }
            Some(Err(error)) => Err(Error::refused("give events", error)),
            None => Ok(None),
        }
    }

    async fn consumer(&self) -> Result<PullConsumer, Error> {
        let stream = self.jetstream.get_stream_no_info(EVENTS_STREAM).await;
        let stream = stream.map_err(|error| Error::refused("look at a stream", error))?;
        let subject = format!("{}.CONSUMER.INFO.{EVENTS_STREAM}.{}", self.api, self.name);
        let found = async { Ok(stream.get_consumer::<Config>(&self.name).await) };
        match self.bus.ask(&subject, found).await? {
            Ok(consumer) => return Ok(consumer),
            Err(error) if is_missing(&*error) && !self.may_not_create => {}
            Err(error) if is_missing(&*error) => {
                return Err(Error::NoConsumer {
                    name: self.name.clone(),
                });
            }
            Err(error) => return Err(Error::refused("look at a consumer", error)),
        }
        let config = Config {
            durable_name: Some(self.name.clone()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.ack_wait,
            max_deliver: -1,
            max_ack_pending: 1,
            filter_subject: self.bus.subjects.events(),
            ..Config::default()
        };
        let subject = format!(
            "{}.CONSUMER.CREATE.{EVENTS_STREAM}.{}.{}",
            self.api, self.name, config.filter_subject
        );
        let created = async {
            let created = stream.create_consumer(config).await;
            created.map_err(|error| Error::refused("make a consumer", error))
        };
        let created = self.bus.ask(&subject, created).await?;
        tracing::info!(consumer = self.name, "made the consumer of events");
        Ok(created)
    }

    fn begin_anew(&mut self) {
        self.consumer = None;
        self.pull = None;
    }

    /// Says what is wrong, once, and waits a moment or for a connection.
    async fn rest(&mut self, error: &Error) {
        self.begin_anew();
        let words = error.to_string();
        if matches!(error, Error::Denied(words) if words.contains(".CONSUMER.CREATE.")) {
            self.may_not_create = true;
        }
        // The connection tells of itself.
        if !matches!(error, Error::NotConnected) && self.trouble.as_ref() != Some(&words) {
            tracing::warn!(consumer = self.name, error = words, "no events come");
            self.trouble = Some(words);
        }
        let connects = self.connects;
        let connected = self
            .health
            .wait_for(|health| health.connected && health.connects != connects);
        // Whichever comes first.
        let _ = tokio::time::timeout(PAUSE, connected).await;
    }

    async fn drop_for_good(&self, message: &Message, error: &crate::event::Invalid) {
        tracing::warn!(
            consumer = self.name,
            subject = %message.subject,
            error = error as &dyn std::error::Error,
            "what is no event was dropped"
        );
        if let Err(error) = acknowledge(&self.bus, message, AckKind::Term).await {
            tracing::warn!(%error, "it comes again");
        }
    }
}

impl Delivery {
    /// What happened.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// How often it was given out by now, from 1. The stream of another time counts anew.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        let info = self.message.info();
        info.map_or(1, |info| u64::try_from(info.delivered).unwrap_or(1))
    }

    /// The work is done: it does not come again. Waits until the server has taken that.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TimedOut`], [`Error::Denied`], [`Error::Refused`]: it may
    /// come again.
    pub async fn ack(&self) -> Result<(), Error> {
        acknowledge(&self.bus, &self.message, AckKind::Ack).await
    }

    /// The work has failed: it comes again after `pause`, and nothing after it before.
    ///
    /// # Errors
    /// As [`Delivery::ack`]; it comes again after `ack_wait` then.
    pub async fn retry_after(&self, pause: Duration) -> Result<(), Error> {
        acknowledge(&self.bus, &self.message, AckKind::Nak(Some(pause))).await
    }

    /// The work goes on: the server begins to count `ack_wait` anew.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn working(&self) -> Result<(), Error> {
        acknowledge(&self.bus, &self.message, AckKind::Progress).await
    }
}

const JETSTREAM: &str = "$JS.API";

fn context(bus: &Bus, prefix: &str) -> Context {
    ContextBuilder::new()
        .timeout(REQUEST_TIMEOUT)
        .api_prefix(prefix)
        .build(bus.client.clone())
}

fn is_missing(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let kind = error
        .downcast_ref::<ConsumerInfoError>()
        .map(ConsumerInfoError::kind);
    matches!(kind, Some(ConsumerInfoErrorKind::NotFound))
}

async fn acknowledge(bus: &Bus, message: &Message, kind: AckKind) -> Result<(), Error> {
    let Some(subject) = message.reply.clone() else {
        return Err(Error::refused("take an answer", "no subject for it"));
    };
    bus.ask(&subject, async {
        let sent = message.double_ack_with(kind).await;
        sent.map_err(|error| Error::refused("take an answer", error))
    })
    .await
}
