//! Disputes.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::dispute::{Dispute, DisputeSnapshot, DisputeState};
use crate::domain::ids::{DisputeId, MerchantId, PaymentId, ProviderAccountId};
use crate::domain::money::Money;
use crate::domain::snapshot::Said;

/// The columns of a [`Row`], after which a condition follows.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select merchant_id, id, provider_account_id, payment_id, provider_reference, charge_reference, ",
            "payment_reference, state, amount_minor, currency, reason, due_at, has_evidence, submission_count, ",
            "is_charge_refundable, opened_at, version, created_at, updated_at from dispute ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    merchant_id: MerchantId,
    id: DisputeId,
    provider_account_id: ProviderAccountId,
    payment_id: Option<PaymentId>,
    provider_reference: String,
    charge_reference: Option<String>,
    payment_reference: Option<String>,
    state: String,
    amount_minor: i64,
    currency: String,
    reason: Option<String>,
    due_at: Option<OffsetDateTime>,
    has_evidence: bool,
    submission_count: i64,
    is_charge_refundable: bool,
    opened_at: OffsetDateTime,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Dispute {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let currency = row
            .currency
            .parse()
            .map_err(|error| StoreError::corrupt("dispute", &error))?;
        Ok(Self {
            merchant_id: row.merchant_id,
            id: row.id,
            provider_account_id: row.provider_account_id,
            payment_id: row.payment_id,
            told: DisputeSnapshot {
                provider_reference: row.provider_reference,
                charge_reference: row.charge_reference,
                payment_reference: row.payment_reference,
                state: Said::of_word(row.state),
                amount: Money::new(row.amount_minor, currency),
                reason: row.reason,
                due_at: row.due_at,
                has_evidence: row.has_evidence,
                submission_count: row.submission_count,
                is_charge_refundable: row.is_charge_refundable,
                opened_at: row.opened_at,
            },
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Adds a dispute that the provider told of. `false` where we know it already; the row is then not touched.
pub async fn insert(conn: &mut PgConnection, dispute: &Dispute) -> Result<bool, StoreError> {
    let told = &dispute.told;
    let done = sqlx::query(
        "insert into dispute (merchant_id, id, provider_account_id, payment_id, provider_reference, charge_reference,
             payment_reference, state, amount_minor, currency, reason, due_at, has_evidence, submission_count,
             is_charge_refundable, opened_at, version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18)
         on conflict do nothing",
    )
    .bind(dispute.merchant_id)
    .bind(dispute.id)
    .bind(dispute.provider_account_id)
    .bind(dispute.payment_id)
    .bind(&told.provider_reference)
    .bind(&told.charge_reference)
    .bind(&told.payment_reference)
    .bind(told.state.word())
    .bind(told.amount.minor)
    .bind(told.amount.currency.code())
    .bind(&told.reason)
    .bind(told.due_at)
    .bind(told.has_evidence)
    .bind(told.submission_count)
    .bind(told.is_charge_refundable)
    .bind(told.opened_at)
    .bind(dispute.version)
    .bind(dispute.created_at)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes what changes in the life of a dispute.
pub async fn update(conn: &mut PgConnection, dispute: &Dispute) -> Result<(), StoreError> {
    let told = &dispute.told;
    sqlx::query(
        "update dispute set payment_id = $3, charge_reference = $4, payment_reference = $5, state = $6,
             amount_minor = $7, currency = $8, reason = $9, due_at = $10, has_evidence = $11, submission_count = $12,
             is_charge_refundable = $13, version = $14, updated_at = $15
         where merchant_id = $1 and id = $2",
    )
    .bind(dispute.merchant_id)
    .bind(dispute.id)
    .bind(dispute.payment_id)
    .bind(&told.charge_reference)
    .bind(&told.payment_reference)
    .bind(told.state.word())
    .bind(told.amount.minor)
    .bind(told.amount.currency.code())
    .bind(&told.reason)
    .bind(told.due_at)
    .bind(told.has_evidence)
    .bind(told.submission_count)
    .bind(told.is_charge_refundable)
    .bind(dispute.version)
    .bind(dispute.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// One dispute.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: DisputeId,
) -> Result<Dispute, StoreError> {
    let row: Row = sqlx::query_as(select!("where merchant_id = $1 and id = $2"))
        .bind(merchant)
        .bind(id)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// The dispute that the provider knows by that id.
pub async fn find(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Option<Dispute>, StoreError> {
    let row: Option<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id = $2 and provider_reference = $3"
    ))
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_optional(conn)
    .await?;
    row.map(Dispute::try_from).transpose()
}

/// The dispute that the provider knows by that id, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<Dispute, StoreError> {
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
    id: DisputeId,
    began_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("update dispute set read_at = $3 where merchant_id = $1 and id = $2")
        .bind(merchant)
        .bind(id)
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
        "select exists (select from dispute where merchant_id = $1 and provider_account_id = $2
             and provider_reference = $3 and read_at > $4)",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .bind(moment)
    .fetch_one(conn)
    .await?)
}

/// All disputes of a payment, oldest first.
pub async fn list_of_payment(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<Vec<Dispute>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!("where merchant_id = $1 and payment_id = $2 order by id"))
        .bind(merchant)
        .bind(payment)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(Dispute::try_from).collect()
}

/// Which disputes a list holds; all where nothing is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct DisputeFilter {
    /// Where they stand.
    pub state: Option<DisputeState>,
    /// The payment that they are about.
    pub payment: Option<PaymentId>,
    /// Those that are open and whose evidence is due before then.
    pub due_before: Option<OffsetDateTime>,
}

/// The disputes of a mode that fit, newest first, after `after`, `limit` at most.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    live: bool,
    filter: &DisputeFilter,
    after: Option<DisputeId>,
    limit: i64,
) -> Result<Vec<Dispute>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "where merchant_id = $1 and provider_account_id in
             (select id from provider_account where merchant_id = $1 and live = $2)
             and ($3::text is null or state = $3) and ($4::uuid is null or payment_id = $4)
             and ($5::timestamptz is null or (due_at < $5 and state <> all($6)))
             and ($7::uuid is null or id < $7)
         order by id desc limit $8"
    ))
    .bind(merchant)
    .bind(live)
    .bind(filter.state.map(DisputeState::word))
    .bind(filter.payment)
    .bind(filter.due_before)
    .bind(closed_words())
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Dispute::try_from).collect()
}

fn closed_words() -> Vec<&'static str> {
    DisputeState::ALL
        .into_iter()
        .filter(|state| state.is_closed())
        .map(DisputeState::word)
        .collect()
}
