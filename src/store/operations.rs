//! Money-moving calls, each a row before it is a request.

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{StoreError, uuids};
use crate::domain::checkout::Page;
use crate::domain::idempotency::Asked;
use crate::domain::ids::{MerchantId, OperationId, PaymentId, ProviderAccountId};
use crate::domain::operation::{Ask, Operation, OperationKind, OperationState, Reason};
use crate::domain::payment::MandateAcceptance;
use crate::telemetry::trace::{self, TraceContext};

macro_rules! columns {
    () => {
        "id, payment_id, provider_account_id, kind, amount_minor, state, payment_method, return_url, off_session, \
         mandate, payment_method_types, page, checkout_reference, reason, is_final, reference, asked, attempts, first_sent_at, look_up, fence, error_code, error_message"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: OperationId,
    payment_id: PaymentId,
    provider_account_id: ProviderAccountId,
    kind: OperationKind,
    amount_minor: i64,
    state: OperationState,
    payment_method: Option<String>,
    return_url: Option<String>,
    off_session: bool,
    mandate: Option<Json<MandateAcceptance>>,
    payment_method_types: Vec<String>,
    page: Option<Json<Page>>,
    checkout_reference: Option<String>,
    reason: Option<Reason>,
    is_final: bool,
    reference: Option<String>,
    asked: Option<Vec<u8>>,
    attempts: i32,
    first_sent_at: OffsetDateTime,
    look_up: bool,
    fence: i64,
    error_code: Option<String>,
    error_message: Option<String>,
}

impl From<Row> for Operation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            payment_id: row.payment_id,
            provider_account_id: row.provider_account_id,
            kind: row.kind,
            amount_minor: row.amount_minor,
            state: row.state,
            ask: Ask {
                payment_method: row.payment_method,
                return_url: row.return_url,
                off_session: row.off_session,
                mandate: row.mandate.map(|Json(mandate)| mandate),
                payment_method_types: row.payment_method_types,
                page: row.page.map(|Json(page)| page),
                checkout_reference: row.checkout_reference,
                reason: row.reason,
                is_final: row.is_final,
                reference: row.reference,
                // The table holds 64 bytes or none.
                asked: row.asked.and_then(|bytes| Asked::try_from(bytes.as_slice()).ok()),
            },
            attempts: row.attempts,
            first_sent_at: row.first_sent_at,
            look_up: row.look_up,
            fence: row.fence,
            error_code: row.error_code,
            error_message: row.error_message,
        }
    }
}

/// Adds an operation, leased to the caller until `leased_until`. Whoever takes it up later goes on in the caller's trace.
pub async fn insert(
    conn: &mut PgConnection,
    merchant: MerchantId,
    operation: &Operation,
    leased_until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into operation (merchant_id, id, payment_id, provider_account_id, kind, amount_minor, state,
             payment_method, return_url, first_sent_at, fence, due_at, off_session, mandate, page, reason, is_final,
             reference, checkout_reference, payment_method_types, asked, look_up, created_at, trace_context)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $10, $23)",
    )
    .bind(merchant)
    .bind(operation.id)
    .bind(operation.payment_id)
    .bind(operation.provider_account_id)
    .bind(operation.kind)
    .bind(operation.amount_minor)
    .bind(operation.state)
    .bind(&operation.ask.payment_method)
    .bind(&operation.ask.return_url)
    .bind(operation.first_sent_at)
    .bind(operation.fence)
    .bind(leased_until)
    .bind(operation.ask.off_session)
    .bind(operation.ask.mandate.as_ref().map(Json))
    .bind(operation.ask.page.as_ref().map(Json))
    .bind(operation.ask.reason)
    .bind(operation.ask.is_final)
    .bind(&operation.ask.reference)
    .bind(&operation.ask.checkout_reference)
    .bind(&operation.ask.payment_method_types)
    .bind(operation.ask.asked.map(|asked| asked.to_bytes().to_vec()))
    .bind(operation.look_up)
    .bind(trace::current().map(|context| context.to_string()))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what changes in the life of an operation. `due_at` is the next attempt of an unknown one.
pub async fn update(
    conn: &mut PgConnection,
    merchant: MerchantId,
    operation: &Operation,
    due_at: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update operation set state = $3, attempts = $4, look_up = $5, error_code = $6, error_message = $7, due_at = $8
         where merchant_id = $1 and id = $2",
    )
    .bind(merchant)
    .bind(operation.id)
    .bind(operation.state)
    .bind(operation.attempts)
    .bind(operation.look_up)
    .bind(&operation.error_code)
    .bind(&operation.error_message)
    .bind(due_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// One operation.
pub async fn get(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OperationId,
) -> Result<Operation, StoreError> {
    let row: Row = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from operation where merchant_id = $1 and id = $2"
    ))
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// One operation, held until the transaction ends.
pub async fn lock(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OperationId,
) -> Result<Operation, StoreError> {
    let row: Row = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from operation where merchant_id = $1 and id = $2 for update"
    ))
    .bind(merchant)
    .bind(id)
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// The operations of a payment, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<Vec<Operation>, StoreError> {
    list_of(conn, merchant, &[payment]).await
}

/// The operations of several payments, oldest first.
pub async fn list_of(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payments: &[PaymentId],
) -> Result<Vec<Operation>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from operation where merchant_id = $1 and payment_id = any($2) order by created_at, id"
    ))
    .bind(merchant)
    .bind(uuids(payments))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Operation::from).collect())
}

/// Takes one operation up: one the provider never took, or whose lease ran out, or that is due to be found out.
/// `None` where someone else has it or it is decided.
///
/// Whoever let a lease run out may have sent the request, so what was pending is unknown from here on. What the provider
/// never took counts as not sent yet.
pub async fn lease(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OperationId,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<Operation>, StoreError> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "update operation set fence = fence + 1, due_at = $4,
             first_sent_at = case state when 'retryable' then $3 else first_sent_at end,
             state = case state when 'retryable' then 'pending' when 'pending' then 'unknown' else state end
         where merchant_id = $1 and id = $2 and (due_at <= $3 or state = 'retryable') returning ",
        columns!()
    ))
    .bind(merchant)
    .bind(id)
    .bind(now)
    .bind(until)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Operation::from))
}

/// The trace in which an operation was asked for, where there was one.
pub async fn trace_context(
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: OperationId,
) -> Result<Option<TraceContext>, StoreError> {
    let kept: Option<String> =
        sqlx::query_scalar("select trace_context from operation where merchant_id = $1 and id = $2")
            .bind(merchant)
            .bind(id)
            .fetch_one(conn)
            .await?;
    Ok(kept.and_then(|text| text.parse().ok()))
}

/// Which operations are due: those a crash left pending, and unknown ones whose time has come. Those of merchants that are fenced
/// wait, and hold nobody else's up.
pub async fn list_due(
    conn: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<Vec<(MerchantId, OperationId)>, StoreError> {
    Ok(
        sqlx::query_as(
            "select merchant_id, id from operation
             where due_at <= $1 and merchant_id <> all (array(
                 select account.merchant_id from restore_account account, restore
                 where restore.id = account.restore_id and restore.finished_at is null and account.lifted_at is null))
             order by due_at limit $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(conn)
        .await?,
    )
}

/// What each capture of a payment that went well took, in minor units, oldest first.
pub async fn list_captured(
    conn: &mut PgConnection,
    merchant: MerchantId,
    payment: PaymentId,
) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select amount_minor from operation where merchant_id = $1 and payment_id = $2 and kind = $3 and state = $4
         order by id",
    )
    .bind(merchant)
    .bind(payment)
    .bind(OperationKind::Capture)
    .bind(OperationState::Succeeded)
    .fetch_all(conn)
    .await?)
}
