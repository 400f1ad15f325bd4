//! What can be asked of payments.

mod attempts;
mod change;
mod create;
mod detail;
mod payer;
mod read;

use std::sync::Arc;

use tokio::time::Instant;

use super::carry_out::{Attempted, carry_out};
use super::{App, AppError, Keyed, Served, commit};
use crate::domain::ids::{MerchantId, PaymentId};
use crate::domain::operation::{Operation, OperationKind, OperationState};
use crate::domain::payment::Payment;
use crate::store;
use crate::store::idempotency_records::IdempotencyRecord;
use change::undecided;

pub use crate::store::payments::PaymentFilter;
pub(in crate::app) use attempts::document_names;
pub(in crate::app) use change::call_off;
pub use change::{Change, change};
pub use create::{NewPayment, create};
pub(super) use create::{choose_account, choose_instance};
pub use detail::PaymentDetail;
pub use read::{After, List, get, list, refresh};

/// Until when whoever asks now can wait for an answer.
pub(in crate::app) fn deadline(app: &App) -> Instant {
    Instant::now() + app.timing.answer_within
}

/// Carries out an operation that was just claimed, and waits for its outcome as long as its caller can wait.
async fn serve(
    app: &Arc<App>,
    payment: Payment,
    operation: Operation,
    keyed: Keyed,
    deadline: Instant,
) -> Result<Served, AppError> {
    let (merchant, id) = (payment.merchant_id, payment.id);
    let work = app.spawn(carry_out(Arc::clone(app), payment, operation, Some(keyed)));
    match tokio::time::timeout_at(deadline, work).await {
        Ok(attempted) => match attempted?? {
            Attempted::Decided {
                answer: Some(answer),
                provider_time,
            } => Ok(Served::Fresh {
                answer,
                provider_time,
            }),
            Attempted::Decided { answer: None, .. } | Attempted::Undecided => {
                accept(app, merchant, id, keyed).await
            }
            Attempted::NotTaken(error) => {
                keyed.key.release(app, merchant).await?;
                Err(AppError::Provider(error))
            }
        },
        // The work goes on without the caller.
        Err(_elapsed) => accept(app, merchant, id, keyed).await,
    }
}

async fn accept(app: &App, merchant: MerchantId, id: PaymentId, keyed: Keyed) -> Result<Served, AppError> {
    keyed.key.release(app, merchant).await?;
    let mut tx = app.begin_to_read(merchant).await?;
    let payment = store::payments::get(&mut tx, &app.sealer, merchant, id).await?;
    let detail = PaymentDetail::load(&mut tx, app, payment).await?;
    commit(tx).await?;
    Ok(Served::Accepted(Box::new(detail)))
}

/// Serves a request whose key was claimed before: the kept answer, or the operation taken up where it was left.
async fn resume(
    app: &Arc<App>,
    mut tx: sqlx::Transaction<'static, sqlx::Postgres>,
    merchant: MerchantId,
    record: IdempotencyRecord,
    keyed: Keyed,
    deadline: Instant,
) -> Result<Served, AppError> {
    if let Some((status, body)) = record.answer {
        return Ok(Served::Replayed(super::Answer { status, body }));
    }
    let operation = store::operations::get(&mut tx, merchant, record.operation_id).await?;
    let payment = store::payments::lock(&mut tx, &app.sealer, merchant, operation.payment_id).await?;
    if operation.state.is_final() {
        // Decided while nobody was waiting: this is the first time that anybody can be told.
        let detail = PaymentDetail::load(&mut tx, app, payment).await?;
        let answer = keyed.finish(app, &mut tx, &detail, &operation).await?;
        commit(tx).await?;
        return Ok(Served::Replayed(answer));
    }
    if operation.state == OperationState::Retryable {
        // The provider never took it, and the payment may have moved on.
        let others = undecided(&mut tx, &payment, operation.id).await?;
        let asked_minor = (operation.kind != OperationKind::Cancel).then_some(operation.amount_minor);
        payment.allow(operation.kind, asked_minor, &others)?;
    }
    let now = app.clock.now();
    let until = now + app.timing.operation_lease;
    let leased = store::operations::lease(&mut tx, merchant, operation.id, now, until).await?;
    if leased.is_some() {
        keyed.key.serve(app, &mut tx, merchant).await?;
    }
    commit(tx).await?;
    match leased {
        Some(operation) => serve(app, payment, operation, keyed, deadline).await,
        None => accept(app, merchant, payment.id, keyed).await,
    }
}
