//! How far each account's list of ledger lines was read, and whose turn it is to go on.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId};

/// An account whose list of ledger lines a worker has taken up.
#[derive(Debug, sqlx::FromRow)]
pub struct LineCursor {
    /// Whose account it is.
    pub merchant_id: MerchantId,
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// By the provider's clock: lines from before then were read, but for what is listed late.
    pub read_until: OffsetDateTime,
    /// Since when the walk that is under way reads.
    pub walk_since: Option<OffsetDateTime>,
    /// Where it goes on, in the provider's words.
    pub walk_next: Option<String>,
    /// The newest line that it has met.
    pub walk_newest: Option<OffsetDateTime>,
    fence: i64,
}

/// Whose accounts have none yet: some of these merchants, at most.
pub async fn list_missing(conn: &mut PgConnection) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from provider_account account
         where not exists (select from line_cursor held
             where held.merchant_id = account.merchant_id and held.provider_account_id = account.id)
         limit 500",
    )
    .fetch_all(conn)
    .await?)
}

/// Makes a cursor for every account of the transaction's merchants that has none: it is read from when it was added on. Its first turn comes after `wait`.
pub async fn enroll(conn: &mut PgConnection, wait: Duration) -> Result<(), StoreError> {
    sqlx::query(
        "insert into line_cursor (merchant_id, provider_account_id, read_until, due_at)
         select merchant_id, id, created_at, clock_timestamp() + $1 from provider_account account
         where not exists (select from line_cursor cursor
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
) -> Result<Vec<LineCursor>, StoreError> {
    Ok(sqlx::query_as(
        "with due as materialized (
             select merchant_id, provider_account_id from line_cursor
             where due_at <= clock_timestamp() order by due_at limit $2 for update skip locked
         )
         update line_cursor c set fence = c.fence + 1, due_at = clock_timestamp() + $1
         from due where c.merchant_id = due.merchant_id and c.provider_account_id = due.provider_account_id
         returning c.merchant_id, c.provider_account_id, c.read_until, c.walk_since, c.walk_next, c.walk_newest, c.fence",
    )
    .bind(lease)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Takes one account for as long as `lease`, whoever has it, to be read anew from a moment on.
pub async fn rewind(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    since: OffsetDateTime,
    lease: Duration,
) -> Result<LineCursor, StoreError> {
    Ok(sqlx::query_as(
        "insert into line_cursor as c (merchant_id, provider_account_id, read_until, due_at, fence)
         values ($1, $2, $3, clock_timestamp() + $4, 1)
         on conflict (merchant_id, provider_account_id) do update set read_until = $3, walk_since = null, walk_next = null,
             walk_newest = null, due_at = clock_timestamp() + $4, fence = c.fence + 1
         returning merchant_id, provider_account_id, read_until, walk_since, walk_next, walk_newest, fence",
    )
    .bind(merchant)
    .bind(account)
    .bind(since)
    .bind(lease)
    .fetch_one(conn)
    .await?)
}

/// Until when an account's lines were read, by the provider's clock.
pub async fn read_until(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<OffsetDateTime, StoreError> {
    Ok(sqlx::query_scalar(
        "select read_until from line_cursor where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .fetch_one(conn)
    .await?)
}

/// Notes where the walk stands. It stays leased. `false` where the lease was lost: then nothing of this transaction may count.
pub async fn advance(
    conn: &mut PgConnection,
    cursor: &LineCursor,
    lease: Duration,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update line_cursor set walk_since = $4, walk_next = $5, walk_newest = $6, due_at = clock_timestamp() + $7
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(cursor.merchant_id)
    .bind(cursor.provider_account_id)
    .bind(cursor.fence)
    .bind(cursor.walk_since)
    .bind(&cursor.walk_next)
    .bind(cursor.walk_newest)
    .bind(lease)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the walk: the next one begins at the newest line that this one met, after `wait`. `false` where the lease was lost.
pub async fn finish(
    conn: &mut PgConnection,
    cursor: &LineCursor,
    wait: Duration,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update line_cursor set read_until = greatest(read_until, $4), walk_since = null, walk_next = null,
             walk_newest = null, due_at = clock_timestamp() + $5
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(cursor.merchant_id)
    .bind(cursor.provider_account_id)
    .bind(cursor.fence)
    .bind(cursor.walk_newest)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives an account back as it stands on disk; its next turn comes after `wait`.
pub async fn give_back(
    conn: &mut PgConnection,
    cursor: &LineCursor,
    wait: Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update line_cursor set due_at = clock_timestamp() + $4
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
