-- Which Odoo with our addon keeps an account's books. It finds its journals itself, so that one row stands for all currencies; of a
-- stock Odoo `odoo_journal` says it, currency by currency. An account has rows in one of the two tables only.

create table book_keeper (
    merchant_id         uuid        not null,
    provider_account_id uuid        not null,
    odoo_instance_id    uuid        not null,
    since               timestamptz not null,
    primary key (merchant_id, provider_account_id),
    foreign key (merchant_id, provider_account_id) references provider_account,
    foreign key (merchant_id, odoo_instance_id) references odoo_instance
);
comment on table book_keeper is 'which Odoo with our addon is told what the ledger books of an account, whatever the currency';
select quittance_protect('book_keeper', 'select, insert, update');
