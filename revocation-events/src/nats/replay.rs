//! The stored pages, for a verifier whose session service is away.

use super::{Bus, Error, feed::text};
use crate::subject::REVOCATIONS_STREAM;
use async_nats::{Message, StatusCode, header};
use futures::StreamExt as _;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Pages asked for at once. What comes of one question is held in memory.
const BATCH: usize = 256;
/// The most bytes that one question brings, where the server knows batches.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How long the rest of a batch may take to follow. Longer, and batches do not get through: an
/// account may import the question in a way that lets one answer through only.
const BATCH_PATIENCE: Duration = Duration::from_millis(500);
/// The end of a batch.
const END_OF_BATCH: u16 = 204;

/// All stored pages, oldest first, by Direct Get: no consumer is made, and any server that has the
/// stream answers.
///
/// In batches from nats-server 2.11 on; one by one on older ones (2.9 or later).
#[derive(Debug)]
pub struct Replay {
    bus: Bus,
    subject: String,
    deadline: Instant,
    next_sequence: u64,
    batched: bool,
    fetched: VecDeque<String>,
    finished: bool,
}

#[derive(Serialize)]
struct Question<'a> {
    seq: u64,
    next_by_subj: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
}

enum Answer {
    Page { sequence: u64, batched: bool },
    NothingMore,
    EndOfBatch,
}

impl Bus {
    /// Reads the stored pages from the oldest on, in no more than `within`.
    #[must_use]
    pub fn replay(&self, within: Duration) -> Replay {
        Replay {
            bus: self.clone(),
            subject: self.subjects.revocations(),
            deadline: Instant::now() + within,
            next_sequence: 1,
            batched: true,
            fetched: VecDeque::new(),
            finished: false,
        }
    }
}

impl Replay {
    /// The next stored page; `None` after the last one.
    ///
    /// # Errors
    /// [`Error::NoStream`] where there is no such stream (nats-server 2.9 keeps silent then:
    /// [`Error::TimedOut`]), [`Error::TimedOut`], [`Error::Denied`], [`Error::NotConnected`],
    /// [`Error::Refused`]. Pages given before stay as true as they were.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        while self.fetched.is_empty() && !self.finished {
            let deadline = self.deadline;
            if Instant::now() >= deadline {
                return Err(Error::TimedOut);
            }
            let fetched = timeout_at(deadline, self.fetch()).await;
            fetched.unwrap_or(Err(Error::TimedOut))?;
        }
        Ok(self.fetched.pop_front())
    }

    async fn fetch(&mut self) -> Result<(), Error> {
        let to = format!("$JS.API.DIRECT.GET.{REVOCATIONS_STREAM}");
        let question = Question {
            seq: self.next_sequence,
            next_by_subj: &self.subject,
            batch: self.batched.then_some(BATCH),
            max_bytes: self.batched.then_some(BATCH_BYTES),
        };
        let question = serde_json::to_vec(&question)
            .map_err(|error| Error::refused("ask for stored pages", error))?;
        let client = self.bus.client.clone();
        let inbox = client.new_inbox();
        let subscribed = client.subscribe(inbox.clone()).await;
        let mut answers = subscribed.map_err(|_| Error::Closed)?;
        let first = async {
            let asked = client.publish_with_reply(to.clone(), inbox, question.into());
            asked.await.map_err(|_| Error::Closed)?;
            answers.next().await.ok_or(Error::Closed)
        };
        let mut message = self.bus.ask(&to, first).await?;
        loop {
            match read(&message)? {
                Answer::NothingMore => {
                    self.finished = true;
                    return Ok(());
                }
                Answer::EndOfBatch => return Ok(()),
                Answer::Page { sequence, batched } => {
                    self.next_sequence = sequence.saturating_add(1);
                    self.fetched.push_back(text(&message));
                    if !batched || self.fetched.len() > BATCH {
                        return Ok(());
                    }
                }
            }
            match timeout(BATCH_PATIENCE, answers.next()).await {
                Ok(Some(next)) => message = next,
                Ok(None) => return Err(Error::Closed),
                Err(_) => {
                    self.batched = false;
                    return Ok(());
                }
            }
        }
    }
}

fn read(message: &Message) -> Result<Answer, Error> {
    let number = |name| {
        let value = message.headers.as_ref()?.get(name)?;
        value.as_str().parse::<u64>().ok()
    };
    match message.status.as_ref().map(StatusCode::as_u16) {
        None => {
            let sequence = number(header::NATS_SEQUENCE)
                .ok_or_else(|| Error::refused("give stored pages", "an answer has no number"))?;
            // Only a server that knows batches says how many are left.
            let batched = number(NUM_PENDING).is_some();
            Ok(Answer::Page { sequence, batched })
        }
        Some(END_OF_BATCH) => Ok(if number(NUM_PENDING) == Some(0) {
            Answer::NothingMore
        } else {
            Answer::EndOfBatch
        }),
        Some(404) => Ok(Answer::NothingMore),
        Some(503) => Err(Error::NoStream {
            stream: REVOCATIONS_STREAM,
        }),
        Some(other) => {
            let words = message.description.as_deref().unwrap_or_default();
            Err(Error::refused(
                "give stored pages",
                format!("{other} {words}"),
            ))
        }
    }
}

const NUM_PENDING: header::HeaderName = header::HeaderName::from_static("Nats-Num-Pending");
