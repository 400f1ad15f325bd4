-- An Odoo with our addon that connected itself: which database and company it is, and from which a key was connected.

alter table odoo_instance
    add column company       text,
    add column company_name  text,
    add column odoo_version  text,
    add column addon_version text,
    -- Of an Odoo with our addon, `database` is its `database.uuid`: none until it connects.
    add constraint odoo_instance_company_check check
        (case when sink = 'addon' then (database is null) = (company is null) else company is null end);
comment on column odoo_instance.database is 'the name of a stock Odoo''s database; of one with our addon its database.uuid, which stays as it is';
comment on column odoo_instance.company is 'the id of the company in that database';

-- Companies of one database take their messages at one address; until one connects, the address is all that it is known by.
alter table odoo_instance drop constraint odoo_instance_merchant_id_url_database_key;
create unique index odoo_instance_rpc on odoo_instance (merchant_id, url, database) where sink = 'rpc';
drop index odoo_instance_addon_url;
create unique index odoo_instance_addon_url on odoo_instance (merchant_id, url) where sink = 'addon' and database is null;
create unique index odoo_instance_addon on odoo_instance (merchant_id, database, company) where sink = 'addon';

-- What a key was connected from, and for which account. The database stands here too, where it is read with the key: an instance
-- never gets another.
alter table api_key
    add column odoo_instance_id    uuid,
    add column odoo_database       text,
    add column provider_account_id uuid,
    add constraint api_key_binding_check check
        ((odoo_instance_id is null) = (odoo_database is null) and (odoo_instance_id is null) = (provider_account_id is null)),
    add foreign key (merchant_id, odoo_instance_id) references odoo_instance,
    add foreign key (merchant_id, provider_account_id) references provider_account;
comment on column api_key.odoo_database is 'a request that names another database is refused';

drop trigger api_key_changed on api_key;
create trigger api_key_changed
    after update of hash, merchant_id, live, scopes, networks, expires_at, revoked_at, odoo_instance_id, odoo_database, provider_account_id
        or delete on api_key
    for each statement execute function raise_key_epoch();

-- When an instance was last told something.
create index outbox_message_sent on outbox_message (merchant_id, odoo_instance_id, sent_at) where sent_at is not null;

-- The caller's own reference of a setup, and which kinds of methods a customer may pay with.
alter table setup add column reference text check (length(reference) between 1 and 255);
alter table operation add column payment_method_types text[] not null default '{}';
