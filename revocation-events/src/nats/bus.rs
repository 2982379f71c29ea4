//! The connection.

use super::{Error, REQUEST_TIMEOUT, Settings};
use crate::subject::Subjects;
use async_nats::{Client, Event, connection::State};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// The ceiling of the wait before the first attempt to reconnect; it doubles with each attempt.
const FIRST_DELAY: Duration = Duration::from_millis(100);
/// Where that ceiling ends.
const LONGEST_DELAY: Duration = Duration::from_secs(4);
/// How often the server is asked whether it is there. Two unanswered questions end a connection,
/// so a half-open one is noticed in about two seconds; the client's default takes minutes.
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// Messages that wait for each subscription's reader. When it is full, new ones are *dropped*
/// while the connection stays up; see [`Health::slow_consumer`]. Enough for the statuses that a whole
/// fleet sends at once when a fence asks; a page may have 90 kB, so many more of them would be a
/// promise that memory cannot keep.
const SUBSCRIPTION_CAPACITY: usize = 8_192;

/// One connection to NATS, kept up for as long as it, a clone or a feed of it lives.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(super) client: Client,
    pub(super) subjects: Subjects,
    health: watch::Receiver<Health>,
}

/// What has happened to the connection so far. The counts only grow, so whoever compares two
/// values misses no kind of event, however many came between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// It is up.
    pub connected: bool,
    /// How often it came up.
    pub connects: u64,
    /// How often it went down.
    pub disconnects: u64,
    /// How often the client said that a reader was too slow and that messages were dropped: not
    /// how many.
    pub slow_consumer: u64,
    /// How often a server said that it is about to shut down.
    pub lame_duck: u64,
    /// How many errors came: attempts to connect that failed, and complaints of the server.
    pub errors: u64,
    /// The last error since the connection came up, or since the start.
    pub last_error: Option<Arc<str>>,
}

impl Bus {
    /// Starts to connect and returns at once, whether the server is there or not. It goes on
    /// trying for ever, wrong passwords included: they may be put right on the server.
    ///
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::CredentialsFile`], [`Error::Start`].
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let (report, health) = watch::channel(Health::default());
        let started = AtomicBool::new(false);
        let client = settings
            .options()
            .await?
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(REQUEST_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .reconnect_delay_callback(move |attempt| {
                // Only the very first attempt is made without a wait: all verifiers lose a server
                // in the same moment, and must not come back in the same moment.
                if started.swap(true, Ordering::Relaxed) {
                    jittered(attempt)
                } else {
                    Duration::ZERO
                }
            })
            .event_callback(move |event| {
                report.send_modify(|health| health.note(&event));
                std::future::ready(())
            })
            .connect(settings.servers.as_slice())
            .await
            .map_err(|error| Error::Start(error.to_string()))?;
        Ok(Self {
            client,
            subjects: settings.subjects,
            health,
        })
    }

    /// Whether the connection is up now.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// What has happened so far, and a way to wait for what happens next.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Sends what was handed over and closes the connection; feeds end. Waits two seconds at most.
    pub async fn close(self) {
        // Without a connection there is nobody to send to, and the client would wait for one.
        if self.connected() && self.client.drain().await.is_ok() {
            let mut health = self.health;
            let down = health.wait_for(|health| !health.connected);
            // Late or not, the program is on its way out.
            let _ = tokio::time::timeout(REQUEST_TIMEOUT, down).await;
        }
    }

    /// Sends without storing. Refuses while the connection is down: the client would keep the
    /// message, and old heartbeats and statuses are of no use to anyone.
    pub(super) async fn send(&self, subject: String, payload: Bytes) -> Result<(), Error> {
        use async_nats::PublishErrorKind as Kind;
        let len = payload.len();
        self.ask(&subject.clone(), async {
            let sent = self.client.publish(subject, payload).await;
            sent.map_err(|error| match error.kind() {
                Kind::MaxPayloadExceeded => Error::TooLarge { len },
                Kind::InvalidSubject => Error::refused("send", error),
                Kind::Send => Error::Closed,
            })
        })
        .await
    }

    /// Bounds what is asked of the server by [`REQUEST_TIMEOUT`], and ends it as soon as the server
    /// says that `subject` is not permitted: it answers such a request with silence.
    pub(super) async fn ask<T>(
        &self,
        subject: &str,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if !self.connected() {
            return Err(Error::NotConnected);
        }
        let health = self.health();
        let errors_before = health.borrow().errors;
        tokio::select! {
            biased;
            answer = tokio::time::timeout(REQUEST_TIMEOUT, question) => {
                answer.unwrap_or(Err(Error::TimedOut))
            }
            words = denied(health, errors_before, subject) => Err(Error::Denied(words)),
        }
    }
}

/// Waits until the server says that publishing to `subject` is not permitted.
async fn denied(
    mut health: watch::Receiver<Health>,
    errors_before: u64,
    subject: &str,
) -> Arc<str> {
    let is_denied = |health: &Health| {
        health.errors > errors_before && health.denial("Publish", &[subject]).is_some()
    };
    let words = match health.wait_for(is_denied).await {
        Ok(health) => health.last_error.clone(),
        // The connection was closed, and the question ends by itself.
        Err(_) => None,
    };
    match words {
        Some(words) => words,
        None => std::future::pending().await,
    }
}

impl Health {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                self.connects += 1;
                self.last_error = None;
                tracing::info!(connects = self.connects, "connected to NATS");
            }
            Event::Disconnected => {
                self.connected = false;
                self.disconnects += 1;
                tracing::warn!("lost the connection to NATS; trying again until it is back");
            }
            Event::Closed => self.connected = false,
            Event::SlowConsumer(_) => self.slow_consumer += 1,
            Event::LameDuckMode => self.lame_duck += 1,
            Event::Draining => {}
            Event::ServerError(error) => self.note_error(&error.to_string()),
            Event::ClientError(error) => self.note_error(&error.to_string()),
        }
    }

    fn note_error(&mut self, words: &str) {
        self.errors += 1;
        // An attempt to connect fails every few seconds in the same way; once is enough to say.
        if self.last_error.as_deref() != Some(words) {
            // The client keeps to itself what kind of error that was.
            if words.ends_with("IO error") {
                tracing::warn!(
                    error = words,
                    "NATS is not there, or its certificate is not believed: see to the address and, with \
                     tls://, to the name and the authority of the certificate"
                );
            } else {
                tracing::warn!(error = words, "NATS");
            }
            self.last_error = Some(words.into());
        }
    }

    /// The last error, where it denies `verb` for one of `subjects`.
    pub(super) fn denial(&self, verb: &str, subjects: &[&str]) -> Option<Arc<str>> {
        let words = self.last_error.as_ref()?;
        let about = |subject| words.contains(&format!("Violation for {verb} to \"{subject}\""));
        subjects.iter().any(about).then(|| Arc::clone(words))
    }
}

/// A wait drawn evenly from zero to a ceiling that doubles with each attempt ("full jitter").
fn jittered(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let ceiling = FIRST_DELAY
        .saturating_mul(2_u32.saturating_pow(doublings))
        .min(LONGEST_DELAY);
    // Without randomness the whole wait is the safe choice.
    let share = getrandom::u32().unwrap_or(u32::MAX);
    ceiling.mul_f64(f64::from(share) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_stays_under_its_ceiling_and_differs() {
        for (attempt, ceiling) in [
            (1, 100),
            (2, 200),
            (6, 3_200),
            (7, 4_000),
            (usize::MAX, 4_000),
        ] {
            let waits: Vec<_> = (0..50).map(|_| jittered(attempt)).collect();
            assert!(
                waits
                    .iter()
                    .all(|wait| *wait <= Duration::from_millis(ceiling))
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{attempt}");
        }
    }
}
