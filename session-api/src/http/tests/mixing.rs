//! Two users in one browser: tokens, cookies and CSRF values never mix.

use super::*;

/// Whose a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Nobodys,
    Alices,
    Bobs,
    /// Alice's too, but delivered to a phone: it has no place in a cookie.
    Phones,
}
use Whose::{Alices, Bobs, Nobodys, Phones};

/// What a request presents.
#[derive(Clone, Copy, Debug)]
struct Shown {
    bearer: Whose,
    access: Whose,
    session: Whose,
    value: Whose,
}

/// Who a call was made by, or why it was not.
type Verdict = Result<&'static str, (u16, &'static str)>;

const fn name(whose: Whose) -> &'static str {
    match whose {
        Alices | Phones => "alice",
        Bobs => "bob",
        Nobodys => "nobody",
    }
}

/// A call of a user's, such as `DELETE /sessions/{id}`.
fn user_call(shown: Shown) -> Verdict {
    match shown {
        // A header is judged alone.
        Shown {
            bearer: whose @ (Alices | Bobs),
            ..
        } => Ok(name(whose)),
        Shown {
            access: Nobodys, ..
        } => Err((401, "token-missing")),
        Shown { access: Phones, .. } => Err((401, "token-invalid")),
        Shown {
            access, session, ..
        } if session != Nobodys && session != access => Err((401, "token-invalid")),
        Shown { access, value, .. } if value != access => Err((403, "csrf")),
        Shown { access, .. } => Ok(name(access)),
    }
}

/// `GET /session`.
fn who_am_i(shown: Shown) -> Verdict {
    match shown {
        Shown {
            bearer: whose @ (Alices | Bobs),
            ..
        } => Ok(name(whose)),
        Shown {
            access: Nobodys,
            session: Nobodys,
            ..
        } => Err((401, "token-missing")),
        Shown {
            access: Phones,
            session: Nobodys,
            ..
        } => Err((401, "token-invalid")),
        Shown {
            access,
            session: Nobodys,
            ..
        } => Ok(name(access)),
        Shown {
            access: Nobodys,
            session,
            ..
        } => Ok(name(session)),
        Shown {
            access, session, ..
        } if access != session => Err((401, "session-ended")),
        Shown { session, .. } => Ok(name(session)),
    }
}

/// `DELETE /session`.
fn log_out(shown: Shown) -> Verdict {
    let caller = who_am_i(shown)?;
    match shown {
        Shown {
            bearer: Nobodys,
            value,
            ..
        } if value == Nobodys || name(value) != caller => Err((403, "csrf")),
        _ => Ok(caller),
    }
}

/// `POST /session/refresh`.
fn refresh(shown: Shown) -> Verdict {
    match shown {
        // The header is not judged, but where it is only the body's token counts.
        Shown {
            bearer: Alices | Bobs,
            ..
        }
        | Shown {
            session: Nobodys, ..
        } => Err((401, "token-missing")),
        Shown {
            access, session, ..
        } if access != Nobodys && access != session => Err((401, "session-ended")),
        Shown { session, value, .. } if value != session => Err((403, "csrf")),
        Shown { session, .. } => Ok(name(session)),
    }
}

fn all() -> impl Iterator<Item = Shown> {
    let three = [Nobodys, Alices, Bobs];
    let four = [Nobodys, Alices, Bobs, Phones];
    three.into_iter().flat_map(move |bearer| {
        four.into_iter().flat_map(move |access| {
            three.into_iter().flat_map(move |session| {
                three.into_iter().map(move |value| Shown {
                    bearer,
                    access,
                    session,
                    value,
                })
            })
        })
    })
}

#[tokio::test]
async fn two_users_never_mix() {
    let world = World::begins().await;
    let (alice, bob) = (world.browser("alice").await, world.browser("bob").await);
    let phone = world.phone("alice").await;
    let held = |whose: Whose, cookie: &str| match whose {
        Nobodys => None,
        Alices => Some(alice.cookie(cookie)),
        Bobs => Some(bob.cookie(cookie)),
        Phones => Some(phone.access.clone()),
    };
    let request = |method: &str, path: &str, shown: Shown| {
        let mut request = world.request(method, path);
        if let Some(token) = held(shown.bearer, ACCESS) {
            request = request.bearer_auth(token);
        }
        for (whose, name) in [(shown.access, ACCESS), (shown.session, SESSION)] {
            if let Some(token) = held(whose, name) {
                request = request.header(COOKIE, format!("{name}={token}"));
            }
        }
        if let Some(value) = held(shown.value, CSRF) {
            request = request.header("x-csrf-token", value);
        }
        request
    };
    let nobodys_session = format!("/sessions/{}", Uuid::now_v7());
    let mut combinations = 0;
    for shown in all() {
        combinations += 1;
        let found = |answer: &Answer| match answer.status {
            200 => Ok(answer.body["user"]["username"].as_str().unwrap().to_owned()),
            status => Err((status, answer.problem().unwrap().to_owned())),
        };
        let owned = |verdict: Verdict| {
            verdict
                .map(str::to_owned)
                .map_err(|(status, slug)| (status, slug.to_owned()))
        };
        let answer = Answer::of(request("GET", "/session", shown)).await;
        assert_eq!(
            found(&answer),
            owned(who_am_i(shown)),
            "GET /session {shown:?}"
        );

        // With a key, so that one successor serves all combinations however long they take.
        let refreshing = request("POST", "/session/refresh", shown);
        let answer =
            Answer::of(refreshing.header("idempotency-key", "one key for all of them")).await;
        assert_eq!(found(&answer), owned(refresh(shown)), "refresh {shown:?}");

        // Whoever it is, that session is not theirs: 404 says that the call was let in.
        let answer = Answer::of(request("DELETE", &nobodys_session, shown)).await;
        let expected = user_call(shown).map_or_else(|refused| refused, |_| (404, "not-found"));
        assert_eq!(
            (answer.status, answer.problem()),
            (expected.0, Some(expected.1)),
            "DELETE {shown:?}"
        );

        if let Err((status, slug)) = log_out(shown) {
            let answer = Answer::of(request("DELETE", "/session", shown)).await;
            assert_eq!(
                (answer.status, answer.problem()),
                (status, Some(slug)),
                "log-out {shown:?}"
            );
        }
    }
    assert_eq!(combinations, 108);
    // All three sessions are alive, and nobody was taken for somebody else.
    for (mut browser, name) in [(alice.clone(), "alice"), (bob.clone(), "bob")] {
        let answer = browser.sends(&world, "GET", "/session").await.must_be(200);
        assert_eq!(answer.body["user"]["username"], name);
    }
    phone.sends(&world, "GET", "/session").await.must_be(200);
}

#[tokio::test]
async fn one_users_session_is_not_anothers_to_end_or_to_see() {
    let world = World::begins().await;
    let alice = world.phone("alice").await;
    let mut bob = world.browser("bob").await;
    for (method, path) in [
        ("DELETE", format!("/sessions/{}", alice.id)),
        ("GET", format!("/sessions/{}/events", alice.id)),
    ] {
        assert_refused(
            &bob.sends(&world, method, &path).await,
            404,
            "not-found",
            &path,
        );
    }
    let listed = bob
        .sends(&world, "GET", "/sessions")
        .await
        .must_be(200)
        .body;
    assert!(!listed.to_string().contains(&alice.id), "{listed}");
    bob.sends(&world, "DELETE", "/sessions").await.must_be(200);
    alice.sends(&world, "GET", "/session").await.must_be(200);
}

#[tokio::test]
async fn another_user_in_the_same_browser_starts_anew() {
    let world = World::begins().await;
    let mut browser = world.browser("alice").await;
    let alices = browser.clone();
    browser.logs_in(&world, "bob").await;
    let answer = browser.sends(&world, "GET", "/session").await.must_be(200);
    assert_eq!(answer.body["user"]["username"], "bob");
    // A page that still holds Alice's value, and one that still holds her cookies.
    let stale_page = browser.request(&world, "DELETE", "/sessions/x");
    let stale_value = world
        .request("DELETE", "/sessions/x")
        .header(COOKIE, browser.jar.header("/sessions").unwrap());
    let stale_value = stale_value.header("x-csrf-token", alices.cookie(CSRF));
    assert_refused(&Answer::of(stale_value).await, 403, "csrf", "Alice's value");
    assert_refused(&Answer::of(stale_page).await, 404, "not-found", "Bob's own");
    let mut alices = alices;
    assert_refused(
        &alices.sends(&world, "GET", "/sessions").await,
        401,
        "token-invalid",
        "Alice's cookies",
    );
}
