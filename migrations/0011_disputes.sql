-- Disputes: what a customer's bank takes back or asks about, as the provider tells of it.

create table dispute (
    merchant_id          uuid        not null,
    id                   uuid        not null,
    provider_account_id  uuid        not null,
    -- None where the payment did not start here.
    payment_id           uuid,
    provider_reference   text        not null,
    charge_reference     text,
    payment_reference    text,
    -- Ours, or the provider's own word where it came after us.
    state                text        not null,
    amount_minor         bigint      not null check (amount_minor >= 0),
    currency             text        not null check (currency ~ '^[A-Z]{3}$'),
    reason               text,
    due_at               timestamptz,
    has_evidence         boolean     not null,
    submission_count     bigint      not null check (submission_count >= 0),
    is_charge_refundable boolean     not null,
    -- By the provider's clock.
    opened_at            timestamptz not null,
    version              bigint      not null,
    -- When the last applied read of it began, by the database's clock: events received before then are covered by it.
    read_at              timestamptz,
    created_at           timestamptz not null,
    updated_at           timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, payment_id) references payment,
    unique (merchant_id, provider_account_id, provider_reference)
);
comment on table dispute is 'what is said against one is the provider''s to keep: none of it is here';
create index dispute_by_payment on dispute (merchant_id, payment_id) where payment_id is not null;

alter table payment
    add column disputed_minor bigint not null default 0 check (disputed_minor >= 0);
comment on column payment.disputed_minor is 'what open and lost disputes took; inquiries take nothing';
create index payment_by_charge on payment (merchant_id, provider_account_id, charge_reference)
    where charge_reference is not null;
