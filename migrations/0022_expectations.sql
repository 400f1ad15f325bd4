-- What the provider's ledger owes us for each payment and refund, and what people say of the lines that nobody expected.

create table expectation (
    merchant_id   uuid        not null,
    -- The payment that was captured, or the refund.
    id            uuid        not null,
    payment_id    uuid        not null,
    kind          text        not null check (kind in ('capture', 'refund')),
    state         text        not null check (state in ('expected', 'matched', 'over', 'under', 'missing', 'void')),
    -- Since when its lines do not come to what moved; none while they do.
    differs_since timestamptz,
    -- When it is judged next; none while nothing can change by itself.
    due_at        timestamptz,
    primary key (merchant_id, id),
    foreign key (merchant_id, payment_id) references payment
);
create index expectation_due on expectation (due_at) where due_at is not null;
create index expectation_by_payment on expectation (merchant_id, payment_id);
comment on table expectation is 'what was captured or given back, held against the provider''s ledger lines of it';

-- What moved before today is judged as well.
insert into expectation (merchant_id, id, payment_id, kind, state, due_at)
    select merchant_id, id, id, 'capture', 'expected', clock_timestamp() from payment where captured_minor > 0;
insert into expectation (merchant_id, id, payment_id, kind, state, due_at)
    select merchant_id, id, payment_id, 'refund', 'expected', clock_timestamp() from refund where state <> 'pending';

-- `link:txn_1`, `resolved:txn_1:2` and `txn_1` itself are all about the line txn_1.
create function ledger_subject(source text) returns text language sql immutable parallel safe as $$
    select split_part(source, ':', case when strpos(source, ':') > 0 then 2 else 1 end)
$$;
create index ledger_transaction_by_subject on ledger_transaction (merchant_id, provider_account_id, ledger_subject(source));
comment on column ledger_transaction.source is
    'what happened, once: txn_… a line; matched:txn_…, link:txn_…, resolved:txn_…:n, reopened:txn_…:n what became of one that waited
     in suspense; paid:po_…, returned:po_… a payout';

alter table balance_transaction
    -- [text]: what its source notes in words, of which one may be a reference of Odoo's; none where it names a payment of ours.
    add column notes    jsonb,
    -- When a line that waits in suspense is matched anew; none where it does not wait, or nothing is expected of that any more.
    add column match_at timestamptz;
create index balance_transaction_to_match on balance_transaction (match_at) where match_at is not null;
-- The lines of one charge that was captured in parts.
create index balance_transaction_exchanged on balance_transaction (merchant_id, provider_account_id, source)
    where exchange_rate is not null;

create table line_link (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    balance_transaction text        not null,
    exception_id        uuid        not null,
    odoo_instance_id    uuid,
    -- What Odoo calls what it pays.
    reference           text        not null check (length(reference) between 1 and 255),
    -- [{"model", "id", "amount_minor"}]: the documents that it settles.
    settles             jsonb       not null default '[]',
    -- What the customer paid for it, or got back as a negative amount.
    amount_minor        bigint      not null check (amount_minor <> 0),
    currency            text        not null check (currency ~ '^[A-Z]{3}$'),
    reason              text        not null,
    linked_by           text        not null,
    linked_at           timestamptz not null,
    primary key (merchant_id, provider_account_id, balance_transaction),
    foreign key (merchant_id, provider_account_id, balance_transaction) references balance_transaction,
    foreign key (merchant_id, exception_id) references exception,
    foreign key (merchant_id, odoo_instance_id) references odoo_instance
);
comment on table line_link is 'lines of payments that did not start here, and what a person said that each pays; written once';
create trigger line_link_is_written_once before update or delete on line_link
    for each statement execute function is_written_once();
create trigger line_link_is_not_truncated before truncate on line_link
    for each statement execute function is_written_once();
