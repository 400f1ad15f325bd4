-- Keys that make a repeated request the same request.

create table idempotency_record (
    merchant_id   uuid        not null references merchant,
    -- SHA-256 of the API key's id and the caller's key: short, and of one size.
    key_hash      bytea       not null check (octet_length(key_hash) = 32),
    fingerprint   bytea       not null check (octet_length(fingerprint) = 32),
    operation_id  uuid        not null,
    -- Until when the caller who claimed it is being served.
    serving_until timestamptz not null,
    status        smallint,
    body_sealed   bytea,
    created_at    timestamptz not null,
    primary key (merchant_id, key_hash),
    check ((status is null) = (body_sealed is null))
);
create index idempotency_record_by_age on idempotency_record (created_at);
