//! How far each account's list of events was read, and whose turn it is to go on.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId};

/// An account whose list of events a worker has taken up.
#[derive(Debug, sqlx::FromRow)]
pub struct EventCursor {
    /// Whose account it is.
    pub merchant_id: MerchantId,
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// By the provider's clock: what happened before then was read, but for what is listed late.
    pub read_until: OffsetDateTime,
    /// By the database's clock: when the last walk that came to its end began.
    pub caught_up_at: OffsetDateTime,
    /// When it was leased, by the same clock.
    pub now: OffsetDateTime,
    /// Since when the walk that is under way reads.
    pub walk_since: Option<OffsetDateTime>,
    /// When it began, by the database's clock.
    pub walk_began_at: Option<OffsetDateTime>,
    /// Where it goes on, in the provider's words.
    pub walk_next: Option<String>,
    /// The newest event that it has met.
    pub walk_newest: Option<OffsetDateTime>,
    fence: i64,
}

/// Whose accounts have none yet: some of these merchants, at most.
pub async fn list_missing(conn: &mut PgConnection) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from provider_account account
         where not exists (select from event_cursor held
             where held.merchant_id = account.merchant_id and held.provider_account_id = account.id)
         limit 500",
    )
    .fetch_all(conn)
    .await?)
}

/// Makes a cursor for every account of the transaction's merchants that has none: it is read from when it was added on. Its first turn comes after `wait`.
pub async fn enroll(conn: &mut PgConnection, wait: Duration) -> Result<(), StoreError> {
    sqlx::query(
        "insert into event_cursor (merchant_id, provider_account_id, read_until, caught_up_at, due_at)
         select merchant_id, id, created_at, clock_timestamp(), clock_timestamp() + $1 from provider_account account
         where not exists (select from event_cursor cursor
             where cursor.merchant_id = account.merchant_id and cursor.provider_account_id = account.id)
         on conflict do nothing",
    )
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes up to `limit` accounts whose turn it is, for as long as `lease`.
pub async fn lease(
    conn: &mut PgConnection,
    lease: Duration,
    limit: i64,
) -> Result<Vec<EventCursor>, StoreError> {
    Ok(sqlx::query_as(
        // Materialized, so that the limit holds whatever the plan.
        "with due as materialized (
             select merchant_id, provider_account_id from event_cursor
             where due_at <= clock_timestamp() order by due_at limit $2 for update skip locked
         )
         update event_cursor c set fence = c.fence + 1, due_at = clock_timestamp() + $1
         from due where c.merchant_id = due.merchant_id and c.provider_account_id = due.provider_account_id
         returning c.merchant_id, c.provider_account_id, c.read_until, c.caught_up_at, clock_timestamp() as now,
             c.walk_since, c.walk_began_at, c.walk_next, c.walk_newest, c.fence",
    )
    .bind(lease)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Notes where the walk stands. It stays leased. `false` where the lease was lost: then nothing of this transaction may count.
pub async fn advance(
    conn: &mut PgConnection,
    cursor: &EventCursor,
    lease: Duration,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update event_cursor set walk_since = $4, walk_began_at = $5, walk_next = $6, walk_newest = $7,
             due_at = clock_timestamp() + $8
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(cursor.merchant_id)
    .bind(cursor.provider_account_id)
    .bind(cursor.fence)
    .bind(cursor.walk_since)
    .bind(cursor.walk_began_at)
    .bind(&cursor.walk_next)
    .bind(cursor.walk_newest)
    .bind(lease)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the walk: the next one begins where it began to read, after `wait`. `false` where the lease was lost.
pub async fn finish(
    conn: &mut PgConnection,
    cursor: &EventCursor,
    wait: Duration,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update event_cursor set read_until = greatest(read_until, $4), caught_up_at = $5, walk_since = null,
             walk_began_at = null, walk_next = null, walk_newest = null, due_at = clock_timestamp() + $6
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(cursor.merchant_id)
    .bind(cursor.provider_account_id)
    .bind(cursor.fence)
    .bind(cursor.walk_newest)
    .bind(cursor.walk_began_at)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives an account back as it stands on disk; its next turn comes after `wait`.
pub async fn give_back(
    conn: &mut PgConnection,
    cursor: &EventCursor,
    wait: Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update event_cursor set due_at = clock_timestamp() + $4
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(cursor.merchant_id)
    .bind(cursor.provider_account_id)
    .bind(cursor.fence)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}
