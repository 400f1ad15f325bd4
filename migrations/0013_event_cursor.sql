-- Healing: how far each account's list of events was read, and the nightly sweep of what is not final.

create table event_cursor (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- By the provider's clock: what happened before then was read, but for what is listed late.
    read_until          timestamptz not null,
    -- By the database's clock: when the last walk that came to its end began.
    caught_up_at        timestamptz not null,
    -- The walk that is under way: from when, since when, where it goes on, and the newest event that it has met.
    walk_since          timestamptz,
    walk_began_at       timestamptz,
    walk_next           text,
    walk_newest         timestamptz,
    -- When its turn is; the end of the lease while a worker has it.
    due_at              timestamptz not null,
    fence               bigint      not null default 0,
    primary key (merchant_id, provider_account_id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    check ((walk_since is null) = (walk_began_at is null)),
    check (walk_next is null or walk_since is not null)
);
create index event_cursor_due on event_cursor (due_at);

create table account_sweep (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- By the database's clock: when the last sweep that came to its end began.
    swept_at            timestamptz not null,
    -- The sweep that is under way: what it is at, and the last of these that it has read.
    step                text        not null default 'payments' check (step in ('payments', 'disputes')),
    began_at            timestamptz,
    after_id            uuid,
    due_at              timestamptz not null,
    fence               bigint      not null default 0,
    primary key (merchant_id, provider_account_id),
    foreign key (merchant_id, provider_account_id) references provider_account
);
create index account_sweep_due on account_sweep (due_at);

-- What the sweep looks for, however many are long final.
create index payment_not_final on payment (merchant_id, provider_account_id, id)
    where state in ('created', 'requires_action', 'processing', 'authorized', 'unknown');
create index payment_by_capture on payment (merchant_id, provider_account_id, captured_at) where captured_at is not null;
create index refund_pending on refund (merchant_id, provider_account_id, payment_id) where state = 'pending';
create index balance_transaction_by_payment on balance_transaction (merchant_id, payment_id)
    where payment_id is not null;
create index dispute_open on dispute (merchant_id, provider_account_id, id)
    where state not in ('won', 'lost', 'prevented', 'warning_closed');
