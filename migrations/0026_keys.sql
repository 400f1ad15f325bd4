-- Keys that end, are bound to networks and say when they were used; operators' keys; and what tells every replica that one changed.

alter table api_key
    add column expires_at   timestamptz,
    add column networks     text[] not null default '{}',
    add column last_used_at timestamptz,
    -- Which key took its place, where it was rolled.
    add column rolled_to    uuid;
comment on column api_key.networks is 'where it may be used from; none stands for everywhere';
comment on column api_key.last_used_at is 'to the minute, and written a little later';
comment on column api_key.scopes is 'what it may do: each route wants one; words that a version does not know give nothing';
create index api_key_by_merchant on api_key (merchant_id, id);

-- Until now a key could do payments without a scope. Keys that exist keep what they could do.
update api_key
set scopes = scopes || '{payments:read,payments:write,payments:capture,refunds:write,payouts:read}'::text[]
    || case when 'exceptions:write' = any (scopes) then '{reconciliation:write}'::text[] else '{}'::text[] end;
alter table api_key alter column scopes set default '{}';

-- Operators administer all merchants and belong to none.
create table operator_key (
    id           uuid        primary key,
    hash         bytea       not null unique check (octet_length(hash) = 32),
    name         text        not null check (length(name) between 1 and 200),
    prefix       text        not null,
    networks     text[]      not null default '{}',
    created_at   timestamptz not null,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
comment on table operator_key is 'of no merchant: whose keys may set up any';

-- Replicas remember keys, and look at this number a few times a second: whoever changes what a key may do raises it in the same
-- transaction. Its row is held until that commits, so that a number that was seen stands for all that was changed before it.
create table key_epoch (
    single boolean primary key default true check (single),
    number bigint  not null
);
insert into key_epoch (number) values (1);

create function raise_key_epoch() returns trigger language plpgsql as $$
begin
    update key_epoch set number = number + 1;
    return null;
end $$;

create trigger api_key_changed
    after update of hash, merchant_id, live, scopes, networks, expires_at, revoked_at or delete on api_key
    for each statement execute function raise_key_epoch();
create trigger operator_key_changed
    after update of hash, networks, expires_at, revoked_at or delete on operator_key
    for each statement execute function raise_key_epoch();
