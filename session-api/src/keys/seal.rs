//! Private keys at rest: XChaCha20-Poly1305 under the key encryption key, with the `kid` as
//! associated data, so that one key's ciphertext cannot stand in for another's.

use super::Error;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use revocation_events::KeyId;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// First byte of the stored form: what follows is the key itself.
const PLAIN: u8 = 0;
/// First byte of the stored form: what follows is a nonce of 24 bytes, then the ciphertext.
const XCHACHA: u8 = 1;
const NONCE_LEN: usize = 24;

/// The secret given by `--key-encryption-key`.
#[derive(Clone)]
pub(crate) struct KeyEncryptionKey(Zeroizing<[u8; 32]>);

/// The secret is too short to protect anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key encryption key has at least 32 characters; make one with `openssl rand -base64 32`")]
pub(crate) struct TooShort;

impl std::str::FromStr for KeyEncryptionKey {
    type Err = TooShort;

    /// The text is random, so hashing it once to the length of a key is enough.
    fn from_str(text: &str) -> Result<Self, TooShort> {
        let text = text.trim();
        if text.len() < 32 {
            return Err(TooShort);
        }
        Ok(Self(Zeroizing::new(Sha256::digest(text).into())))
    }
}

impl std::fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyEncryptionKey")
    }
}

/// Seals and opens private keys.
pub(crate) struct Sealer(Option<XChaCha20Poly1305>);

impl Sealer {
    pub(crate) fn new(key: &KeyEncryptionKey) -> Self {
        Self(Some(XChaCha20Poly1305::new((&*key.0).into())))
    }

    /// Keys are stored as they are.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Whether a key was stored as it is although there is a key encryption key by now.
    pub(crate) fn is_due(&self, sealed: &[u8]) -> bool {
        self.0.is_some() && sealed.first() == Some(&PLAIN)
    }

    pub(crate) fn seal(&self, kid: &KeyId, secret: &[u8], nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let Some(cipher) = &self.0 else {
            return [&[PLAIN], secret].concat();
        };
        let payload = Payload {
            msg: secret,
            aad: kid.as_str().as_bytes(),
        };
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap_or_else(|_| unreachable!("encryption fails only past 256 GiB"));
        [&[XCHACHA], nonce.as_slice(), &sealed].concat()
    }

    pub(crate) fn open(&self, kid: &KeyId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let name = || kid.as_str().to_owned();
        let (form, rest) = sealed
            .split_first()
            .ok_or_else(|| Error::Damaged { kid: name() })?;
        match (*form, &self.0) {
            (PLAIN, _) => Ok(Zeroizing::new(rest.to_vec())),
            (XCHACHA, None) => Err(Error::Sealed { kid: name() }),
            (XCHACHA, Some(cipher)) => {
                let (nonce, msg) = rest
                    .split_first_chunk::<NONCE_LEN>()
                    .ok_or_else(|| Error::Damaged { kid: name() })?;
                let payload = Payload {
                    msg,
                    aad: kid.as_str().as_bytes(),
                };
                let opened = cipher.decrypt(&XNonce::from(*nonce), payload);
                opened
                    .map(Zeroizing::new)
                    .map_err(|_| Error::WrongKey { kid: name() })
            }
            _ => Err(Error::Damaged { kid: name() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(&secret.repeat(32).parse().unwrap())
    }

    fn kid(name: &str) -> KeyId {
        name.parse().unwrap()
    }

    #[test]
    fn what_was_sealed_opens_under_the_same_key_and_name_only() {
        let sealed = sealer("a").seal(&kid("k"), b"secret", [7; NONCE_LEN]);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(
            sealer("a").open(&kid("k"), &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert!(matches!(
            sealer("b").open(&kid("k"), &sealed),
            Err(Error::WrongKey { .. })
        ));
        assert!(matches!(
            sealer("a").open(&kid("x"), &sealed),
            Err(Error::WrongKey { .. })
        ));
        assert!(matches!(
            Sealer::none().open(&kid("k"), &sealed),
            Err(Error::Sealed { .. })
        ));
        for damaged in [&[][..], &[9], &sealed[..10]] {
            assert!(matches!(
                sealer("a").open(&kid("k"), damaged),
                Err(Error::Damaged { .. })
            ));
        }
    }

    #[test]
    fn keys_from_before_there_was_a_key_encryption_key_still_open() {
        let sealed = Sealer::none().seal(&kid("k"), b"secret", [7; NONCE_LEN]);
        assert_eq!(
            sealer("a").open(&kid("k"), &sealed).unwrap().as_slice(),
            b"secret"
        );
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!("short".parse::<KeyEncryptionKey>().is_err());
    }
}
