-- Times are whole milliseconds since 1970 in a bigint, here as in SQLite, in pages and in tokens:
-- one form everywhere, which no time zone and no rounding between programs can change.
--
-- There are no foreign keys: rows refer to users, who are never deleted, and a key would lock the
-- user's row at every login and stand in the way of a rebuild of the session rows.

-- The head of the log: one row, locked by whoever revokes.
create table log_head (
    one boolean primary key default true check (one),
    position bigint not null default 0 check (position between 0 and 9007199254740991),
    -- The position before the last one taken, for the answer of the statement that takes it.
    previous bigint not null default 0,
    -- The cut-off of everyone.
    everyone bigint not null default 0,
    -- Revocations below this position may be gone. No floor is ever lower, or a page would claim to
    -- hold what a clock that was set back has made young again.
    pruned bigint not null default 0,
    -- Which database wrote the head. They change when a standby takes over. Reading them takes
    -- EXECUTE on pg_control_system(), pg_walfile_name(pg_lsn) and pg_current_wal_insert_lsn(),
    -- which everyone has unless it was revoked.
    system_identifier bigint,
    timeline text
);
insert into log_head default values;

-- The source of truth. An event is named by its place: it needs no id of its own.
create table event (
    stream uuid not null,
    version bigint not null check (version > 0),
    kind text not null,
    -- The version of the form of `data`.
    format smallint not null,
    at bigint not null,
    data jsonb not null,
    primary key (stream, version)
);

-- What pages are cut from: the revocations among the events, written in the same transaction.
create table revocation (
    position bigint primary key,
    at bigint not null,
    kind text not null check (kind in ('session', 'user', 'refresh', 'key', 'everyone')),
    -- Whose: an id, the name of a key, or nothing.
    subject text not null
);
-- For the floor.
create index revocation_by_time on revocation (at, position);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the table % is only ever appended to', tg_table_name
        using errcode = 'restrict_violation';
end
$$;
create trigger append_only before update or delete or truncate on event
    for each statement execute function refuse_change();
-- Old revocations are deleted when no page needs them.
create trigger append_only before update or truncate on revocation
    for each statement execute function refuse_change();

-- Names and password hashes are here and never in an event.
create table users (
    id uuid primary key,
    -- Ordered by code point, as in SQLite, whatever the locale of the database is.
    name text collate "C" not null unique,
    password_hash text not null,
    version bigint not null,
    roles jsonb not null,
    disabled boolean not null,
    cut_off bigint not null,
    token_cut_off bigint not null,
    created_at bigint not null
);

-- The fold of each session's stream.
create table session (
    id uuid primary key,
    version bigint not null,
    user_id uuid not null,
    delivery text not null,
    since bigint not null,
    opened_at bigint not null,
    generation bigint not null,
    rotated_at bigint not null,
    retry_key bytea,
    expires_at bigint not null,
    ends_at bigint not null,
    ended_at bigint,
    -- 'expired', or why it was revoked.
    end_reason text,
    end_position bigint,
    check ((ended_at is null) = (end_reason is null)),
    check ((end_position is null) = (coalesce(end_reason, 'expired') = 'expired'))
);
create index session_open_of_user on session (user_id, id) where ended_at is null;
create index session_overdue on session (least(expires_at, ends_at)) where ended_at is null;

-- Personal, so it can be erased. It stands for itself: a rebuild of the session rows must not lose it.
create table session_client (
    session_id uuid primary key,
    user_id uuid not null,
    ip text,
    user_agent text,
    device text,
    created_at bigint not null
);
-- Whether a user has come with this user agent before. An index takes no long texts.
create index session_client_known on session_client (user_id, (left(coalesce(user_agent, ''), 128)));

create table signing_key (
    kid text primary key,
    purpose text not null,
    public bytea not null,
    sealed bytea not null,
    state text not null,
    created_at bigint not null,
    state_since bigint not null
);

create table client (
    name text collate "C" primary key,
    secret_hash bytea not null,
    created_at bigint not null
);

-- The replicas of the service. Each writes its row when it cuts.
create table replica (
    id uuid primary key,
    beat_at bigint not null,
    -- In milliseconds. The floor waits for the longest.
    access_ttl bigint not null
);

-- The last report of each verifier that reports over HTTP.
create table verifier_status (
    client text not null,
    instance text not null,
    report jsonb not null,
    seen_at bigint not null,
    primary key (client, instance)
);
