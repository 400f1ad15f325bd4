//! Payouts.

use sqlx::PgConnection;
use time::{Date, OffsetDateTime};

use super::StoreError;
use crate::domain::ids::{MerchantId, PayoutId, ProviderAccountId};
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutSnapshot, PayoutState};

/// The columns of a [`Row`], after which a condition follows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select merchant_id, id, provider_account_id, provider_reference, state, amount_minor, currency, ",
            "is_automatic, method, destination_kind, arrives_on, reconciliation, failure_code, failure_message, ",
            "balance_transaction, failure_balance_transaction, opened_at, version, created_at, updated_at from payout ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: PayoutId,
    provider_account_id: ProviderAccountId,
    provider_reference: String,
    state: String,
    amount_minor: i64,
    currency: String,
    is_automatic: bool,
    method: Option<String>,
    destination_kind: Option<String>,
    arrives_on: Option<Date>,
    reconciliation: Option<String>,
    failure_code: Option<String>,
    failure_message: Option<String>,
    balance_transaction: Option<String>,
    failure_balance_transaction: Option<String>,
    opened_at: OffsetDateTime,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Payout {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let currency = row
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt("payout", &error))?;
        Ok(Self {
            merchant_id: row.merchant_id,
            id: row.id,
            provider_account_id: row.provider_account_id,
            told: PayoutSnapshot {
                provider_reference: row.provider_reference,
                state: PayoutState::said(row.state),
                amount: Money::new(row.amount_minor, currency),
                is_automatic: row.is_automatic,
                method: row.method,
                destination_kind: row.destination_kind,
                arrives_on: row.arrives_on,
                reconciliation: row.reconciliation,
                failure_code: row.failure_code,
                failure_message: row.failure_message,
                balance_transaction: row.balance_transaction,
                failure_balance_transaction: row.failure_balance_transaction,
                opened_at: row.opened_at,
            },
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Adds a payout that the provider told of. `false` where we know it already; the row is then not touched.
pub async fn insert(conn: &mut PgConnection, payout: &Payout) -> Result<bool, StoreError> {
    let told = &payout.told;
    let done = sqlx::query(
        "insert into payout (merchant_id, id, provider_account_id, provider_reference, state, amount_minor, currency,
             is_automatic, method, destination_kind, arrives_on, reconciliation, failure_code, failure_message,
             balance_transaction, failure_balance_transaction, opened_at, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)
         on conflict do nothing",
    )
    .bind(payout.merchant_id)
    .bind(payout.id)
    .bind(payout.provider_account_id)
    .bind(&told.provider_reference)
    .bind(told.state.word())
    .bind(told.amount.minor)
    .bind(told.amount.currency.code())
    .bind(told.is_automatic)
    .bind(&told.method)
    .bind(&told.destination_kind)
    .bind(told.arrives_on)
    .bind(&told.reconciliation)
    .bind(&told.failure_code)
    .bind(&told.failure_message)
    .bind(&told.balance_transaction)
    .bind(&told.failure_balance_transaction)
    .bind(told.opened_at)
    .bind(payout.version)
    .bind(payout.created_at)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what changes in the life of a payout.
pub async fn update(conn: &mut PgConnection, payout: &Payout) -> Result<(), StoreError> {
    let told = &payout.told;
    sqlx::query(
        "update payout set state = $3, amount_minor = $4, currency = $5, is_automatic = $6, method = $7,
             destination_kind = $8, arrives_on = $9, reconciliation = $10, failure_code = $11, failure_message = $12,
             balance_transaction = $13, failure_balance_transaction = $14, version = $15, updated_at = $16
         where merchant_id = $1 and id = $2",
    )
    .bind(payout.merchant_id)
    .bind(payout.id)
    .bind(told.state.word())
    .bind(told.amount.minor)
    .bind(told.amount.currency.code())
    .bind(told.is_automatic)
    .bind(&told.method)
    .bind(&told.destination_kind)
    .bind(told.arrives_on)
    .bind(&told.reconciliation)
    .bind(&told.failure_code)
    .bind(&told.failure_message)
    .bind(&told.balance_transaction)
    .bind(&told.failure_balance_transaction)
    .bind(payout.version)
    .bind(payout.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The payout that the provider knows by that id.
pub async fn find(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<Payout>, StoreError> {
    let row: Option<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3"
    ))
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?;
    row.map(Payout::try_from).transpose()
}

/// The payout that the provider knows by that id, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Payout, StoreError> {
    let row: Row = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3 for update"
    ))
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// Notes that a read which began then is applied.
pub async fn note_read(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
    began_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update payout set read_at = $4
         where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .bind(began_at)
    .execute(conn)
    .await?;
    Ok(())
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
        "select exists (select from payout where merchant_id = $1 and provider_account_id = $2
             and provider_reference = $3 and read_at > $4)",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .bind(moment)
    .fetch_one(conn)
    .await?)
}

/// One payout of a merchant's and mode.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    id: PayoutId,
) -> Result<Payout, StoreError> {
    let row: Option<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and id = $3
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)"
    ))
    .bind(merchant)
    .bind(live)
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.ok_or(StoreError::NotFound)?.try_into()
}

/// The id of the payout that a provider knows by that name at one of a merchant's accounts of a mode.
pub async fn find_id(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    reference: &str,
) -> Result<Option<PayoutId>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from payout where merchant_id = $1 and provider_reference = $3
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)
         order by id limit 1",
    )
    .bind(merchant)
    .bind(live)
    .bind(reference)
    .fetch_optional(conn)
    .await?)
}

/// A payout that is done and not explained, and what its lines come to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Unexplained {
    /// Its id.
    pub id: PayoutId,
    /// Which account it is of.
    pub provider_account_id: ProviderAccountId,
    /// The provider's id of it.
    pub provider_reference: String,
    /// Where it stands.
    pub state: String,
    /// What went to the bank, in minor units.
    pub amount_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// The sum of the nets of its lines, in minor units; none while they are not all read.
    pub net_minor: Option<i64>,
}

/// The payouts of an account that are done (arrived, or came back), by whether they can be explained and are.
macro_rules! done {
    () => {
        "with held as (
             select payout as reference from exception
             where merchant_id = $1 and provider_account_id = $2 and closed_at is null and payout is not null
             union
             select l.payout from exception x join payout_line l on l.merchant_id = x.merchant_id
                 and l.provider_account_id = x.provider_account_id and l.balance_transaction = x.subject
             where x.merchant_id = $1 and x.provider_account_id = $2 and x.closed_at is null
         ), done as (
             select p.*, case when r.read_at is not null then r.net_minor end as net_minor,
                 r.read_at is not null and r.net_minor = p.amount_minor and held.reference is null as is_explained
             from payout p
             left join payout_reading r on r.merchant_id = p.merchant_id and r.provider_account_id = p.provider_account_id
                 and r.payout = p.provider_reference
             left join held on held.reference = p.provider_reference
             where p.merchant_id = $1 and p.provider_account_id = $2 and p.state in ('paid', 'failed')
         ) "
    };
}

/// How many payouts of an account are done and explained; done and not; and done, but made by hand: no provider tells their lines.
pub async fn count_explained(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<(i64, i64, i64), StoreError> {
    Ok(sqlx::query_as(concat!(
        done!(),
        "select count(*) filter (where is_automatic and is_explained),
             count(*) filter (where is_automatic and not is_explained), count(*) filter (where not is_automatic) from done"
    ))
    .bind(merchant)
    .bind(account)
    .fetch_one(conn)
    .await?)
}

/// The payouts of an account that are done and not explained, newest first, `limit` at most.
pub async fn list_unexplained(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    limit: i64,
) -> Result<Vec<Unexplained>, StoreError> {
    Ok(sqlx::query_as(concat!(
        done!(),
        "select id, provider_account_id, provider_reference, state, amount_minor, currency, net_minor from done
         where is_automatic and not is_explained order by id desc limit $3"
    ))
    .bind(merchant)
    .bind(account)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// A page of a merchant's payouts of one mode, newest first, after `after`, `limit` at most; of one state, where it is said.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    state: Option<PayoutState>,
    after: Option<PayoutId>,
    limit: i64,
) -> Result<Vec<Payout>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1
             and provider_account_id in (select id from provider_account where merchant_id = $1 and live = $2)
             and ($3::text is null or state = $3) and ($4::uuid is null or id < $4)
         order by id desc limit $5"
    ))
    .bind(merchant)
    .bind(live)
    .bind(state.map(PayoutState::word))
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Payout::try_from).collect()
}
