//! Key sets. A key that is taken is one that its owner could have published, and nothing that anyone
//! can write down is a signature under it.

#![no_main]

use ed25519_dalek::Signature;
use libfuzzer_sys::fuzz_target;
use revocation_events::jwk::{KeySet, MAX_JWKS_LEN};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let Ok(keys) = KeySet::parse(input) else {
        return;
    };
    assert!(input.len() <= MAX_JWKS_LEN);
    let set: Value = serde_json::from_slice(input).unwrap();
    let set = set["keys"].as_array().unwrap();
    assert!((1..=set.len()).contains(&keys.kids().count()));
    for kid in keys.kids() {
        let key = keys.get(kid).unwrap();
        let named = |jwk: &&Value| jwk["kid"] == kid.as_str() && jwk["crv"] == "Ed25519";
        assert!(set.iter().any(|jwk| named(&jwk)));
        assert!(!key.is_weak());
        // The neutral element and zero: a signature for every message under a key of low order.
        let mut neutral = [0; 64];
        neutral[0] = 1;
        let neutral = Signature::from_bytes(&neutral);
        assert!(key.verify_strict(b"any message", &neutral).is_err());
    }
});
