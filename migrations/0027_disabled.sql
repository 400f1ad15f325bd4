-- Merchants and provider accounts that are put out of use without being forgotten.

alter table merchant
    add column disabled_at  timestamptz,
    add column creation_key bytea unique check (octet_length(creation_key) = 32);
comment on column merchant.disabled_at is 'its keys are refused; what providers tell is still taken in and booked';
comment on column merchant.creation_key is 'the hash of who asked for it under which idempotency key: a repeated request finds it';

create trigger merchant_changed
    after update of disabled_at or delete on merchant
    for each statement execute function raise_key_epoch();

alter table provider_account add column disabled_at timestamptz;
comment on column provider_account.disabled_at is 'no payment, customer or setup begins there; what began goes on';

-- A webhook secret that a person ended proves nothing from then on.
alter table webhook_secret add column ended_at timestamptz;
