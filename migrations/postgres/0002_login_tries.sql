-- Failed tries at a password in a row, apart for each source that they come from. A login deletes
-- its account's rows, so that there are rows of those alone whose last try failed.
create table login_tries (
    -- A user, or one of a fixed number of stand-ins that names without a user share: what is written
    -- for them must take as long.
    account uuid not null,
    -- The nil uuid for strangers; a device or a session that its owner has logged in with.
    source uuid not null,
    failed integer not null,
    -- Until then no try counts.
    closed_until bigint not null,
    tried_at bigint not null,
    primary key (account, source)
) with (fillfactor = 70);  -- Room on each page for the next versions of its rows.
