//! Pages that are read back, and pages that are not taken.

use super::*;
use crate::jwk::thumbprint;

const ISSUER: &str = "https://id.example.com";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

fn verify(text: &str) -> Result<Page, Error> {
    Page::verify(text, ISSUER, |_| Some(key().verifying_key())).map(|signed| signed.page)
}

fn raw(payload: &str) -> Result<Page, Error> {
    let kid = thumbprint(&key().verifying_key());
    verify(&jws::sign(TYP, &kid, payload.as_bytes(), &key()))
}

fn with_entries(entries: &str) -> Result<Page, Error> {
    raw(&format!(
        r#"{{"iss":"{ISSUER}","at":5,"from":1,"to":9,"floor":0,"revoked":[{entries}]}}"#
    ))
}

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

#[test]
fn a_page_reads_as_it_was_written() {
    let revoked = [
        Target::Session(ID.parse().unwrap()),
        Target::User {
            id: ID.parse().unwrap(),
            refresh: false,
        },
        Target::User {
            id: ID.parse().unwrap(),
            refresh: true,
        },
        Target::Key("k".parse().unwrap()),
        Target::Everyone,
    ];
    let revoked: Vec<_> = (11..)
        .zip(revoked)
        .map(|(p, target)| Revocation {
            position: pos(p),
            target,
        })
        .collect();
    let pages = Page::cut(
        ISSUER,
        UnixMillis::new(7),
        (pos(10), pos(20)),
        pos(3),
        &revoked,
    );
    assert_eq!(pages.len(), 1);
    let kid = thumbprint(&key().verifying_key());
    assert_eq!(verify(&pages[0].sign(&kid, &key())).unwrap(), pages[0]);
    assert_eq!(
        serde_json::to_string(&pages[0]).unwrap(),
        format!(
            r#"{{"iss":"{ISSUER}","at":7,"from":10,"to":20,"floor":3,"revoked":[{{"pos":11,"session":"{ID}"}},{{"pos":12,"user":"{ID}"}},{{"pos":13,"user":"{ID}","refresh":true}},{{"pos":14,"key":"k"}},{{"pos":15,"everyone":true}}]}}"#
        )
    );
}

#[test]
fn a_long_cut_is_consecutive_and_only_its_last_page_has_no_more() {
    let revoked: Vec<_> = (1..=2_001)
        .map(|p| Revocation {
            position: pos(p * 2),
            target: Target::Everyone,
        })
        .collect();
    let pages = Page::cut(
        ISSUER,
        UnixMillis::new(7),
        (pos(0), pos(5_000)),
        pos(3_000),
        &revoked,
    );
    let shape: Vec<_> = pages
        .iter()
        .map(|p| {
            (
                p.from.get(),
                p.to.get(),
                p.floor.get(),
                p.revoked.len(),
                p.more,
            )
        })
        .collect();
    assert_eq!(
        shape,
        [
            (0, 2_000, 2_000, 1_000, true),
            (2_000, 4_000, 3_000, 1_000, true),
            (4_000, 5_000, 3_000, 1, false)
        ]
    );
    assert!(pages.iter().all(|page| {
        let kid = thumbprint(&key().verifying_key());
        verify(&page.sign(&kid, &key())).as_ref() == Ok(page)
    }));
}

#[test]
fn an_entry_that_is_not_understood_counts_as_everyone() {
    for entry in [
        r#"{"pos":2}"#.to_owned(),
        r#"{"pos":2,"tenant":"x"}"#.to_owned(),
        r#"{"pos":2,"session":7}"#.to_owned(),
        r#"{"pos":2,"session":{"a":[1]}}"#.to_owned(),
        r#"{"pos":2,"session":"x"}"#.to_owned(),
        r#"{"pos":2,"everyone":false}"#.to_owned(),
        r#"{"pos":2,"key":""}"#.to_owned(),
        format!(r#"{{"pos":2,"session":"{ID}","user":"{ID}"}}"#),
    ] {
        let page = with_entries(&entry).unwrap();
        assert_eq!(
            page.revoked,
            [Revocation {
                position: pos(2),
                target: Target::Everyone
            }],
            "{entry}"
        );
    }
}

#[test]
fn unknown_members_are_passed_over() {
    let page = with_entries(&format!(r#"{{"pos":2,"session":"{ID}","why":{{"a":1}}}}"#)).unwrap();
    assert_eq!(page.revoked[0].target, Target::Session(ID.parse().unwrap()));
}

#[test]
fn contradictions_are_refused() {
    for entries in [
        r#"{"pos":1,"everyone":true}"#,
        r#"{"pos":10,"everyone":true}"#,
    ] {
        assert_eq!(with_entries(entries), Err(Error::Positions), "{entries}");
    }
    for (from, to, floor) in [(2, 1, 0), (0, 1, 2)] {
        let text = format!(
            r#"{{"iss":"{ISSUER}","at":5,"from":{from},"to":{to},"floor":{floor},"revoked":[]}}"#
        );
        assert_eq!(raw(&text), Err(Error::Positions), "{text}");
    }
    let other = r#"{"iss":"https://evil.example","at":5,"from":0,"to":0,"floor":0,"revoked":[]}"#;
    assert_eq!(raw(other), Err(Error::Issuer));
}

#[test]
fn what_is_not_a_page_is_refused() {
    for entries in [
        r#"{"everyone":true}"#,
        r#"{"pos":2.0,"everyone":true}"#,
        r#"{"pos":2,"everyone":true,"everyone":true}"#,
        "7",
    ] {
        assert_eq!(with_entries(entries), Err(Error::Malformed), "{entries}");
    }
    let many = vec![r#"{"pos":2,"everyone":true}"#; MAX_REVOCATIONS + 1].join(",");
    assert_eq!(with_entries(&many), Err(Error::Malformed));
    let keys = |many| {
        let keys = vec![r#""k""#; many].join(",");
        with_entries(&format!(r#"],"revoked_keys":[{keys}"#))
    };
    assert!(keys(MAX_REVOCATIONS).is_ok());
    assert_eq!(keys(MAX_REVOCATIONS + 1), Err(Error::Malformed));
    for text in [
        "{}",
        r#"{"iss":"https://id.example.com","at":5,"from":0,"to":0,"floor":0}"#,
    ] {
        assert_eq!(raw(text), Err(Error::Malformed), "{text}");
    }
}

#[test]
fn a_page_has_a_greatest_length() {
    let of_length = |len: usize| {
        let padded = |by| with_entries(&format!(r#"],"padding":["{}""#, "x".repeat(by)));
        // Three bytes become four.
        padded(len / 4 * 3 - 400)
    };
    assert!(of_length(MAX_LEN).is_ok());
    let longer = of_length(MAX_LEN + 1_000);
    assert_eq!(longer, Err(Error::Jws(jws::Error::TooLong)));
}

#[test]
fn only_the_named_key_makes_a_page() {
    let kid = thumbprint(&key().verifying_key());
    let page = &Page::cut(ISSUER, UnixMillis::new(7), (pos(1), pos(1)), pos(0), &[])[0];
    let text = page.sign(&kid, &SigningKey::from_bytes(&[8; 32]));
    assert_eq!(verify(&text), Err(Error::Jws(jws::Error::Signature)));
    assert_eq!(
        Page::verify(&text, ISSUER, |_| None),
        Err(Error::UnknownKey)
    );
    let other_type = jws::sign("at+jwt", &kid, &serde_json::to_vec(page).unwrap(), &key());
    assert_eq!(verify(&other_type), Err(Error::Jws(jws::Error::Header)));
}
