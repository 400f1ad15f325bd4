-- What is personal goes after its time, or when a customer asks: the books stay.

alter table customer add column erased_at timestamptz;
comment on column customer.erased_at is 'since when name, email, phone and notes are gone, because the customer asked';

alter table payment add column erased_at timestamptz;
comment on column payment.erased_at is 'since when description, notes, receipt address, shipping and what led the customer through it are gone';
create index payment_to_erase on payment (merchant_id, updated_at)
    where erased_at is null and state in ('captured', 'failed', 'canceled');
create index audit_origin_to_erase on audit_origin (merchant_id, at);
