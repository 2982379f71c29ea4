-- The tables of the Postgres schema of the same number; what they are for is written there. Uuids
-- are blobs of 16 bytes, which sort like Postgres's uuids; JSON is text. Times are whole
-- milliseconds since 1970.

create table log_head (
    one integer primary key default 1 check (one = 1),
    position integer not null default 0 check (position between 0 and 9007199254740991),
    everyone integer not null default 0,
    -- Revocations below this position may be gone. No floor is ever lower.
    pruned integer not null default 0
) strict;
insert into log_head default values;

create table event (
    stream blob not null,
    version integer not null check (version > 0),
    kind text not null,
    format integer not null,
    at integer not null,
    data text not null,
    primary key (stream, version)
) strict, without rowid;

create table revocation (
    position integer primary key,
    at integer not null,
    kind text not null check (kind in ('session', 'user', 'refresh', 'key', 'everyone')),
    subject text not null
) strict;
create index revocation_by_time on revocation (at, position);

create trigger event_update before update on event begin
    select raise(abort, 'the table event is only ever appended to');
end;
create trigger event_delete before delete on event begin
    select raise(abort, 'the table event is only ever appended to');
end;
create trigger revocation_update before update on revocation begin
    select raise(abort, 'the table revocation is only ever appended to');
end;
-- `insert or replace` deletes without asking the triggers above.
create trigger event_replace before insert on event
when exists (select 1 from event where stream = new.stream and version = new.version) begin
    select raise(abort, 'the table event is only ever appended to');
end;
create trigger revocation_replace before insert on revocation
when exists (select 1 from revocation where position = new.position) begin
    select raise(abort, 'the table revocation is only ever appended to');
end;

create table users (
    id blob primary key,
    name text not null unique,
    password_hash text not null,
    version integer not null,
    roles text not null,
    disabled integer not null check (disabled in (0, 1)),
    cut_off integer not null,
    token_cut_off integer not null,
    created_at integer not null
) strict, without rowid;

create table session (
    id blob primary key,
    version integer not null,
    user_id blob not null,
    delivery text not null,
    since integer not null,
    opened_at integer not null,
    generation integer not null,
    rotated_at integer not null,
    retry_key blob,
    expires_at integer not null,
    ends_at integer not null,
    ended_at integer,
    end_reason text,
    end_position integer,
    check ((ended_at is null) = (end_reason is null)),
    check ((end_position is null) = (coalesce(end_reason, 'expired') = 'expired'))
) strict, without rowid;
create index session_open_of_user on session (user_id, id) where ended_at is null;
create index session_overdue on session (min(expires_at, ends_at)) where ended_at is null;

create table session_client (
    session_id blob primary key,
    user_id blob not null,
    ip text,
    user_agent text,
    device text,
    created_at integer not null
) strict, without rowid;
create index session_client_known on session_client (user_id, substr(coalesce(user_agent, ''), 1, 128));

create table signing_key (
    kid text primary key,
    purpose text not null,
    public blob not null,
    sealed blob not null,
    state text not null,
    created_at integer not null,
    state_since integer not null
) strict, without rowid;

create table client (
    name text primary key,
    secret_hash blob not null,
    created_at integer not null
) strict, without rowid;

create table replica (
    id blob primary key,
    beat_at integer not null,
    access_ttl integer not null
) strict, without rowid;

create table verifier_status (
    client text not null,
    instance text not null,
    report text not null,
    seen_at integer not null,
    primary key (client, instance)
) strict, without rowid;
