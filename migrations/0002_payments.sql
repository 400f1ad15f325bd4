-- Payments, the operations that move them, and what came of them.

create table payment (
    merchant_id          uuid        not null references merchant,
    id                   uuid        not null,
    provider_account_id  uuid        not null,
    odoo_instance_id     uuid,
    reference            text        not null,
    amount_minor         bigint      not null check (amount_minor > 0),
    currency             text        not null check (currency ~ '^[A-Z]{3}$'),
    capture_method       text        not null check (capture_method in ('automatic', 'manual')),
    state                text        not null check (state in ('created', 'requires_action', 'processing',
                                         'authorized', 'captured', 'failed', 'canceled', 'unknown')),
    authorized_minor     bigint      not null default 0 check (authorized_minor >= 0),
    captured_minor       bigint      not null default 0 check (captured_minor >= 0),
    refunded_minor       bigint      not null default 0 check (refunded_minor >= 0),
    provider_reference   text,
    charge_reference     text,
    client_secret_sealed bytea,
    next_action          jsonb,
    decline              jsonb,
    settles              jsonb       not null default '[]',
    description          text,
    metadata             jsonb       not null default '{}',
    version              bigint      not null default 0,
    -- When the last applied read of it began, by the database's clock: events received before then are covered by it.
    read_at              timestamptz,
    created_at           timestamptz not null,
    updated_at           timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, odoo_instance_id) references odoo_instance,
    check (refunded_minor <= captured_minor),
    unique (merchant_id, provider_account_id, provider_reference)
);
-- One living payment per reference; one that failed or was canceled leaves the reference free.
create unique index payment_living_reference on payment (merchant_id, provider_account_id, reference)
    where state not in ('failed', 'canceled');
create index payment_by_reference on payment (merchant_id, reference, id);

create table operation (
    merchant_id         uuid        not null,
    id                  uuid        not null,
    payment_id          uuid        not null,
    provider_account_id uuid        not null,
    kind                text        not null check (kind in ('authorize', 'capture', 'cancel', 'refund')),
    amount_minor        bigint      not null check (amount_minor > 0),
    state               text        not null check (state in ('pending', 'retryable', 'unknown', 'succeeded',
                                        'declined', 'refused')),
    payment_method      text,
    return_url          text,
    attempts            integer     not null default 0,
    first_sent_at       timestamptz not null,
    -- When someone may take it up: the end of the lease while pending, the next attempt while unknown.
    due_at              timestamptz,
    look_up             boolean     not null default false,
    fence               bigint      not null default 1,
    error_code          text,
    error_message       text,
    created_at          timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, payment_id) references payment,
    check ((state in ('pending')) <= (due_at is not null)),
    check ((state in ('retryable', 'succeeded', 'declined', 'refused')) <= (due_at is null))
);
create index operation_by_payment on operation (merchant_id, payment_id);
create index operation_due on operation (due_at) where due_at is not null;

create table refund (
    merchant_id         uuid        not null,
    id                  uuid        not null,
    payment_id          uuid        not null,
    operation_id        uuid,
    provider_account_id uuid        not null,
    amount_minor        bigint      not null check (amount_minor > 0),
    state               text        not null check (state in ('pending', 'succeeded', 'failed', 'canceled')),
    provider_reference  text        not null,
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, payment_id) references payment,
    unique (merchant_id, provider_account_id, provider_reference)
);
create index refund_by_payment on refund (merchant_id, payment_id);

-- The provider's ledger lines: facts, written once.
create table balance_transaction (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    id                  text        not null,
    payment_id          uuid,
    kind                text        not null,
    source              text,
    amount_minor        bigint      not null,
    fee_minor           bigint      not null,
    net_minor           bigint      not null,
    currency            text        not null,
    created_at          timestamptz not null,
    primary key (merchant_id, provider_account_id, id),
    check (net_minor = amount_minor - fee_minor)
);

-- Differences that a person must see.
create table exception (
    merchant_id uuid        not null references merchant,
    id          uuid        not null,
    kind        text        not null,
    payment_id  uuid,
    subject     text        not null,
    detail      text        not null,
    opened_at   timestamptz not null,
    primary key (merchant_id, id),
    unique (merchant_id, kind, subject)
);
comment on column exception.subject is 'what it is about; the same difference is opened once';
