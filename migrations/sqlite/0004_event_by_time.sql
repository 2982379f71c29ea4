-- See the Postgres migration of the same number. Here the events lie in the order of their streams, and
-- each has an entry, at the index's end.
create index event_by_time on event (at);
