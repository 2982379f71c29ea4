//! A page as it is read: fields that nobody knows are skipped, entries that nobody knows are not.

use super::{MAX_REVOCATIONS, Page, Revocation, Target};
use crate::id::KeyId;
use crate::position::Position;
use crate::strict_json::{Int53, Members, ObjectSeed, Scalar, ScalarSeed, Text};
use crate::time::UnixMillis;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

#[derive(Default)]
pub(super) struct Incoming {
    issuer: Option<String>,
    at: Option<UnixMillis>,
    from: Option<Position>,
    to: Option<Position>,
    floor: Option<Position>,
    revoked: Option<Vec<Revocation>>,
    revoked_keys: Vec<KeyId>,
    more: bool,
}

impl Incoming {
    pub(super) fn finish(self) -> Option<Page> {
        Some(Page {
            issuer: self.issuer?,
            at: self.at?,
            from: self.from?,
            to: self.to?,
            floor: self.floor?,
            revoked: self.revoked?,
            revoked_keys: self.revoked_keys,
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
            "revoked_keys" => {
                self.revoked_keys = members.next_value()?;
                if self.revoked_keys.len() > MAX_REVOCATIONS {
                    return Err(A::Error::custom("too many keys"));
                }
            }
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
    subject: Subject,
    refresh: bool,
}

#[derive(Default)]
enum Subject {
    #[default]
    None,
    One(Target),
    /// One that is not understood, or more than one.
    Other,
}

impl Subject {
    fn add(&mut self, target: Option<Target>) {
        *self = match (&self, target) {
            (Self::None, Some(target)) => Self::One(target),
            _ => Self::Other,
        };
    }
}

impl<'de> Members<'de> for Entry {
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error> {
        let mut scalar = || members.next_value_seed(ScalarSeed { depth: ENTRY_DEPTH });
        match name {
            "pos" => {
                let position = members.next_value::<Int53>()?.get();
                self.position = Some(Position::new(position).map_err(A::Error::custom)?);
            }
            "session" => self.subject.add(text(&scalar()?).map(Target::Session)),
            "user" => {
                let user = text(&scalar()?).map(|id| Target::User { id, refresh: false });
                self.subject.add(user);
            }
            "key" => self.subject.add(text(&scalar()?).map(Target::Key)),
            "everyone" => {
                let everyone = scalar()? == Scalar::Bool(true);
                self.subject.add(everyone.then_some(Target::Everyone));
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
    fn finish(self) -> Option<Revocation> {
        let target = match self.subject {
            Subject::One(Target::User { id, .. }) => Target::User {
                id,
                refresh: self.refresh,
            },
            Subject::One(target) => target,
            Subject::None | Subject::Other => Target::Everyone,
        };
        Some(Revocation {
            position: self.position?,
            target,
        })
    }
}
