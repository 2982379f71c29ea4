//! The format of events, as it was first written. Events of one version are read by every later one:
//! the files in `golden/events` stay as they are, and a new form gets a file of its own.

use revocation_events::event::{Delivery, EndReason, Event, Invalid, What};
use revocation_events::{KeyId, Position, SessionId, UnixMillis, UserId};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events")
}

fn golden(name: &str) -> String {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json")));
    let text = text.expect("the file is part of the sources");
    text.strip_suffix('\n')
        .expect("it ends with a line's end")
        .to_owned()
}

fn session() -> SessionId {
    "67e55044-10b1-426f-9247-bb680e5fe0c8"
        .parse()
        .expect("a uuid")
}

fn user() -> UserId {
    "0198c2a4-7d3e-7b6a-9c41-5f2e8d1a3b47"
        .parse()
        .expect("a uuid")
}

fn key() -> KeyId {
    "kid-of-a-key".parse().expect("printable")
}

fn event(what: What) -> Event {
    Event {
        id: "5b1f9d9c-3c6e-5f3c-9f0a-6a1f6c0d7e21"
            .parse()
            .expect("a uuid"),
        source: "https://id.example.com".to_owned(),
        time: UnixMillis::new(1_764_000_000_120),
        version: 3,
        what,
    }
}

/// One of each kind that this version writes.
fn every_kind() -> Vec<Event> {
    let position = Position::new(1_764_000_000_100_000).expect("below 2^53");
    let (session, user, key) = (session(), user(), key());
    let roles = vec!["admin".to_owned(), "reader".to_owned()];
    let whats = vec![
        What::SessionOpened {
            session,
            user,
            delivery: Delivery::Cookie,
            new_device: true,
            expires_at: UnixMillis::new(1_764_604_800_120),
            ends_at: UnixMillis::new(1_766_592_000_000),
        },
        What::SessionRefreshed {
            session,
            user,
            generation: 2,
            expires_at: UnixMillis::new(1_764_604_800_120),
        },
        What::SessionRevoked {
            session,
            user,
            position,
            reason: EndReason::Logout,
        },
        What::SessionExpired { session, user },
        What::UserRegistered {
            user,
            roles: roles.clone(),
        },
        What::UserPasswordChanged { user },
        What::UserRolesChanged {
            user,
            position,
            roles,
        },
        What::UserDisabled { user, position },
        What::UserEnabled { user },
        What::UserSessionsRevoked {
            user,
            position,
            except: Some(session),
        },
        What::EveryoneRevoked { position },
        What::KeyAdded { key: key.clone() },
        What::KeyRetired { key: key.clone() },
        What::KeyRevoked { key, position },
    ];
    whats.into_iter().map(event).collect()
}

#[test]
fn events_are_written_as_ever() {
    for event in every_kind() {
        let kind = event.what.kind();
        assert_eq!(event.to_json(), golden(kind), "{kind}");
    }
}

#[test]
fn events_are_read_as_ever() {
    for event in every_kind() {
        let kind = event.what.kind();
        let read = Event::from_json(golden(kind).as_bytes()).expect("an event");
        assert_eq!(read, event, "{kind}");
    }
}

/// A file that no kind has any more would be a kind that is read no more.
#[test]
fn each_file_is_looked_at() {
    let mut wanted: Vec<_> = every_kind()
        .iter()
        .map(|event| format!("{}.json", event.what.kind()))
        .chain(
            ["later-kind", "later-form", "more-members", "no-exception"]
                .map(|n| format!("{n}.json")),
        )
        .collect();
    wanted.sort_unstable();
    let files = std::fs::read_dir(folder()).expect("the folder is part of the sources");
    let mut found: Vec<_> = files
        .map(|file| {
            file.expect("readable")
                .file_name()
                .into_string()
                .expect("ASCII")
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let read = |name| Event::from_json(golden(name).as_bytes()).expect("an event");
    // Attributes and members that nobody knows yet, another reason, another way of delivery.
    let more = read("more-members");
    let What::SessionRevoked { reason, .. } = &more.what else {
        panic!("{more:?}");
    };
    assert_eq!(*reason, EndReason::Other("inactivity".to_owned()));

    for (name, kind) in [
        ("later-kind", "session.moved"),
        ("later-form", "session.revoked"),
    ] {
        let later = read(name);
        let What::Unknown {
            kind: found,
            subject,
            data,
        } = &later.what
        else {
            panic!("{later:?}");
        };
        assert_eq!(found, kind);
        assert_eq!(*subject, format!("session/{}", session()));
        assert_eq!(later.version, 3);
        assert_eq!(data["to"]["place"], "elsewhere");
        assert_eq!(later.to_json(), golden(name), "and is passed on as it came");
    }
    let all_ended = read("no-exception");
    assert!(matches!(
        all_ended.what,
        What::UserSessionsRevoked { except: None, .. }
    ));
    assert_eq!(all_ended.to_json(), golden("no-exception"));
}

#[test]
fn what_is_no_event_or_half_of_one_is_refused() {
    let good: Value = serde_json::from_str(&golden("session.revoked")).expect("JSON");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = good.clone();
        change(&mut event);
        Event::from_json(event.to_string().as_bytes())
    };
    with(&|_| {}).expect("an event");
    let member = |name: &'static str| {
        move |event: &mut Value| {
            event["data"]
                .as_object_mut()
                .expect("an object")
                .remove(name);
        }
    };
    for name in ["user", "position", "reason"] {
        let refused = with(&member(name));
        assert!(
            matches!(refused, Err(Invalid::Missing(missing)) if missing == name),
            "{refused:?}"
        );
    }
    for name in ["v", "version"] {
        assert!(
            matches!(with(&member(name)), Err(Invalid::Data(_))),
            "{name}"
        );
    }
    let bad: [(&str, Value); 7] = [
        (
            "subject",
            json!("user/67e55044-10b1-426f-9247-bb680e5fe0c8"),
        ),
        ("subject", json!("session/67e5504410b1426f9247bb680e5fe0c8")),
        ("specversion", json!("0.3")),
        ("id", json!("1")),
        ("time", json!("yesterday")),
        ("time", json!("1969-12-31T23:59:59Z")),
        ("data", json!("{}")),
    ];
    for (name, value) in bad {
        let refused = with(&|event| event[name] = value.clone());
        assert!(refused.is_err(), "{name}: {value}");
    }
    let subject = with(&|event| event["type"] = json!("everyone.revoked"));
    assert!(matches!(subject, Err(Invalid::Subject)), "{subject:?}");
    for text in ["", "x", "[]", "{}", "null"] {
        assert!(
            matches!(Event::from_json(text.as_bytes()), Err(Invalid::Envelope(_))),
            "{text}"
        );
    }
}

/// An offset and a longer fraction are RFC 3339 too: another program may pass events on in its own way.
#[test]
fn a_time_has_many_spellings() {
    let written = golden("session.expired");
    for (spelling, millis) in [
        ("2025-11-24T16:00:00Z", 1_764_000_000_000),
        ("2025-11-24T17:00:00.12+01:00", 1_764_000_000_120),
        ("2025-11-24T16:00:00.120999999Z", 1_764_000_000_120),
    ] {
        let text = written.replace("2025-11-24T16:00:00.120Z", spelling);
        assert_ne!(text, written);
        let read = Event::from_json(text.as_bytes()).expect("an event");
        assert_eq!(read.time, UnixMillis::new(millis), "{spelling}");
    }
}
