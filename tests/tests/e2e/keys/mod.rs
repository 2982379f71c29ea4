//! The life of signing keys, seen from verifiers.

mod rotation;
mod theft;

use crate::revocation::World;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tests::session_api::SessionApi;

/// Which key signed a token.
fn kid_of(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// The names of the keys in a state, as an operator sees them.
async fn keys_in_state(service: &SessionApi, state: &str) -> Vec<String> {
    let listed = service.settings().must_run(&["keys", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&listed.await).unwrap();
    let items = listed["items"].as_array().unwrap().iter();
    items
        .filter(|key| key["state"] == state)
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}
