//! How far the lines of each payout were read.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId};

/// A payout whose lines a worker reads.
#[derive(Debug, sqlx::FromRow)]
pub struct PayoutReading {
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Which account it is paid out of.
    pub provider_account_id: ProviderAccountId,
    /// The provider's id of it.
    pub payout: String,
    /// Where the reading goes on, in the provider's words.
    pub next: Option<String>,
    /// How many lines were read.
    pub line_count: i64,
    /// The sum of their nets without the payout's own, in minor units.
    pub net_minor: i64,
    fence: i64,
}

/// Has the lines of a payout read, where they were not yet.
pub async fn enroll(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payout: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into payout_reading (merchant_id, provider_account_id, payout, due_at)
         values ($1, $2, $3, clock_timestamp()) on conflict do nothing",
    )
    .bind(merchant)
    .bind(account)
    .bind(payout)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes up to `limit` payouts whose turn it is, for as long as `lease`.
pub async fn lease(
    conn: &mut PgConnection,
    lease: Duration,
    limit: i64,
) -> Result<Vec<PayoutReading>, StoreError> {
    Ok(sqlx::query_as(
        "with due as materialized (
             select merchant_id, provider_account_id, payout from payout_reading
             where due_at <= clock_timestamp() order by due_at limit $2 for update skip locked
         )
         update payout_reading r set fence = r.fence + 1, due_at = clock_timestamp() + $1
         from due where r.merchant_id = due.merchant_id and r.provider_account_id = due.provider_account_id
             and r.payout = due.payout
         returning r.merchant_id, r.provider_account_id, r.payout, r.next, r.line_count, r.net_minor, r.fence",
    )
    .bind(lease)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Notes which lines a payout went out with.
pub async fn insert_lines(
    conn: &mut PgConnection,
    reading: &PayoutReading,
    lines: &[&str],
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into payout_line (merchant_id, provider_account_id, payout, balance_transaction)
         select $1, $2, $3, * from unnest($4::text[]) on conflict do nothing",
    )
    .bind(reading.merchant_id)
    .bind(reading.provider_account_id)
    .bind(&reading.payout)
    .bind(lines)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes where a reading stands; it ends where `next` is none, and else is due again after `wait`. `false` where the lease was
/// lost: then nothing of this transaction may count.
pub async fn advance(
    conn: &mut PgConnection,
    reading: &PayoutReading,
    wait: Duration,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update payout_reading set next = $5, line_count = $6, net_minor = $7,
             due_at = case when $5::text is not null then clock_timestamp() + $8 end,
             read_at = case when $5::text is null then clock_timestamp() end
         where merchant_id = $1 and provider_account_id = $2 and payout = $3 and fence = $4",
    )
    .bind(reading.merchant_id)
    .bind(reading.provider_account_id)
    .bind(&reading.payout)
    .bind(reading.fence)
    .bind(&reading.next)
    .bind(reading.line_count)
    .bind(reading.net_minor)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a payout back as it stands on disk; its next turn comes after `wait`.
pub async fn give_back(
    conn: &mut PgConnection,
    reading: &PayoutReading,
    wait: Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update payout_reading set due_at = clock_timestamp() + $5
         where merchant_id = $1 and provider_account_id = $2 and payout = $3 and fence = $4 and read_at is null",
    )
    .bind(reading.merchant_id)
    .bind(reading.provider_account_id)
    .bind(&reading.payout)
    .bind(reading.fence)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}

/// How far the lines of a payout were read: when all were, where they were, how many beside its own, and the sum of their nets.
pub async fn find(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payout: &str,
) -> Result<Option<(Option<OffsetDateTime>, i64, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select read_at, line_count, net_minor from payout_reading
         where merchant_id = $1 and provider_account_id = $2 and payout = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(payout)
    .fetch_optional(conn)
    .await?)
}
