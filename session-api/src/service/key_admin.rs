//! The life of keys: made as a standby, published, put to use, retired, forgotten; or revoked.

use super::revoke::Ended;
use super::{Error, Inner, Result, Service};
use crate::keys::{self, Keys, Sealer};
use crate::relay::Committed;
use crate::session::{Event, Fact, Stream};
use crate::store::{KeyPurpose, KeyRow, KeyState, Store, TakenPosition, Tx};
use ed25519_dalek::SigningKey;
use revocation_events::jwk::JwkSet;
use revocation_events::{KeyId, Revocation, Target, UnixMillis, jwk};
use zeroize::Zeroizing;

/// What one key needs to come into being: random bytes, drawn at the edge.
struct Seed {
    secret: Zeroizing<[u8; 32]>,
    nonce: [u8; 24],
}

impl Seed {
    fn draw() -> Self {
        let mut seed = Self {
            secret: Zeroizing::new([0; 32]),
            nonce: [0; 24],
        };
        fill(&mut *seed.secret);
        fill(&mut seed.nonce);
        seed
    }
}

/// Without randomness of the operating system nothing here is safe, so there is no error to handle.
pub(crate) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes)
        .unwrap_or_else(|error| panic!("the operating system gives no randomness: {error}"));
}

/// The keys of a database, for a service: made where they are lacking, and encrypted where they are not
/// and there is a key encryption key by now.
pub(crate) async fn open_keys(store: &dyn Store, sealer: Sealer) -> Result<Keys> {
    let rows = store.keys().await?;
    if !lacking(&rows).is_empty() || rows.iter().any(|row| sealer.is_due(&row.sealed)) {
        let mut tx = store.begin().await?;
        // All replicas that start at once pass here one after the other.
        let now = tx.lock_head().await?.now;
        let rows = tx.keys().await?;
        for (purpose, state) in lacking(&rows) {
            add_key(&mut *tx, &sealer, purpose, state, now).await?;
        }
        for row in rows.into_iter().filter(|row| sealer.is_due(&row.sealed)) {
            encrypt(&mut *tx, &sealer, row).await?;
        }
        tx.commit().await?;
    }
    open_existing_keys(store, sealer).await
}

/// The keys of a database, for a command: a service has to have made them.
pub(crate) async fn open_existing_keys(store: &dyn Store, sealer: Sealer) -> Result<Keys> {
    Ok(Keys::new(sealer, &store.keys().await?)?)
}

/// Before the first start everything, and later what an older version did not make. Of every purpose
/// one key is in use and one stands by, so that all replicas and verifiers know the next one before it
/// signs. A key in use that is gone is not made again: somebody has to look.
fn lacking(rows: &[KeyRow]) -> Vec<(KeyPurpose, KeyState)> {
    let is_there = |purpose, state| {
        let same = |row: &KeyRow| row.purpose == purpose && row.state == state;
        rows.iter().any(same)
    };
    KeyPurpose::ALL
        .into_iter()
        .flat_map(|purpose| [(purpose, KeyState::Active), (purpose, KeyState::Standby)])
        .filter(|(purpose, state)| {
            rows.is_empty() || (*state == KeyState::Standby && !is_there(*purpose, *state))
        })
        .collect()
}

async fn encrypt(tx: &mut dyn Tx, sealer: &Sealer, row: KeyRow) -> Result<()> {
    let secret = sealer.open(&row.kid, &row.sealed)?;
    let mut nonce = [0; 24];
    fill(&mut nonce);
    tracing::info!(kid = %row.kid, "a key that was stored in the clear is encrypted from now on");
    let sealed = sealer.seal(&row.kid, &secret, nonce);
    Ok(tx.save_key(&KeyRow { sealed, ..row }).await?)
}

async fn add_key(
    tx: &mut dyn Tx,
    sealer: &Sealer,
    purpose: KeyPurpose,
    state: KeyState,
    now: UnixMillis,
) -> Result<()> {
    let seed = Seed::draw();
    let public = SigningKey::from_bytes(&seed.secret).verifying_key();
    // A name that is no use to a forger: for the CSRF key too it is a hash of a public key that
    // nobody uses.
    let kid = jwk::thumbprint(&public);
    let row = KeyRow {
        sealed: sealer.seal(&kid, seed.secret.as_slice(), seed.nonce),
        public: if purpose == KeyPurpose::Csrf {
            Vec::new()
        } else {
            public.as_bytes().to_vec()
        },
        kid,
        purpose,
        state,
        created_at: now,
        state_since: now,
    };
    tx.save_key(&row).await?;
    append_key_event(
        tx,
        &row.kid,
        now,
        Fact::KeyAdded {
            kid: row.kid.clone(),
        },
    )
    .await
}

async fn append_key_event(tx: &mut dyn Tx, kid: &KeyId, at: UnixMillis, fact: Fact) -> Result<()> {
    let stream = Stream::of_key(kid);
    let version = tx.stream_version(stream.uuid()).await? + 1;
    Ok(tx
        .append(&[Event {
            stream,
            version,
            at,
            fact,
        }])
        .await?)
}

impl Service {
    /// The key set for verifiers, as the database has it now. It leaves the keys in use alone: two
    /// readers could finish in the other order, and the older set would stay.
    pub(crate) async fn published_keys(&self) -> Result<JwkSet> {
        Ok(keys::published(&self.store().keys().await?)?)
    }

    /// The standby is used from now on, the key until now counts until what it made has ended, and a
    /// new standby is made.
    pub(crate) async fn rotate_keys(&self, purpose: KeyPurpose) -> Result<()> {
        self.detached(move |this| async move {
            let mut tx = this.store.begin().await?;
            let now = tx.lock_head().await?.now;
            let active = in_state(&tx.keys().await?, purpose, KeyState::Active)?;
            this.promote_standby(&mut *tx, purpose, now).await?;
            set_state(&mut *tx, active.clone(), KeyState::Retired, now).await?;
            append_key_event(
                &mut *tx,
                &active.kid,
                now,
                Fact::KeyRetired {
                    kid: active.kid.clone(),
                },
            )
            .await?;
            tx.commit().await?;
            this.reload_keys().await
        })
        .await
    }

    /// Everything that the key made is refused from now on, and the standby is used. Of a key that
    /// verifiers know they are told, at a position; of the others nothing takes one.
    pub(crate) async fn revoke_key(&self, kid: KeyId) -> Result<Option<Ended>> {
        self.detached(|this| async move {
            let rows = this.store.keys().await?;
            match find(&rows, &kid)?.purpose {
                KeyPurpose::Access => this.revoke_published_key(kid).await.map(Some),
                KeyPurpose::Session | KeyPurpose::Csrf => {
                    this.revoke_inner_key(&kid).await.map(|()| None)
                }
            }
        })
        .await
    }
}

impl Inner {
    async fn revoke_published_key(&self, kid: KeyId) -> Result<Ended> {
        let mut tx = self.store.begin().await?;
        let TakenPosition {
            position,
            previous,
            now,
            ..
        } = tx.take_position(self.relay.seen()).await?;
        self.revoke_row(&mut *tx, &kid, now).await?;
        let fact = Fact::KeyRevoked {
            kid: kid.clone(),
            position,
        };
        append_key_event(&mut *tx, &kid, now, fact).await?;
        tx.commit().await?;
        // Before the page goes out: it must not be signed with the key that it revokes.
        self.reload_keys().await?;
        self.relay.committed(Committed {
            at: now,
            previous,
            to: position,
            revoked: vec![Revocation {
                position,
                target: Target::Key(kid),
            }],
        });
        Ok(Ended {
            revoked: Some(0),
            position,
            published: self.relay.published(position).await,
            kept: None,
        })
    }

    /// A key that the service alone knows; its replicas see it in the table within two seconds. A
    /// position would make every verifier drop its view for a key that it has never heard of, so the
    /// log has the key's end as `key.retired`.
    async fn revoke_inner_key(&self, kid: &KeyId) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let now = tx.lock_head().await?.now;
        self.revoke_row(&mut *tx, kid, now).await?;
        let fact = Fact::KeyRetired { kid: kid.clone() };
        append_key_event(&mut *tx, kid, now, fact).await?;
        tx.commit().await?;
        self.reload_keys().await
    }

    async fn revoke_row(&self, tx: &mut dyn Tx, kid: &KeyId, now: UnixMillis) -> Result<()> {
        let row = find(&tx.keys().await?, kid)?.clone();
        match row.state {
            KeyState::Active => self.promote_standby(tx, row.purpose, now).await?,
            KeyState::Standby => self.add_standby(tx, row.purpose, now).await?,
            KeyState::Retired | KeyState::Forgotten => {}
            KeyState::Revoked => return Err(Error::Conflict),
        }
        set_state(tx, row, KeyState::Revoked, now).await
    }

    pub(super) async fn reload_keys(&self) -> Result<()> {
        let reading = self.keys.reading().await;
        Ok(reading.put_to_use(&self.store.keys().await?)?)
    }

    async fn promote_standby(
        &self,
        tx: &mut dyn Tx,
        purpose: KeyPurpose,
        now: UnixMillis,
    ) -> Result<()> {
        let standby = in_state(&tx.keys().await?, purpose, KeyState::Standby)?;
        set_state(tx, standby, KeyState::Active, now).await?;
        self.add_standby(tx, purpose, now).await
    }

    async fn add_standby(
        &self,
        tx: &mut dyn Tx,
        purpose: KeyPurpose,
        now: UnixMillis,
    ) -> Result<()> {
        add_key(tx, self.keys.sealer(), purpose, KeyState::Standby, now).await
    }
}

fn find<'a>(rows: &'a [KeyRow], kid: &KeyId) -> Result<&'a KeyRow> {
    let same = |row: &&KeyRow| row.kid == *kid;
    rows.iter().find(same).ok_or(Error::NotFound)
}

fn in_state(rows: &[KeyRow], purpose: KeyPurpose, state: KeyState) -> Result<KeyRow> {
    let wanted = |row: &&KeyRow| row.purpose == purpose && row.state == state;
    Ok(rows
        .iter()
        .find(wanted)
        .ok_or(crate::keys::Error::Missing(purpose.as_str()))?
        .clone())
}

async fn set_state(tx: &mut dyn Tx, row: KeyRow, state: KeyState, now: UnixMillis) -> Result<()> {
    Ok(tx
        .save_key(&KeyRow {
            state,
            state_since: now,
            ..row
        })
        .await?)
}
