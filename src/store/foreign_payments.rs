//! Payments at providers that did not start here.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::foreign_payment::{ForeignPayment, ForeignSnapshot};
use crate::domain::ids::{ForeignPaymentId, MerchantId, PaymentId, ProviderAccountId};
use crate::domain::money::Money;
use crate::domain::payment::PaymentState;

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: ForeignPaymentId,
    provider_account_id: ProviderAccountId,
    provider_reference: String,
    state: String,
    amount_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    currency: String,
    charge_reference: Option<String>,
    description: Option<String>,
    opened_at: OffsetDateTime,
    captured_at: Option<OffsetDateTime>,
    payment_id: Option<PaymentId>,
    version: i64,
    first_seen_at: OffsetDateTime,
    last_seen_at: OffsetDateTime,
}

impl TryFrom<Row> for ForeignPayment {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let currency = row
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt("foreign_payment", &error))?;
        Ok(Self {
            merchant_id: row.merchant_id,
            id: row.id,
            provider_account_id: row.provider_account_id,
            told: ForeignSnapshot {
                provider_reference: row.provider_reference,
                state: PaymentState::said(row.state),
                amount: Money::new(row.amount_minor, currency),
                captured_minor: row.captured_minor,
                refunded_minor: row.refunded_minor,
                charge_reference: row.charge_reference,
                description: row.description,
                opened_at: row.opened_at,
                captured_at: row.captured_at,
            },
            payment_id: row.payment_id,
            version: row.version,
            first_seen_at: row.first_seen_at,
            last_seen_at: row.last_seen_at,
        })
    }
}

/// At which version a payment is that the provider knows by that id; none where we do not know it.
pub async fn find_version(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select version from foreign_payment
         where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?)
}

/// Whether a read that began after `moment` is applied already.
pub async fn read_since(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
    moment: OffsetDateTime,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select exists (select from foreign_payment where merchant_id = $1 and provider_account_id = $2
             and provider_reference = $3 and read_at > $4)",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .bind(moment)
    .fetch_one(conn)
    .await?)
}

/// A read of a payment, and of which version of ours it is news.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The version that was held when it began; none where it was not known.
    pub of_version: Option<i64>,
    /// When it began, by the database's clock.
    pub began_at: OffsetDateTime,
}

/// Writes what a read brought. `false` where another read was written since it began: then nothing is.
pub async fn write(
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    told: &ForeignSnapshot,
    read: Read,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into foreign_payment as held (merchant_id, id, provider_account_id, provider_reference, state,
             amount_minor, captured_minor, refunded_minor, currency, charge_reference, description, opened_at,
             captured_at, version, read_at, first_seen_at, last_seen_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $15)
         on conflict (merchant_id, provider_account_id, provider_reference) do update set state = excluded.state,
             amount_minor = excluded.amount_minor, captured_minor = excluded.captured_minor,
             refunded_minor = excluded.refunded_minor, currency = excluded.currency,
             charge_reference = excluded.charge_reference, description = excluded.description,
             captured_at = excluded.captured_at, version = held.version + 1, read_at = excluded.read_at,
             last_seen_at = excluded.last_seen_at
         where held.version = $16",
    )
    .bind(merchant)
    .bind(ForeignPaymentId::generate())
    .bind(account)
    .bind(&told.provider_reference)
    .bind(told.state.word())
    .bind(told.amount.minor)
    .bind(told.captured_minor)
    .bind(told.refunded_minor)
    .bind(told.amount.currency.code())
    .bind(&told.charge_reference)
    .bind(&told.description)
    .bind(told.opened_at)
    .bind(told.captured_at)
    .bind(read.began_at)
    .bind(now)
    .bind(read.of_version)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Which foreign payments a list holds; all where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForeignFilter {
    /// Where they stand.
    pub state: Option<PaymentState>,
    /// Those whose money moved then or later.
    pub captured_from: Option<OffsetDateTime>,
}

/// The foreign payments of a mode that fit, newest first, after `after`, `limit` at most.
///
/// One that a payment of ours has taken for its own since is none: what told of it came before our own answer did.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: &ForeignFilter,
    after: Option<ForeignPaymentId>,
    limit: i64,
) -> Result<Vec<ForeignPayment>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select merchant_id, id, provider_account_id, provider_reference, state, amount_minor, captured_minor,
             refunded_minor, currency, charge_reference, description, opened_at, captured_at, payment_id, version,
             first_seen_at, last_seen_at
         from foreign_payment f
         where merchant_id = $1
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)
             and not exists (select from payment p where p.merchant_id = f.merchant_id
                 and p.provider_account_id = f.provider_account_id and p.provider_reference = f.provider_reference)
             and not exists (select from payment p where p.merchant_id = f.merchant_id
                 and p.provider_account_id = f.provider_account_id and p.charge_reference = f.charge_reference)
             and ($3::text is null or state = $3) and ($4::timestamptz is null or captured_at >= $4)
             and ($5::uuid is null or id < $5)
         order by id desc limit $6",
    )
    .bind(merchant)
    .bind(live)
    .bind(filter.state.map(|state| state.to_string()))
    .bind(filter.captured_from)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(ForeignPayment::try_from).collect()
}
