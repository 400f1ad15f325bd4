-- Who did what to which merchant's what, when, from where: for each merchant one chain, each entry of which holds the hash of the one
-- before it. A row that is changed, removed or put elsewhere breaks the chain, which `quittance audit-log verify` walks.
--
-- The hash is computed here, so that appending is one round trip, and again by the service that verifies, from what the rows say.

create table audit_entry (
    merchant_id   uuid        not null references merchant,
    -- From 1, without gaps.
    sequence      bigint      not null check (sequence > 0),
    at            timestamptz not null,
    -- An API key (`key_…`), an operator's, or `cli`.
    actor         text        not null check (actor <> ''),
    -- Such as `refund.create`.
    action        text        not null check (action <> ''),
    -- What it was done to, by its id.
    subject       text        not null,
    -- What else matters of it, a JSON object; neither secrets nor personal data.
    detail        text        not null check (jsonb_typeof(detail::jsonb) = 'object'),
    request_id    text,
    -- Of where it came from: of a salt and the address, which are kept beside it for a while.
    origin_digest bytea       check (octet_length(origin_digest) = 32),
    previous      bytea       not null check (octet_length(previous) = 32),
    hash          bytea       not null check (octet_length(hash) = 32),
    primary key (merchant_id, sequence)
);
create trigger audit_entry_is_written_once before update or delete on audit_entry
    for each row execute function is_written_once();

-- Where it came from is personal data: it goes after its time, and the chain stays whole.
create table audit_origin (
    merchant_id uuid   not null,
    sequence    bigint not null,
    address     text   not null,
    salt        bytea  not null,
    at          timestamptz not null,
    primary key (merchant_id, sequence),
    foreign key (merchant_id, sequence) references audit_entry
);

-- The end of each chain. Whoever appends holds it until the transaction ends, so it comes last in a transaction.
create table audit_head (
    merchant_id uuid   primary key references merchant,
    sequence    bigint not null check (sequence >= 0),
    hash        bytea  not null check (octet_length(hash) = 32)
);

-- A value as it goes into the hash: its length in bytes, a colon, itself. Nothing is `-`.
create function audit_field(value text) returns text language sql immutable parallel safe as $$
    select coalesce(octet_length(convert_to(value, 'UTF8'))::text || ':' || value, '-')
$$;

-- Appends to a merchant's chain. The address and its salt are both there or neither.
create function audit_append(
    of uuid, happened timestamptz, actor text, action text, subject text, detail text, request text, address text, salt bytea
) returns bigint language plpgsql as $$
declare
    head audit_head;
    number bigint;
    digest bytea := sha256(salt || convert_to(address, 'UTF8'));
    sealed bytea;
begin
    select * into head from audit_head where merchant_id = of for update;
    if not found then
        insert into audit_head values (of, 0, decode(repeat('00', 32), 'hex')) on conflict do nothing;
        select * into strict head from audit_head where merchant_id = of for update;
    end if;
    number := head.sequence + 1;
    sealed := sha256(head.hash || convert_to(
        audit_field(of::text) || audit_field(number::text) || audit_field((extract(epoch from happened) * 1000000)::bigint::text)
        || audit_field(actor) || audit_field(action) || audit_field(subject) || audit_field(detail) || audit_field(request)
        || audit_field(encode(digest, 'hex')), 'UTF8'));
    insert into audit_entry
        values (of, number, happened, actor, action, subject, detail, request, digest, head.hash, sealed);
    if address is not null then
        insert into audit_origin values (of, number, address, salt, happened);
    end if;
    update audit_head set sequence = number, hash = sealed where merchant_id = of;
    return number;
end $$;

select quittance_protect('audit_entry', 'select, insert');
select quittance_protect('audit_origin', 'select, insert, delete');
select quittance_protect('audit_head', 'select, insert, update');
