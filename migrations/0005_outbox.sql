-- News for Odoo, kept until it is told. Messages of one payment leave in order of their sequence.

create table outbox_message (
    merchant_id      uuid        not null,
    id               uuid        not null,
    odoo_instance_id uuid        not null,
    payment_id       uuid        not null,
    -- Counted under the payment's row lock, so that its order is the order of commits.
    sequence         bigint      not null,
    posting_key      text        not null,
    posting          jsonb       not null,
    state            text        not null default 'pending' check (state in ('pending', 'sent', 'dead')),
    attempts         integer     not null default 0,
    fence            bigint      not null default 0,
    due_at           timestamptz,
    last_error       text,
    result           jsonb,
    created_at       timestamptz not null,
    sent_at          timestamptz,
    primary key (merchant_id, id),
    foreign key (merchant_id, payment_id) references payment,
    foreign key (merchant_id, odoo_instance_id) references odoo_instance,
    -- A posting exists once, however often its news arrives.
    unique (merchant_id, odoo_instance_id, posting_key),
    unique (merchant_id, payment_id, sequence),
    check ((state = 'pending') = (due_at is not null))
);
create index outbox_message_due on outbox_message (due_at) where due_at is not null;
