//! Texts that say how and why. Their lists may grow, so each has a place for what is not known.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Texts of a list that may grow.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One that this version does not know.
            Other(String),
        }

        impl $name {
            /// As it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(&*String::deserialize(deserializer)?))
            }
        }
    };
}

texts! {
    /// How the tokens of a session reach its client.
    Delivery {
        /// In cookies: a browser.
        Cookie = "cookie",
        /// In the body of the answer: a native app.
        Body = "body",
    }
}

texts! {
    /// Why a session was ended.
    EndReason {
        /// The client logged out.
        Logout = "logout",
        /// The user ended it from another session.
        User = "user",
        /// An operator ended it.
        Admin = "admin",
        /// A session token was used again after its successor: it was stolen.
        Reuse = "reuse",
        /// There was another log-in in the same browser.
        Replaced = "replaced",
        /// The user has as many newer ones as are allowed.
        Limit = "limit",
    }
}
