//! What each verifier has applied.

use super::{Bus, Error};
use crate::status::Status;
use crate::subject::is_token;
use async_nats::Subscriber;
use futures::StreamExt as _;

/// The longest status that is read, in bytes.
const MAX_LEN: usize = 4 * 1024;

/// One verifier's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The client that NATS let publish under this name.
    pub client: String,
    /// What it says.
    pub status: Status,
}

/// What came is no valid report, or one of another instance than its subject says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a report")]
pub struct NoReport;

/// Every verifier's reports.
#[derive(Debug)]
pub struct StatusFeed(Subscriber);

impl Bus {
    /// Reports as `client`, which is the name that this program's NATS user may publish under.
    ///
    /// Success means that it was handed to the connection. The server's refusal comes later, if it
    /// comes, so it is the next report that fails, and all after it until the connection is made
    /// anew: permissions may have changed by then.
    ///
    /// # Errors
    /// [`Error::InvalidStatus`], [`Error::Denied`], [`Error::NotConnected`], [`Error::Closed`].
    pub async fn publish_status(&self, client: &str, status: &Status) -> Result<(), Error> {
        if !is_token(client) || !status.is_valid() {
            return Err(Error::InvalidStatus);
        }
        let subject = self.subjects.status(client, &status.instance);
        if let Some(words) = self.health().borrow().denial("Publish", &[&subject]) {
            return Err(Error::Denied(words));
        }
        let text = serde_json::to_vec(status).map_err(|_| Error::InvalidStatus)?;
        self.send(subject, text.into()).await
    }
}

impl StatusFeed {
    /// Subscribes to the reports of all verifiers, now or when the server comes.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn subscribe(bus: &Bus) -> Result<Self, Error> {
        let subscribed = bus.client.subscribe(bus.subjects.every_status()).await;
        subscribed.map(Self).map_err(|_| Error::Closed)
    }

    /// Waits for the next report; `None` once the bus was closed.
    ///
    /// # Errors
    /// [`NoReport`]: count it, and go on.
    pub async fn next(&mut self) -> Option<Result<Reported, NoReport>> {
        let message = self.0.next().await?;
        Some(read(&message.subject, &message.payload))
    }
}

fn read(subject: &str, payload: &[u8]) -> Result<Reported, NoReport> {
    if payload.len() > MAX_LEN {
        return Err(NoReport);
    }
    let mut tokens = subject.rsplit('.');
    let mut token = || tokens.next().ok_or(NoReport);
    let (instance, client) = (token()?, token()?);
    let status: Status = serde_json::from_slice(payload).map_err(|_| NoReport)?;
    if !status.is_valid() || status.instance != instance || !is_token(client) {
        return Err(NoReport);
    }
    Ok(Reported {
        client: client.to_owned(),
        status,
    })
}
