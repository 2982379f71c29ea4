use super::decide::{GRACE, expire, reanchor, refresh, revoke, speaks_for};
use super::state::{BrokenStream, apply};
use super::*;
use revocation_events::{Position, UnixMillis};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const NONE: CutOffs = CutOffs {
    user: Position::ZERO,
    everyone: Position::ZERO,
};

fn pos(value: u64) -> Position {
    Position::new(value).unwrap()
}

fn t(millis: u64) -> UnixMillis {
    UnixMillis::new(millis)
}

fn open() -> OpenSession {
    OpenSession {
        user: "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap(),
        delivery: Delivery::Cookie,
        since: pos(100),
        opened_at: t(0),
        generation: 3,
        rotated_at: t(1_000),
        retry_key: Some(RetryKey::of("key")),
        expires_at: t(0).plus(7 * DAY),
        ends_at: t(0).plus(30 * DAY),
    }
}

fn with(generation: u64, key: Option<&str>) -> Refresh {
    Refresh {
        generation,
        retry_key: key.map(RetryKey::of),
        ttl: 7 * DAY,
    }
}

fn refreshed(command: Refresh, now: UnixMillis) -> Result<Refreshed, Refusal> {
    refresh(&Session::Open(open()), NONE, command, now)
}

#[test]
fn the_current_token_rotates_and_slides() {
    let now = t(5_000).plus(DAY);
    let Ok(Refreshed::Rotated(SessionFact::Refreshed(next))) = refreshed(with(3, None), now) else {
        panic!("no rotation")
    };
    assert_eq!(
        (next.generation, next.rotated_at, next.retry_key),
        (4, now, None)
    );
    assert_eq!(next.expires_at, now.plus(7 * DAY));
    assert_eq!(
        (next.since, next.opened_at, next.ends_at),
        (open().since, open().opened_at, open().ends_at)
    );
}

#[test]
fn sliding_never_passes_the_absolute_end() {
    let session = OpenSession {
        expires_at: t(0).plus(30 * DAY),
        ..open()
    };
    let now = t(0).plus(29 * DAY);
    let next = refresh(&Session::Open(session.clone()), NONE, with(3, None), now);
    let Ok(Refreshed::Rotated(SessionFact::Refreshed(next))) = next else {
        panic!("no rotation")
    };
    assert_eq!(next.expires_at, session.ends_at);
    let late = refresh(
        &Session::Open(session),
        NONE,
        with(3, None),
        t(0).plus(30 * DAY),
    );
    assert_eq!(late, Err(Refusal::Ended));
}

#[test]
fn the_token_before_gets_the_same_successor_within_the_grace_or_with_its_key() {
    let (within, after) = (t(1_000).plus(GRACE), t(1_001).plus(GRACE));
    for (key, now, expected) in [
        (None, within, Ok(Refreshed::SameSuccessor)),
        (Some("other"), within, Ok(Refreshed::SameSuccessor)),
        (Some("key"), after, Ok(Refreshed::SameSuccessor)),
        (Some("other"), after, Err(Refusal::Reused)),
        (None, after, Err(Refusal::Reused)),
    ] {
        assert_eq!(refreshed(with(2, key), now), expected, "{key:?}");
    }
}

#[test]
fn the_token_before_speaks_for_its_session_within_the_grace_alone() {
    let session = open();
    let (within, after) = (t(1_000).plus(GRACE), t(1_001).plus(GRACE));
    for (generation, now, expected) in [
        (3, after, true),
        (2, within, true),
        (2, after, false),
        (1, within, false),
        (4, within, false),
    ] {
        assert_eq!(
            speaks_for(&session, generation, now),
            expected,
            "{generation}"
        );
    }
}

#[test]
fn no_key_is_not_the_same_key() {
    let session = Session::Open(OpenSession {
        retry_key: None,
        ..open()
    });
    let after = t(1_001).plus(GRACE);
    assert_eq!(
        refresh(&session, NONE, with(2, None), after),
        Err(Refusal::Reused)
    );
}

#[test]
fn a_grandparent_is_theft_even_within_the_grace_and_a_token_of_the_future_is_none() {
    assert_eq!(
        refreshed(with(1, Some("key")), t(1_000)),
        Err(Refusal::Reused)
    );
    assert_eq!(
        refreshed(with(4, None), t(1_000)),
        Err(Refusal::NeverIssued)
    );
}

#[test]
fn a_session_is_alive_until_its_end_or_a_later_cut_off() {
    let session = Session::Open(open());
    let end = open().expires_at;
    for (cut_offs, now, alive) in [
        (NONE, t(end.get() - 1), true),
        (NONE, end, false),
        (
            CutOffs {
                user: pos(100),
                ..NONE
            },
            t(0),
            true,
        ),
        (
            CutOffs {
                user: pos(101),
                ..NONE
            },
            t(0),
            false,
        ),
        (
            CutOffs {
                everyone: pos(101),
                ..NONE
            },
            t(0),
            false,
        ),
    ] {
        assert_eq!(
            session.alive(cut_offs, now).is_some(),
            alive,
            "{cut_offs:?} {now:?}"
        );
        assert_eq!(
            refresh(&session, cut_offs, with(3, None), now).is_ok(),
            alive
        );
        assert_eq!(reanchor(&session, cut_offs, pos(200), now).is_ok(), alive);
    }
}

#[test]
fn an_ended_session_is_not_revoked_again_nor_refreshed() {
    let fact = revoke(&Session::Open(open()), pos(200), EndReason::User).unwrap();
    let ended = apply(Some(Session::Open(open())), t(9), &fact).unwrap();
    assert_eq!(revoke(&ended, pos(300), EndReason::User), None);
    assert_eq!(expire(&ended, t(u64::MAX)), None);
    assert_eq!(
        refresh(&ended, NONE, with(3, None), t(10)),
        Err(Refusal::Ended)
    );
    for fact in [
        fact,
        SessionFact::Refreshed(open()),
        SessionFact::Expired {},
    ] {
        assert_eq!(
            apply(Some(ended.clone()), t(10), &fact),
            Err(BrokenStream),
            "{fact:?}"
        );
    }
}

#[test]
fn reanchoring_keeps_the_session_token() {
    let fact = reanchor(&Session::Open(open()), NONE, pos(200), t(5_000)).unwrap();
    assert_eq!(
        fact,
        SessionFact::Refreshed(OpenSession {
            since: pos(200),
            ..open()
        })
    );
}

#[test]
fn a_stream_whose_beginning_was_dropped_still_folds() {
    let next = SessionFact::Refreshed(open());
    assert_eq!(apply(None, t(1), &next), Ok(Session::Open(open())));
    let revoked = SessionFact::Revoked {
        position: pos(1),
        reason: EndReason::Admin,
    };
    assert_eq!(apply(None, t(1), &revoked), Err(BrokenStream));
}

fn user() -> User {
    user::apply(
        None,
        &UserFact::Registered {
            roles: Roles::default(),
        },
    )
    .unwrap()
}

#[test]
fn a_role_change_cuts_tokens_and_not_sessions() {
    let roles = Roles::try_from(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]).unwrap();
    let fact = user::change_roles(&user(), roles.clone(), pos(7)).unwrap();
    let after = user::apply(Some(user()), &fact).unwrap();
    assert_eq!((after.cut_off, after.token_cut_off), (pos(0), pos(7)));
    assert_eq!(after.roles.names(), ["a", "b"]);
    assert_eq!(user::change_roles(&after, roles, pos(8)), None);
}

#[test]
fn enabling_does_not_take_the_cut_off_back() {
    let disabled = user::apply(Some(user()), &user::disable(&user(), pos(7)).unwrap()).unwrap();
    assert_eq!(user::disable(&disabled, pos(8)), None);
    let enabled = user::apply(Some(disabled.clone()), &user::enable(&disabled).unwrap()).unwrap();
    assert_eq!(
        (enabled.disabled, enabled.cut_off, enabled.token_cut_off),
        (false, pos(7), pos(7))
    );
    assert_eq!(user::enable(&enabled), None);
}

#[test]
fn roles_keep_to_their_alphabet() {
    for bad in ["", "Admin", "a b", "a,b", "ä", &"x".repeat(65)] {
        assert!(Roles::try_from(vec![bad.to_owned()]).is_err(), "{bad:?}");
    }
    let many = |n: usize| Roles::try_from((0..n).map(|i| i.to_string()).collect::<Vec<_>>());
    assert!(many(32).is_ok() && many(33).is_err());
}

/// One of each kind, as format 1 stores it. Never change a line: add a format.
fn stored() -> Vec<(Fact, Value)> {
    let session_id = "11111111-2222-4333-8444-555555555555";
    let snapshot = json!({
        "user": "67e55044-10b1-426f-9247-bb680e5fe0c8", "delivery": "cookie", "since": 100,
        "opened_at": 0, "generation": 3, "rotated_at": 1000,
        "retry_key": "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM",
        "expires_at": 604_800_000_u64, "ends_at": 2_592_000_000_u64,
    });
    let mut opened = snapshot.clone();
    opened["new_device"] = json!(true);
    let roles = || Roles::try_from(vec!["admin".to_owned()]).unwrap();
    let kid = || "kid-1".parse().unwrap();
    let position = pos(7);
    vec![
        (
            Fact::Session(SessionFact::Opened {
                session: open(),
                new_device: true,
            }),
            opened,
        ),
        (Fact::Session(SessionFact::Refreshed(open())), snapshot),
        (
            Fact::Session(SessionFact::Revoked {
                position,
                reason: EndReason::Reuse,
            }),
            json!({ "position": 7, "reason": "reuse" }),
        ),
        (Fact::Session(SessionFact::Expired {}), json!({})),
        (
            Fact::User(UserFact::Registered { roles: roles() }),
            json!({ "roles": ["admin"] }),
        ),
        (Fact::User(UserFact::PasswordChanged {}), json!({})),
        (
            Fact::User(UserFact::RolesChanged {
                roles: roles(),
                position,
            }),
            json!({ "roles": ["admin"], "position": 7 }),
        ),
        (
            Fact::User(UserFact::Disabled { position }),
            json!({ "position": 7 }),
        ),
        (Fact::User(UserFact::Enabled {}), json!({})),
        (
            Fact::User(UserFact::SessionsRevoked {
                position,
                except: Some(session_id.parse().unwrap()),
            }),
            json!({ "position": 7, "except": session_id }),
        ),
        (Fact::EveryoneRevoked { position }, json!({ "position": 7 })),
        (Fact::KeyAdded { kid: kid() }, json!({ "kid": "kid-1" })),
        (Fact::KeyRetired { kid: kid() }, json!({ "kid": "kid-1" })),
        (
            Fact::KeyRevoked {
                kid: kid(),
                position,
            },
            json!({ "kid": "kid-1", "position": 7 }),
        ),
    ]
}

#[test]
fn the_stored_form_is_written_and_read_as_it_was() {
    for (fact, data) in stored() {
        assert_eq!(fact.data(), data, "{}", fact.kind());
        assert_eq!(Fact::read(fact.kind(), event::FORMAT, data).unwrap(), fact);
    }
}

#[test]
fn an_event_of_a_newer_program_is_an_error() {
    assert!(matches!(
        Fact::read("session.frozen", 1, json!({})),
        Err(event::Unreadable::Kind(_))
    ));
    assert!(matches!(
        Fact::read("session.expired", 2, json!({})),
        Err(event::Unreadable::Format { format: 2, .. })
    ));
    assert!(matches!(
        Fact::read("session.revoked", 1, json!({ "position": 7 })),
        Err(event::Unreadable::Data { .. })
    ));
}
