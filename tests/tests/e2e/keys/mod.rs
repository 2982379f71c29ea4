//! The life of signing keys, seen from verifiers.

mod inner;
mod rotation;
mod theft;

use crate::revocation::World;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use revocation_events::KeyId;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tests::session_api::SessionApi;

/// Which key signed a token.
fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// A private key that is no longer.
pub(crate) struct StolenKey {
    pub(crate) kid: KeyId,
    pub(crate) secret: SigningKey,
}

/// The key that signed `token`, read from the database: without a key encryption key it is stored as
/// it is.
pub(crate) async fn stolen_key(world: &World, token: &str) -> StolenKey {
    let kid = kid_of(token);
    let mut database = PgConnection::connect(world.database.url()).await.unwrap();
    let stored = sqlx::query_scalar("select sealed from signing_key where kid = $1").bind(&kid);
    let sealed: Vec<u8> = stored.fetch_one(&mut database).await.unwrap();
    let (form, secret) = sealed.split_first().unwrap();
    assert_eq!(*form, 0, "sealed");
    StolenKey {
        kid: kid.parse().unwrap(),
        secret: SigningKey::from_bytes(secret.try_into().unwrap()),
    }
}

/// The names of the keys of access tokens that are in a state, as an operator sees them.
async fn keys_in_state(service: &SessionApi, state: &str) -> Vec<String> {
    keys_of(service, "access", state).await
}

async fn keys_of(service: &SessionApi, purpose: &str, state: &str) -> Vec<String> {
    let listed = service.settings().must_run(&["keys", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&listed.await).unwrap();
    let items = listed["items"].as_array().unwrap().iter();
    items
        .filter(|key| key["purpose"] == purpose && key["state"] == state)
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}
