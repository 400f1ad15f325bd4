-- An account with years behind it begins at a date: what it held then is booked, and no line from before.

create table opening (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- Lines that the provider wrote before then are kept as facts and never booked.
    at                  timestamptz not null,
    -- When the balances below were booked; none while they are being found out.
    booked_at           timestamptz,
    primary key (merchant_id, provider_account_id),
    foreign key (merchant_id, provider_account_id) references provider_account
);
comment on table opening is 'when the books of an account with a past begin';

create table opening_balance (
    merchant_id         uuid   not null,
    provider_account_id uuid   not null,
    currency            text   not null check (currency ~ '^[A-Z]{3}$'),
    -- What the provider held; and out of it, not gone: on its way to the bank, taken by disputes that were not decided.
    amount_minor        bigint not null,
    in_transit_minor    bigint not null,
    disputed_minor      bigint not null,
    primary key (merchant_id, provider_account_id, currency),
    foreign key (merchant_id, provider_account_id) references opening
);
comment on table opening_balance is 'what an account opened with, as it is booked from opening:<currency>';

create table opening_item (
    merchant_id         uuid   not null,
    provider_account_id uuid   not null,
    kind                text   not null check (kind in ('payout', 'dispute')),
    -- The provider's id of it.
    reference           text   not null check (length(reference) between 1 and 255),
    currency            text   not null check (currency ~ '^[A-Z]{3}$'),
    amount_minor        bigint not null,
    primary key (merchant_id, provider_account_id, kind, reference),
    foreign key (merchant_id, provider_account_id) references opening
);
comment on table opening_item is 'what was out of the balance when an account opened, and not gone';

-- Nothing that happened before the opening is booked, whoever tries.
create function ledger_begins_at_the_opening() returns trigger language plpgsql as $$
begin
    if exists (
        select from opening
        where merchant_id = new.merchant_id and provider_account_id = new.provider_account_id and at > new.occurred_at
    ) then
        raise exception '% is from before the opening of the account', new.source using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger ledger_transaction_begins_at_the_opening before insert on ledger_transaction
    for each row execute function ledger_begins_at_the_opening();

create trigger opening_balance_is_written_once before update or delete on opening_balance
    for each statement execute function is_written_once();
create trigger opening_item_is_written_once before update or delete on opening_item
    for each statement execute function is_written_once();

-- Audits sum the ledger from where it was summed last.

-- Given out by the insert itself: who holds the table alone has seen all numbers up to the last, and every later one is greater.
alter table ledger_transaction add column number bigint generated always as identity;
create index ledger_transaction_by_number on ledger_transaction (merchant_id, provider_account_id, number);

create table ledger_checkpoint (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- Transactions up to and with this one are summed here.
    number              bigint      not null,
    account             text        not null,
    currency            text        not null check (currency ~ '^[A-Z]{3}$'),
    balance_minor       bigint      not null,
    taken_at            timestamptz not null default clock_timestamp(),
    primary key (merchant_id, provider_account_id, number, account, currency),
    foreign key (merchant_id, provider_account_id) references provider_account
);
comment on table ledger_checkpoint is 'what the ledger came to up to a transaction; a full audit sums all of it again';
create trigger ledger_checkpoint_is_written_once before update or delete on ledger_checkpoint
    for each statement execute function is_written_once();
