//! Pages: signed statements "these are all the revocations in (from, to]".

use crate::id::{KeyId, SessionId, UserId};
use crate::jws::{self, Unverified};
use crate::position::Position;
use crate::strict_json::{self, Int53, Members, ObjectSeed, Scalar, ScalarSeed, Text};
use crate::time::UnixMillis;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
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
    /// `revoked` must be in the order of positions, all of them in `(from, to]`.
    #[must_use]
    pub fn cut(
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
            more,
        };
        let mut pages = Vec::new();
        let mut start = from;
        let mut chunks = revoked.chunks(MAX_REVOCATIONS).peekable();
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
        let payload = serde_json::to_vec(self)
            .unwrap_or_else(|_| unreachable!("strings, integers and truth values serialise"));
        jws::sign(TYP, kid, &payload, key)
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
        let page: Incoming = strict_json::object(&payload).map_err(|_| Error::Malformed)?;
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

#[derive(Default)]
struct Incoming {
    issuer: Option<String>,
    at: Option<UnixMillis>,
    from: Option<Position>,
    to: Option<Position>,
    floor: Option<Position>,
    revoked: Option<Vec<Revocation>>,
    more: bool,
}

impl Incoming {
    fn finish(self) -> Option<Page> {
        Some(Page {
            issuer: self.issuer?,
            at: self.at?,
            from: self.from?,
            to: self.to?,
            floor: self.floor?,
            revoked: self.revoked?,
            more: self.more,
        })
    }
}

impl<'de> Members<'de> for Incoming {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        match name {
            "iss" => self.issuer = Some(members.next_value::<Text<'de>>()?.0.into_owned()),
            "at" => self.at = Some(members.next_value()?),
            "from" => self.from = Some(members.next_value()?),
            "to" => self.to = Some(members.next_value()?),
            "floor" => self.floor = Some(members.next_value()?),
            "revoked" => self.revoked = Some(members.next_value_seed(Entries)?),
            "more" => self.more = members.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

struct Entries;

impl<'de> DeserializeSeed<'de> for Entries {
    type Value = Vec<Revocation>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<Revocation>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of revocations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        // The page is at depth 1 and the list at 2.
        while let Some(entry) = seq.next_element_seed(ObjectSeed::<Entry>::at_depth(ENTRY_DEPTH))? {
            if entries.len() == MAX_REVOCATIONS {
                return Err(A::Error::custom("too many revocations"));
            }
            entries.push(
                entry
                    .finish()
                    .ok_or_else(|| A::Error::custom("no position"))?,
            );
        }
        Ok(entries)
    }
}

const ENTRY_DEPTH: usize = 3;

#[derive(Default)]
struct Entry {
    position: Option<Position>,
    subjects: Vec<Option<Target>>,
    refresh: bool,
}

impl<'de> Members<'de> for Entry {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        let mut scalar = || members.next_value_seed(ScalarSeed { depth: ENTRY_DEPTH });
        match name {
            "pos" => {
                let position = members.next_value::<Int53>()?.get();
                self.position = Some(Position::new(position).map_err(A::Error::custom)?);
            }
            "session" => self.subjects.push(text(&scalar()?).map(Target::Session)),
            "user" => {
                let user = text(&scalar()?).map(|id| Target::User { id, refresh: false });
                self.subjects.push(user);
            }
            "key" => self.subjects.push(text(&scalar()?).map(Target::Key)),
            "everyone" => {
                self.subjects
                    .push((scalar()? == Scalar::Bool(true)).then_some(Target::Everyone));
            }
            "refresh" => self.refresh = scalar()? == Scalar::Bool(true),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn text<T: std::str::FromStr>(value: &Scalar<'_>) -> Option<T> {
    match value {
        Scalar::Text(text) => text.parse().ok(),
        Scalar::Bool(_) | Scalar::Other => None,
    }
}

impl Entry {
    /// An entry without exactly one subject that is understood counts as everyone: a verifier that
    /// is older than the service then refuses too much, for one refresh, and never too little.
    fn finish(mut self) -> Option<Revocation> {
        let only = if self.subjects.len() == 1 {
            self.subjects.pop().flatten()
        } else {
            None
        };
        let target = match only {
            Some(Target::User { id, .. }) => Target::User {
                id,
                refresh: self.refresh,
            },
            Some(target) => target,
            None => Target::Everyone,
        };
        Some(Revocation {
            position: self.position?,
            target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::thumbprint;

    const ISSUER: &str = "https://id.example.com";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[9; 32])
    }

    fn pos(value: u64) -> Position {
        Position::new(value).unwrap()
    }

    fn verify(text: &str) -> Result<Page, Error> {
        Page::verify(text, ISSUER, |_| Some(key().verifying_key())).map(|signed| signed.page)
    }

    fn raw(payload: &str) -> Result<Page, Error> {
        let kid = thumbprint(&key().verifying_key());
        verify(&jws::sign(TYP, &kid, payload.as_bytes(), &key()))
    }

    fn with_entries(entries: &str) -> Result<Page, Error> {
        raw(&format!(
            r#"{{"iss":"{ISSUER}","at":5,"from":1,"to":9,"floor":0,"revoked":[{entries}]}}"#
        ))
    }

    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    #[test]
    fn a_page_reads_as_it_was_written() {
        let revoked = [
            Target::Session(ID.parse().unwrap()),
            Target::User {
                id: ID.parse().unwrap(),
                refresh: false,
            },
            Target::User {
                id: ID.parse().unwrap(),
                refresh: true,
            },
            Target::Key("k".parse().unwrap()),
            Target::Everyone,
        ];
        let revoked: Vec<_> = (11..)
            .zip(revoked)
            .map(|(p, target)| Revocation {
                position: pos(p),
                target,
            })
            .collect();
        let pages = Page::cut(
            ISSUER,
            UnixMillis::new(7),
            (pos(10), pos(20)),
            pos(3),
            &revoked,
        );
        assert_eq!(pages.len(), 1);
        let kid = thumbprint(&key().verifying_key());
        assert_eq!(verify(&pages[0].sign(&kid, &key())).unwrap(), pages[0]);
        assert_eq!(
            serde_json::to_string(&pages[0]).unwrap(),
            format!(
                r#"{{"iss":"{ISSUER}","at":7,"from":10,"to":20,"floor":3,"revoked":[{{"pos":11,"session":"{ID}"}},{{"pos":12,"user":"{ID}"}},{{"pos":13,"user":"{ID}","refresh":true}},{{"pos":14,"key":"k"}},{{"pos":15,"everyone":true}}]}}"#
            )
        );
    }

    #[test]
    fn a_long_cut_is_consecutive_and_only_its_last_page_has_no_more() {
        let revoked: Vec<_> = (1..=2_001)
            .map(|p| Revocation {
                position: pos(p * 2),
                target: Target::Everyone,
            })
            .collect();
        let pages = Page::cut(
            ISSUER,
            UnixMillis::new(7),
            (pos(0), pos(5_000)),
            pos(3_000),
            &revoked,
        );
        let shape: Vec<_> = pages
            .iter()
            .map(|p| {
                (
                    p.from.get(),
                    p.to.get(),
                    p.floor.get(),
                    p.revoked.len(),
                    p.more,
                )
            })
            .collect();
        assert_eq!(
            shape,
            [
                (0, 2_000, 2_000, 1_000, true),
                (2_000, 4_000, 3_000, 1_000, true),
                (4_000, 5_000, 3_000, 1, false)
            ]
        );
        assert!(pages.iter().all(|page| {
            let kid = thumbprint(&key().verifying_key());
            verify(&page.sign(&kid, &key())).as_ref() == Ok(page)
        }));
    }

    #[test]
    fn an_entry_that_is_not_understood_counts_as_everyone() {
        for entry in [
            r#"{"pos":2}"#.to_owned(),
            r#"{"pos":2,"tenant":"x"}"#.to_owned(),
            r#"{"pos":2,"session":7}"#.to_owned(),
            r#"{"pos":2,"session":{"a":[1]}}"#.to_owned(),
            r#"{"pos":2,"session":"x"}"#.to_owned(),
            r#"{"pos":2,"everyone":false}"#.to_owned(),
            r#"{"pos":2,"key":""}"#.to_owned(),
            format!(r#"{{"pos":2,"session":"{ID}","user":"{ID}"}}"#),
        ] {
            let page = with_entries(&entry).unwrap();
            assert_eq!(
                page.revoked,
                [Revocation {
                    position: pos(2),
                    target: Target::Everyone
                }],
                "{entry}"
            );
        }
    }

    #[test]
    fn unknown_members_are_passed_over() {
        let page =
            with_entries(&format!(r#"{{"pos":2,"session":"{ID}","why":{{"a":1}}}}"#)).unwrap();
        assert_eq!(page.revoked[0].target, Target::Session(ID.parse().unwrap()));
    }

    #[test]
    fn contradictions_are_refused() {
        for entries in [
            r#"{"pos":1,"everyone":true}"#,
            r#"{"pos":10,"everyone":true}"#,
        ] {
            assert_eq!(with_entries(entries), Err(Error::Positions), "{entries}");
        }
        for (from, to, floor) in [(2, 1, 0), (0, 1, 2)] {
            let text = format!(
                r#"{{"iss":"{ISSUER}","at":5,"from":{from},"to":{to},"floor":{floor},"revoked":[]}}"#
            );
            assert_eq!(raw(&text), Err(Error::Positions), "{text}");
        }
        let other =
            r#"{"iss":"https://evil.example","at":5,"from":0,"to":0,"floor":0,"revoked":[]}"#;
        assert_eq!(raw(other), Err(Error::Issuer));
    }

    #[test]
    fn what_is_not_a_page_is_refused() {
        for entries in [
            r#"{"everyone":true}"#,
            r#"{"pos":2.0,"everyone":true}"#,
            r#"{"pos":2,"everyone":true,"everyone":true}"#,
            "7",
        ] {
            assert_eq!(with_entries(entries), Err(Error::Malformed), "{entries}");
        }
        let many = vec![r#"{"pos":2,"everyone":true}"#; MAX_REVOCATIONS + 1].join(",");
        assert_eq!(with_entries(&many), Err(Error::Malformed));
        for text in [
            "{}",
            r#"{"iss":"https://id.example.com","at":5,"from":0,"to":0,"floor":0}"#,
        ] {
            assert_eq!(raw(text), Err(Error::Malformed), "{text}");
        }
    }

    #[test]
    fn only_the_named_key_makes_a_page() {
        let kid = thumbprint(&key().verifying_key());
        let page = &Page::cut(ISSUER, UnixMillis::new(7), (pos(1), pos(1)), pos(0), &[])[0];
        let text = page.sign(&kid, &SigningKey::from_bytes(&[8; 32]));
        assert_eq!(verify(&text), Err(Error::Jws(jws::Error::Signature)));
        assert_eq!(
            Page::verify(&text, ISSUER, |_| None),
            Err(Error::UnknownKey)
        );
        let other_type = jws::sign("at+jwt", &kid, &serde_json::to_vec(page).unwrap(), &key());
        assert_eq!(verify(&other_type), Err(Error::Jws(jws::Error::Header)));
    }
}
