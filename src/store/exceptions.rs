//! Differences that a person must see.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{StoreError, uuids};
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::{ExceptionId, MerchantId, PaymentId, WebhookEventId};

/// Opens an exception; the same difference is open once. `false` where it was open.
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

/// Why an exception is closed, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// What settled it.
    pub reason: &'a str,
    /// Who did that.
    pub by: &'a str,
    /// When.
    pub at: OffsetDateTime,
}

/// Closes what is open of a kind on these subjects.
pub async fn close(
    conn: &mut PgConnection,
    merchant: MerchantId,
    kind: ExceptionKind,
    subjects: &[String],
    closing: Closing<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update exception set closed_at = $4, closed_reason = $5, closed_by = $6
         where merchant_id = $1 and kind = $2 and subject = any($3) and closed_at is null",
    )
    .bind(merchant)
    .bind(kind)
    .bind(subjects)
    .bind(closing.at)
    .bind(closing.reason)
    .bind(closing.by)
    .execute(conn)
    .await?;
    Ok(())
}

/// Closes the exception of an event that was dead, where a replay has ended it since.
pub async fn close_of_event(
    conn: &mut PgConnection,
    merchant: MerchantId,
    event: WebhookEventId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "update exception x set closed_at = $4, closed_reason = 'replayed: ' || e.state, closed_by = e.replayed_by
         from webhook_event e
         where e.merchant_id = $1 and e.id = $2 and e.state in ('applied', 'ignored') and e.replayed_by is not null
             and x.merchant_id = $1 and x.kind = $3 and x.subject = $5 and x.closed_at is null",
    )
    .bind(merchant)
    .bind(event)
    .bind(ExceptionKind::EventDead)
    .bind(now)
    .bind(event.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// An exception as it is shown with its payment.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ExceptionEntry {
    /// The payment it is open on.
    pub payment_id: PaymentId,
    /// What kind of difference it is.
    pub kind: ExceptionKind,
    /// What differs, in words.
    pub detail: String,
}

/// The exceptions open on several payments, oldest first.
pub async fn list_of(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<ExceptionEntry>, StoreError> {
    Ok(sqlx::query_as(
        "select payment_id, kind, detail from exception
         where merchant_id = $1 and payment_id = any($2) and closed_at is null order by id",
    )
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?)
}
