-- See the Postgres migration of the same number.
create table login_tries (
    account blob not null,
    source blob not null,
    failed integer not null,
    closed_until integer not null,
    tried_at integer not null,
    primary key (account, source)
) strict, without rowid;
