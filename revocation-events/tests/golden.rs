//! The formats as they were first written. Pages and reports of one version are read by every
//! later one: these files stay as they are, and a new form gets a file of its own.

use ed25519_dalek::SigningKey;
use revocation_events::jwk::{Jwk, JwkSet, KeySet, thumbprint};
use revocation_events::status::{Counts, Status};
use revocation_events::{Page, Position, Revocation, Target, UnixMillis};
use serde::Serialize;
use std::path::Path;

const ISSUER: &str = "https://id.example.com";

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let text = std::fs::read_to_string(&path).expect("the file is part of the sources");
    text.strip_suffix('\n')
        .expect("it ends with a line's end")
        .to_owned()
}

/// A key that is no secret.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

fn position(value: u64) -> Position {
    Position::new(value).expect("below 2^53")
}

fn heartbeat() -> Page {
    Page {
        issuer: ISSUER.to_owned(),
        at: UnixMillis::new(1_764_000_000_123),
        from: position(1_764_000_000_100_000),
        to: position(1_764_000_000_100_000),
        floor: position(1_763_999_000_000_000),
        revoked: Vec::new(),
        revoked_keys: Vec::new(),
        more: false,
    }
}

fn every_kind() -> Page {
    let session = "67e55044-10b1-426f-9247-bb680e5fe0c8"
        .parse()
        .expect("a uuid");
    let user = "0198c2a4-7d3e-7b6a-9c41-5f2e8d1a3b47"
        .parse()
        .expect("a uuid");
    let targets = [
        Target::Session(session),
        Target::User {
            id: user,
            refresh: false,
        },
        Target::User {
            id: user,
            refresh: true,
        },
        Target::Key("kid-of-a-key".parse().expect("printable")),
        Target::Everyone,
    ];
    let revoked = (1_764_000_000_000_001..).zip(targets);
    Page {
        from: position(1_763_999_999_000_001),
        revoked: revoked
            .map(|(at, target)| Revocation {
                position: position(at),
                target,
            })
            .collect(),
        ..heartbeat()
    }
}

fn keys_again() -> Page {
    let key = "kid-of-a-key".parse().expect("printable");
    Page {
        revoked_keys: vec![key],
        ..heartbeat()
    }
}

fn more() -> Page {
    Page {
        to: position(1_764_000_000_000_005),
        more: true,
        ..every_kind()
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("it serialises")
}

#[test]
fn pages_are_written_as_ever() {
    let kid = thumbprint(&key().verifying_key());
    for (name, page) in [
        ("heartbeat", heartbeat()),
        ("every-kind", every_kind()),
        ("more", more()),
        ("keys-again", keys_again()),
    ] {
        assert_eq!(json(&page), golden(&format!("{name}.json")), "{name}");
        assert_eq!(
            page.sign(&kid, &key()),
            golden(&format!("{name}.jws")),
            "{name}"
        );
    }
}

#[test]
fn pages_are_read_as_ever() {
    let keys = KeySet::parse(golden("jwks.json").as_bytes()).expect("a key set");
    let read = |name: &str| {
        let text = golden(&format!("{name}.jws"));
        let signed = Page::verify(&text, ISSUER, |kid| keys.get(kid).copied());
        signed
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .page
    };
    assert_eq!(read("heartbeat"), heartbeat());
    assert_eq!(read("every-kind"), every_kind());
    assert_eq!(read("more"), more());
    assert_eq!(read("keys-again"), keys_again());
}

#[test]
fn a_page_of_a_later_version_revokes_too_much_and_never_too_little() {
    let keys = KeySet::parse(golden("jwks.json").as_bytes()).expect("a key set");
    // Members that nobody knows yet, and an entry that revokes "tenant".
    let text = golden("later.jws");
    let page = Page::verify(&text, ISSUER, |kid| keys.get(kid).copied());
    let page = page.expect("a page").page;
    let everyone = Revocation {
        position: position(1_764_000_000_000_001),
        target: Target::Everyone,
    };
    assert_eq!(
        page,
        Page {
            revoked: vec![everyone],
            ..every_kind()
        }
    );
}

#[test]
fn a_key_set_is_written_as_ever() {
    let set = JwkSet {
        keys: vec![Jwk::new(&key().verifying_key())],
    };
    assert_eq!(json(&set), golden("jwks.json"));
}

#[test]
fn a_report_is_written_and_read_as_ever() {
    let status = Status {
        service: "orders".to_owned(),
        instance: "i-5f2e8d1a3b47".to_owned(),
        version: "0.1.0".to_owned(),
        head: Some(position(1_764_000_000_100_000)),
        fresh: true,
        age_ms: Some(123),
        max_staleness_ms: 10_000,
        counts: Counts {
            accepted: 1,
            refused: 2,
            unavailable: 3,
            pages: 4,
            pages_refused: 5,
        },
        goodbye: false,
    };
    let starting = Status {
        head: None,
        age_ms: None,
        fresh: false,
        goodbye: true,
        ..status.clone()
    };
    for (name, status) in [("status.json", status), ("status-goodbye.json", starting)] {
        assert_eq!(json(&status), golden(name), "{name}");
        let read: Status = serde_json::from_str(&golden(name)).expect("a report");
        assert_eq!(read, status, "{name}");
    }
}
