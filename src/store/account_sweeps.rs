//! The nightly sweep of each account: when it is due, how far it has come, and what it looks for.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};

/// What a sweep is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Step {
    /// Payments that are not final.
    Payments,
    /// Disputes that are open.
    Disputes,
}

/// An account whose sweep a worker has taken up.
#[derive(Debug, sqlx::FromRow)]
pub struct AccountSweep {
    /// Whose account it is.
    pub merchant_id: MerchantId,
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// By the database's clock: when the last sweep that came to its end began.
    pub swept_at: OffsetDateTime,
    /// What it is at.
    pub step: Step,
    /// When it began, by the database's clock.
    pub began_at: OffsetDateTime,
    /// The last of these that it has read.
    pub after_id: Option<Uuid>,
    fence: i64,
}

/// Whose accounts have none yet: some of these merchants, at most.
pub async fn list_missing(conn: &mut PgConnection) -> Result<Vec<MerchantId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select distinct merchant_id from provider_account account
         where not exists (select from account_sweep held
             where held.merchant_id = account.merchant_id and held.provider_account_id = account.id)
         limit 500",
    )
    .fetch_all(conn)
    .await?)
}

/// Makes a row for every account of the transaction's merchants that has none. Its first sweep comes after `wait`.
pub async fn enroll(conn: &mut PgConnection, wait: Duration) -> Result<(), StoreError> {
    sqlx::query(
        "insert into account_sweep (merchant_id, provider_account_id, swept_at, due_at)
         select merchant_id, id, created_at, clock_timestamp() + $1 from provider_account account
         where not exists (select from account_sweep sweep
             where sweep.merchant_id = account.merchant_id and sweep.provider_account_id = account.id)
         on conflict do nothing",
    )
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes up to `limit` accounts whose sweep is due, for as long as `lease`.
pub async fn lease(
    conn: &mut PgConnection,
    lease: Duration,
    limit: i64,
) -> Result<Vec<AccountSweep>, StoreError> {
    Ok(sqlx::query_as(
        // Materialized, so that the limit holds whatever the plan.
        "with due as materialized (
             select merchant_id, provider_account_id from account_sweep
             where due_at <= clock_timestamp() order by due_at limit $2 for update skip locked
         )
         update account_sweep s set fence = s.fence + 1, due_at = clock_timestamp() + $1,
             began_at = coalesce(s.began_at, clock_timestamp())
         from due where s.merchant_id = due.merchant_id and s.provider_account_id = due.provider_account_id
         returning s.merchant_id, s.provider_account_id, s.swept_at, s.step, s.began_at, s.after_id, s.fence",
    )
    .bind(lease)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Notes how far a sweep has come, and gives it back until `wait` is over. Nothing happens where the lease was lost.
pub async fn advance(
    conn: &mut PgConnection,
    sweep: &AccountSweep,
    step: Step,
    after: Option<Uuid>,
    wait: Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update account_sweep set step = $4, after_id = $5, due_at = clock_timestamp() + $6
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(sweep.merchant_id)
    .bind(sweep.provider_account_id)
    .bind(sweep.fence)
    .bind(step)
    .bind(after)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a sweep: the next one is due `every` after this one began. Nothing happens where the lease was lost.
pub async fn finish(
    conn: &mut PgConnection,
    sweep: &AccountSweep,
    every: Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update account_sweep set swept_at = began_at, step = 'payments', began_at = null, after_id = null,
             due_at = greatest(began_at + $4, clock_timestamp())
         where merchant_id = $1 and provider_account_id = $2 and fence = $3",
    )
    .bind(sweep.merchant_id)
    .bind(sweep.provider_account_id)
    .bind(sweep.fence)
    .bind(every)
    .execute(conn)
    .await?;
    Ok(())
}

/// Has an account swept as soon as may be.
pub async fn hasten(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<(), StoreError> {
    sqlx::query(
        "update account_sweep set due_at = least(due_at, clock_timestamp())
         where merchant_id = $1 and provider_account_id = $2 and began_at is null",
    )
    .bind(merchant)
    .bind(account)
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of an account's payments that a sweep must read, by id, after `after`: older than an hour, not read for 20 hours, and
///
/// - not final; one that nobody has begun to pay is read ever more rarely, after a third of its age each time; or
/// - captured in the last 30 days without a ledger line; or
/// - with a refund on its way.
pub async fn list_payments(
    conn: &mut PgConnection,
    sweep: &AccountSweep,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payment p
         where merchant_id = $1 and provider_account_id = $2 and ($3::uuid is null or id > $3)
             and created_at < $4 - interval '1 hour' and (read_at is null or read_at < $4 - interval '20 hours')
             and id in (
                 select id from payment where merchant_id = $1 and provider_account_id = $2
                     and state in ('created', 'requires_action', 'processing', 'authorized', 'unknown')
                     and (state not in ('created', 'requires_action') or read_at is null
                         or $4 - read_at >= (read_at - created_at) / 3)
                 union
                 select id from payment captured where merchant_id = $1 and provider_account_id = $2
                     and captured_at between $4 - interval '30 days' and $4 - interval '1 hour'
                     and not exists (select from balance_transaction line where line.merchant_id = $1
                         and line.payment_id = captured.id and line.amount_minor > 0)
                 union
                 select payment_id from refund
                 where merchant_id = $1 and provider_account_id = $2 and state = 'pending')
         order by id limit $5",
    )
    .bind(sweep.merchant_id)
    .bind(sweep.provider_account_id)
    .bind(after)
    .bind(sweep.began_at)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// A page of an account's open disputes that were not read for 20 hours, by id, after `after`: our id and the provider's.
pub async fn list_disputes(
    conn: &mut PgConnection,
    sweep: &AccountSweep,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    Ok(sqlx::query_as(
        "select id, provider_reference from dispute
         where merchant_id = $1 and provider_account_id = $2 and ($3::uuid is null or id > $3)
             and state not in ('won', 'lost', 'prevented', 'warning_closed')
             and (read_at is null or read_at < $4 - interval '20 hours')
         order by id limit $5",
    )
    .bind(sweep.merchant_id)
    .bind(sweep.provider_account_id)
    .bind(after)
    .bind(sweep.began_at)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
