-- See the Postgres migration of the same number. Refreshes are put in the outbox by the program, where
-- they are published: a trigger cannot ask who writes.
create table event_outbox (
    stream blob not null,
    version integer not null,
    at integer not null,
    refill integer not null default 0,
    primary key (stream, version)
) strict, without rowid;
create index event_outbox_by_time on event_outbox (at);

create trigger put_in_outbox after insert on event when new.kind <> 'session.refreshed' begin
    insert into event_outbox (stream, version, at) values (new.stream, new.version, new.at);
end;

create table event_publisher (
    one integer primary key default 1 check (one = 1),
    holder blob,
    held_until integer not null default 0,
    incarnation integer,
    last_sequence integer not null default 0,
    first_sequence integer,
    first_at integer,
    refills integer not null default 0,
    refill_since integer,
    refill_stream blob,
    refill_version integer
) strict;
insert into event_publisher default values;
