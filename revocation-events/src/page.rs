//! Pages: signed statements "these are all the revocations in (from, to]".

mod incoming;
#[cfg(test)]
mod tests;

use self::incoming::Incoming;
use crate::id::{KeyId, SessionId, UserId};
use crate::jws::{self, Unverified};
use crate::position::Position;
use crate::strict_json;
use crate::time::UnixMillis;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// The `typ` of a page. A revocation that would kill at any position, as a key's does, needs a new
/// one, so that an old verifier refuses the page instead of misreading it.
pub const TYP: &str = "revocations+jwt";

/// The most revocations that one page carries.
pub const MAX_REVOCATIONS: usize = 1_000;

/// The longest page that is read, in bytes: [`MAX_REVOCATIONS`] of the longest entries, and room.
pub const MAX_LEN: usize = 512 * 1024;

/// Whom a revocation ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One session.
    Session(SessionId),
    /// All tokens of one user that were minted before.
    User {
        /// The user.
        id: UserId,
        /// The sessions live on and an ordinary refresh gives a new token: the roles changed.
        refresh: bool,
    },
    /// A signing key: everything that it signed, at whatever position.
    Key(KeyId),
    /// Everyone.
    Everyone,
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revocation {
    /// Its place in the order of all revocations.
    pub position: Position,
    /// Whom it ends.
    pub target: Target,
}

/// The statement: all the revocations in `(from, to]`, as the log stood at time `at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The issuer that speaks.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// A clock reading from *before* the log was read.
    pub at: UnixMillis,
    /// The statement begins after this position.
    pub from: Position,
    /// The statement ends with this position. Equal to `from` in a heartbeat.
    pub to: Position,
    /// Tokens below are too old to live: a position that the log really had.
    pub floor: Position,
    /// The revocations, in the order of their positions.
    pub revoked: Vec<Revocation>,
    /// Keys whose revocation is not long ago, whatever its position. Their thief may have hidden
    /// it: a page of his can say that nothing is missing, so that the one with its position is
    /// not missed. Every page names them again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked_keys: Vec<KeyId>,
    /// The cut goes on in the next page: this one proves nothing about `at`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A page whose signature, type and issuer are right, and the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPage {
    /// What it says.
    pub page: Page,
    /// The key that signed it.
    pub kid: KeyId,
}

/// Why a page was not taken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The envelope.
    #[error(transparent)]
    Jws(#[from] jws::Error),
    /// No key of that name is known.
    #[error("signed by a key that is not known")]
    UnknownKey,
    /// Not a page in strict JSON, or a member is missing.
    #[error("not a page")]
    Malformed,
    /// Another issuer's page.
    #[error("of another issuer")]
    Issuer,
    /// `from` > `to`, `floor` > `to`, or an entry outside `(from, to]`.
    #[error("positions that contradict each other")]
    Positions,
}

impl Page {
    /// Cuts all revocations in `(from, to]` into pages of at most [`MAX_REVOCATIONS`]: consecutive,
    /// all but the last with `more`. Without revocations it is one heartbeat, or one page that
    /// says that there are none.
    ///
    /// `revoked` must be in the order of positions, all of them in `(from, to]`. Which keys are to be
    /// [named again](Self::revoked_keys) is for the caller to say.
    #[must_use]
    pub fn cut(
        issuer: &str,
        at: UnixMillis,
        (from, to): (Position, Position),
        floor: Position,
        revoked: &[Revocation],
    ) -> Vec<Self> {
        Self::cut_by(MAX_REVOCATIONS, issuer, at, (from, to), floor, revoked)
    }

    /// [`Page::cut`] with at most `most` revocations in a page. Tests need no thousands of
    /// revocations for a second page; nobody else has a reason to call it.
    ///
    /// # Panics
    /// Where `most` is 0.
    #[doc(hidden)]
    #[must_use]
    pub fn cut_by(
        most: usize,
        issuer: &str,
        at: UnixMillis,
        (from, to): (Position, Position),
        floor: Position,
        revoked: &[Revocation],
    ) -> Vec<Self> {
        let page = |from, to, revoked: &[Revocation], more| Self {
            issuer: issuer.to_owned(),
            at,
            from,
            to,
            // A page in the middle of a long cut may end below the floor; what it claims must not
            // go past its end.
            floor: floor.min(to),
            revoked: revoked.to_vec(),
            revoked_keys: Vec::new(),
            more,
        };
        let mut pages = Vec::new();
        let mut start = from;
        let mut chunks = revoked.chunks(most).peekable();
        while let Some(chunk) = chunks.next() {
            let more = chunks.peek().is_some();
            let end = if more {
                chunk[chunk.len() - 1].position
            } else {
                to
            };
            pages.push(page(start, end, chunk, more));
            start = end;
        }
        if pages.is_empty() {
            pages.push(page(from, to, &[], false));
        }
        pages
    }

    /// The id that lets JetStream drop a copy: `kid:from:to`.
    #[must_use]
    pub fn message_id(&self, kid: &KeyId) -> String {
        format!("{kid}:{}:{}", self.from, self.to)
    }

    /// Signs the page.
    #[must_use]
    pub fn sign(&self, kid: &KeyId, key: &SigningKey) -> String {
        jws::sign(TYP, kid, &self.payload(), key)
    }

    /// The same for whoever holds the key in another way: see [`jws::sign_by`].
    #[must_use]
    pub fn sign_by(&self, kid: &KeyId, by: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
        jws::sign_by(TYP, kid, &self.payload(), by)
    }

    fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .unwrap_or_else(|_| unreachable!("strings, integers and truth values serialise"))
    }

    /// Reads a page, checks its signature under the key that `key` gives for its `kid`, its issuer
    /// and its positions.
    ///
    /// # Errors
    /// See [`Error`]. Nothing of a page with an error may be used.
    pub fn verify(
        text: &str,
        issuer: &str,
        key: impl FnOnce(&KeyId) -> Option<VerifyingKey>,
    ) -> Result<SignedPage, Error> {
        let unverified = Unverified::parse(text, TYP, MAX_LEN)?;
        let kid = unverified.kid().clone();
        let key = key(&kid).ok_or(Error::UnknownKey)?;
        let payload = unverified.verify(&key)?;
        let page: Incoming = strict_json::object(payload).map_err(|_| Error::Malformed)?;
        let page = page.finish().ok_or(Error::Malformed)?;
        if page.issuer != issuer {
            return Err(Error::Issuer);
        }
        let inside = |entry: &Revocation| entry.position > page.from && entry.position <= page.to;
        if page.from > page.to || page.floor > page.to || !page.revoked.iter().all(inside) {
            return Err(Error::Positions);
        }
        Ok(SignedPage { page, kid })
    }
}

impl Serialize for Revocation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        entry.serialize_entry("pos", &self.position)?;
        match &self.target {
            Target::Session(id) => entry.serialize_entry("session", id)?,
            Target::User { id, refresh } => {
                entry.serialize_entry("user", id)?;
                if *refresh {
                    entry.serialize_entry("refresh", &true)?;
                }
            }
            Target::Key(kid) => entry.serialize_entry("key", kid)?,
            Target::Everyone => entry.serialize_entry("everyone", &true)?,
        }
        entry.end()
    }
}
