-- The provider's own ledger, read line by line, and ours: double entry of every line, and of every payout that reached the bank.

alter table balance_transaction
    add column reporting_category text,
    add column description        text,
    -- [{"kind", "amount_minor"}]: what the fee is made of.
    add column fee_details        jsonb       not null default '[]',
    -- The provider's own number, as text: never a float.
    add column exchange_rate      text,
    add column available_on       timestamptz,
    -- What its source tells of whose it is, until it is booked and for who looks it up.
    add column named_payment      uuid,
    add column payment_reference  text,
    add column charge_reference   text,
    -- What the customer paid or got back for it, where that is in another currency.
    add column presented_minor    bigint,
    add column presented_currency text check (presented_currency ~ '^[A-Z]{3}$'),
    -- When it is booked next; none once it is.
    add column book_at            timestamptz default clock_timestamp(),
    add constraint balance_transaction_presented_check check ((presented_minor is null) = (presented_currency is null));
create index balance_transaction_to_book on balance_transaction (book_at) where book_at is not null;
create index balance_transaction_by_time on balance_transaction (merchant_id, provider_account_id, created_at, id);

create table ledger_transaction (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    id                  uuid        not null,
    -- What happened: `txn_…` of a line, `paid:po_…` of a payout. It is booked once.
    source              text        not null check (length(source) between 1 and 255),
    payment_id          uuid,
    -- Of a line, by the provider's clock; of a payout, when we heard of it.
    occurred_at         timestamptz not null,
    booked_at           timestamptz not null default clock_timestamp(),
    primary key (merchant_id, provider_account_id, id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    unique (merchant_id, provider_account_id, source)
);

create table ledger_entry (
    merchant_id         uuid     not null,
    provider_account_id uuid     not null,
    transaction_id      uuid     not null,
    line                smallint not null,
    account             text     not null,
    currency            text     not null check (currency ~ '^[A-Z]{3}$'),
    -- Debit is positive.
    amount_minor        bigint   not null check (amount_minor <> 0),
    primary key (merchant_id, provider_account_id, transaction_id, line),
    foreign key (merchant_id, provider_account_id, transaction_id) references ledger_transaction
);
comment on table ledger_entry is 'append-only; the entries of one transaction sum to zero in each currency';

create function ledger_transaction_balances() returns trigger language plpgsql as $$
begin
    if exists (
        select from ledger_entry
        where merchant_id = new.merchant_id and provider_account_id = new.provider_account_id
          and transaction_id = new.transaction_id
        group by currency having sum(amount_minor) <> 0
    ) then
        raise exception 'ledger transaction % does not sum to zero', new.transaction_id using errcode = 'check_violation';
    end if;
    return null;
end $$;
create constraint trigger ledger_entry_balances after insert on ledger_entry
    deferrable initially deferred for each row execute function ledger_transaction_balances();

create function is_written_once() returns trigger language plpgsql as $$
begin
    raise exception '% is written once: nothing of it is changed or deleted', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger ledger_transaction_is_written_once before update or delete on ledger_transaction
    for each statement execute function is_written_once();
create trigger ledger_entry_is_written_once before update or delete on ledger_entry
    for each statement execute function is_written_once();
create trigger ledger_transaction_is_not_truncated before truncate on ledger_transaction
    for each statement execute function is_written_once();
create trigger ledger_entry_is_not_truncated before truncate on ledger_entry
    for each statement execute function is_written_once();
-- A line is a fact: what is booked of it, and what it may still learn of itself, are other columns.
create trigger balance_transaction_is_a_fact
    before update of id, kind, source, amount_minor, fee_minor, net_minor, currency, created_at or delete on balance_transaction
    for each statement execute function is_written_once();

create table payout_line (
    merchant_id         uuid not null,
    provider_account_id uuid not null,
    balance_transaction text not null,
    payout              text not null,
    primary key (merchant_id, provider_account_id, balance_transaction),
    foreign key (merchant_id, provider_account_id, balance_transaction) references balance_transaction
);
create index payout_line_of on payout_line (merchant_id, provider_account_id, payout, balance_transaction);
comment on table payout_line is 'which payout a line went out with; a line has none before that';

create table payout_reading (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    payout              text        not null,
    -- Where the reading goes on, in the provider's words.
    next                text,
    line_count          bigint      not null default 0,
    net_minor           bigint      not null default 0,
    read_at             timestamptz,
    due_at              timestamptz,
    fence               bigint      not null default 0,
    primary key (merchant_id, provider_account_id, payout),
    check ((read_at is null) = (due_at is not null))
);
create index payout_reading_due on payout_reading (due_at) where due_at is not null;
comment on table payout_reading is 'how far the lines of a payout were read';

create table line_cursor (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- By the provider's clock: lines from before then were read, but for what is listed late.
    read_until          timestamptz not null,
    walk_since          timestamptz,
    walk_next           text,
    walk_newest         timestamptz,
    due_at              timestamptz not null,
    fence               bigint      not null default 0,
    primary key (merchant_id, provider_account_id),
    foreign key (merchant_id, provider_account_id) references provider_account
);
create index line_cursor_due on line_cursor (due_at);
comment on table line_cursor is 'how far each account''s list of ledger lines was read';
