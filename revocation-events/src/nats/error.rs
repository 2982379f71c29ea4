//! What can go wrong between this program and NATS.

use std::sync::Arc;

/// Why something could not be done over NATS. No text holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server's address cannot be used. It is not repeated: it may hold a password.
    #[error(
        "NATS server number {number} of the list: {reason}; write nats://host:4222 or tls://host:4222"
    )]
    Address {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Credentials are given twice and differ: in two addresses, or in an address and beside it.
    #[error("NATS credentials are given twice; give them in one place")]
    TwoCredentials,
    /// The credentials file cannot be used.
    #[error("the NATS credentials file cannot be read or is not one (nsc makes them)")]
    CredentialsFile(#[source] std::io::Error),
    /// The file of certificate authorities cannot be used.
    #[error("the NATS servers' certificate authorities cannot be read: a PEM file is wanted")]
    CaFile(#[source] std::io::Error),
    /// The inbox prefix is not made of plain tokens.
    #[error("a NATS inbox prefix is made of A-Z, a-z, 0-9, _ and -, with single dots between")]
    InboxPrefix,
    /// The connection could not be set up at all, for a reason that trying again does not cure.
    #[error("the NATS client cannot start: {0}")]
    Start(String),
    /// There is no connection now. Nothing was sent, and nothing is kept to be sent later.
    #[error("not connected to NATS")]
    NotConnected,
    /// The connection was closed by this program.
    #[error("the connection to NATS was closed")]
    Closed,
    /// No answer in time. What was asked may have been done.
    #[error("NATS did not answer in time")]
    TimedOut,
    /// The server does not let this user do that.
    #[error("NATS does not permit it, see the permissions of this program's user: {0}")]
    Denied(Arc<str>),
    /// Nobody answers for the stream: it does not exist, or JetStream is off or away.
    #[error("there is no stream {stream}, or no JetStream, on this NATS server and account")]
    NoStream {
        /// The stream's name.
        stream: &'static str,
    },
    /// The stream exists, but was made in a way that cannot serve and cannot be changed.
    #[error("the stream {stream} {reason}; delete it, and it is made again and filled")]
    UnusableStream {
        /// The stream's name.
        stream: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Larger than the server takes (`max_payload`, 1 MiB by default).
    #[error("{len} bytes are more than the NATS server takes in one message")]
    TooLarge {
        /// The length of the page.
        len: usize,
    },
    /// A name that cannot stand in a subject, or counts or texts out of bounds.
    #[error("not a valid status: names are made of A-Z, a-z, 0-9, _ and -")]
    InvalidStatus,
    /// A consumer's name, or a prefix of subjects, is not made of plain tokens.
    #[error("a consumer's name is made of A-Z, a-z, 0-9, _ and -")]
    ConsumerName,
    /// There is no such consumer, and this program may not make it.
    #[error(
        "there is no consumer {name} of the events, and this program may not make one; an operator can, see deploy/README.md"
    )]
    NoConsumer {
        /// The consumer's name.
        name: String,
    },
    /// The server answered with an error, or with something that is no answer.
    #[error("NATS refused to {what}: {reason}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// The server's words.
        reason: String,
    },
}

impl Error {
    pub(super) fn refused(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Refused {
            what,
            reason: reason.to_string(),
        }
    }
}
