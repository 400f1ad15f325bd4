-- Each merchant has keys of its own, wrapped by a key-encryption key that is not in the database.

create table data_key (
    merchant_id uuid        not null references merchant,
    -- Written in front of all that it seals; the highest seals, every one opens.
    version     integer     not null check (version > 0),
    -- Which key-encryption key unwraps it.
    kek_id      text        not null check (length(kek_id) between 1 and 255),
    wrapped     bytea       not null,
    created_at  timestamptz not null default clock_timestamp(),
    -- When the next one took its place.
    retired_at  timestamptz,
    -- The rotation that made it, by when that began; none for a first key. And when all that older keys had sealed was sealed with it.
    round       timestamptz,
    swept_at    timestamptz,
    primary key (merchant_id, version)
);
comment on table data_key is 'what seals a merchant''s secrets; never deleted, for something may still be sealed with it';
create index data_key_by_kek on data_key (kek_id);
create index data_key_unswept on data_key (merchant_id) where round is not null and swept_at is null;
