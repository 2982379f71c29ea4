//! The statements that read.

use super::listen::channel;
use crate::store::statements::{alive, found_session_columns, session_columns, user_columns};

/// Milliseconds since 1970, rounded down: never later than it is.
macro_rules! now {
    () => {
        "floor(extract(epoch from transaction_timestamp()) * 1000)::bigint"
    };
}

pub(super) use now;

pub(super) const HEAD: &str = concat!(
    "select position, everyone, ",
    now!(),
    " as now from log_head"
);

pub(super) const NOTIFY: &str = concat!("select pg_notify('", channel!(), "', $1)");

/// Users by `$1`, and the head in the same snapshot.
macro_rules! find_users {
    ($by:literal) => {
        concat!(
            "select ",
            user_columns!(),
            ", h.position, h.everyone, ",
            now!(),
            " as now from users u cross join log_head h where ",
            $by
        )
    };
}

pub(super) const USER_BY_NAME: &str = find_users!("u.name = $1");

pub(super) const USERS: &str = find_users!("u.id = any($1)");

/// The same, and locks the users in the order of the answer.
pub(super) const LOCK_USERS: &str = find_users!("u.id = any($1) order by u.id for update of u");

pub(super) const USER: &str = find_users!("u.id = $1");

/// Sessions by `$1`, their users, and the head in the same snapshot.
macro_rules! find_sessions {
    ($by:literal) => {
        concat!(
            "select ",
            found_session_columns!(),
            ", ",
            now!(),
            " as now \
             from session s join users u on u.id = s.user_id cross join log_head h where ",
            $by
        )
    };
}

pub(super) const SESSION: &str = find_sessions!("s.id = $1");

pub(super) const SESSIONS: &str = find_sessions!("s.id = any($1)");

/// The same, and locks the sessions in the order of the answer. Where a row has to be waited for, it
/// alone is read again: user and head stay those of the snapshot, which is right, for a `pos` may be
/// too old and never too new.
pub(super) const LOCK_SESSIONS: &str =
    find_sessions!("s.id = any($1) order by s.id for update of s");

/// A user's sessions beyond the newest ones.
pub(super) const SESSIONS_BEYOND: &str = concat!(
    "select s.id from session s join users u on u.id = s.user_id cross join log_head h \
     where s.user_id = $1 and ",
    alive!(now!()),
    " order by s.id desc offset $2"
);

/// A user's sessions, with what is known of their clients, the newest first.
pub(super) const ALIVE_SESSIONS: &str = concat!(
    "select ",
    session_columns!(),
    ", c.ip, c.user_agent, c.device \
     from session s join users u on u.id = s.user_id cross join log_head h \
     left join session_client c on c.session_id = s.id \
     where s.user_id = $1 and s.id < $2 and ",
    alive!(now!()),
    " order by s.id desc limit $3"
);

/// By the slot, which is indexed, and then by the time itself.
pub(super) const OVERDUE_SESSIONS: &str = concat!(
    "select id from session \
     where ended_at is null and overdue_slot <= ",
    now!(),
    " / 14400000 and least(expires_at, ends_at) <= ",
    now!(),
    " order by least(expires_at, ends_at) limit $1"
);

/// As the last ANALYZE guessed, where there was one: counting reads the whole table.
pub(super) const COUNT_EVENTS: &str = "select case when reltuples > 0 then reltuples::bigint \
                               else (select count(*) from event) end \
                   from pg_class where oid = 'event'::regclass";
