-- What stands, for the operator's metrics: counts over all merchants, from small indexes, by the role that sees queues.

create index operation_unknown on operation (first_sent_at) where state = 'unknown';

grant select (created_at) on outbox_message to quittance_dispatch;
grant select (state, first_sent_at) on operation to quittance_dispatch;
select quittance_dispatch('exception', 'merchant_id, kind, closed_at');
select quittance_dispatch('data_key', 'merchant_id, kek_id, version, retired_at');
