-- Customers: one per partner of Odoo's and provider account.

create table customer (
    merchant_id         uuid        not null references merchant,
    id                  uuid        not null,
    provider_account_id uuid        not null,
    -- The caller's own, stable name of the partner: never empty, never reused for somebody else.
    partner             text        not null,
    -- The provider's id (cus_...), once it is known. The row is there before the provider is asked, and its id is the
    -- provider's idempotency key: two requests at once make one customer.
    provider_reference  text,
    name                text,
    email               text,
    phone               text,
    first_sent_at       timestamptz not null,
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    unique (merchant_id, provider_account_id, partner),
    unique (merchant_id, provider_account_id, provider_reference)
);
