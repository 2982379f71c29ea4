-- For `log tail`, which asks for the events of the last moments. Events lie in the table nearly in the
-- order of their times, so it is enough to know which times each megabyte holds: an insert writes nothing
-- here, where an entry for each event would add a seventh to the WAL and to the time of it.
--
-- While this runs, nothing is appended to the log: about a second for four million events. Where that is
-- too long, make the index before the upgrade with `create index concurrently`, and it is found here.
create index if not exists event_by_time on event using brin (at) with (autosummarize = on);
