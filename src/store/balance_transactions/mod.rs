//! The provider's ledger lines: facts, written once.

mod looks;

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::balance_transaction::{About, BalanceTransaction, FeePart, Line};
use crate::domain::ids::{MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::money::Money;
use crate::domain::payment::CaptureMethod;

pub use looks::{end_waiting, get_presented, list_parts, sum_paid_until, sum_since, sum_unbooked, wait_on};

/// Keeps facts of an account, and says whose those are that were known before `payment` was, where that is known already.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payment: Option<PaymentId>,
    lines: &[Line],
) -> Result<(), StoreError> {
    keep(conn, merchant, account, payment, lines).await?;
    match payment {
        Some(payment) => claim(conn, merchant, account, payment, lines).await,
        None => Ok(()),
    }
}

/// Keeps facts of an account, many in one statement: one that is known is left as it is. Each waits to be booked, but for those from
/// before the account's opening.
///
/// `payment` is whose they are, where that is known already.
async fn keep(
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
    let named = lines.iter().map(|line| line.about.payment.map(PaymentId::uuid));
    let (presented_minor, presented_currency): (Vec<Option<i64>>, Vec<Option<&str>>) = lines
        .iter()
        .map(|line| {
            line.about
                .presented
                .map(|money| (money.minor, money.currency.code()))
                .unzip()
        })
        .unzip();
    let notes: Vec<Option<Json<&[String]>>> = lines
        .iter()
        .map(|line| (!line.about.notes.is_empty()).then_some(Json(&*line.about.notes)))
        .collect();
    let currencies: Vec<&str> = lines
        .iter()
        .map(|line| line.fact.amount.currency.code())
        .collect();
    sqlx::query(
        "insert into balance_transaction (merchant_id, provider_account_id, payment_id, id, kind, source, reporting_category,
             description, exchange_rate, payment_reference, charge_reference, amount_minor, fee_minor, net_minor, currency,
             fee_details, available_on, created_at, named_payment, presented_minor, presented_currency, notes, book_at)
         select $1, $2, $3, line.*, case when line.created_at >= coalesce(
                 (select at from opening where merchant_id = $1 and provider_account_id = $2), '-infinity')
             then clock_timestamp() end
         from unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
             $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::jsonb[], $17::timestamptz[], $18::timestamptz[],
             $19::uuid[], $20::bigint[], $21::text[], $22::jsonb[])
             as line (id, kind, source, reporting_category, description, exchange_rate, payment_reference, charge_reference,
                 amount_minor, fee_minor, net_minor, currency, fee_details, available_on, created_at, named_payment,
                 presented_minor, presented_currency, notes)
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
    .bind(named.collect::<Vec<Option<Uuid>>>())
    .bind(presented_minor)
    .bind(presented_currency)
    .bind(notes)
    .execute(conn)
    .await?;
    Ok(())
}

/// Says whose lines are that were known before their payment was, and has those matched anew that wait in Suspense.
async fn claim(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    payment: PaymentId,
    lines: &[Line],
) -> Result<(), StoreError> {
    let ids: Vec<&str> = lines.iter().map(|line| line.fact.id.as_str()).collect();
    // Who books or matches one now has it; what that does not find, the next match does.
    sqlx::query(
        "with free as materialized (
             select id from balance_transaction
             where merchant_id = $1 and provider_account_id = $2 and id = any($4) and payment_id is null
             for no key update skip locked
         )
         update balance_transaction b set payment_id = $3,
             match_at = case when b.book_at is null then clock_timestamp() end
         from free where b.merchant_id = $1 and b.provider_account_id = $2 and b.id = free.id",
    )
    .bind(merchant)
    .bind(account)
    .bind(payment)
    .bind(ids)
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
    /// Whether its source is a refund that is known here.
    pub is_of_refund: bool,
}

/// A payment that a line belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The payment.
    pub id: PaymentId,
    /// What the customer pays in, ISO 4217.
    pub currency: String,
    /// The Odoo that is told of it.
    pub odoo_instance: Option<OdooInstanceId>,
    /// What was captured of it, in minor units of that.
    pub captured_minor: i64,
    /// Whether its money is taken when the merchant asks for it: perhaps in parts.
    pub is_captured_by_hand: bool,
    /// The provider's id of its charge (`ch_…`), where that is known.
    pub charge_reference: Option<String>,
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
    named_payment: Option<Uuid>,
    notes: Option<Json<Vec<String>>>,
    matched: Option<PaymentId>,
    matched_currency: Option<String>,
    matched_captured_minor: Option<i64>,
    matched_method: Option<CaptureMethod>,
    matched_charge: Option<String>,
    matched_instance: Option<OdooInstanceId>,
    is_of_refund: bool,
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
            is_of_refund: row.is_of_refund,
            payment: row
                .matched
                .zip(row.matched_currency)
                .map(|(id, currency)| Matched {
                    id,
                    currency,
                    odoo_instance: row.matched_instance,
                    captured_minor: row.matched_captured_minor.unwrap_or_default(),
                    is_captured_by_hand: row.matched_method == Some(CaptureMethod::Manual),
                    charge_reference: row.matched_charge,
                }),
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
                    is_named: row.named_payment.is_some(),
                    notes: row.notes.map_or_else(Vec::new, |notes| notes.0),
                },
            },
        })
    }
}

/// Lines that a query holds, each with the payment that it belongs to.
macro_rules! matched {
    ($due:literal) => {
        concat!(
            "with due as materialized (",
            $due,
            ")
             select due.*, p.id as matched, p.currency as matched_currency, p.captured_minor as matched_captured_minor,
                 p.capture_method as matched_method, p.charge_reference as matched_charge,
                 p.odoo_instance_id as matched_instance, exists (select from refund r where r.merchant_id = due.merchant_id
                     and r.provider_account_id = due.provider_account_id and r.provider_reference = due.source) as is_of_refund
             from due cross join lateral (
                 -- Looked up first and by itself: what holds a subquery is no condition of an index behind a policy.
                 select coalesce(
                     due.payment_id,
                     (select q.id from payment q where q.merchant_id = due.merchant_id and q.id = due.named_payment),
                     (select q.id from payment q where q.merchant_id = due.merchant_id
                         and q.provider_account_id = due.provider_account_id and q.provider_reference = due.payment_reference),
                     (select q.id from payment q where q.merchant_id = due.merchant_id
                         and q.provider_account_id = due.provider_account_id and q.charge_reference = due.charge_reference
                         limit 1),
                     (select r.payment_id from refund r where r.merchant_id = due.merchant_id
                         and r.provider_account_id = due.provider_account_id and r.provider_reference = due.source)) as id
                 offset 0
             ) found
             left join payment p on p.merchant_id = due.merchant_id and p.provider_account_id = due.provider_account_id
                 and p.id = found.id"
        )
    };
}

/// Whose a line is, at which account, and the provider's id of it.
pub type LineKey = (MerchantId, ProviderAccountId, String);

/// Which lines of any merchant wait to be booked, those that wait longest first.
pub async fn list_unbooked(conn: &mut PgConnection, limit: i64) -> Result<Vec<LineKey>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, provider_account_id, id from balance_transaction where book_at <= clock_timestamp()
         order by book_at limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Holds those of an account's lines that wait to be booked, each with the payment that it belongs to: the one it was read with,
/// the one that its metadata names, or the one that the provider's ids lead to. None that another transaction holds.
pub async fn lock_unbooked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    ids: &[String],
) -> Result<Vec<Unbooked>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(matched!(
        "select * from balance_transaction where merchant_id = $1 and provider_account_id = $2 and id = any($3)
             -- Said so that the few ids lead to the rows, and not the index of all that wait.
             and coalesce(book_at, 'infinity') <= clock_timestamp()
         for update skip locked"
    ))
    .bind(merchant)
    .bind(account)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Unbooked::try_from).collect()
}

/// Which lines of any merchant wait in Suspense and are to be matched anew, those that wait longest first.
pub async fn list_waiting(conn: &mut PgConnection, limit: i64) -> Result<Vec<LineKey>, StoreError> {
    Ok(sqlx::query_as(
        "select merchant_id, provider_account_id, id from balance_transaction where match_at <= clock_timestamp()
         order by match_at limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Holds those of an account's lines that wait in Suspense and are to be matched anew, in the same way.
pub async fn lock_waiting(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    ids: &[String],
) -> Result<Vec<Unbooked>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(matched!(
        "select * from balance_transaction where merchant_id = $1 and provider_account_id = $2 and id = any($3)
             and coalesce(match_at, 'infinity') <= clock_timestamp()
         for no key update skip locked"
    ))
    .bind(merchant)
    .bind(account)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Unbooked::try_from).collect()
}

/// What became of a line when it was booked.
#[derive(Clone, Copy, Debug)]
pub struct BookedLine<'a> {
    /// The line.
    pub id: &'a str,
    /// Whose it turned out to be.
    pub payment: Option<PaymentId>,
    /// Whether it waits in Suspense for what would tell whose it is.
    pub waits: bool,
}

/// Notes that lines of an account are booked. Those that wait are matched anew after `wait`.
pub async fn note_booked(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    lines: &[BookedLine<'_>],
    wait: time::Duration,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = lines.iter().map(|line| line.id).collect();
    let payments: Vec<Option<Uuid>> = lines
        .iter()
        .map(|line| line.payment.map(PaymentId::uuid))
        .collect();
    let waits: Vec<bool> = lines.iter().map(|line| line.waits).collect();
    sqlx::query(
        "update balance_transaction b set book_at = null, payment_id = coalesce(b.payment_id, booked.payment_id),
             match_at = case when booked.waits then clock_timestamp() + $6 end
         from unnest($3::text[], $4::uuid[], $5::bool[]) booked (id, payment_id, waits)
         where b.merchant_id = $1 and b.provider_account_id = $2 and b.id = booked.id",
    )
    .bind(merchant)
    .bind(account)
    .bind(ids)
    .bind(payments)
    .bind(waits)
    .bind(wait)
    .execute(conn)
    .await?;
    Ok(())
}

/// Has lines of an account wait for a while.
pub async fn postpone(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    ids: &[String],
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
