-- An Odoo before 19 takes its API key together with the login of the user whose key it is.

alter table odoo_instance
    add column login text,
    add constraint odoo_instance_login_check check (login is null or sink = 'rpc');
comment on column odoo_instance.login is 'whose API key it is: JSON-RPC (Odoo 16 to 18) asks for it, JSON-2 does not';
