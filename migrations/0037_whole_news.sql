-- What our addon in Odoo is told: of payments all that its books need, and of setups, saved methods and links beside them.

select quittance_force(false);

alter table payment
    -- What was taken, each time: as Odoo is told of it.
    add column captures jsonb not null default '[]',
    -- The provider's id of the method that is or was tried (`pm_…`), where the payment has a customer whose it may be.
    add column method_reference text;
create index payment_by_method on payment (merchant_id, provider_account_id, method_reference) where method_reference is not null;
update payment set captures = jsonb_build_array(jsonb_build_object(
        'source', charge_reference, 'operation', null, 'reference', null, 'amount_minor', posted_minor,
        'captured_on', to_char(coalesce(captured_at, updated_at) at time zone 'UTC', 'YYYY-MM-DD')))
    where posted_minor > 0 and charge_reference is not null;

alter table refund
    add column refunded_on date,
    add column returned_on date;
comment on column refund.refunded_on is 'the day on which it left; none while it has not, and of one that never did';
comment on column refund.returned_on is 'the day on which we heard that it came back after all';
update refund set refunded_on = (created_at at time zone 'UTC')::date where state = 'succeeded';

alter table payment_method add column version bigint not null default 0;

alter table outbox_message
    -- What it tells of, where that is no payment: a setup or a saved method, whose messages leave in order like a payment's.
    add column about_id uuid,
    drop constraint outbox_message_about_check,
    add constraint outbox_message_about_check check
        ((sequence is null) = (journal_currency is not null)
            and (sequence is null or num_nonnulls(payment_id, about_id) = 1)
            and (about_id is null or sequence is not null)
            and (provider_account_id is not null or (journal_currency is null and about_id is null))),
    add unique (merchant_id, about_id, sequence);
grant select (about_id) on outbox_message to quittance_dispatch;

-- Of payments that were told of before: what is in every message now.
update outbox_message m set posting = jsonb_set(posting, '{payment}', posting -> 'payment' || jsonb_build_object(
        'mode', case when a.live then 'live' else 'test' end, 'capture_method', p.capture_method))
    from payment p join provider_account a on a.merchant_id = p.merchant_id and a.id = p.provider_account_id
    where m.posting ->> 'kind' = 'payment_updated' and p.merchant_id = m.merchant_id and p.id = m.payment_id;

select quittance_force(true);
