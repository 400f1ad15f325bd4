-- Which processes serve requests: so many share the rate budgets of keys and merchants.
-- It belongs to no merchant: ids that a process makes up when it starts, and when it was last heard of.
create table replica (
    id uuid primary key,
    seen_at timestamptz not null
);
comment on table replica is 'processes that serve requests; one that is not heard of for a while is gone';
grant select, insert, update, delete on replica to quittance_app;
