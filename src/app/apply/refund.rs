//! The money that goes back to a customer.

use sqlx::PgConnection;

use super::charge::keep_line;
use super::open_exception;
use crate::app::news::post;
use crate::app::{App, AppError};
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::RefundId;
use crate::domain::payment::Payment;
use crate::domain::posting::Posting;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::snapshot::{RefundSnapshot, Said};
use crate::store;

/// Takes in a refund, and sums up on the payment what its refunds took.
pub(super) async fn apply_refund(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    said: &RefundSnapshot,
) -> Result<(), AppError> {
    let mut refunds = store::refunds::list(conn, payment.merchant_id, payment.id).await?;
    let held = refunds
        .iter_mut()
        .find(|refund| refund.provider_reference == said.provider_reference);
    let (before, refund) = if let Some(refund) = held {
        let before = refund.state;
        let now = app.clock.now();
        if refund.apply(said, now) {
            store::refunds::update(conn, payment.merchant_id, refund, now).await?;
        }
        (Some(before), refund.clone())
    } else {
        let mut refund = Refund {
            id: RefundId::generate(),
            payment_id: payment.id,
            operation_id: said.operation,
            amount_minor: said.amount.minor,
            // A word that we do not know counts as on its way: money may have left.
            state: if let Said::Known(state) = said.state {
                state
            } else {
                RefundState::Pending
            },
            provider_reference: said.provider_reference.clone(),
            refunded_on: None,
            returned_on: None,
        };
        refund.note_left(said);
        let now = app.clock.now();
        store::refunds::insert(
            conn,
            payment.merchant_id,
            payment.provider_account_id,
            &refund,
            now,
        )
        .await?;
        refunds.push(refund.clone());
        (None, refund)
    };
    let refunded_minor = refunds
        .iter()
        .filter(|refund| refund.state.counts())
        .map(|refund| refund.amount_minor)
        .sum();
    if before != Some(refund.state) || payment.refunded_minor != refunded_minor {
        payment.refunded_minor = refunded_minor;
        payment.touch(app.clock.now());
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    if before != Some(refund.state) && refund.state != RefundState::Pending {
        store::expectations::expect_refund(conn, payment.merchant_id, payment.id, refund.id).await?;
    }
    if before == Some(RefundState::Succeeded) && !refund.state.counts() {
        take_back(app, conn, payment, &refund).await?;
    }
    post_refund(app, conn, payment, &refund, said).await
}

/// Tells a person and Odoo's books that a refund came back which both took for done.
async fn take_back(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    refund: &Refund,
) -> Result<(), AppError> {
    let (reference, amount) = (&refund.provider_reference, payment.money(refund.amount_minor));
    let detail = format!("{reference} of {amount} came back");
    let kind = ExceptionKind::RefundFailed;
    open_exception(app, conn, payment, kind, reference, &detail).await?;
    let back = Posting::RefundReturned {
        refund: reference.clone(),
        reference: payment.reference.as_str().to_owned(),
        amount,
        date: app.clock.now().date(),
    };
    post(app, conn, payment, back).await
}

async fn post_refund(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    refund: &Refund,
    said: &RefundSnapshot,
) -> Result<(), AppError> {
    if refund.state != RefundState::Succeeded {
        return Ok(());
    }
    let returned = Posting::CustomerRefund {
        refund: said.provider_reference.clone(),
        charge: payment.charge_reference.clone().unwrap_or_default(),
        reference: payment.reference.as_str().to_owned(),
        amount: payment.money(refund.amount_minor),
        date: said.created.date(),
        settles: payment.settles.clone(),
    };
    post(app, conn, payment, returned).await?;
    let Some(line) = &said.balance_transaction else {
        return Ok(());
    };
    let presented = Some(-payment.money(refund.amount_minor));
    keep_line(conn, payment, line, presented).await
}
