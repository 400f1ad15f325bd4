//! When the books of an account with a past begin, and with what.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::opening::{OpeningBalance, UnderWay, UnderWayKind};

/// When the books of an account begin.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Opening {
    /// Nothing from before then is booked.
    pub at: OffsetDateTime,
    /// When what it opens with was booked.
    pub booked_at: Option<OffsetDateTime>,
}

/// The opening of an account, where it has one.
pub async fn find(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Option<Opening>, StoreError> {
    Ok(sqlx::query_as(
        "select at, booked_at from opening where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .fetch_optional(conn)
    .await?)
}

/// Waits until nobody is keeping or booking lines, and holds all who would until the transaction ends: what they do then, they do
/// knowing of the opening. Fails where that takes longer than a moment.
pub async fn hold_lines(conn: &mut PgConnection) -> Result<(), StoreError> {
    for sql in [
        "set local lock_timeout = '5s'",
        "lock table balance_transaction in exclusive mode",
    ] {
        sqlx::query(sql).execute(&mut *conn).await?;
    }
    Ok(())
}

/// The source of something that is booked of an account and happened before a moment, where there is one.
pub async fn find_booked_before(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    at: OffsetDateTime,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "select source from ledger_transaction
         where merchant_id = $1 and provider_account_id = $2 and occurred_at < $3 order by occurred_at limit 1",
    )
    .bind(merchant)
    .bind(account)
    .bind(at)
    .fetch_optional(conn)
    .await?)
}

/// Notes when the books of an account begin. Lines from before then that wait to be booked wait no more.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "with kept as (
             update balance_transaction set book_at = null
             where merchant_id = $1 and provider_account_id = $2 and created_at < $3 and book_at is not null
         )
         insert into opening (merchant_id, provider_account_id, at) values ($1, $2, $3)",
    )
    .bind(merchant)
    .bind(account)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Holds an opening until the transaction ends. Whether what it opens with is still to be booked.
pub async fn lock_unbooked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select booked_at is null from opening where merchant_id = $1 and provider_account_id = $2 for update",
    )
    .bind(merchant)
    .bind(account)
    .fetch_one(conn)
    .await?)
}

/// Writes what an account opens with, and that it is booked.
pub async fn note_booked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    balances: &[OpeningBalance],
    items: &[UnderWay],
) -> Result<(), StoreError> {
    let numbers = |f: fn(&OpeningBalance) -> i64| balances.iter().map(f).collect::<Vec<_>>();
    sqlx::query(
        "insert into opening_balance (merchant_id, provider_account_id, currency, amount_minor, in_transit_minor, disputed_minor)
         select $1, $2, * from unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[])",
    )
    .bind(merchant)
    .bind(account)
    .bind(balances.iter().map(|each| each.currency.code()).collect::<Vec<_>>())
    .bind(numbers(|each| each.amount_minor))
    .bind(numbers(|each| each.in_transit_minor))
    .bind(numbers(|each| each.disputed_minor))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into opening_item (merchant_id, provider_account_id, kind, reference, currency, amount_minor)
         select $1, $2, * from unnest($3::text[], $4::text[], $5::text[], $6::bigint[])",
    )
    .bind(merchant)
    .bind(account)
    .bind(items.iter().map(|item| item.kind).collect::<Vec<_>>())
    .bind(
        items
            .iter()
            .map(|item| item.reference.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        items
            .iter()
            .map(|item| item.amount.currency.code())
            .collect::<Vec<_>>(),
    )
    .bind(items.iter().map(|item| item.amount.minor).collect::<Vec<_>>())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "update opening set booked_at = clock_timestamp() where merchant_id = $1 and provider_account_id = $2",
    )
    .bind(merchant)
    .bind(account)
    .execute(conn)
    .await?;
    Ok(())
}

/// What an account opened with, by currency.
pub async fn list_balances(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<OpeningBalance>, StoreError> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "select currency, amount_minor, in_transit_minor, disputed_minor from opening_balance
         where merchant_id = $1 and provider_account_id = $2 order by currency",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?;
    let read = |(code, amount_minor, in_transit_minor, disputed_minor): (String, i64, i64, i64)| {
        Ok(OpeningBalance {
            currency: code
                .parse()
                .map_err(|error| StoreError::corrupt("opening_balance", &error))?,
            amount_minor,
            in_transit_minor,
            disputed_minor,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Whether a payout's money passes through the books of an account: it left after the opening, or was on its way then.
pub async fn books_payout(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
    made_at: OffsetDateTime,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select not exists (select from opening where merchant_id = $1 and provider_account_id = $2 and at > $4)
             or exists (select from opening_item where merchant_id = $1 and provider_account_id = $2
                 and kind = $5 and reference = $3)",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .bind(made_at)
    .bind(UnderWayKind::Payout)
    .fetch_one(conn)
    .await?)
}
