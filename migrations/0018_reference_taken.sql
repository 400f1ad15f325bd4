-- A payment that was taken for failed, and that the provider has after all, when its reference belongs to another one already.

alter table payment add column reference_taken boolean not null default false;
comment on column payment.reference_taken is 'it lives, but another living payment has its reference: a person was told';

drop index payment_living_reference;
create unique index payment_living_reference on payment (merchant_id, provider_account_id, reference)
    where state not in ('failed', 'canceled') and not reference_taken;
