//! What the ledger came to up to a transaction, so that nobody sums all of it each time.

use sqlx::PgConnection;

use super::StoreError;
use super::ledger::{Held, sum_all};
use crate::domain::ids::{MerchantId, ProviderAccountId};

/// What every account of the ledger holds of an account at a provider, by currency, out of the newest checkpoint and what was booked
/// since.
pub async fn sum(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<Held>, StoreError> {
    let newest = newest(conn, merchant, account).await?;
    if newest == 0 {
        return sum_all(conn, merchant, account).await;
    }
    // The number is a value of its own, so that Postgres sees how few transactions it leaves.
    Ok(sqlx::query_as(
        "with part as (
             select account, currency, balance_minor from ledger_checkpoint
             where merchant_id = $1 and provider_account_id = $2 and number = $3
             union all
             select e.account, e.currency, e.amount_minor from ledger_transaction t
             join ledger_entry e on e.merchant_id = t.merchant_id and e.provider_account_id = t.provider_account_id
                 and e.transaction_id = t.id
             where t.merchant_id = $1 and t.provider_account_id = $2 and t.number > $3
         )
         select account, currency, sum(balance_minor)::bigint as balance_minor from part
         group by account, currency having sum(balance_minor) <> 0 order by currency, account",
    )
    .bind(merchant)
    .bind(account)
    .bind(newest)
    .fetch_all(conn)
    .await?)
}

/// The number of the last transaction that the newest checkpoint of an account sums; 0 where there is none.
async fn newest(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select coalesce(max(number), 0) from ledger_checkpoint where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .fetch_one(conn)
    .await?)
}

/// Whether more transactions than this were booked since the newest checkpoint of an account.
pub async fn is_due(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    more_than: i64,
) -> Result<bool, StoreError> {
    let newest = newest(conn, merchant, account).await?;
    Ok(sqlx::query_scalar(
        "select exists (select from ledger_transaction where merchant_id = $1 and provider_account_id = $2 and number > $3
             order by number offset $4 limit 1)",
    )
    .bind(merchant)
    .bind(account)
    .bind(newest)
    .bind(more_than)
    .fetch_one(conn)
    .await?)
}

/// Takes a checkpoint of an account. Nobody books meanwhile: a number that was given out and is not seen yet would be left out for
/// good. `false` where those who are booking would have been waited for too long; then there is none.
pub async fn take(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<bool, StoreError> {
    sqlx::query("set local lock_timeout = '1s'")
        .execute(&mut *conn)
        .await?;
    let locked = sqlx::query("select hold_ledger_transactions()")
        .execute(&mut *conn)
        .await;
    match locked {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => return Ok(false),
        locked => locked?,
    };
    let held = sum(conn, merchant, account).await?;
    sqlx::query(
        "insert into ledger_checkpoint (merchant_id, provider_account_id, number, account, currency, balance_minor)
         select $1, $2, last.number, held.* from unnest($3::text[], $4::text[], $5::bigint[]) held, (
             select max(number) as number from ledger_transaction where merchant_id = $1 and provider_account_id = $2
         ) last
         on conflict do nothing",
    )
    .bind(merchant)
    .bind(account)
    .bind(held.iter().map(|held| held.account).collect::<Vec<_>>())
    .bind(held.iter().map(|held| held.currency.as_str()).collect::<Vec<_>>())
    .bind(held.iter().map(|held| held.balance_minor).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(true)
}
