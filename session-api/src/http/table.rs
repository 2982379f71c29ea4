//! Every call of the service, and what the document says of each.

use super::endpoint::{Endpoint, delete, get, post, put};
use super::security::Credential::{
    Access, Client, Follower, Nothing, Operator, Refresh, Registration, Session,
};
use super::{
    admin, cookies, fence, kind, oauth, ops, pages, revocations, session, sessions, users, watch,
};

pub(super) const METRICS: &str = "/metrics";

/// Calls for one purpose.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    calls: fn() -> Vec<Endpoint>,
}

/// All groups, in the order in which a newcomer meets them.
pub(super) const GROUPS: [Group; 7] = [
    Group {
        name: "Session",
        about: "Log in, stay logged in, log out.",
        calls: session_calls,
    },
    Group {
        name: "Sessions",
        about: "What users see of all their sessions, and do about them.",
        calls: sessions_calls,
    },
    Group {
        name: "Account",
        about: "Users and their passwords.",
        calls: account_calls,
    },
    Group {
        name: "Verifiers",
        about: "What a service needs that checks access tokens by itself. Most take the SDK or \
                `verifier-gate`, which call these.",
        calls: verifier_calls,
    },
    Group {
        name: "Operators",
        about: "For users with the role `admin` who have logged in within the last ten minutes.",
        calls: operator_calls,
    },
    Group {
        name: "Operations",
        about: "For machines that run the service.",
        calls: ops_calls,
    },
    Group {
        name: "Pages",
        about: "Pages for people, and this document.",
        calls: pages::endpoints,
    },
];

/// Every call.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let calls = |group: Group| {
        let calls = (group.calls)().into_iter();
        calls.map(move |call| Endpoint {
            group: group.name,
            ..call
        })
    };
    GROUPS.into_iter().flat_map(calls).collect()
}

/// What `--ops-listen` answers.
pub(super) fn ops_calls() -> Vec<Endpoint> {
    vec![
        get("/healthz", ops::healthz)
            .says(
                Nothing,
                "Does the process run?",
                "It asks nobody else: a restart would not mend a database.",
            )
            .asks_nobody(),
        get("/readyz", ops::readyz).says(
            Nothing,
            "Is the service ready?",
            "503 only without the database or the keys. Without its bus it still logs in, \
             refreshes and revokes.",
        ),
        get(METRICS, ops::metrics)
            .says(
                Nothing,
                "Figures for Prometheus",
                "With `--ops-listen` it is on that address alone.",
            )
            .asks_nobody(),
    ]
}

fn session_calls() -> Vec<Endpoint> {
    vec![
        post("/session", session::log_in)
            .says(
                Nothing,
                "Log in",
                "Opens a session. A browser gets both tokens in cookies. An app asks for \
                 `\"delivery\": \"body\"` and gets them in the answer; it then sends \
                 `Authorization: Bearer`. A live session of the same browser ends.\n\nAfter a \
                 hundred failures in a row strangers may try now and then only; a device on \
                 which the user had success before has tries of its own.",
            )
            .gives(&cookies::SET)
            .refuses(&[&kind::BAD_CREDENTIALS, &kind::RATE_LIMITED]),
        get("/session", session::show).says(
            Session,
            "Who am I?",
            "The caller's session and user, by the database, and the value of `X-CSRF-Token` for \
             pages on another subdomain, which cannot read the cookie.",
        ),
        delete("/session", session::log_out)
            .says(
                Session,
                "Log out",
                "Ends the caller's session, at every service at once, and makes a browser forget \
                 its cookies.",
            )
            .header(&fence::PREFER)
            .gives(&fence::APPLIED)
            .gives(&cookies::SET),
        post("/session/refresh", session::refresh)
            .says(
                Refresh,
                "Refresh",
                "A new access token, with the roles of now, and a new session token in the place \
                 of the one that was sent. The answer uses the delivery that was fixed at the \
                 log-in; the token of the other delivery is refused. `Authorization` is not \
                 judged here.\n\nThe session token before the newest is good for ten seconds \
                 more, so that tabs may refresh at once, and gets the same successor. Any older \
                 one was stolen: the session ends.\n\nA session is refreshed 60 times at once, \
                 and then once a second.",
            )
            .header(&session::IDEMPOTENCY_KEY)
            .gives(&cookies::SET)
            .refuses(&[&kind::RATE_LIMITED]),
        get("/session/stream", watch::stream).says(
            Session,
            "Hear of the end of my session",
            "Server-sent events, which tell a browser of the end of its session when it ends. 32 \
             streams a user.",
        ),
        post("/revoke", oauth::revoke)
            .says(
                Nothing,
                "End a session by its token",
                "RFC 7009: a phone's log-out, where its access token has expired. The session \
                 token is the credential, the newest or an older one. A token that is not known \
                 is as good as revoked.",
            )
            .header(&fence::PREFER)
            .gives(&fence::APPLIED)
            .speaks_oauth(),
    ]
}

fn sessions_calls() -> Vec<Endpoint> {
    vec![
        get("/sessions", sessions::list)
            .says(Access, "My sessions", "Those that live, the newest first.")
            .query(&sessions::AFTER),
        delete("/sessions", sessions::end_all)
            .says(
                Access,
                "End my sessions",
                "All of them, or all but the caller's own: then the answer brings a fresh access \
                 token, for the one before is dead like all others. It ends when that would have \
                 ended: a longer one takes a refresh. A session ends all others 60 times at \
                 once, and then once a second.",
            )
            .query(&sessions::KEEP)
            .header(&fence::PREFER)
            .gives(&fence::APPLIED)
            .gives(&cookies::SET)
            .refuses(&[&kind::RATE_LIMITED]),
        delete("/sessions/{id}", sessions::end_one)
            .says(
                Access,
                "End one of my sessions",
                "Its own, or another of the same user. Once more changes nothing, and answers \
                 what was revoked then.",
            )
            .path(&sessions::SESSION)
            .header(&fence::PREFER)
            .gives(&fence::APPLIED)
            .gives(&cookies::SET),
        get("/sessions/{id}/events", sessions::history)
            .says(
                Access,
                "The history of one of my sessions",
                "What happened to it, the oldest first; of sessions that have ended too.",
            )
            .path(&sessions::SESSION)
            .query(&sessions::AFTER_VERSION),
    ]
}

fn account_calls() -> Vec<Endpoint> {
    vec![
        post("/users", users::register)
            .says(
                Registration,
                "Register a user",
                "For everybody with `--open-registration`, else for operators. It logs nobody in.",
            )
            .refuses(&[
                &kind::CONFLICT,
                &kind::PASSWORD_REFUSED,
                &kind::RATE_LIMITED,
            ]),
        put("/password", users::change_password)
            .says(
                Access,
                "Change my password",
                "Ends all other sessions of the user. The caller's own goes on with the fresh \
                 access token of the answer.",
            )
            .header(&fence::PREFER)
            .gives(&fence::APPLIED)
            .gives(&cookies::SET)
            .refuses(&[
                &kind::BAD_CREDENTIALS,
                &kind::CONFLICT,
                &kind::PASSWORD_REFUSED,
                &kind::RATE_LIMITED,
            ]),
    ]
}

fn verifier_calls() -> Vec<Endpoint> {
    vec![
        get("/.well-known/jwks.json", ops::key_set).says(
            Nothing,
            "The public keys",
            "Those by which access tokens and pages are verified: in use, standing by, or \
             retired with tokens that still live.",
        ),
        get("/revocations", revocations::pages)
            .says(
                Follower,
                "Catch up",
                "At most 64 signed pages, one after the other, from `after` or the floor on. \
                 Where the last of them has `\"more\": true`, ask again after its `to`. Above \
                 the head there is one page that holds nothing.",
            )
            .query(&revocations::AFTER),
        get("/revocations/stream", revocations::stream)
            .says(
                Follower,
                "Follow the revocations",
                "Server-sent events: the pages that `after` lacks, then each page as it is made. \
                 A client or an address may hold so many streams, and all together so many.",
            )
            .query(&revocations::AFTER)
            .header(&revocations::LAST_EVENT_ID)
            .refuses(&[&kind::RATE_LIMITED]),
        post("/revocations/status", revocations::report).says(
            Follower,
            "Report what a verifier knows",
            "For verifiers that follow over HTTP: at the start, every two seconds, when the head \
             moves, and at the end. Members that are not known are let pass.",
        ),
        post("/introspect", oauth::introspect)
            .says(
                Client,
                "Does a token count?",
                "RFC 7662: whether an access token counts now, by the database. A session token \
                 never does: nobody but this service takes it.",
            )
            .speaks_oauth(),
    ]
}

fn operator_calls() -> Vec<Endpoint> {
    let revokes = |endpoint: Endpoint| {
        endpoint
            .header(&fence::PREFER)
            .gives(&fence::APPLIED)
            .gives(&cookies::SET)
    };
    vec![
        get("/admin/users", admin::users)
            .says(Operator, "Users", "By name, or the one of a name.")
            .query(&admin::USERNAME)
            .query(&admin::AFTER),
        get("/admin/users/{id}/sessions", admin::list_sessions)
            .says(
                Operator,
                "A user's sessions",
                "Those that live, the newest first.",
            )
            .path(&admin::USER)
            .query(&sessions::AFTER),
        revokes(
            delete("/admin/users/{id}/sessions", admin::end_sessions)
                .says(
                    Operator,
                    "End a user's sessions",
                    "All of them, by one event.",
                )
                .path(&admin::USER),
        ),
        revokes(
            delete("/admin/users/{id}/sessions/{session}", admin::end_session)
                .says(
                    Operator,
                    "End one of a user's sessions",
                    "Once more changes nothing.",
                )
                .path(&admin::USER)
                .path(&admin::SESSION),
        ),
        revokes(
            put("/admin/users/{id}/roles", admin::change_roles)
                .says(
                    Operator,
                    "Change a user's roles",
                    "The sessions live on. Tokens with the roles of before do not, and the \
                     clients' next refresh brings the new ones.",
                )
                .path(&admin::USER),
        ),
        revokes(
            post("/admin/users/{id}/disable", admin::disable)
                .says(
                    Operator,
                    "Disable a user",
                    "Ends all sessions of the user, who can log in no longer.",
                )
                .path(&admin::USER),
        ),
        post("/admin/users/{id}/enable", admin::enable)
            .says(
                Operator,
                "Enable a user",
                "The user can log in again. Nothing is revoked.",
            )
            .path(&admin::USER),
        revokes(delete("/admin/sessions", admin::end_everyone).says(
            Operator,
            "End everyone's sessions",
            "The caller's too, by one event. Everybody logs in again.",
        )),
        get("/admin/verifiers", admin::verifiers).says(
            Operator,
            "The verifiers",
            "Every running verifier that was heard of lately: how fresh its view is, and how far \
             behind.",
        ),
    ]
}
