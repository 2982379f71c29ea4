//! What the targets share: a key that the fuzzer may sign with, for a decoder is only tried where
//! the signature is good.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use revocation_events::{KeyId, jwk};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Who signs.
pub const ISSUER: &str = "https://id.example.com";

/// Seconds since 1970, whenever it runs: the same input must always come to the same.
pub const NOW: u64 = 1_800_000_000;

/// The key that signs.
pub static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));

/// Its name, which seeds have in their headers.
pub static KID: LazyLock<KeyId> = LazyLock::new(|| jwk::thumbprint(&KEY.verifying_key()));

/// A compact JWS of the input: where that is two lines, they are the header and the payload, and the
/// signature over them is good; else it is taken as it is.
pub fn jws(input: &str) -> Cow<'_, str> {
    let Some((header, payload)) = input.split_once('\n') else {
        return Cow::Borrowed(input);
    };
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = KEY.sign(signed.as_bytes()).to_bytes();
    Cow::Owned(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
