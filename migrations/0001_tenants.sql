-- Merchants, what they reach (provider accounts, Odoo instances), and what reaches them (API keys).
--
-- Every primary key starts with merchant_id and every query carries it, so that tables can be distributed by it.
-- Only two small tables come before the merchant is known: api_key (hash -> merchant) and
-- provider_account_route (account -> merchant).

create table merchant (
    merchant_id uuid primary key,
    name        text        not null check (length(name) between 1 and 200),
    created_at  timestamptz not null
);

create table api_key (
    hash        bytea       primary key check (octet_length(hash) = 32),
    merchant_id uuid        not null references merchant,
    id          uuid        not null unique,
    name        text        not null,
    prefix      text        not null,
    live        boolean     not null,
    created_at  timestamptz not null,
    revoked_at  timestamptz
);
comment on column api_key.hash is 'SHA-256 of the whole key; the key itself is nowhere';

create table provider_account (
    merchant_id       uuid        not null references merchant,
    id                uuid        not null,
    provider          text        not null,
    live              boolean     not null,
    external_account  text,
    api_base          text        not null,
    secret_key_sealed bytea       not null,
    publishable_key   text,
    created_at        timestamptz not null,
    primary key (merchant_id, id)
);

create table provider_account_route (
    provider_account_id uuid primary key,
    merchant_id         uuid not null,
    foreign key (merchant_id, provider_account_id) references provider_account
);

create table webhook_secret (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    id                  uuid        not null,
    secret_sealed       bytea       not null,
    created_at          timestamptz not null,
    primary key (merchant_id, provider_account_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account
);
comment on table webhook_secret is 'several per account, so that a secret can be rolled while both are in use';

create table odoo_instance (
    merchant_id    uuid        not null references merchant,
    id             uuid        not null,
    url            text        not null,
    database       text        not null,
    api_key_sealed bytea       not null,
    -- One column, one value: exactly one sink writes an instance's books.
    sink           text        not null default 'rpc' check (sink in ('rpc')),
    books          jsonb       not null,
    paused_until   timestamptz,
    paused_reason  text,
    created_at     timestamptz not null,
    primary key (merchant_id, id),
    unique (merchant_id, url, database)
);
comment on column odoo_instance.paused_until is 'unreachable or our key not accepted: nothing is sent, no attempt is spent';
