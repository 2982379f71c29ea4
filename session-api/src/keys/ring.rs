//! The keys in use, opened and parsed once.

use super::{Error, Sealer};
use crate::store::{KeyPurpose, KeyRow, KeyState};
use aws_lc_rs::signature::Ed25519KeyPair;
use ed25519_dalek::VerifyingKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use revocation_events::jwk::{Jwk, JwkSet};
use revocation_events::{KeyId, Page, SessionId, UnixMillis, jws};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;
use zeroize::Zeroizing;

/// A key that signs.
pub(crate) struct Signer {
    pub(crate) kid: KeyId,
    /// Of the library that signs in half the time of the one that verifies. It is parsed once, for that
    /// takes as long as a signature: `jsonwebtoken` does it for each.
    pair: Ed25519KeyPair,
}

/// All the keys of one moment.
pub(crate) struct KeyRing {
    /// Signs access tokens and pages.
    pub(crate) access: Signer,
    /// Signs session tokens.
    pub(crate) session: Signer,
    /// Make CSRF values and device tokens: the first those of today, the others those that count as
    /// well.
    csrf: Vec<Zeroizing<Vec<u8>>>,
    access_keys: HashMap<KeyId, VerifyingKey>,
    session_keys: HashMap<KeyId, VerifyingKey>,
    /// Keys of access tokens and pages that were revoked, and when.
    revoked: Vec<(KeyId, UnixMillis)>,
    /// Since when each of those that sign does.
    active_since: Vec<(KeyPurpose, UnixMillis)>,
}

/// For so long every page names a revoked key. A verifier that can read nothing but what a thief
/// sends believes its key set for a day; twice that, because clocks may be wrong.
const NAMED_AGAIN_FOR: Duration = Duration::from_secs(2 * 24 * 60 * 60);

impl Signer {
    fn new(row: &KeyRow, sealer: &Sealer) -> Result<Self, Error> {
        let damaged = || Error::Damaged {
            kid: row.kid.to_string(),
        };
        let secret = sealer.open(&row.kid, &row.sealed)?;
        // Refused where the public key is another one's.
        let pair = Ed25519KeyPair::from_seed_and_public_key(&secret, &row.public);
        Ok(Self {
            kid: row.kid.clone(),
            pair: pair.map_err(|_| damaged())?,
        })
    }

    /// The page, signed.
    pub(crate) fn page(&self, page: &Page) -> String {
        page.sign_by(&self.kid, |text| self.sign(text))
    }

    /// A token of the type `typ` that says `claims`, which is JSON.
    pub(crate) fn token(&self, typ: &str, claims: &[u8]) -> String {
        jws::sign_by(typ, &self.kid, claims, |text| self.sign(text))
    }

    fn sign(&self, text: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(text);
        let bytes = signature.as_ref().try_into();
        bytes.unwrap_or_else(|_| unreachable!("a signature of Ed25519 has 64 bytes"))
    }
}

impl KeyRing {
    /// Opens the keys of the database.
    pub(crate) fn open(rows: &[KeyRow], sealer: &Sealer) -> Result<Self, Error> {
        let active = |purpose: KeyPurpose| {
            let of_purpose =
                |row: &&KeyRow| row.purpose == purpose && row.state == KeyState::Active;
            let found = rows.iter().find(of_purpose);
            found.ok_or(Error::Missing(purpose.as_str()))
        };
        let csrf = active(KeyPurpose::Csrf)?;
        let others = rows
            .iter()
            .filter(|row| counts(row, KeyPurpose::Csrf) && row.kid != csrf.kid);
        let csrf = std::iter::once(csrf)
            .chain(others)
            .map(|row| sealer.open(&row.kid, &row.sealed));
        Ok(Self {
            access: Signer::new(active(KeyPurpose::Access)?, sealer)?,
            session: Signer::new(active(KeyPurpose::Session)?, sealer)?,
            csrf: csrf.collect::<Result<_, _>>()?,
            access_keys: verifying(rows, KeyPurpose::Access)?,
            session_keys: verifying(rows, KeyPurpose::Session)?,
            revoked: revoked(rows),
            active_since: rows
                .iter()
                .filter(|row| row.state == KeyState::Active)
                .map(|row| (row.purpose, row.state_since))
                .collect(),
        })
    }

    /// The key that an access token or a page may be signed with.
    pub(crate) fn access_key(&self, kid: &KeyId) -> Option<VerifyingKey> {
        self.access_keys.get(kid).copied()
    }

    /// The key that a session token may be signed with.
    pub(crate) fn session_key(&self, kid: &KeyId) -> Option<VerifyingKey> {
        self.session_keys.get(kid).copied()
    }

    /// The keys whose revocation every page of that time is to tell of.
    pub(crate) fn revoked_lately(&self, at: UnixMillis) -> Vec<KeyId> {
        let lately = |(_, since): &&(KeyId, UnixMillis)| at.since(*since) < NAMED_AGAIN_FOR;
        let revoked = self.revoked.iter().filter(lately);
        revoked.map(|(kid, _)| kid.clone()).collect()
    }

    /// For how long the keys of each purpose have signed.
    pub(crate) fn ages(&self, now: UnixMillis) -> impl Iterator<Item = (KeyPurpose, Duration)> {
        let ages = self.active_since.iter();
        ages.map(move |(purpose, since)| (*purpose, now.since(*since)))
    }

    /// The session's CSRF values, that of today first: HMAC-SHA-256 over `csrf-v1:` and the session's
    /// id, by each key.
    pub(crate) fn csrf_values(&self, session: SessionId) -> impl Iterator<Item = [u8; 32]> {
        let session = session.to_string();
        self.macs(move |mac| {
            mac.update(b"csrf-v1:");
            mac.update(session.as_bytes());
        })
    }

    /// What makes a device's number a device token, that of today first: HMAC-SHA-256 over `device-v1:`,
    /// the number and the user's name, by each key. The number has one length, so that the parts
    /// cannot run into each other.
    pub(crate) fn device_macs(
        &self,
        device: Uuid,
        user_name: &str,
    ) -> impl Iterator<Item = [u8; 32]> {
        self.macs(move |mac| {
            mac.update(b"device-v1:");
            mac.update(device.as_bytes());
            mac.update(user_name.as_bytes());
        })
    }

    fn macs(&self, of: impl Fn(&mut Hmac<Sha256>)) -> impl Iterator<Item = [u8; 32]> {
        self.csrf.iter().map(move |key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key)
                .unwrap_or_else(|_| unreachable!("HMAC takes a key of any length"));
            of(&mut mac);
            mac.finalize().into_bytes().into()
        })
    }
}

/// The key set for verifiers: the active key, the standby, and those not yet forgotten. In order of
/// their names, so that an unchanged set reads the same.
pub(crate) fn published(rows: &[KeyRow]) -> Result<JwkSet, Error> {
    let keys = verifying(rows, KeyPurpose::Access)?;
    let by_name: BTreeMap<_, _> = keys.iter().map(|(kid, key)| (kid, Jwk::new(key))).collect();
    Ok(JwkSet {
        keys: by_name.into_values().collect(),
    })
}

fn revoked(rows: &[KeyRow]) -> Vec<(KeyId, UnixMillis)> {
    let revoked =
        |row: &&KeyRow| row.purpose == KeyPurpose::Access && row.state == KeyState::Revoked;
    let revoked = rows.iter().filter(revoked);
    revoked
        .map(|row| (row.kid.clone(), row.state_since))
        .collect()
}

/// Whether what a key of that purpose makes counts.
fn counts(row: &KeyRow, purpose: KeyPurpose) -> bool {
    row.purpose == purpose && !matches!(row.state, KeyState::Forgotten | KeyState::Revoked)
}

/// The keys of one purpose whose signatures count.
pub(crate) fn verifying(
    rows: &[KeyRow],
    purpose: KeyPurpose,
) -> Result<HashMap<KeyId, VerifyingKey>, Error> {
    let parse = |row: &KeyRow| {
        let bytes: Option<[u8; 32]> = row.public.as_slice().try_into().ok();
        let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
        let key = key.ok_or_else(|| Error::Damaged {
            kid: row.kid.to_string(),
        })?;
        Ok((row.kid.clone(), key))
    };
    let rows = rows.iter().filter(|row| counts(row, purpose));
    rows.map(parse).collect()
}

/// The keys of now: exchanged whole when the database's change.
pub(crate) struct Keys {
    sealer: Sealer,
    /// None in a command that signs nothing.
    ring: RwLock<Option<Arc<KeyRing>>>,
    turn: Mutex<()>,
}

/// A turn to read the keys and to put them to use. One reader goes after the other: what was read
/// before a key was revoked must not take the place of what was read after it.
pub(crate) struct Reading<'k> {
    keys: &'k Keys,
    _turn: MutexGuard<'k, ()>,
}

impl Reading<'_> {
    pub(crate) fn put_to_use(self, rows: &[KeyRow]) -> Result<(), Error> {
        let ring = Arc::new(KeyRing::open(rows, &self.keys.sealer)?);
        let held = self.keys.ring.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        *held = Some(ring);
        Ok(())
    }
}

impl Keys {
    pub(crate) fn new(sealer: Sealer, rows: &[KeyRow]) -> Result<Self, Error> {
        let ring = KeyRing::open(rows, &sealer)?;
        Ok(Self {
            sealer,
            ring: RwLock::new(Some(Arc::new(ring))),
            turn: Mutex::new(()),
        })
    }

    /// For commands that sign nothing: they neither need the key encryption key nor make keys.
    pub(crate) const fn unopened() -> Self {
        Self {
            sealer: Sealer::none(),
            ring: RwLock::new(None),
            turn: Mutex::const_new(()),
        }
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        // A ring is exchanged in one step, so a poisoned lock holds a whole one.
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or_else(|| unreachable!("a command that opened no keys signs nothing"))
    }

    /// To be taken before the keys are read again.
    pub(crate) async fn reading(&self) -> Reading<'_> {
        Reading {
            keys: self,
            _turn: self.turn.lock().await,
        }
    }

    pub(crate) const fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use revocation_events::Position;

    fn signer(secret: &[u8], public: &[u8]) -> Result<Signer, Error> {
        let (kid, sealer): (KeyId, _) = ("k".parse().unwrap(), Sealer::none());
        let row = KeyRow {
            purpose: KeyPurpose::Access,
            public: public.to_vec(),
            sealed: sealer.seal(&kid, secret, [7; 24]),
            state: KeyState::Active,
            created_at: UnixMillis::new(0),
            state_since: UnixMillis::new(0),
            kid,
        };
        Signer::new(&row, &sealer)
    }

    /// By another library than signs.
    #[test]
    fn whoever_knows_the_public_key_believes_the_page() {
        let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
        let at = Position::ZERO;
        let page = Page::cut("issuer", UnixMillis::new(1), (at, at), at, &[]).remove(0);
        let signer = signer(&[1; 32], public.as_bytes()).unwrap();
        let read = Page::verify(&signer.page(&page), "issuer", |_| Some(public)).unwrap();
        assert_eq!((read.kid, read.page), (signer.kid, page));
    }

    #[test]
    fn a_key_whose_halves_do_not_belong_together_is_damaged() {
        let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
        let public = public.as_bytes();
        for (secret, public) in [
            (vec![2; 32], &public[..]),
            (vec![1; 31], &public[..]),
            (vec![1; 32], &public[..31]),
            (vec![1; 32], &public[..0]),
        ] {
            assert!(matches!(
                signer(&secret, public),
                Err(Error::Damaged { .. })
            ));
        }
    }
}
