//! Differences that a person must see.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::{ExceptionId, MerchantId, PaymentId};

/// Opens an exception; the same difference is opened once. `false` where it was open.
pub async fn open(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kind: ExceptionKind,
    payment: Option<PaymentId>,
    subject: &str,
    detail: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into exception (merchant_id, id, kind, payment_id, subject, detail, opened_at)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
    )
    .bind(merchant)
    .bind(ExceptionId::generate())
    .bind(kind)
    .bind(payment)
    .bind(subject)
    .bind(detail)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The exceptions open on a payment, oldest first: kind and detail.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<Vec<(ExceptionKind, String)>, StoreError> {
    Ok(sqlx::query_as(
        "select kind, detail from exception where merchant_id = $1 and payment_id = $2 order by id",
    )
    .bind(merchant)
    .bind(payment)
    .fetch_all(conn)
    .await?)
}
