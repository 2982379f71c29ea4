//! The statements that read.

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

/// A user by id, and the head in the same snapshot.
macro_rules! find_user {
    () => {
        concat!(
            "select ",
            user_columns!(),
            ", h.position, h.everyone, ",
            now!(),
            " as now from users u cross join log_head h where u.id = $1"
        )
    };
}

pub(super) const USER: &str = find_user!();

/// The same, and locks the user.
pub(super) const LOCK_USER: &str = concat!(find_user!(), " for update of u");

/// A user, and the head in the same snapshot.
pub(super) const USER_BY_NAME: &str = concat!(
    "select ",
    user_columns!(),
    ", h.position, h.everyone, ",
    now!(),
    " as now \
     from users u cross join log_head h where u.name = $1"
);

/// A session, its user, and the head in the same snapshot.
pub(super) const SESSION: &str = concat!(
    "select ",
    found_session_columns!(),
    ", ",
    now!(),
    " as now \
     from session s join users u on u.id = s.user_id cross join log_head h where s.id = $1"
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
