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
    alter column sequence drop not null,
    -- Of which account at the provider it tells; older rows have it from their payment.
    add column provider_account_id uuid,
    -- Of a booking: the settlement currency of the journal it goes to. Those of one journal travel together.
    add column journal_currency text check (journal_currency ~ '^[A-Z]{3}$'),
    -- With which others it was last taken up: they count as one.
    add column batch uuid,
    add constraint outbox_message_about_check check
        ((sequence is null) = (journal_currency is not null)
            and (sequence is null or payment_id is not null)
            and (journal_currency is null or provider_account_id is not null)),
    add foreign key (merchant_id, provider_account_id) references provider_account;
comment on column outbox_message.sequence is
    'its place among the messages of its payment; a booking has none, and waits until all that have one are done with';
create index outbox_message_journal on outbox_message
    (merchant_id, odoo_instance_id, provider_account_id, journal_currency, due_at, id) where due_at is not null and sequence is null;

-- What a dispute, a refund or a payout moved is asked for by it.
create index balance_transaction_by_source on balance_transaction (merchant_id, provider_account_id, source);

-- A line of a charge or refund is a booking now, with what it meets. Those that were sent are shown in the same way.
update outbox_message set posting = jsonb_build_object(
    'kind', 'booking',
    'source', line ->> 'id',
    'date', jsonb_build_array(extract(year from day)::integer, extract(doy from day)::integer),
    'label', meets,
    'meets', meets,
    'parts', (
        select jsonb_agg(jsonb_build_object(
            'account', account, 'value_minor', minor,
            'amount', jsonb_build_object('minor', minor, 'currency', line -> 'amount' -> 'currency')) order by place)
        from (values
            (1, 'provider_balance', (line ->> 'net_minor')::bigint),
            (2, 'fees', (line ->> 'fee_minor')::bigint),
            (3, 'receivable_clearing', -(line -> 'amount' ->> 'minor')::bigint)
        ) part (place, account, minor)
        where minor <> 0))
from (
    select merchant_id as merchant, id as message, posting -> 'balance_transaction' as line,
        coalesce(posting ->> 'charge', posting ->> 'refund') as meets,
        to_timestamp((posting -> 'balance_transaction' ->> 'created')::bigint) at time zone 'UTC' as day
    from outbox_message where posting ->> 'kind' in ('charge_line', 'refund_line')
) earlier
where merchant_id = merchant and id = message;
