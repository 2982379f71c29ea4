//! What a message costs whoever does not trust the bus.

use bytes::Bytes;
use ed25519_dalek::{Signature, Signer as _, SigningKey};
use std::sync::LazyLock;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));

/// As long as a page with one revocation, and its signature.
pub(crate) struct SignedMessage(Bytes);

impl SignedMessage {
    pub(crate) fn new() -> Self {
        let page = vec![b'x'; 600];
        let signature = KEY.sign(&page).to_bytes();
        Self([&signature, page.as_slice()].concat().into())
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// Checks the signature, strictly.
    pub(crate) fn check(message: &[u8]) {
        let (signature, page) = message.split_first_chunk().unwrap();
        let signature = Signature::from_bytes(signature);
        KEY.verifying_key().verify_strict(page, &signature).unwrap();
    }
}
