//! Identifiers. Each is a type of its own, so that a session is never taken for a user.

use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

/// The text is not the identifier that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct Invalid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The identifier behind a uuid.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The uuid itself.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            /// Reads the hyphenated form of RFC 9562, section 4, and no other: a braced or a URN
            /// form would be a second spelling of the same identifier.
            fn from_str(text: &str) -> Result<Self, Invalid> {
                if text.len() != 36 {
                    return Err(Invalid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a hyphenated uuid")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

uuid_id! {
    /// One session: the claim `sid`.
    SessionId
}
uuid_id! {
    /// One user: the claim `sub`.
    UserId
}

/// The longest name of a key or a token, in bytes.
pub const MAX_NAME_LEN: usize = 128;

/// Whether `text` can name a key (`kid`) or a token (`jti`): 1 to [`MAX_NAME_LEN`] printable ASCII
/// characters, so that it can be logged as it is.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The name of a signing key (`kid`). The service uses RFC 7638 thumbprints; to a verifier it is
/// opaque.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct KeyId(
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[!-~]{1,128}$")))] Arc<str>,
);

impl KeyId {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for KeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if is_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_one_spelling() {
        let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let id: SessionId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        for bad in [
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67e55044-10b1-426f-9247-bb680e5fe0c",
            "",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_kid_can_be_logged_as_it_is() {
        for bad in ["", "a b", "a\n", "é", &"x".repeat(129)] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(128).parse::<KeyId>().is_ok());
    }
}
