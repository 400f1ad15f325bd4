-- One of everything of one merchant, whose account is there already. $merchant and $account stand for the two.
with made as (select '$merchant'::uuid as merchant, '$account'::uuid as account, gen_random_uuid() as instance,
        gen_random_uuid() as customer, gen_random_uuid() as payment, gen_random_uuid() as operation, gen_random_uuid() as refund,
        gen_random_uuid() as method, gen_random_uuid() as exception, gen_random_uuid() as booked),
instance as (insert into odoo_instance (merchant_id, id, url, database, api_key_sealed, sink, created_at)
    select merchant, instance, 'http://127.0.0.1:1/ALPHA', 'ALPHA', '\x00', 'rpc', now() from made),
journal as (insert into odoo_journal (merchant_id, provider_account_id, currency, odoo_instance_id, journal_id, books)
    select merchant, account, 'EUR', instance, 1, '{}' from made),
keeper as (insert into book_keeper (merchant_id, provider_account_id, odoo_instance_id, since)
    select merchant, account, instance, now() from made),
signing as (insert into signing_secret (merchant_id, odoo_instance_id, id, secret_sealed, created_at)
    select merchant, instance, gen_random_uuid(), '\x00', now() from made),
endpoint as (insert into webhook_endpoint (merchant_id, provider_account_id, id, state, url, provider_reference, secret_id, created_at, retire_at)
    select merchant, account, gen_random_uuid(), 'retiring', 'https://ALPHA.test', 'we_ALPHA', s.id, now(), now() from made, webhook_secret s
    where s.merchant_id = merchant),
standing as (insert into account_standing (merchant_id, provider_account_id, updated_at)
    select merchant, account, now() from made),
customer as (insert into customer (merchant_id, id, provider_account_id, partner, provider_reference, name, email, first_sent_at, created_at, updated_at)
    select merchant, customer, account, 'ALPHA', 'cus_ALPHA', 'ALPHA', 'ALPHA@a.test', now(), now(), now() from made),
method as (insert into payment_method (merchant_id, id, provider_account_id, customer_id, provider_reference, kind, state, brand, last4, read_at, created_at, updated_at)
    select merchant, method, account, customer, 'pm_ALPHA', 'card', 'attached', 'visa', '4242', now(), now(), now() from made),
setup as (insert into setup (merchant_id, id, provider_account_id, customer_id, state, usage, provider_reference, first_sent_at, created_at, updated_at)
    select merchant, gen_random_uuid(), account, customer, 'requires_action', 'off_session', 'seti_ALPHA', now(), now(), now() from made),
payment as (insert into payment (merchant_id, id, provider_account_id, odoo_instance_id, customer_id, reference, amount_minor, currency, capture_method, state, authorized_minor,
        captured_minor, captured_at, provider_reference, charge_reference, description, expires_at, hosted, created_at, updated_at)
    select merchant, payment, account, instance, customer, 'ALPHA', 12100, 'EUR', 'automatic', 'captured', 12100, 12100, now(), 'pi_ALPHA', 'ch_ALPHA', 'ALPHA', now(), true, now(),
        now() from made),
document as (insert into payment_document (merchant_id, model, document_id, payment_id)
    select merchant, 'account.move', 1, payment from made),
operation as (insert into operation (merchant_id, id, payment_id, provider_account_id, kind, amount_minor, state, first_sent_at, due_at, created_at)
    select merchant, operation, payment, account, 'authorize', 12100, 'unknown', now(), now(), now() from made),
refund as (insert into refund (merchant_id, id, payment_id, provider_account_id, amount_minor, state, provider_reference, created_at, updated_at)
    select merchant, refund, payment, account, 100, 'pending', 're_ALPHA', now(), now() from made),
session as (insert into checkout_session (merchant_id, id, payment_id, provider_account_id, state, provider_reference, expires_at, created_at, updated_at)
    select merchant, gen_random_uuid(), payment, account, 'open', 'cs_ALPHA', now(), now(), now() from made),
dispute as (insert into dispute (merchant_id, id, provider_account_id, payment_id, provider_reference, state, amount_minor, currency, has_evidence, submission_count,
        is_charge_refundable, opened_at, version, created_at, updated_at)
    select merchant, gen_random_uuid(), account, payment, 'dp_ALPHA', 'needs_response', 12100, 'EUR', false, 0, false, now(), 1, now(), now() from made),
payout as (insert into payout (merchant_id, id, provider_account_id, provider_reference, state, amount_minor, currency, is_automatic, opened_at, version, created_at, updated_at)
    select merchant, gen_random_uuid(), account, 'po_ALPHA', 'paid', 12000, 'EUR', true, now(), 1, now(), now() from made),
abroad as (insert into foreign_payment (merchant_id, id, provider_account_id, provider_reference, state, amount_minor, captured_minor, refunded_minor, currency, description,
        opened_at, version, read_at, first_seen_at, last_seen_at)
    select merchant, gen_random_uuid(), account, 'pi_ALPHA_2', 'captured', 100, 100, 0, 'EUR', 'ALPHA', now(), 1, now(), now(), now() from made),
idempotency as (insert into idempotency_record (merchant_id, key_hash, fingerprint, operation_id, serving_until, created_at)
    select merchant, decode(repeat('aa', 32), 'hex'), decode(repeat('aa', 32), 'hex'), operation, now(), now() - interval '1 year' from made),
event as (insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id, payload_sealed, state, due_at, last_error)
    select merchant, account, now(), 'evt_ALPHA', gen_random_uuid(), 'charge.succeeded', 'ch_ALPHA', '\x00', 'dead', null, 'ALPHA' from made),
due as (insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id, payload_sealed)
    select merchant, account, now(), 'evt_ALPHA_2', gen_random_uuid(), 'charge.succeeded', 'ch_ALPHA', '\x00' from made),
message as (insert into outbox_message (merchant_id, id, odoo_instance_id, provider_account_id, payment_id, sequence, posting_key, posting, state, due_at, last_error, created_at)
    select merchant, gen_random_uuid(), instance, account, payment, 1, 'ALPHA', '{"kind": "booking", "source": "txn_ALPHA", "date": [2026, 1], "label": "ALPHA", "meets": null, "parts": []}', 'dead', null, 'ALPHA', now() from made),
difference as (insert into exception (merchant_id, id, kind, payment_id, provider_account_id, payout, subject, detail, opened_at, version)
    select merchant, exception, 'foreign_line', payment, account, 'po_ALPHA', 'ALPHA', 'ALPHA', now(), 1 from made),
change as (insert into exception_change (merchant_id, exception_id, number, at, by, to_state, detail)
    select merchant, exception, 1, now(), 'ALPHA', 'open', 'ALPHA' from made),
cursor as (insert into event_cursor (merchant_id, provider_account_id, read_until, caught_up_at, due_at)
    select merchant, account, now(), now(), now() from made),
sweep as (insert into account_sweep (merchant_id, provider_account_id, swept_at, due_at) select merchant, account, now(), now() from made),
restored as (insert into restore (point, cause, finished_at, finished_because) values (now(), 'ALPHA', now(), 'ALPHA') returning id),
lost as (insert into restore_account (merchant_id, provider_account_id, restore_id, since, next, last_error)
    select merchant, account, restored.id, now(), 'ALPHA', 'ALPHA' from made, restored),
lines as (insert into line_cursor (merchant_id, provider_account_id, read_until, due_at) select merchant, account, now(), now() from made),
reading as (insert into payout_reading (merchant_id, provider_account_id, payout, due_at) select merchant, account, 'po_ALPHA', now() from made),
line as (insert into balance_transaction (merchant_id, provider_account_id, id, payment_id, kind, source, amount_minor, fee_minor, net_minor, currency, created_at)
    select merchant, account, 'txn_ALPHA', payment, 'charge', 'ch_ALPHA', 12100, 100, 12000, 'EUR', now() from made),
of_payout as (insert into payout_line (merchant_id, provider_account_id, balance_transaction, payout) select merchant, account, 'txn_ALPHA', 'po_ALPHA' from made),
link as (insert into line_link (merchant_id, provider_account_id, balance_transaction, exception_id, reference, amount_minor, currency, reason, linked_by, linked_at)
    select merchant, account, 'txn_ALPHA', exception, 'ALPHA', 100, 'EUR', 'ALPHA', 'ALPHA', now() from made),
expected as (insert into expectation (merchant_id, id, payment_id, kind, state, due_at) select merchant, payment, payment, 'capture', 'expected', now() from made),
opened as (insert into opening (merchant_id, provider_account_id, at) select merchant, account, now() - interval '1 day' from made),
held as (insert into opening_balance (merchant_id, provider_account_id, currency, amount_minor, in_transit_minor, disputed_minor)
    select merchant, account, 'EUR', 0, 0, 0 from made),
item as (insert into opening_item (merchant_id, provider_account_id, kind, reference, currency, amount_minor)
    select merchant, account, 'payout', 'po_ALPHA', 'EUR', 1 from made),
booked as (insert into ledger_transaction (merchant_id, provider_account_id, id, source, payment_id, occurred_at)
    select merchant, account, booked, 'txn_ALPHA', payment, now() from made),
entries as (insert into ledger_entry (merchant_id, provider_account_id, transaction_id, line, account, currency, amount_minor)
    select merchant, account, booked, line, name, 'EUR', minor from made,
        (values (0, 'provider_balance', 12000), (1, 'fees', 100), (2, 'receivable_clearing', -12100)) entry (line, name, minor)),
summed as (insert into ledger_checkpoint (merchant_id, provider_account_id, number, account, currency, balance_minor)
    select merchant, account, 1, 'provider_balance', 'EUR', 12000 from made)
select audit_append(merchant, now(), 'ALPHA', 'payment.create', 'ALPHA', '{}', 'ALPHA', '192.0.2.1', '\x00') from made
