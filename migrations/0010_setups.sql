-- Setups: a customer leaves a payment method for later, without a charge.

create table setup (
    merchant_id          uuid        not null references merchant,
    -- Also what the provider deduplicates on.
    id                   uuid        not null,
    provider_account_id  uuid        not null,
    customer_id          uuid        not null,
    state                text        not null check (state in ('created', 'requires_action', 'processing',
                                         'succeeded', 'failed', 'canceled')),
    usage                text        not null check (usage in ('off_session', 'on_session')),
    provider_reference   text,
    client_secret_sealed bytea,
    next_action          jsonb,
    decline              jsonb,
    -- What was saved, once something is.
    payment_method_id    uuid,
    version              bigint      not null default 0,
    first_sent_at        timestamptz not null,
    created_at           timestamptz not null,
    updated_at           timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, customer_id) references customer,
    foreign key (merchant_id, payment_method_id) references payment_method,
    unique (merchant_id, provider_account_id, provider_reference)
);
create index setup_by_customer on setup (merchant_id, customer_id);
