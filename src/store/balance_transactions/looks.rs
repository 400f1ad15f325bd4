//! What lines come to, and how those that wait for an explanation stand.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::domain::exchange::{Part, Rate};
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};
use crate::domain::money::{Currency, Money};
use crate::store::StoreError;

/// What the customer paid for a line, or got back as a negative amount.
pub async fn get_presented(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    id: &str,
) -> Result<Money, StoreError> {
    let (minor, code): (i64, String) = sqlx::query_as(
        "select coalesce(presented_minor, amount_minor), coalesce(presented_currency, currency) from balance_transaction
         where merchant_id = $1 and provider_account_id = $2 and id = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .fetch_one(conn)
    .await?;
    let currency = code
        .parse()
        .map_err(|error| StoreError::corrupt("balance_transaction", &error))?;
    Ok(Money::new(minor, currency))
}

/// Ends that a line waits to be matched anew; with a payment, because it is that one's.
pub async fn end_waiting(
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    id: &str,
    payment: Option<PaymentId>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update balance_transaction set match_at = null, payment_id = coalesce(payment_id, $4)
         where merchant_id = $1 and provider_account_id = $2 and id = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .bind(payment)
    .execute(conn)
    .await?;
    Ok(())
}

/// Has a line wait once more for as long as it has waited, at least `first`; not at all once it has waited for `longest`.
pub async fn wait_on(
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    id: &str,
    first: time::Duration,
    longest: time::Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update balance_transaction b set match_at = case when clock_timestamp() - t.booked_at < $5
             then clock_timestamp() + greatest($4, clock_timestamp() - t.booked_at) end
         from ledger_transaction t
         where b.merchant_id = $1 and b.provider_account_id = $2 and b.id = $3
             and t.merchant_id = $1 and t.provider_account_id = $2 and t.source = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(id)
    .bind(first)
    .bind(longest)
    .execute(conn)
    .await?;
    Ok(())
}

/// The lines of a charge that arrived in another currency, oldest first, each with what it is booked as in the customer's.
pub async fn list_parts(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    charge: Option<&String>,
    currency: Currency,
) -> Result<Vec<(String, Part)>, StoreError> {
    let rows: Vec<(String, i64, String, String, Option<i64>)> = sqlx::query_as(
        "select b.id, b.amount_minor, b.currency, b.exchange_rate, (
             select -sum(e.amount_minor)::bigint from ledger_transaction t
             join ledger_entry e on e.merchant_id = t.merchant_id and e.provider_account_id = t.provider_account_id
                 and e.transaction_id = t.id
             where t.merchant_id = b.merchant_id and t.provider_account_id = b.provider_account_id
                 and t.subject = b.id and e.account = 'receivable_clearing' and e.currency = $4)
         from balance_transaction b
         where b.merchant_id = $1 and b.provider_account_id = $2 and b.source = $3 and b.exchange_rate is not null
             and b.amount_minor > 0
         order by b.created_at, b.id",
    )
    .bind(merchant)
    .bind(account)
    .bind(charge)
    .bind(currency.code())
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, minor, code, rate, booked_minor)| {
            let arrived = code
                .parse()
                .map_err(|error| StoreError::corrupt("balance_transaction", &error))?;
            let part = Part {
                arrived: Money::new(minor, arrived),
                rate: Rate::parse(&rate),
                booked_minor,
            };
            Ok((id, part))
        })
        .collect()
}

/// How far a payment's charges reach with one of its lines, in the order in which the provider wrote them: what the customer
/// paid, in minor units.
pub async fn sum_paid_until(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
    line: &str,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select coalesce(sum(coalesce(b.presented_minor, b.amount_minor)), 0)::bigint
         from balance_transaction b join balance_transaction until
             on until.merchant_id = $1 and until.payment_id = $2 and until.id = $3
         where b.merchant_id = $1 and b.payment_id = $2 and b.amount_minor > 0 and b.source is not distinct from until.source
           and (b.created_at, b.id) <= (until.created_at, until.id)",
    )
    .bind(merchant)
    .bind(payment)
    .bind(line)
    .fetch_one(conn)
    .await?)
}

/// What waits to be booked of an account, by currency: how many lines, and the sum of their nets in minor units.
pub async fn sum_unbooked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select currency, count(*), sum(net_minor)::bigint from balance_transaction
         where book_at is not null and merchant_id = $1 and provider_account_id = $2 group by currency",
    )
    .bind(merchant)
    .bind(account)
    .fetch_all(conn)
    .await?)
}

/// The nets of an account's lines from a moment on, booked or not, by currency, in minor units.
pub async fn sum_since(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    since: OffsetDateTime,
) -> Result<Vec<(String, i64)>, StoreError> {
    Ok(sqlx::query_as(
        "select currency, sum(net_minor)::bigint from balance_transaction
         where merchant_id = $1 and provider_account_id = $2 and created_at >= $3 group by currency",
    )
    .bind(merchant)
    .bind(account)
    .bind(since)
    .fetch_all(conn)
    .await?)
}
