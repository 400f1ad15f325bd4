-- What a person must see is listed, resolved and reopened, and what stood before is kept.

alter table exception
    add column provider_account_id uuid,
    add column payout              text,
    add column expected_minor      bigint,
    add column found_minor         bigint,
    add column currency            text check (currency ~ '^[A-Z]{3}$'),
    add column found_currency      text check (found_currency ~ '^[A-Z]{3}$'),
    add column accepted            boolean not null default false,
    add column version             bigint  not null default 0,
    add constraint exception_difference_check
        check ((expected_minor is null and found_minor is null) = (currency is null)
            and (found_currency is null or (expected_minor is not null and found_minor is not null
                and found_currency <> currency))),
    add constraint exception_accepted_check check (closed_at is not null or not accepted),
    add foreign key (merchant_id, provider_account_id) references provider_account;
comment on column exception.subject is 'what it is about; a difference that comes back is the same row, opened again';
comment on column exception.provider_account_id is 'null where it is about no account: then it belongs to test and live alike';
comment on column exception.payout is 'the payout that it holds open, by the provider''s id';
comment on column exception.found_currency is 'where it is another than currency, which is that of what was expected';
comment on column exception.accepted is
    'a person resolved it as it stands: the same again stays resolved. What ended by itself opens again when it comes back';
comment on column exception.version is 'the number of its last change';

create table exception_change (
    merchant_id    uuid        not null,
    exception_id   uuid        not null,
    number         bigint      not null,
    at             timestamptz not null,
    -- An API key (key_…), cli, or quittance where it came by itself.
    by             text        not null,
    -- None where it was opened for the first time.
    from_state     text        check (from_state in ('open', 'resolved')),
    to_state       text        not null check (to_state in ('open', 'resolved')),
    reason         text,
    -- The difference as it stood from then on.
    detail         text        not null,
    expected_minor bigint,
    found_minor    bigint,
    currency       text,
    found_currency text,
    primary key (merchant_id, exception_id, number),
    foreign key (merchant_id, exception_id) references exception
);
comment on table exception_change is 'what became of an exception, oldest first; rows are only added';

create function exception_change_is_kept() returns trigger language plpgsql as $$
begin
    raise exception 'exception_change is only added to';
end $$;
create trigger exception_change_is_kept before update or delete or truncate on exception_change
    for each statement execute function exception_change_is_kept();

-- What is known of those that there are.
update exception x set provider_account_id = p.provider_account_id
    from payment p where p.merchant_id = x.merchant_id and p.id = x.payment_id;
update exception set version = case when closed_at is null then 1 else 2 end;
insert into exception_change (merchant_id, exception_id, number, at, by, to_state, detail)
    select merchant_id, id, 1, opened_at, 'quittance', 'open', detail from exception;
insert into exception_change (merchant_id, exception_id, number, at, by, from_state, to_state, reason, detail)
    select merchant_id, id, 2, closed_at, closed_by, 'open', 'resolved', closed_reason, detail
    from exception where closed_at is not null;

create index exception_by_subject on exception (merchant_id, kind, subject, id);
create index exception_by_payout on exception (merchant_id, payout, id) where payout is not null;

-- Keys that may look at both lists may look at this one: a payment shows its exceptions to every key already.
alter table api_key alter column scopes set default '{events:read,outbox:read,exceptions:read}';
update api_key set scopes = scopes || '{exceptions:read}' where scopes @> '{events:read,outbox:read}';
