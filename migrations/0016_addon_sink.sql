-- Odoo with our addon: told by signed messages. And what keeps one instance from holding up another.

alter table odoo_instance
    drop constraint odoo_instance_sink_check,
    add constraint odoo_instance_sink_check check (sink in ('rpc', 'addon')),
    alter column database drop not null,
    alter column api_key_sealed drop not null,
    alter column books drop not null,
    add constraint odoo_instance_rpc_check check
        ((sink = 'rpc') = (database is not null and api_key_sealed is not null and books is not null)),
    -- How often in a row it was not reached: while above none and not paused, one message at a time tries.
    add column failures integer not null default 0 check (failures >= 0),
    add column disabled_at timestamptz;
comment on column odoo_instance.disabled_at is 'it said 410: nothing is sent until an operator enables it';
create unique index odoo_instance_addon_url on odoo_instance (merchant_id, url) where sink = 'addon';

create table signing_secret (
    merchant_id      uuid        not null,
    odoo_instance_id uuid        not null,
    id               uuid        not null,
    secret_sealed    bytea       not null,
    -- Until when it signs, where another one follows it.
    until            timestamptz,
    created_at       timestamptz not null,
    primary key (merchant_id, odoo_instance_id, id),
    foreign key (merchant_id, odoo_instance_id) references odoo_instance
);
comment on table signing_secret is 'several per instance, so that a secret can be rolled while both are in use';

-- Until when a worker has it in hand: these are counted, so that an instance never gets more than a few at once.
alter table outbox_message add column leased_until timestamptz;
create index outbox_message_leased on outbox_message (merchant_id, odoo_instance_id) where leased_until is not null;
-- Each instance's own queue, so that a long one costs the others nothing. Nobody asks for all at once any more.
drop index outbox_message_due;
create index outbox_message_queue on outbox_message (merchant_id, odoo_instance_id, due_at, id) where due_at is not null;
