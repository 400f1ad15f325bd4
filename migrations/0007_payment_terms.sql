-- What can be asked of a payment beside its amount, how far Odoo was told, and what each operation asks for.

alter table payment
    add column customer_id        uuid,
    add column customer_reference text,
    add column terms              jsonb   not null default '{}',
    add column expires_at         timestamptz,
    add column captured_at        timestamptz,
    add column posted_minor       bigint  not null default 0 check (posted_minor >= 0),
    add column allow_double       boolean not null default false,
    add column hosted             boolean not null default false,
    add foreign key (merchant_id, customer_id) references customer;
comment on column payment.terms is 'setup_future_usage, statement_descriptor, receipt_email, shipping';
comment on column payment.expires_at is 'until when the customer may pay; an unpaid one is canceled then';
comment on column payment.posted_minor is 'how much of captured_minor is queued for Odoo';
comment on column payment.allow_double is 'asked for although another payment of a document was in the way';
comment on column payment.hosted is 'paid on a page of the provider''s';

create index payment_by_update on payment (merchant_id, updated_at, id);
create index payment_expiring on payment (expires_at)
    where expires_at is not null and state in ('created', 'requires_action');

-- Which documents of Odoo a payment settles, to find the other attempts at one.
create table payment_document (
    merchant_id uuid   not null,
    model       text   not null,
    document_id bigint not null,
    payment_id  uuid   not null,
    primary key (merchant_id, model, document_id, payment_id),
    foreign key (merchant_id, payment_id) references payment
);
insert into payment_document (merchant_id, model, document_id, payment_id)
select p.merchant_id, s ->> 'model', (s ->> 'id')::bigint, p.id
from payment p, jsonb_array_elements(p.settles) s
on conflict do nothing;

alter table operation drop constraint operation_kind_check;
alter table operation
    add constraint operation_kind_check
        check (kind in ('authorize', 'checkout', 'confirm', 'capture', 'cancel', 'refund')),
    add column off_session boolean not null default false,
    add column mandate     jsonb,
    add column page        jsonb,
    add column reason      text,
    add column is_final    boolean not null default true,
    add column reference   text,
    add column checkout_reference text;
comment on column operation.mandate is 'when and from where the customer agreed to be debited';
comment on column operation.page is 'where the provider''s page leads to, for checkout';
comment on column operation.checkout_reference is 'the page to close, for cancel';
comment on column operation.is_final is 'for capture: whether what is left is let go';
comment on column operation.reference is 'Odoo''s own reference of the child transaction';
