//! What stands in queues, over all merchants: counts and ages, by the role that sees the columns of queues.
//!
//! Each is read from an index of what is open, so that rows that are done cost nothing.

use sqlx::PgConnection;

use super::StoreError;

/// What stands. Ages are in seconds, 0 where nothing waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Events that are to be applied.
    pub events_pending: i64,
    /// How long the oldest of them waits.
    pub event_lag_s: i64,
    /// Events out of attempts.
    pub events_dead: i64,
    /// Messages out of attempts.
    pub outbox_dead: i64,
    /// Instances that rest.
    pub instances_paused: i64,
    /// Operations of which nobody knows the outcome.
    pub operations_unknown: i64,
    /// How long that has been so of the oldest.
    pub operations_unknown_oldest_s: i64,
    /// How long the reading or booking of some account's ledger lines is overdue.
    pub reconciliation_lag_s: i64,
    /// Accounts that a restore fences; at least one while it is not over.
    pub restore_fenced: i64,
}

/// What waits for one Odoo.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// The instance.
    pub odoo_instance_id: crate::domain::ids::OdooInstanceId,
    /// How many messages.
    pub pending: i64,
    /// How long the oldest waits, in seconds.
    pub oldest_s: i64,
}

/// Counts what stands.
pub async fn count(conn: &mut PgConnection) -> Result<Standing, StoreError> {
    Ok(sqlx::query_as(
        "with age as (select clock_timestamp() as now)
         select events.pending as events_pending, greatest(events.lag, 0) as event_lag_s,
             (select count(*) from webhook_event where state = 'dead') as events_dead,
             (select count(*) from outbox_message where state = 'dead') as outbox_dead,
             (select count(*) from odoo_instance where disabled_at is null and paused_until > now) as instances_paused,
             unknown.number as operations_unknown, greatest(unknown.oldest, 0) as operations_unknown_oldest_s,
             greatest((select extract(epoch from now - min(due_at))::bigint from line_cursor where due_at < now),
                 (select extract(epoch from now - min(book_at))::bigint from balance_transaction where book_at < now), 0)
                 as reconciliation_lag_s,
             (select coalesce(max(greatest(1, fenced.number)), 0) from restore, lateral (select count(*) as number
                 from restore_account account where account.restore_id = restore.id and account.lifted_at is null) fenced
                 where restore.finished_at is null) as restore_fenced
         from age,
             lateral (select count(*) as pending, coalesce(extract(epoch from now - min(received_at))::bigint, 0) as lag
                 from webhook_event where due_at is not null) events,
             lateral (select count(*) as number, coalesce(extract(epoch from now - min(first_sent_at))::bigint, 0) as oldest
                 from operation where state = 'unknown') unknown",
    )
    .fetch_one(conn)
    .await?)
}

/// What waits for each Odoo for which anything does.
pub async fn list_waiting(conn: &mut PgConnection) -> Result<Vec<Waiting>, StoreError> {
    Ok(sqlx::query_as(
        "select odoo_instance_id, count(*) as pending,
             greatest(extract(epoch from clock_timestamp() - min(created_at))::bigint, 0) as oldest_s
         from outbox_message where due_at is not null group by odoo_instance_id order by oldest_s desc limit 200",
    )
    .fetch_all(conn)
    .await?)
}

/// How many exceptions of each kind a person must see.
pub async fn list_exceptions(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(
        sqlx::query_as("select kind, count(*) from exception where closed_at is null group by kind")
            .fetch_all(conn)
            .await?,
    )
}

/// Data keys by the key-encryption key that wraps them (`kek`), and those that seal by their version (`data_key`).
pub async fn list_keys(conn: &mut PgConnection) -> Result<Vec<(String, String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select 'kek', kek_id, count(*) from data_key group by kek_id
         union all
         select 'data_key', version::text, count(*) from data_key where retired_at is null group by version",
    )
    .fetch_all(conn)
    .await?)
}
