-- A merchant sees only its own rows, whatever a query forgets: row-level security backs every table.
--
-- The service works as quittance_app, for the merchants that its transaction names in quittance.merchants (ids, with commas), and
-- takes up what is due as quittance_dispatch, which sees all merchants but only the columns of queues. Neither can log in; the login
-- takes them on by `set local role`. Tables without a policy, each for its reason:
--   provider_account_route  leads a webhook to its merchant, before that is known: ids, nothing else
--   _sqlx_migrations        belongs to no merchant
--   operator_key            of operators, who belong to none: found by a hash of 256 random bits
--   key_epoch               one number
--   replica                 of processes that serve, by an id each makes up (made later)
--
-- Policies bind the owner of the tables as well. A later migration that reads or changes rows says
-- `select quittance_force(false);` before and `select quittance_force(true);` after.

do $$
declare
    role text;
begin
    foreach role in array array['quittance_app', 'quittance_dispatch'] loop
        -- Roles belong to the whole cluster: another database may be making them at this moment.
        if not exists (select from pg_roles where rolname = role) then
            begin
                execute format('create role %I nologin', role);
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
        if not pg_has_role(current_user, role, 'member') then
            begin
                execute format('grant %I to %I', role, current_user);
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;
exception when insufficient_privilege then
    raise exception using errcode = 'insufficient_privilege', message = format(
        'the login %1$I may not make roles; who may runs once: create role quittance_app nologin; '
        'create role quittance_dispatch nologin; grant quittance_app, quittance_dispatch to %1$I;', current_user);
end $$;

do $$
begin
    if not has_schema_privilege('quittance_app', current_schema(), 'usage')
        or not has_schema_privilege('quittance_dispatch', current_schema(), 'usage') then
        execute format('grant usage on schema %I to quittance_app, quittance_dispatch', current_schema());
    end if;
    if to_regclass('_sqlx_migrations') is not null then
        grant select on _sqlx_migrations to quittance_app;
    end if;
end $$;

-- None is named outside of a transaction that names some: then nothing is seen, and nothing can be written.
create function quittance_merchants() returns uuid[] language sql stable parallel safe as $$
    select string_to_array(current_setting('quittance.merchants', true), ',')::uuid[]
$$;
comment on function quittance_merchants is 'the merchants that the transaction is for';

-- One line per table: what the application may do with the rows of its merchants, and nobody with those of others.
-- The merchants are asked for once per statement: a subquery, so that it is no condition of each row.
create function quittance_protect(of regclass, rights text) returns void language plpgsql as $$
begin
    execute format('alter table %s enable row level security, force row level security', of);
    execute format(
        'create policy merchants on %s to quittance_app using (merchant_id = any ((select quittance_merchants())::uuid[]))', of);
    execute format('grant %s on %s to quittance_app', rights, of);
end $$;

-- And for queues: what a worker sees of all merchants to find what is due, and what it changes to take it up.
create function quittance_dispatch(of regclass, seen text, changed text default null) returns void language plpgsql as $$
begin
    -- Policies hold for members of a role too, and the login is one: it must have taken the role on.
    execute format('create policy dispatch on %s to quittance_dispatch using ((select current_user = ''quittance_dispatch''))', of);
    execute format('grant select (%s) on %s to quittance_dispatch', seen, of);
    if changed is not null then
        execute format('grant update (%s) on %s to quittance_dispatch', changed, of);
    end if;
end $$;

-- Whether policies bind the owner of the tables too. Off only within a migration that must see all rows.
create function quittance_force(forced boolean) returns void language plpgsql as $$
declare
    each regclass;
begin
    for each in
        select oid from pg_class
        where relrowsecurity and relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace
    loop
        execute format('alter table %s %s row level security', each, case when forced then 'force' else 'no force' end);
    end loop;
end $$;
revoke execute on function quittance_protect, quittance_dispatch, quittance_force from public;

-- What a line of the ledger is about, as a column: a policy comes before any function of a column but the plainest, so that an
-- index on the function would be used no more.
drop index ledger_transaction_by_subject;
alter table ledger_transaction add column subject text not null
    generated always as (split_part(source, ':', case when strpos(source, ':') > 0 then 2 else 1 end)) stored;
create index ledger_transaction_by_subject on ledger_transaction (merchant_id, provider_account_id, subject);
drop function ledger_subject;
comment on column ledger_transaction.subject is '`link:txn_1`, `resolved:txn_1:2` and `txn_1` itself are all about the line txn_1';

select quittance_protect('merchant', 'select, insert, update');
select quittance_protect('api_key', 'select, insert, update');
select quittance_protect('data_key', 'select, insert, update');
select quittance_protect('provider_account', 'select, insert, update');
select quittance_protect('webhook_secret', 'select, insert, update, delete');
select quittance_protect('webhook_endpoint', 'select, insert, update, delete');
select quittance_protect('account_standing', 'select, insert, update');
select quittance_protect('odoo_instance', 'select, insert, update');
select quittance_protect('odoo_journal', 'select, insert, update');
select quittance_protect('signing_secret', 'select, insert, update');
select quittance_protect('payment', 'select, insert, update');
select quittance_protect('payment_document', 'select, insert');
select quittance_protect('operation', 'select, insert, update');
select quittance_protect('refund', 'select, insert, update');
select quittance_protect('checkout_session', 'select, insert, update');
select quittance_protect('customer', 'select, insert, update');
select quittance_protect('payment_method', 'select, insert, update');
select quittance_protect('setup', 'select, insert, update');
select quittance_protect('dispute', 'select, insert, update');
select quittance_protect('payout', 'select, insert, update');
select quittance_protect('foreign_payment', 'select, insert, update');
select quittance_protect('idempotency_record', 'select, insert, update, delete');
select quittance_protect('webhook_event', 'select, insert, update, delete');
select quittance_protect('outbox_message', 'select, insert, update');
select quittance_protect('exception', 'select, insert, update');
select quittance_protect('event_cursor', 'select, insert, update');
select quittance_protect('account_sweep', 'select, insert, update');
select quittance_protect('line_cursor', 'select, insert, update');
select quittance_protect('payout_reading', 'select, insert, update');
select quittance_protect('balance_transaction', 'select, insert, update');
select quittance_protect('expectation', 'select, insert, update');
select quittance_protect('opening', 'select, insert, update');
-- The books, and what became of things: only added to.
select quittance_protect('ledger_transaction', 'select, insert');
select quittance_protect('ledger_entry', 'select, insert');
select quittance_protect('ledger_checkpoint', 'select, insert');
select quittance_protect('opening_balance', 'select, insert');
select quittance_protect('opening_item', 'select, insert');
select quittance_protect('payout_line', 'select, insert');
select quittance_protect('line_link', 'select, insert');
select quittance_protect('exception_change', 'select, insert');

grant select, insert on provider_account_route to quittance_app;
grant select, insert, update on operator_key to quittance_app;
grant select, update on key_epoch to quittance_app;

-- A caller is known by its key alone: who presents one sees its row, and no other.
create function quittance_presented_key() returns bytea language sql stable parallel safe as $$
    select decode(current_setting('quittance.presented_key', true), 'hex')
$$;
create policy presented on api_key for select to quittance_app using (hash = (select quittance_presented_key()));

select quittance_dispatch('merchant', 'merchant_id, name, created_at, disabled_at, creation_key');
select quittance_dispatch('api_key', 'id, last_used_at', 'last_used_at');
select quittance_dispatch('provider_account', 'merchant_id, id');
select quittance_dispatch('webhook_endpoint', 'merchant_id, state, retire_at');
select quittance_dispatch('odoo_instance', 'merchant_id, id, sink, disabled_at, paused_until, failures', 'failures');
select quittance_dispatch('payment', 'merchant_id, id, provider_account_id, state, expires_at');
select quittance_dispatch('operation', 'merchant_id, id, due_at');
select quittance_dispatch('idempotency_record', 'merchant_id, created_at');
select quittance_dispatch('webhook_event',
    'merchant_id, provider_account_id, created, event_id, id, object_id, state, received_at, attempts, fence, due_at',
    'state, fence, due_at');
select quittance_dispatch('outbox_message',
    'merchant_id, id, odoo_instance_id, provider_account_id, journal_currency, payment_id, sequence, state, attempts, fence, due_at,
     leased_until, batch',
    'fence, due_at, leased_until, batch');
select quittance_dispatch('event_cursor',
    'merchant_id, provider_account_id, read_until, caught_up_at, walk_since, walk_began_at, walk_next, walk_newest, due_at, fence',
    'due_at, fence');
select quittance_dispatch('account_sweep',
    'merchant_id, provider_account_id, swept_at, step, began_at, after_id, due_at, fence', 'began_at, due_at, fence');
select quittance_dispatch('line_cursor',
    'merchant_id, provider_account_id, read_until, walk_since, walk_next, walk_newest, due_at, fence', 'due_at, fence');
select quittance_dispatch('payout_reading',
    'merchant_id, provider_account_id, payout, next, line_count, net_minor, due_at, fence', 'due_at, fence');
select quittance_dispatch('balance_transaction', 'merchant_id, provider_account_id, id, book_at, match_at');
select quittance_dispatch('expectation', 'merchant_id, id, due_at');

-- Keeps events of several merchants, each once, in one statement and one round trip: what it writes is what it is for, and no more.
create function keep_webhook_events(
    merchants uuid[], accounts uuid[], happened timestamptz[], event_ids text[], ids uuid[], kinds text[], objects text[],
    versions text[], sources text[], payloads bytea[]
) returns void language plpgsql set role to 'quittance_app' as $$
declare
    -- Of the transaction that it may be part of, which goes on as it was.
    before text := coalesce(current_setting('quittance.merchants', true), '');
begin
    perform set_config('quittance.merchants', (select string_agg(distinct merchant::text, ',') from unnest(merchants) merchant), true);
    insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id, api_version, source,
            payload_sealed)
        select * from unnest(merchants, accounts, happened, event_ids, ids, kinds, objects, versions, sources, payloads)
        on conflict do nothing;
    perform set_config('quittance.merchants', before, true);
end $$;

-- Who takes a checkpoint holds the ledger for a moment. The right to lock a table is the right to change it, which nobody has here
-- but its owner.
create function hold_ledger_transactions() returns void language plpgsql security definer as $$
begin
    lock table ledger_transaction in share row exclusive mode;
end $$;
do $$
begin
    execute format('alter function hold_ledger_transactions() set search_path to %I, pg_temp', current_schema());
end $$;
revoke execute on function hold_ledger_transactions from public;
grant execute on function hold_ledger_transactions to quittance_app;
