-- Stock Odoo's journals for what the provider holds, and messages that tell of no payment.

alter table odoo_instance
    drop constraint odoo_instance_rpc_check,
    add constraint odoo_instance_rpc_check check
        ((sink = 'rpc') = (database is not null and api_key_sealed is not null) and (sink = 'rpc' or books is null));
comment on column odoo_instance.books is 'the one journal of an instance that was added with it; those that set-up mapped come first';

create table odoo_journal (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    currency            text        not null check (currency ~ '^[A-Z]{3}$'),
    odoo_instance_id    uuid        not null,
    journal_id          bigint      not null,
    books               jsonb       not null,
    mapped_at           timestamptz not null default clock_timestamp(),
    primary key (merchant_id, provider_account_id, currency),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, odoo_instance_id) references odoo_instance,
    -- What one account holds in one currency has a journal of its own: its balance is compared with the provider's.
    unique (merchant_id, odoo_instance_id, journal_id)
);
comment on table odoo_journal is 'which journal and accounts stand for an account at the provider, by settlement currency';

alter table outbox_message
    alter column payment_id drop not null,
    -- Of which account at the provider it tells; older rows have it from their payment.
    add column provider_account_id uuid,
    -- A line of a journal: it travels with others of its journal's.
    add column journal_currency text check (journal_currency ~ '^[A-Z]{3}$'),
    add constraint outbox_message_about_check check (payment_id is not null or provider_account_id is not null),
    add foreign key (merchant_id, provider_account_id) references provider_account;
