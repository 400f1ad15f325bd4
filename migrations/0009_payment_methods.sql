-- Saved payment methods, and what customers need beside them.

create table payment_method (
    merchant_id         uuid        not null references merchant,
    id                  uuid        not null,
    provider_account_id uuid        not null,
    -- Exactly one, for ever: a method that is taken from its customer is never used again.
    customer_id         uuid        not null,
    provider_reference  text        not null,
    -- The provider's word, such as card or sepa_debit; one that came after us is kept as it came.
    kind                text        not null,
    state               text        not null check (state in ('attached', 'detached')),
    brand               text,
    last4               text,
    exp_month           smallint,
    exp_year            smallint,
    bank_code           text,
    country             text,
    -- The provider's id of the mandate that it may be debited under, and what the customer knows it by.
    mandate_id          text,
    mandate_reference   text,
    mandate_url         text,
    mandate_state       text,
    -- When what is held of it was read, so that an older answer never overwrites a newer one.
    read_at             timestamptz not null,
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, customer_id) references customer,
    unique (merchant_id, provider_account_id, provider_reference)
);
create index payment_method_by_customer on payment_method (merchant_id, customer_id, id);
create index payment_method_by_mandate on payment_method (merchant_id, provider_account_id, mandate_id)
    where mandate_id is not null;
comment on table payment_method is 'only what is shown to tell methods apart; no number, no fingerprint, no holder';

alter table customer
    add column metadata jsonb not null default '{}',
    -- The method to take where nobody names one.
    add column default_payment_method_id uuid,
    -- What the provider deduplicates the making of the customer on, where the customer's id is spent: a failure is
    -- stored under it, or the provider may have forgotten it.
    add column creation_key uuid,
    -- Grows with every change; the provider was told of all changes up to told_version.
    add column version bigint not null default 0,
    add column told_version bigint not null default 0,
    add foreign key (merchant_id, default_payment_method_id) references payment_method;
