//! Captures, calls off and gives back: one operation each, on a payment whose row is held while the rules are asked.

use std::sync::Arc;

use super::create::new_operation;
use super::{resume, serve};
use crate::app::auth::Caller;
use crate::app::payments::read::lock_of_mode;
use crate::app::{App, AppError, Keyed, Served, commit};
use crate::domain::ids::{OperationId, PaymentId};
use crate::domain::operation::{Operation, OperationKind};
use crate::domain::payment::{Payment, RuleBroken};
use crate::store;

/// Takes all that is held on a payment.
///
/// # Errors
/// [`AppError::Rule`] where nothing is held.
pub async fn capture(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    id: PaymentId,
) -> Result<Served, AppError> {
    change(
        app,
        caller,
        keyed,
        id,
        OperationKind::Capture,
        Payment::capturable_minor,
    )
    .await
}

/// Calls a payment off.
///
/// # Errors
/// [`AppError::Rule`] where its end is reached.
pub async fn cancel(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    id: PaymentId,
) -> Result<Served, AppError> {
    let amount_of = |payment: &Payment, operations: &[Operation]| {
        payment
            .check_cancelable(operations)
            .map(|()| payment.amount.minor())
    };
    change(app, caller, keyed, id, OperationKind::Cancel, amount_of).await
}

/// Gives back all that was captured and is not given back yet.
///
/// # Errors
/// [`AppError::Rule`] where nothing is left to give back.
pub async fn refund(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    id: PaymentId,
) -> Result<Served, AppError> {
    change(
        app,
        caller,
        keyed,
        id,
        OperationKind::Refund,
        Payment::refundable_minor,
    )
    .await
}

#[tracing::instrument(name = "app.payment.change", skip_all,
    fields(merchant_id = %caller.merchant_id, payment_id = %id, kind = ?kind))]
async fn change(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    id: PaymentId,
    kind: OperationKind,
    amount_of: impl FnOnce(&Payment, &[Operation]) -> Result<i64, RuleBroken>,
) -> Result<Served, AppError> {
    let merchant = caller.merchant_id;
    let operation_id = OperationId::generate();
    let mut tx = app.begin().await?;
    if let Some(record) = keyed.key.claim(app, &mut tx, merchant, operation_id).await? {
        return resume(app, tx, merchant, record, keyed).await;
    }
    let payment = lock_of_mode(&mut tx, app, caller, id).await?;
    let operations = store::operations::list(&mut tx, merchant, id).await?;
    let amount_minor = amount_of(&payment, &operations)?;
    let now = app.clock.now();
    let operation = new_operation(operation_id, &payment, kind, amount_minor, now);
    store::operations::insert(&mut tx, merchant, &operation, now + app.timing.operation_lease).await?;
    commit(tx).await?;
    serve(app, payment, operation, keyed).await
}
