-- Events at volume: one object's in turn, their bytes out of the way, the old ones let go.

alter table webhook_event
    drop constraint webhook_event_state_check,
    drop constraint webhook_event_check,
    -- How it came: pushed by the provider and signed, or read from its list of events.
    add column source text not null default 'delivery' check (source in ('delivery', 'poll')),
    add column ended_at timestamptz,
    add constraint webhook_event_state_check check (state in ('received', 'leased', 'applied', 'ignored', 'dead')),
    -- When a worker may take it up: at once or after a failure while received, at the end of the lease while leased.
    add constraint webhook_event_due_check check ((state in ('received', 'leased')) = (due_at is not null));

-- What is sealed cannot be compressed. Out of the row, it is written once however often the row changes.
alter table webhook_event alter column payload_sealed set storage external;
alter table webhook_event set (toast_tuple_target = 128, autovacuum_vacuum_scale_factor = 0.02);

-- An event's id is made of what the provider calls it and of when it happened, so that it is unique by it, and newest and oldest
-- are found by it: one small index for all of that.
alter table webhook_event drop constraint webhook_event_pkey, add primary key (merchant_id, id);
create index webhook_event_dead on webhook_event (merchant_id, id) where state = 'dead';
create index webhook_event_leased on webhook_event (merchant_id, provider_account_id, object_id) where state = 'leased';
