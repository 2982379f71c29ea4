//! What other programs are told, and what they are not.

use super::*;
use crate::events::shape;
use crate::session::{Delivery, EndReason, OpenSession, RetryKey, Roles, SessionFact};
use crate::store::{Waiting, WaitingEvent};
use revocation_events::event::{self, What};
use revocation_events::{Position, SessionId, UnixMillis};
use serde_json::Value;
use std::collections::BTreeSet;

fn position() -> Position {
    Position::new(1_764_000_000_000_000).unwrap()
}

fn open(user: UserId) -> OpenSession {
    let at = |seconds: u64| UnixMillis::from_secs(1_764_000_000 + seconds);
    OpenSession {
        user,
        delivery: Delivery::Body,
        since: position(),
        opened_at: at(0),
        generation: 3,
        rotated_at: at(60),
        retry_key: Some(RetryKey::of("a key that is nobody else's business")),
        expires_at: at(3_600),
        ends_at: at(86_400),
    }
}

fn roles() -> Roles {
    vec!["admin".to_owned()].try_into().unwrap()
}

/// One of each kind that there is.
fn every_fact(user: UserId) -> Vec<(Stream, Fact)> {
    let session = Stream::Session(SessionId::new(Uuid::from_u128(7)));
    let kid: revocation_events::KeyId = "kid-of-a-key".parse().unwrap();
    let position = position();
    let sessions = [
        SessionFact::Opened {
            session: open(user),
            new_device: true,
        },
        SessionFact::Refreshed(open(user)),
        SessionFact::Revoked {
            position,
            reason: EndReason::Reuse,
        },
        SessionFact::Expired {},
    ];
    let users = [
        UserFact::Registered { roles: roles() },
        UserFact::PasswordChanged {},
        UserFact::RolesChanged {
            roles: roles(),
            position,
        },
        UserFact::Disabled { position },
        UserFact::Enabled {},
        UserFact::SessionsRevoked {
            position,
            except: Some(SessionId::new(Uuid::from_u128(8))),
        },
    ];
    let key = Stream::of_key(&kid);
    let others = [
        (Stream::Everyone, Fact::EveryoneRevoked { position }),
        (key, Fact::KeyAdded { kid: kid.clone() }),
        (key, Fact::KeyRetired { kid: kid.clone() }),
        (key, Fact::KeyRevoked { kid, position }),
    ];
    let sessions = sessions.map(|fact| (session, Fact::Session(fact)));
    let users = users.map(|fact| (Stream::User(user), Fact::User(fact)));
    sessions.into_iter().chain(users).chain(others).collect()
}

fn waiting(stream: Stream, fact: Fact, user: UserId) -> WaitingEvent {
    let logged = Logged {
        stream,
        version: 5,
        at: UnixMillis::new(1_764_000_000_120),
        fact,
    };
    WaitingEvent {
        waiting: Waiting {
            stream: stream.uuid(),
            version: 5,
            refill: 0,
        },
        event: Ok(logged),
        user: Some(user),
    }
}

fn every_event() -> Vec<Event> {
    let user = UserId::new(Uuid::from_u128(9));
    let facts = every_fact(user).into_iter();
    let shaped = facts.map(|(stream, fact)| {
        let kind = fact.kind();
        let event = shape::event(ISSUER, &waiting(stream, fact, user)).unwrap();
        assert_eq!(
            event.what.kind(),
            kind,
            "the log and other programs use one word"
        );
        event
    });
    shaped.collect()
}

#[test]
fn every_kind_has_its_form_and_is_read_as_it_was_written() {
    for event in every_event() {
        assert_eq!((event.version, event.time.get()), (5, 1_764_000_000_120));
        assert_eq!(event.source, ISSUER);
        let read = Event::from_json(event.to_json().as_bytes()).unwrap();
        assert_eq!(read, event);
        assert!(!matches!(event.what, What::Unknown { .. }));
    }
    let first = &every_event()[0].what;
    let What::SessionOpened {
        delivery,
        new_device,
        ends_at,
        ..
    } = first
    else {
        panic!("{first:?}");
    };
    assert_eq!(*delivery, event::Delivery::Body);
    assert!(new_device);
    assert_eq!(ends_at.secs(), 1_764_086_400);
}

/// What is not in this list was not thought about: it may be a secret, or personal.
#[test]
fn nothing_is_published_but_what_is_listed() {
    const MEMBERS: [&str; 13] = [
        "v",
        "version",
        "user",
        "key",
        "position",
        "reason",
        "delivery",
        "new_device",
        "generation",
        "expires_at",
        "ends_at",
        "roles",
        "except",
    ];
    let mut found = BTreeSet::new();
    for event in every_event() {
        let json: Value = serde_json::from_str(&event.to_json()).unwrap();
        found.extend(json["data"].as_object().unwrap().keys().cloned());
        let envelope: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(envelope.len(), 8, "{envelope:?}");
    }
    assert_eq!(
        found,
        MEMBERS.iter().map(|name| (*name).to_owned()).collect()
    );
}

#[test]
fn an_event_has_one_id_and_no_other_has_it() {
    let events = every_event();
    let ids: BTreeSet<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), events.len());
    assert_eq!(
        every_event()
            .iter()
            .map(|event| event.id)
            .collect::<BTreeSet<_>>(),
        ids
    );

    let user = UserId::new(Uuid::from_u128(9));
    let one = waiting(Stream::User(user), Fact::User(UserFact::Enabled {}), user);
    let id = |issuer: &str, waiting: &WaitingEvent| shape::event(issuer, waiting).unwrap().id;
    let before = id(ISSUER, &one);
    assert_ne!(
        id("https://other.example.com", &one),
        before,
        "another service's"
    );
    // In the place of an event that a failover has lost.
    let mut later = one.clone();
    later.event.as_mut().unwrap().at = UnixMillis::new(1_764_000_000_121);
    assert_ne!(id(ISSUER, &later), before);
    let mut again = one;
    again.waiting.refill = 3;
    assert_eq!(id(ISSUER, &again), before, "published again");
}

#[test]
fn what_cannot_be_read_waits() {
    let user = UserId::new(Uuid::from_u128(9));
    let (stream, fact) = every_fact(user).swap_remove(2);
    let mut unreadable = waiting(stream, fact.clone(), user);
    unreadable.event = Err("unknown kind of event".to_owned());
    let why = shape::event(ISSUER, &unreadable).unwrap_err();
    assert!(why.to_string().contains("unknown kind"), "{why}");

    let mut without_a_row = waiting(stream, fact, user);
    without_a_row.user = None;
    let why = shape::event(ISSUER, &without_a_row).unwrap_err();
    assert!(why.to_string().contains("log rebuild"), "{why}");

    let odd = waiting(Stream::Everyone, Fact::User(UserFact::Enabled {}), user);
    assert!(shape::event(ISSUER, &odd).is_err());
}
