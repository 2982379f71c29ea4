//! JSON that leaves nothing to interpretation.
//!
//! `serde_json` with derived types skips what a type does not name: duplicates, deep nesting and
//! broken text in there go unseen, and two parsers may then read two different tokens out of one
//! text. Here every member of every object is looked at: names are unique (RFC 7515, section 4 and
//! RFC 7519, section 4), nesting ends at [`MAX_DEPTH`], the text is UTF-8 throughout.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::{borrow::Cow, fmt};

/// How many objects and arrays may lie inside each other.
pub const MAX_DEPTH: usize = 16;

/// How many members one object may have.
pub const MAX_MEMBERS: usize = 64;

/// What is wrong with a text. The reason is for logs and tests, never for a stranger.
#[derive(Debug, thiserror::Error)]
#[error("not strict JSON: {0}")]
pub struct Error(#[from] serde_json::Error);

/// A type that is filled member by member.
pub trait Members<'de>: Default {
    /// Takes the value of `name` out of `members` and answers `true`, or leaves it alone and
    /// answers `false`: an unknown member, which is then checked and dropped.
    ///
    /// # Errors
    /// Whatever reading the value gives.
    fn member<A: MapAccess<'de>>(&mut self, name: &str, members: &mut A) -> Result<bool, A::Error>;
}

/// Reads one object, and nothing after it.
///
/// # Errors
/// Anything that is not one object of unique members, nested no deeper than [`MAX_DEPTH`].
pub fn object<'de, M: Members<'de>>(text: &'de [u8]) -> Result<M, Error> {
    // One check for all of the text: serde_json does not look at the strings that it skips.
    let text = std::str::from_utf8(text).map_err(serde_json::Error::custom)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = ObjectSeed::<M>::at_depth(1).deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Reads an object where one is expected inside another: give it to `next_value_seed`.
pub struct ObjectSeed<M> {
    depth: usize,
    members: std::marker::PhantomData<M>,
}

impl<M> ObjectSeed<M> {
    /// The outermost object stands at depth 1.
    #[must_use]
    pub const fn at_depth(depth: usize) -> Self {
        Self {
            depth,
            members: std::marker::PhantomData,
        }
    }
}

impl<'de, M: Members<'de>> DeserializeSeed<'de> for ObjectSeed<M> {
    type Value = M;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<M, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: Members<'de>> Visitor<'de> for ObjectSeed<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<M, A::Error> {
        let mut value = M::default();
        let mut seen = Seen::default();
        while let Some(Name(name)) = map.next_key()? {
            if !value.member(&name, &mut map)? {
                map.next_value_seed(Skip { depth: self.depth })?;
            }
            seen.add(name)?;
        }
        Ok(value)
    }
}

/// The names met so far in one object. The first few cost no block of memory.
#[derive(Default)]
struct Seen<'de> {
    first: [&'de str; FEW],
    few: usize,
    /// Those with escapes too.
    others: Vec<Cow<'de, str>>,
}

/// As many as a token has, or a page.
const FEW: usize = 16;

impl<'de> Seen<'de> {
    fn add<E: serde::de::Error>(&mut self, name: Cow<'de, str>) -> Result<(), E> {
        // Linear, and quick, because the number of members is bounded.
        let mut first = self.first[..self.few].iter();
        if first.any(|seen| is(seen, &name)) || self.others.contains(&name) {
            return Err(E::custom("a member stands twice"));
        }
        if self.few + self.others.len() == MAX_MEMBERS {
            return Err(E::custom("too many members"));
        }
        match name {
            Cow::Borrowed(name) if self.few < FEW => {
                self.first[self.few] = name;
                self.few += 1;
            }
            name => self.others.push(name),
        }
        Ok(())
    }
}

/// Whether two names are one. Nearly all differ in their first letters: to call for a comparison of
/// memory takes longer than the comparison.
fn is(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().eq(other.bytes())
}

/// A member's name, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Walks over a value that nobody asked for, with the same rules.
///
/// Give it to `next_value_seed` for a member that is read elsewhere or not at all.
pub struct Skip {
    /// The depth of the object or array that holds the value.
    pub depth: usize,
}

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Skip {
    fn inside<E: serde::de::Error>(&self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            Err(E::custom("nested too deep"))
        } else {
            Ok(self.depth + 1)
        }
    }
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.inside()?;
        let mut seen = Seen::default();
        while let Some(Name(name)) = map.next_key()? {
            map.next_value_seed(Self { depth })?;
            seen.add(name)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.inside()?;
        while seq.next_element_seed(Self { depth })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// An integer from 0 to 2^53 - 1, written as one: no fraction, no exponent, no sign, no string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int53(u64);

impl Int53 {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Int53 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Int;
        impl Visitor<'_> for Int {
            type Value = Int53;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 0 to 2^53 - 1")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Int53, E> {
                if value < crate::position::LIMIT {
                    Ok(Int53(value))
                } else {
                    Err(E::custom("an integer of 2^53 or more"))
                }
            }
        }
        deserializer.deserialize_u64(Int)
    }
}

/// Text, borrowed where it has no escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Name::deserialize(deserializer).map(|Name(text)| Self(text))
    }
}

/// A value that may be anything, of which only text and truth values are kept.
#[derive(Debug, PartialEq, Eq)]
pub enum Scalar<'de> {
    /// A string.
    Text(Cow<'de, str>),
    /// `true` or `false`.
    Bool(bool),
    /// Anything else; checked like the rest, then dropped.
    Other,
}

/// Reads a [`Scalar`]: give it to `next_value_seed`.
pub struct ScalarSeed {
    /// The depth of the object that holds the value.
    pub depth: usize,
}

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar<'de>, A::Error> {
        Skip { depth: self.depth }
            .visit_map(map)
            .map(|()| Scalar::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Scalar<'de>, A::Error> {
        Skip { depth: self.depth }
            .visit_seq(seq)
            .map(|()| Scalar::Other)
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(value))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }
    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Other)
    }
}

/// Checks a whole text that is parsed elsewhere, such as a key set.
///
/// # Errors
/// As [`object`], but any JSON value may stand at the top.
pub fn check(text: &[u8]) -> Result<(), Error> {
    let text = std::str::from_utf8(text).map_err(serde_json::Error::custom)?;
    let mut json = serde_json::Deserializer::from_str(text);
    Skip { depth: 0 }.deserialize(&mut json)?;
    json.end()?;
    // Numbers past the range of f64 are refused by the walk; this keeps the two views the same.
    serde_json::from_str::<IgnoredAny>(text)?;
    Ok(())
}
