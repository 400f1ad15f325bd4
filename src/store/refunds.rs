//! Money given back.

use sqlx::PgConnection;
use time::{Date, OffsetDateTime};

use super::{StoreError, uuids};
use crate::domain::ids::{MerchantId, OperationId, PaymentId, ProviderAccountId, RefundId};
use crate::domain::refund::{Refund, RefundState};

#[derive(sqlx::FromRow)]
struct Row {
    id: RefundId,
    payment_id: PaymentId,
    operation_id: Option<OperationId>,
    amount_minor: i64,
    state: RefundState,
    provider_reference: String,
    refunded_on: Option<Date>,
    returned_on: Option<Date>,
}

/// Adds a refund that the provider told of.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    refund: &Refund,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into refund (merchant_id, id, payment_id, operation_id, provider_account_id, amount_minor, state,
             provider_reference, created_at, updated_at, refunded_on)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
    )
    .bind(merchant)
    .bind(refund.id)
    .bind(refund.payment_id)
    .bind(refund.operation_id)
    .bind(account)
    .bind(refund.amount_minor)
    .bind(refund.state)
    .bind(&refund.provider_reference)
    .bind(now)
    .bind(refund.refunded_on)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes a refund's state.
pub async fn update(
    conn: &mut PgConnection,
    merchant: MerchantId,
    refund: &Refund,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update refund set state = $3, updated_at = $4, refunded_on = $5, returned_on = $6
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(refund.id)
    .bind(refund.state)
    .bind(now)
    .bind(refund.refunded_on)
    .bind(refund.returned_on)
    .execute(conn)
    .await?;
    Ok(())
}

/// The refunds of a payment, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<Vec<Refund>, StoreError> {
    list_of(conn, merchant, &[payment]).await
}

/// The refunds of several payments, oldest first.
pub async fn list_of(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<Refund>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, payment_id, operation_id, amount_minor, state, provider_reference, refunded_on, returned_on
         from refund where merchant_id = $1 and payment_id = any($2) order by created_at, id",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Refund::from).collect())
}

impl From<Row> for Refund {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            payment_id: row.payment_id,
            operation_id: row.operation_id,
            amount_minor: row.amount_minor,
            state: row.state,
            provider_reference: row.provider_reference,
            refunded_on: row.refunded_on,
            returned_on: row.returned_on,
        }
    }
}

/// Whether a refund came to nothing.
pub async fn is_over(
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    reference: &str,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "select exists (select from refund where merchant_id = $1 and provider_account_id = $2
             and provider_reference = $3 and state in ('failed', 'canceled'))",
    )
    .bind(merchant)
    .bind(account)
    .bind(reference)
    .fetch_one(conn)
    .await?)
}
