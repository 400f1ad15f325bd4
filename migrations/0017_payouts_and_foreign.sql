-- What goes on at an account beside the payments that start here: payouts, its own standing, payments made elsewhere.

create table payout (
    merchant_id                 uuid        not null,
    id                          uuid        not null,
    provider_account_id         uuid        not null,
    provider_reference          text        not null,
    -- Ours, or the provider's own word where it came after us.
    state                       text        not null,
    -- Negative where the account owed the provider.
    amount_minor                bigint      not null,
    currency                    text        not null check (currency ~ '^[A-Z]{3}$'),
    is_automatic                boolean     not null,
    method                      text,
    destination_kind            text,
    arrives_on                  date,
    -- The provider's word for whether its ledger lines are complete.
    reconciliation              text,
    failure_code                text,
    failure_message             text,
    balance_transaction         text,
    -- The line by which a payout that failed came back.
    failure_balance_transaction text,
    -- By the provider's clock.
    opened_at                   timestamptz not null,
    version                     bigint      not null,
    -- When the last applied read of it began, by the database's clock: events received before then are covered by it.
    read_at                     timestamptz,
    created_at                  timestamptz not null,
    updated_at                  timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    unique (merchant_id, provider_account_id, provider_reference)
);
comment on table payout is 'money on its way from an account at a provider to the merchant''s bank, or back';

create table account_standing (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- None where the provider did not say.
    charges_enabled     boolean,
    payouts_enabled     boolean,
    due_count           integer     check (due_count >= 0),
    disabled_reason     text,
    country             text,
    default_currency    text,
    -- By the provider's clock: of which moment all this is.
    told_at             timestamptz,
    -- By the provider's clock: since when our calls for it are not taken.
    deauthorized_at     timestamptz,
    updated_at          timestamptz not null,
    primary key (merchant_id, provider_account_id),
    foreign key (merchant_id, provider_account_id) references provider_account
);
comment on table account_standing is 'what an account may do, as its provider tells; nothing of who stands behind it';

create table foreign_payment (
    merchant_id         uuid        not null,
    id                  uuid        not null,
    provider_account_id uuid        not null,
    provider_reference  text        not null,
    -- Ours, or the provider's own word where it came after us.
    state               text        not null,
    amount_minor        bigint      not null,
    captured_minor      bigint      not null,
    refunded_minor      bigint      not null,
    currency            text        not null check (currency ~ '^[A-Z]{3}$'),
    charge_reference    text,
    description         text,
    -- By the provider's clock.
    opened_at           timestamptz not null,
    captured_at         timestamptz,
    -- The payment that it turned out to belong to, once that is known.
    payment_id          uuid,
    version             bigint      not null,
    -- When the last applied read of it began, by the database's clock: events received before then are covered by it.
    read_at             timestamptz not null,
    first_seen_at       timestamptz not null,
    last_seen_at        timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, payment_id) references payment,
    unique (merchant_id, provider_account_id, provider_reference)
);
comment on table foreign_payment is
    'payments at the provider that did not start here; a row whose reference a payment of ours has taken does not count';
