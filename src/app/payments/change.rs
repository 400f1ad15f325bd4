//! Confirms, captures, calls off and gives back: one operation each, on a payment whose row is held while the rules are
//! asked.

use serde_json::json;
use std::sync::Arc;

use sqlx::PgConnection;
use tokio::time::Instant;

use super::{deadline, payer, resume, serve};
use crate::app::audit_log;
use crate::app::auth::Caller;
use crate::app::carry_out::carry_out;
use crate::app::news::tell;
use crate::app::payments::read::lock_of_mode;
use crate::app::{App, AppError, Keyed, PaymentDetail, Served, commit};
use crate::domain::audit_log::Action;
use crate::domain::checkout::CheckoutState;
use crate::domain::ids::{MerchantId, OperationId, PaymentId};
use crate::domain::money::Currency;
use crate::domain::operation::{Ask, Operation, OperationKind, OperationState, Reason};
use crate::domain::payment::{Payment, PaymentState, RuleBroken};
use crate::provider::{Capability, Provider};
use crate::store;

/// What is asked of a payment.
#[derive(Clone, Debug)]
pub struct Change {
    /// What is to be done.
    pub kind: OperationKind,
    /// How much, in minor units; all that there is where none is named.
    pub amount_minor: Option<i64>,
    /// The currency of that amount, to be compared with the payment's.
    pub currency: Option<Currency>,
    /// What is asked for besides.
    pub ask: Ask,
}

/// Confirms, captures, calls off or gives back.
///
/// # Errors
/// [`AppError::Rule`] where the payment as it stands does not allow it.
#[tracing::instrument(name = "app.payment.change", skip_all,
    fields(merchant_id = %caller.merchant_id, payment_id = %id, kind = %change.kind))]
pub async fn change(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    id: PaymentId,
    change: Change,
) -> Result<Served, AppError> {
    let (merchant, deadline) = (caller.merchant_id, deadline(app));
    let operation_id = OperationId::generate();
    let mut tx = app.begin(merchant).await?;
    if let Some(record) = keyed.key.claim(app, &mut tx, merchant, operation_id).await? {
        return resume(app, tx, merchant, record, keyed, deadline).await;
    }
    let mut payment = lock_of_mode(&mut tx, app, caller, id).await?;
    let mut change = with_method(app, &mut tx, caller, &payment, change).await?;
    change.ask.asked = Some(keyed.key.asked());
    let operation = write(app, &mut tx, &mut payment, operation_id, change).await?;
    let action = match operation.kind {
        OperationKind::Authorize => Action::PaymentCreate,
        OperationKind::Checkout => Action::CheckoutCreate,
        OperationKind::Confirm => Action::PaymentConfirm,
        OperationKind::Capture => Action::PaymentCapture,
        OperationKind::Cancel => Action::PaymentCancel,
        OperationKind::Refund => Action::RefundCreate,
    };
    let acted = json!({ "operation": operation.id, "amount_minor": operation.amount_minor, "currency": payment.amount.currency().code() });
    audit_log::record(app, &mut tx, merchant, &caller.actor(), (action, &id), &acted).await?;
    if operation.state.is_final() {
        let detail = PaymentDetail::load(&mut tx, app, payment).await?;
        let answer = keyed.finish(app, &mut tx, &detail, &operation).await?;
        commit(tx).await?;
        return Ok(Served::Fresh {
            answer,
            provider_time: std::time::Duration::ZERO,
        });
    }
    commit(tx).await?;
    serve(app, payment, operation, keyed, deadline).await
}

/// Calls a payment off of our own accord, and waits for it until `deadline`. One whose end is reached already is left as it is.
///
/// # Errors
/// [`AppError::InFlight`] where it cannot be said yet whether it is off.
pub(in crate::app) async fn call_off(
    app: &Arc<App>,
    merchant: MerchantId,
    id: PaymentId,
    deadline: Instant,
) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    if store::restores::is_fenced(&mut tx, merchant).await? {
        return Err(AppError::Fenced);
    }
    let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, id).await?;
    let abandoned = Change {
        kind: OperationKind::Cancel,
        amount_minor: None,
        currency: None,
        ask: Ask {
            reason: Some(Reason::Abandoned),
            ..Ask::default()
        },
    };
    let operation = match write(app, &mut tx, &mut payment, OperationId::generate(), abandoned).await {
        Ok(operation) => operation,
        Err(AppError::Rule(RuleBroken::NotCancelable(_))) => return Ok(()),
        Err(AppError::Rule(RuleBroken::OperationInProgress { .. })) => return Err(AppError::in_flight()),
        Err(error) => return Err(error),
    };
    commit(tx).await?;
    if operation.state.is_final() {
        return Ok(());
    }
    let work = app.spawn(carry_out(Arc::clone(app), payment, operation, None));
    match tokio::time::timeout_at(deadline, work).await {
        Ok(attempted) => attempted??.decided(),
        Err(_elapsed) => Err(AppError::in_flight()),
    }
}

/// A saved method is named to the provider by its own id, and pays for its own customer only.
async fn with_method(
    app: &App,
    conn: &mut PgConnection,
    caller: &Caller,
    payment: &Payment,
    mut change: Change,
) -> Result<Change, AppError> {
    let account = payment.provider_account_id;
    let customer = payment.customer_id;
    let Some(method) = change.ask.payment_method.take() else {
        return Ok(change);
    };
    let payer = payer::find(app, conn, caller, account, customer, Some(&method)).await?;
    if payer.customer.map(|(id, _)| id) != customer {
        return Err(AppError::Invalid {
            field: "payment_method",
            code: "other_customer",
            message: "is a customer's, and the payment names none".to_owned(),
        });
    }
    change.ask.payment_method = payer.payment_method;
    Ok(change)
}

/// Writes an operation that the rules allow. Where the provider has nothing to cancel, it ends here and at once.
async fn write(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    id: OperationId,
    change: Change,
) -> Result<Operation, AppError> {
    let Change {
        kind,
        amount_minor,
        currency,
        mut ask,
    } = change;
    if let Some(asked) = currency.filter(|&currency| currency != payment.amount.currency()) {
        let held = payment.amount.currency();
        return Err(RuleBroken::CurrencyMismatch { asked, held }.into());
    }
    let (merchant, now) = (payment.merchant_id, app.clock.now());
    let others = undecided(conn, payment, id).await?;
    let amount_minor = payment.allow(kind, amount_minor, &others)?;
    check_capable(app, conn, payment, kind, amount_minor, &ask).await?;
    let mut at_provider = payment.provider_reference.is_some();
    // What is held was paid: there is no page to close any more, whether or not we were told.
    if kind == OperationKind::Cancel && payment.hosted && payment.state != PaymentState::Authorized {
        let session = store::checkout_sessions::find(conn, &app.sealer, merchant, payment.id).await?;
        let open = session.filter(|session| session.state == CheckoutState::Open);
        ask.checkout_reference = open.and_then(|session| session.provider_reference);
        at_provider |= ask.checkout_reference.is_some();
    }
    let mut operation = Operation::new(id, payment, kind, amount_minor, ask, now);
    store::operations::insert(conn, merchant, &operation, now + app.timing.operation_lease).await?;
    if kind == OperationKind::Cancel && !at_provider {
        for mut never_taken in others {
            never_taken.state = OperationState::Refused;
            never_taken.error_code = Some("payment_canceled".to_owned());
            never_taken.error_message =
                Some("the payment was canceled before the provider took it".to_owned());
            store::operations::update(conn, merchant, &never_taken, None).await?;
        }
        operation.state = OperationState::Succeeded;
        store::operations::update(conn, merchant, &operation, None).await?;
        payment.state = PaymentState::Canceled;
        payment.touch(now);
        store::payments::update(conn, &app.sealer, payment).await?;
        tell(app, conn, payment).await?;
    }
    Ok(operation)
}

/// The payment's operations without an outcome, but for `own` and for refunds that the provider has told of: those are
/// among its refunds already.
pub(super) async fn undecided(
    conn: &mut PgConnection,
    payment: &Payment,
    own: OperationId,
) -> Result<Vec<Operation>, AppError> {
    let (merchant, id) = (payment.merchant_id, payment.id);
    let mut operations = store::operations::list(conn, merchant, id).await?;
    operations.retain(|operation| !operation.state.is_final() && operation.id != own);
    if !operations.is_empty() {
        let refunds = store::refunds::list(conn, merchant, id).await?;
        operations.retain(|operation| {
            !refunds
                .iter()
                .any(|refund| refund.operation_id == Some(operation.id))
        });
    }
    Ok(operations)
}

async fn check_capable(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    kind: OperationKind,
    amount_minor: i64,
    ask: &Ask,
) -> Result<(), AppError> {
    let known = app
        .accounts
        .get(app, conn, payment.merchant_id, payment.provider_account_id)
        .await?;
    known.check_authorized()?;
    let provider = app.provider(&known.account.provider)?;
    match kind {
        OperationKind::Confirm => need(&**provider, Capability::Confirm),
        OperationKind::Capture if !ask.is_final => need(&**provider, Capability::SeveralCaptures),
        OperationKind::Capture if amount_minor < payment.capturable_minor() => {
            need(&**provider, Capability::PartialCapture)
        }
        OperationKind::Refund if amount_minor < payment.captured_minor => {
            need(&**provider, Capability::PartialRefund)
        }
        OperationKind::Authorize
        | OperationKind::Checkout
        | OperationKind::Capture
        | OperationKind::Cancel
        | OperationKind::Refund => Ok(()),
    }
}

/// Refuses what a provider cannot do before it is asked.
pub(super) fn need(provider: &dyn Provider, capability: Capability) -> Result<(), AppError> {
    if provider.capabilities().contains(&capability) {
        Ok(())
    } else {
        Err(AppError::NotSupported {
            what: capability.to_string(),
        })
    }
}
