-- Pages of the provider's on which a payment is paid.

create table checkout_session (
    merchant_id         uuid        not null,
    id                  uuid        not null,
    payment_id          uuid        not null,
    provider_account_id uuid        not null,
    state               text        not null check (state in ('open', 'complete', 'expired')),
    provider_reference  text,
    -- Whoever has the address can pay, and sees what is owed.
    url_sealed          bytea,
    expires_at          timestamptz,
    created_at          timestamptz not null,
    updated_at          timestamptz not null,
    primary key (merchant_id, id),
    foreign key (merchant_id, payment_id) references payment,
    unique (merchant_id, payment_id),
    unique (merchant_id, provider_account_id, provider_reference)
);
