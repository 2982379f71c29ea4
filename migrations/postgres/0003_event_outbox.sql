-- Events that the stream for other programs has yet to acknowledge. Who has published one deletes its
-- row; without NATS rows are pruned at the age at which the stream would drop the event.
create table event_outbox (
    stream uuid not null,
    version bigint not null,
    -- The event's own time.
    at bigint not null,
    -- 0, or the number of the refill that it was put here for.
    refill bigint not null default 0,
    primary key (stream, version)
);
create index event_outbox_by_time on event_outbox (at);

-- Whoever appends an event puts it here, in the same statement: a trigger cannot be forgotten, and works
-- for the replicas of the version before, which go on while and after this runs. They may not have been
-- granted this table yet, so it is written with the rights of its owner.
--
-- Refreshes are most of all events and few want them, so they are left out unless the connection says
-- otherwise: for them this is one comparison.
create function put_in_outbox() returns trigger language plpgsql
    security definer set search_path from current as $$
begin
    insert into event_outbox (stream, version, at) values (new.stream, new.version, new.at);
    return null;
end
$$;
revoke execute on function put_in_outbox() from public;
create trigger put_in_outbox after insert on event for each row
    when (new.kind <> 'session.refreshed'
          or current_setting('portcullis.publish_refreshed', true) = 'on')
    execute function put_in_outbox();

-- Which replica publishes, and what it knows of the stream.
create table event_publisher (
    one boolean primary key default true check (one),
    holder uuid,
    -- Until then nobody else publishes.
    held_until bigint not null default 0,

    -- The stream as it was last seen. `incarnation` is nothing until one was.
    incarnation bigint,
    last_sequence bigint not null default 0,
    -- The oldest event in it; nothing where it was empty.
    first_sequence bigint,
    first_at bigint,

    -- How often events were put in the outbox again because the stream had lost them.
    refills bigint not null default 0,
    -- A refill under way: events of this time and later, from the one after this place on.
    refill_since bigint,
    refill_stream uuid,
    refill_version bigint,
    check (num_nulls(refill_since, refill_stream, refill_version) in (0, 3))
);
insert into event_publisher default values;
