-- Where providers send their webhooks: the endpoints that we registered ourselves.
--
-- A row is written before the provider is asked, and its id is the key of that request: an endpoint whose secret was lost,
-- since we died before storing it, is found by it. An endpoint made by hand has no row here, only its secret.

create table webhook_endpoint (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    id                  uuid        not null,
    state               text        not null check (state in ('creating', 'active', 'retiring')),
    url                 text        not null,
    provider_reference  text,
    secret_id           uuid,
    retire_at           timestamptz,
    created_at          timestamptz not null,
    primary key (merchant_id, provider_account_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, provider_account_id, secret_id) references webhook_secret,
    check ((state = 'creating') = (provider_reference is null)),
    check ((state = 'creating') = (secret_id is null)),
    check ((state = 'retiring') = (retire_at is not null))
);
comment on column webhook_endpoint.retire_at is 'until then it overlaps with the one that took its place; then it is deleted at the provider, and its secret here';

-- Whoever asks at the same time asks for the same.
create unique index webhook_endpoint_creating on webhook_endpoint (merchant_id, provider_account_id) where state = 'creating';
create unique index webhook_endpoint_active on webhook_endpoint (merchant_id, provider_account_id) where state = 'active';
create index webhook_endpoint_retiring on webhook_endpoint (retire_at) where state = 'retiring';
