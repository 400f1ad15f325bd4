//! The provider's ledger lines: facts, written once.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::balance_transaction::{About, BalanceTransaction, FeePart, Line};
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};
use crate::domain::money::Money;

/// Keeps facts of an account, many in one statement: one that is known is left as it is. Each waits to be booked.
///
/// `payment` is whose they are, where that is known already.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payment: Option<PaymentId>,
    lines: &[Line],
) -> Result<(), StoreError> {
    let text = |f: fn(&Line) -> Option<&String>| {
        lines
            .iter()
            .map(|line| f(line).map(String::as_str))
            .collect::<Vec<_>>()
    };
    let number = |f: fn(&Line) -> i64| lines.iter().map(f).collect::<Vec<_>>();
    let parts: Vec<Json<&[FeePart]>> = lines.iter().map(|line| Json(&*line.fact.fee_details)).collect();
    let available: Vec<Option<OffsetDateTime>> = lines.iter().map(|line| line.fact.available_on).collect();
    let created: Vec<OffsetDateTime> = lines.iter().map(|line| line.fact.created).collect();
    let named: Vec<Option<Uuid>> = lines
        .iter()
        .map(|line| line.about.payment.map(PaymentId::uuid))
        .collect();
    let presented = lines.iter().map(|line| line.about.presented);
    let presented_minor: Vec<Option<i64>> = presented
        .clone()
        .map(|money| money.map(|money| money.minor))
        .collect();
    let presented_currency: Vec<Option<&str>> = presented
        .map(|money| money.map(|money| money.currency.code()))
        .collect();
    let currencies: Vec<&str> = lines
        .iter()
        .map(|line| line.fact.amount.currency.code())
        .collect();
    sqlx::query(
        "insert into balance_transaction (merchant_id, provider_account_id, payment_id, id, kind, source, reporting_category,
             description, exchange_rate, payment_reference, charge_reference, amount_minor, fee_minor, net_minor, currency,
             fee_details, available_on, created_at, named_payment, presented_minor, presented_currency)
         select $1, $2, $3, * from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
             $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::jsonb[], $17::timestamptz[],
             $18::timestamptz[], $19::uuid[], $20::bigint[], $21::text[])
         on conflict do nothing",
    )
    .bind(merchant)
    .bind(account)
    .bind(payment)
    .bind(text(|line| Some(&line.fact.id)))
    .bind(text(|line| Some(&line.fact.kind)))
    .bind(text(|line| line.fact.source.as_ref()))
    .bind(text(|line| line.fact.reporting_category.as_ref()))
    .bind(text(|line| line.fact.description.as_ref()))
    .bind(text(|line| line.fact.exchange_rate.as_ref()))
    .bind(text(|line| line.about.payment_reference.as_ref()))
    .bind(text(|line| line.about.charge_reference.as_ref()))
    .bind(number(|line| line.fact.amount.minor))
    .bind(number(|line| line.fact.fee_minor))
    .bind(number(|line| line.fact.net_minor))
    .bind(currencies)
    .bind(parts)
    .bind(available)
    .bind(created)
    .bind(named)
    .bind(presented_minor)
    .bind(presented_currency)
    .execute(conn)
    .await?;
    Ok(())
}

/// A line that waits to be booked, and whose it is.
#[derive(Debug)]
pub struct Unbooked {
    /// Whose account it is of.
    pub merchant_id: MerchantId,
    /// The account.
    pub provider_account_id: ProviderAccountId,
    /// The line.
    pub line: Line,
    /// The payment that it belongs to, where it does.
    pub payment: Option<Matched>,
}

/// A payment that a line belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The payment.
    pub id: PaymentId,
    /// What the customer pays in, ISO 4217.
    pub currency: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    provider_account_id: ProviderAccountId,
    id: String,
    kind: String,
    source: Option<String>,
    reporting_category: Option<String>,
    description: Option<String>,
    exchange_rate: Option<String>,
    fee_details: Json<Vec<FeePart>>,
    amount_minor: i64,
    fee_minor: i64,
    net_minor: i64,
    currency: String,
    available_on: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    presented_minor: Option<i64>,
    presented_currency: Option<String>,
    charge_reference: Option<String>,
    payment_reference: Option<String>,
    matched: Option<PaymentId>,
    matched_currency: Option<String>,
}

impl TryFrom<Row> for Unbooked {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let currency = |code: &str| {
            code.parse()
                .map_err(|error| StoreError::corrupt("balance_transaction", &error))
        };
        let presented = match (row.presented_minor, row.presented_currency) {
            (Some(minor), Some(code)) => Some(Money::new(minor, currency(&code)?)),
            _ => None,
        };
        Ok(Self {
            merchant_id: row.merchant_id,
            provider_account_id: row.provider_account_id,
            payment: row
                .matched
                .zip(row.matched_currency)
                .map(|(id, currency)| Matched { id, currency }),
            line: Line {
                fact: BalanceTransaction {
                    id: row.id,
                    kind: row.kind,
                    source: row.source,
                    amount: Money::new(row.amount_minor, currency(&row.currency)?),
                    fee_minor: row.fee_minor,
                    net_minor: row.net_minor,
                    fee_details: row.fee_details.0,
                    reporting_category: row.reporting_category,
                    description: row.description,
                    exchange_rate: row.exchange_rate,
                    available_on: row.available_on,
                    created: row.created_at,
                },
                about: About {
                    payment: row.matched,
                    payment_reference: row.payment_reference,
                    charge_reference: row.charge_reference,
                    presented,
                },
            },
        })
    }
}

/// Holds up to `limit` lines that wait to be booked, each with the payment that it belongs to: the one it was read with, the
/// one that its metadata names, or the one that the provider's ids lead to. None that another transaction holds.
pub async fn lock_unbooked(conn: &mut PgConnection, limit: i64) -> Result<Vec<Unbooked>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "with due as materialized (
             select * from balance_transaction where book_at <= clock_timestamp() order by book_at limit $1
             for update skip locked
         )
         select due.*, p.id as matched, p.currency as matched_currency
         from due left join lateral (
             select id, currency from payment p
             where p.merchant_id = due.merchant_id and p.provider_account_id = due.provider_account_id and p.id = coalesce(
                 due.payment_id,
                 (select q.id from payment q where q.merchant_id = due.merchant_id and q.id = due.named_payment),
                 (select q.id from payment q where q.merchant_id = due.merchant_id
                     and q.provider_account_id = due.provider_account_id and q.provider_reference = due.payment_reference),
                 (select q.id from payment q where q.merchant_id = due.merchant_id
                     and q.provider_account_id = due.provider_account_id and q.charge_reference = due.charge_reference limit 1),
                 (select r.payment_id from refund r where r.merchant_id = due.merchant_id
                     and r.provider_account_id = due.provider_account_id and r.provider_reference = due.source))
         ) p on true",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Unbooked::try_from).collect()
}

/// Notes that lines of an account are booked, and whose they turned out to be.
pub async fn note_booked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    lines: &[(&str, Option<PaymentId>)],
) -> Result<(), StoreError> {
    let ids: Vec<&str> = lines.iter().map(|(id, _)| *id).collect();
    let payments: Vec<Option<Uuid>> = lines
        .iter()
        .map(|(_, payment)| payment.map(PaymentId::uuid))
        .collect();
    sqlx::query(
        "update balance_transaction b set book_at = null, payment_id = coalesce(b.payment_id, booked.payment_id)
         from unnest($3::text[], $4::uuid[]) booked (id, payment_id)
         where b.merchant_id = $1 and b.provider_account_id = $2 and b.id = booked.id",
    )
    .bind(merchant)
    .bind(account)
    .bind(ids)
    .bind(payments)
    .execute(conn)
    .await?;
    Ok(())
}

/// Has lines of an account wait for a while.
pub async fn postpone(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    ids: &[&str],
    wait: time::Duration,
) -> Result<(), StoreError> {
    sqlx::query(
        "update balance_transaction set book_at = clock_timestamp() + $4
         where merchant_id = $1 and provider_account_id = $2 and id = any($3)",
    )
    .bind(merchant)
    .bind(account)
    .bind(ids)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
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
