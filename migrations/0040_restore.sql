-- A database that was put back knows less than its providers. It notices by itself, and nothing moves money until it was told again.

-- Which database this is. A cluster that was restored or promoted is on another timeline, a dump is in another cluster, database or
-- table: one of the four differs. What a managed Postgres does not tell is left out, and then `quittance restore begin` says it.
create function quittance_incarnation() returns text language plpgsql stable as $$
declare
    cluster text := '-';
    timeline text := '-';
begin
    begin
        cluster := (pg_control_system()).system_identifier;
    exception when insufficient_privilege or undefined_function or feature_not_supported then null;
    end;
    begin
        -- Of the file that is written to: the last checkpoint's is behind after a promotion.
        timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    exception when insufficient_privilege or undefined_function or feature_not_supported then null;
    end;
    return concat_ws('/', cluster, timeline, (select oid from pg_database where datname = current_database()),
        'incarnation'::regclass::oid);
end $$;

-- What the database held itself for, and until when it surely was that: what stands in it after a restore is the restore point.
create table incarnation (
    only_one boolean     primary key default true check (only_one),
    identity text        not null,
    seen_at  timestamptz not null default clock_timestamp()
);
comment on table incarnation is 'which database the service last found; another one was put back, and is fenced';

create table restore (
    id           bigint      generated always as identity primary key,
    began_at     timestamptz not null default clock_timestamp(),
    -- From when on the database may lack what its providers did.
    point        timestamptz not null,
    cause        text        not null check (cause <> ''),
    -- When every account had its row: until then nobody may move money.
    enrolled_at  timestamptz,
    finished_at  timestamptz,
    finished_because text,
    check ((finished_at is null) = (finished_because is null))
);
create unique index restore_unfinished on restore ((finished_at is null)) where finished_at is null;
comment on table restore is 'each time that the database was put back, and what came of it';
grant select, insert, update on incarnation, restore to quittance_app;
grant select (id, enrolled_at, finished_at) on restore to quittance_dispatch;

create table restore_account (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    restore_id          bigint      not null references restore,
    -- From when on the provider is asked.
    since               timestamptz not null,
    -- What is being read of it, and where that stands, in the provider's words.
    shelf               text        not null default 'pages' check (shelf in ('pages', 'payments', 'refunds', 'events')),
    next                text,
    due_at              timestamptz,
    fence               bigint      not null default 0,
    -- How many rows were written again.
    rewritten           integer     not null default 0,
    taken_in_at         timestamptz,
    lifted_at           timestamptz,
    last_error          text,
    primary key (merchant_id, provider_account_id, restore_id),
    foreign key (merchant_id, provider_account_id) references provider_account
);
create index restore_account_due on restore_account (due_at) where due_at is not null;
create index restore_account_fenced on restore_account (restore_id, merchant_id) where lifted_at is null;
comment on table restore_account is 'how far an account''s provider has told again what a restore lost';
select quittance_protect('restore_account', 'select, insert, update');
select quittance_dispatch('restore_account',
    'merchant_id, provider_account_id, restore_id, since, shelf, next, due_at, fence, taken_in_at, lifted_at', 'due_at, fence');

-- Whether nothing may move money for a merchant. Asked in the transaction that would begin it.
create function quittance_is_fenced(of uuid) returns boolean language sql stable as $$
    select exists (
        select from restore where finished_at is null and (enrolled_at is null or exists (
            select from restore_account account
            where account.restore_id = restore.id and account.merchant_id = of and account.lifted_at is null)))
    or coalesce((select identity <> quittance_incarnation() from incarnation), false)
$$;

-- The request that an operation was asked for with: the hash of its key and its fingerprint, 32 bytes each. The provider keeps it with
-- the object, so that the repeated request is the same one even for a database that forgot it. None where nobody asked.
alter table operation add column asked bytea check (octet_length(asked) = 64);
