-- Events that a provider signed, each kept once per account.

create table webhook_event (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    -- The provider's own time of the event: part of the key, so that the table can be partitioned by it.
    created             timestamptz not null,
    event_id            text        not null,
    id                  uuid        not null,
    kind                text        not null,
    object_id           text,
    api_version         text,
    payload_sealed      bytea       not null,
    state               text        not null default 'received' check (state in ('received', 'applied', 'ignored', 'dead')),
    attempts            integer     not null default 0,
    fence               bigint      not null default 0,
    -- When a worker may take it up; none once it is applied, ignored or dead.
    due_at              timestamptz default clock_timestamp(),
    last_error          text,
    -- By the database's clock, to be compared with payment.read_at.
    received_at         timestamptz not null default clock_timestamp(),
    primary key (merchant_id, provider_account_id, created, event_id),
    check ((state = 'received') = (due_at is not null))
);
create index webhook_event_due on webhook_event (due_at) where due_at is not null;
