//! The service's own keys: made, sealed, rotated, and held ready for signing.
//!
//! | file | what |
//! | --- | --- |
//! | [`seal`] | private keys at rest |
//! | [`ring`] | the keys in use, parsed once; what may sign and what is published |
//!
//! What changes keys in the database is in [`crate::service`], as with everything that is logged.

pub(crate) mod ring;
pub(crate) mod seal;

pub(crate) use ring::{KeyRing, Keys, published, verifying};
pub(crate) use seal::{KeyEncryptionKey, Sealer};

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "key `{kid}` is encrypted: set --key-encryption-key to the key that it was encrypted under"
    )]
    Sealed { kid: String },
    #[error(
        "key `{kid}` does not open under --key-encryption-key: it was encrypted under another one"
    )]
    WrongKey { kid: String },
    #[error("key `{kid}` is damaged")]
    Damaged { kid: String },
    #[error(
        "there is no {0} key to use; `session-api serve` makes what is missing when it starts for the first time, or for the first time after an upgrade"
    )]
    Missing(&'static str),
}
