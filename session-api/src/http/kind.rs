//! The types of problems, one for each thing that a client can do about it. What is answered and what
//! the document says are both made of these.

use super::schemas::Schemas;
use crate::password::Refused;
use schemars::{Schema, json_schema};
use serde_json::{Value, json};
use verifier_sdk::problem::Problem;

/// A type of problem, `urn:portcullis:<slug>`.
pub(super) struct Kind {
    pub(super) slug: &'static str,
    pub(super) status: u16,
    /// The same for every problem of the type (RFC 9457, section 3.1.3).
    pub(super) title: &'static str,
    /// When it is answered, and what the client does then.
    pub(super) about: &'static str,
    /// What there is beside the members that every problem has.
    members: &'static [Member],
}

/// A member that problems of one type have.
struct Member {
    name: &'static str,
    about: &'static str,
    always: bool,
    schema: fn(&mut Schemas) -> Schema,
}

/// Every type. Those of verifiers are for who calls a service behind this one.
pub(super) static ALL: [&Kind; 19] = [
    &BAD_REQUEST,
    &TOKEN_MISSING,
    &TOKEN_INVALID,
    &SESSION_ENDED,
    &BAD_CREDENTIALS,
    &STEP_UP,
    &CSRF,
    &FORBIDDEN,
    &NOT_FOUND,
    &METHOD,
    &CONFLICT,
    &TOO_LARGE,
    &MEDIA_TYPE,
    &PASSWORD_REFUSED,
    &RATE_LIMITED,
    &INTERNAL,
    &OVERLOADED,
    &VERIFIER_STALE,
    &VERIFIER_STARTING,
];

pub(super) static BAD_REQUEST: Kind = Kind::new(
    "bad-request",
    400,
    "The request is not understood.",
    "A query parameter that the call does not know or that stands twice, a body that is not as \
     described, or two credentials where one is meant. `detail` says which. Mend the request.",
);

pub(super) static TOKEN_MISSING: Kind = Kind::new(
    "token-missing",
    401,
    "An access token is needed.",
    "No credential was sent. Refresh once, and repeat the call once.",
);

pub(super) static TOKEN_INVALID: Kind = Kind::new(
    "token-invalid",
    401,
    "The access token is not accepted.",
    "It is expired, malformed or revoked, or its user has other roles by now: one answer for all \
     of them. Refresh once, and repeat the call once.",
);

pub(super) static SESSION_ENDED: Kind = Kind::new(
    "session-ended",
    401,
    "The session has ended.",
    "It is expired or was revoked, or its token was used twice. Log in.",
);

pub(super) static BAD_CREDENTIALS: Kind = Kind::new(
    "bad-credentials",
    401,
    "The credentials are not accepted.",
    "Unknown name, wrong password or secret, disabled user: nobody is told which. Ask again.",
)
.members(&[Member {
    name: "error",
    about: "Where a client credential was wanted, what OAuth calls it.",
    always: false,
    schema: |_| json_schema!({ "type": "string", "const": "invalid_client" }),
}]);

pub(super) static STEP_UP: Kind = Kind::new(
    "step-up",
    401,
    "This call needs a recent log-in.",
    "The password was given too long ago for what operators may do (RFC 9470). Log in again, and \
     repeat the call.",
)
.members(&[Member {
    name: "max_age",
    about: "So many seconds ago it may have been.",
    always: true,
    schema: |schemas| schemas.of_answer::<u64>(),
}]);

pub(super) static CSRF: Kind = Kind::new(
    "csrf",
    403,
    "The request did not prove that it comes from the application's own page.",
    "A page of another origin sent it, or a cookie authenticates it and `X-CSRF-Token` is \
     missing or another session's. Take `csrf_token` from `GET /session`, and repeat the call \
     once.",
);

pub(super) static FORBIDDEN: Kind = Kind::new(
    "forbidden",
    403,
    "Not allowed.",
    "The user lacks the role `admin`. Give up.",
);

pub(super) static NOT_FOUND: Kind = Kind::new(
    "not-found",
    404,
    "There is nothing here.",
    "There is no such path or thing, or it is somebody else's.",
);

pub(super) static METHOD: Kind = Kind::new(
    "method",
    405,
    "This path does not take this method.",
    "`Allow` names those that it takes. Mend the request.",
);

pub(super) static CONFLICT: Kind = Kind::new(
    "conflict",
    409,
    "It cannot be done as things are.",
    "The user name is taken, or the password was changed by another call meanwhile. `detail` says \
     which.",
);

pub(super) static TOO_LARGE: Kind = Kind::new(
    "too-large",
    413,
    "The body is too large.",
    "A body has 16 KiB at most.",
);

pub(super) static MEDIA_TYPE: Kind = Kind::new(
    "media-type",
    415,
    "The body is not of the type that this call takes.",
    "`detail` names the type. A body comes without a content encoding.",
);

pub(super) static PASSWORD_REFUSED: Kind = Kind::new(
    "password-refused",
    422,
    "The new password is not taken.",
    "Too short, too long, or soon guessed. `detail` says it for people, `reason` for programs. \
     Choose another.",
)
.members(&[Member {
    name: "reason",
    about: "Why, for programs: a page says it in its user's language.",
    always: true,
    schema: |schemas| schemas.of_answer::<Refused>(),
}]);

pub(super) static RATE_LIMITED: Kind = Kind::new(
    "rate-limited",
    429,
    "Too many attempts.",
    "Wait for as long as `Retry-After` says.",
);

pub(super) static INTERNAL: Kind = Kind::new(
    "internal",
    500,
    "Something went wrong.",
    "The service's own fault; its log has the cause, under the `X-Request-Id` of the answer.",
);

pub(super) static OVERLOADED: Kind = Kind::new(
    "overloaded",
    503,
    "The service cannot answer at the moment.",
    "Too much to do, or the database does not answer. Nothing was done, and nobody is logged out \
     by it: wait for as long as `Retry-After` says, and repeat the call.",
)
.members(&[
    readiness("database"),
    readiness("keys"),
    readiness("bus"),
    readiness("events"),
]);

pub(super) static VERIFIER_STALE: Kind = Kind::new(
    "verifier-stale",
    503,
    "Access tokens cannot be checked at the moment.",
    "Of services behind this one: their verifier does not know the newest revocations. Nobody is \
     logged out by it: wait for as long as `Retry-After` says, and repeat the call.",
);

pub(super) static VERIFIER_STARTING: Kind = Kind::new(
    "verifier-starting",
    503,
    "Access tokens cannot be checked yet.",
    "The same, before their verifier has its first page.",
);

const fn readiness(name: &'static str) -> Member {
    Member {
        name,
        about: "Of `GET /readyz`: what that answers too where all is well.",
        always: false,
        schema: |schemas| schemas.of_answer::<String>(),
    }
}

impl Kind {
    const fn new(
        slug: &'static str,
        status: u16,
        title: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            slug,
            status,
            title,
            about,
            members: &[],
        }
    }

    const fn members(self, members: &'static [Member]) -> Self {
        Self { members, ..self }
    }

    /// One problem of the type.
    pub(super) fn problem(&self) -> Problem {
        Problem::new(self.slug, self.status, self.title)
    }

    /// The name of its schema, and of the answer that is this problem alone.
    pub(super) fn component(&self) -> String {
        format!("problem-{}", self.slug)
    }

    pub(super) fn schema(&self, schemas: &mut Schemas) -> Value {
        let mut properties = json!({
            "type": { "const": format!("urn:portcullis:{}", self.slug), "description": "The type." },
            "title": { "const": self.title, "description": "The same for every problem of the \
                                                            type." },
            "status": { "const": self.status, "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What is wrong with this request." },
        });
        let mut required = vec!["type", "title", "status"];
        for member in self.members {
            let mut schema = (member.schema)(schemas);
            schema.insert("description".to_owned(), member.about.into());
            properties[member.name] = schema.to_value();
            if member.always {
                required.push(member.name);
            }
        }
        json!({
            "type": "object",
            "description": self.about,
            "properties": properties,
            "required": required,
        })
    }
}
