//! The provider's ledger lines: facts, written once.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::balance_transaction::{About, BalanceTransaction, FeePart, Line};
use crate::domain::exchange::{Part, Rate};
use crate::domain::ids::{MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::money::{Currency, Money};
use crate::domain::payment::CaptureMethod;

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
             from due left join lateral (
                 select p.* from payment p
                 where p.merchant_id = due.merchant_id and p.provider_account_id = due.provider_account_id and p.id = coalesce(
                     due.payment_id,
                     (select q.id from payment q where q.merchant_id = due.merchant_id and q.id = due.named_payment),
                     (select q.id from payment q where q.merchant_id = due.merchant_id
                         and q.provider_account_id = due.provider_account_id and q.provider_reference = due.payment_reference),
                     (select q.id from payment q where q.merchant_id = due.merchant_id
                         and q.provider_account_id = due.provider_account_id and q.charge_reference = due.charge_reference
                         limit 1),
                     (select r.payment_id from refund r where r.merchant_id = due.merchant_id
                         and r.provider_account_id = due.provider_account_id and r.provider_reference = due.source))
             ) p on true"
        )
    };
}

/// Holds up to `limit` lines that wait to be booked, each with the payment that it belongs to: the one it was read with, the
/// one that its metadata names, or the one that the provider's ids lead to. None that another transaction holds.
pub async fn lock_unbooked(conn: &mut PgConnection, limit: i64) -> Result<Vec<Unbooked>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(matched!(
        "select * from balance_transaction where book_at <= clock_timestamp() order by book_at limit $1
         for update skip locked"
    ))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Unbooked::try_from).collect()
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

/// Holds up to `limit` lines that wait in Suspense and are to be matched anew, in the same way.
pub async fn lock_waiting(conn: &mut PgConnection, limit: i64) -> Result<Vec<Unbooked>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(matched!(
        "select * from balance_transaction where match_at <= clock_timestamp() order by match_at limit $1
         for no key update skip locked"
    ))
    .bind(limit)
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
                 and ledger_subject(t.source) = b.id and e.account = 'receivable_clearing' and e.currency = $4)
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
