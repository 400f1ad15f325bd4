//! The money of a payment: what was captured, and the ledger lines of it.

use sqlx::PgConnection;
use time::Date;

use super::refund::apply_refund;
use crate::app::news::post;
use crate::app::{App, AppError};
use crate::domain::balance_transaction::{About, BalanceTransaction, Line};
use crate::domain::money::Money;
use crate::domain::operation::{OperationKind, OperationState};
use crate::domain::payment::{Capture, CaptureMethod, Payment};
use crate::domain::posting::Posting;
use crate::domain::snapshot::ChargeSnapshot;
use crate::store;

/// Takes in a charge: Odoo is told what it captured beyond what it was told before, and each refund; its ledger lines are kept.
pub(super) async fn apply_charge(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    charge: &ChargeSnapshot,
) -> Result<(), AppError> {
    let new_minor = payment.captured_minor - payment.posted_minor;
    if new_minor > 0 {
        let date = captured_on(app, payment, charge);
        let parts = list_parts(conn, payment, charge, new_minor, date).await?;
        payment.captures.extend(parts);
        let paid = Posting::CustomerPayment {
            charge: source(charge, payment.posted_minor, payment.captured_minor),
            provider_reference: payment.provider_reference.clone().unwrap_or_default(),
            reference: payment.reference.as_str().to_owned(),
            amount: payment.money(new_minor),
            date,
            settles: payment.settles.clone(),
        };
        post(app, conn, payment, paid).await?;
        payment.posted_minor = payment.captured_minor;
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    // Of a charge that was captured several times, what the customer paid for each is not told.
    let presented = (charge.balance_transactions.len() == 1).then(|| payment.money(payment.captured_minor));
    for line in &charge.balance_transactions {
        keep_line(conn, payment, line, presented).await?;
    }
    for refund in &charge.refunds {
        apply_refund(app, conn, payment, refund).await?;
    }
    Ok(())
}

/// The key of what Odoo is told of a capture: the charge, and for each further capture of it how far it then was.
fn source(charge: &ChargeSnapshot, before_minor: i64, reached_minor: i64) -> String {
    if before_minor == 0 {
        charge.id.clone()
    } else {
        format!("{}_{reached_minor}", charge.id)
    }
}

/// The captures that took `new_minor`, which may have been several since the last look: those that were asked for, as far as they
/// fit, and what somebody else took.
async fn list_parts(
    conn: &mut PgConnection,
    payment: &Payment,
    charge: &ChargeSnapshot,
    new_minor: i64,
    captured_on: Date,
) -> Result<Vec<Capture>, AppError> {
    let mut asked = match payment.capture_method {
        CaptureMethod::Automatic => Vec::new(),
        CaptureMethod::Manual => store::operations::list(conn, payment.merchant_id, payment.id).await?,
    };
    asked.retain(|operation| {
        operation.kind == OperationKind::Capture
            && !matches!(
                operation.state,
                OperationState::Declined | OperationState::Refused
            )
            && payment
                .captures
                .iter()
                .all(|known| known.operation != Some(operation.id))
    });
    let mut parts = Vec::new();
    let mut left_minor = new_minor;
    let mut part = |amount_minor, operation, reference, left_minor: i64| {
        let reached_minor = payment.captured_minor - left_minor;
        parts.push(Capture {
            source: source(charge, reached_minor - amount_minor, reached_minor),
            operation,
            reference,
            amount_minor,
            captured_on,
        });
    };
    for operation in asked {
        if operation.amount_minor <= left_minor {
            left_minor -= operation.amount_minor;
            part(
                operation.amount_minor,
                Some(operation.id),
                operation.ask.reference,
                left_minor,
            );
        }
    }
    if left_minor > 0 {
        part(left_minor, None, None, 0);
    }
    Ok(parts)
}

/// The day the money moved. A charge that was captured by hand is older than that; its ledger line is not.
fn captured_on(app: &App, payment: &Payment, charge: &ChargeSnapshot) -> Date {
    match (payment.capture_method, charge.balance_transactions.last()) {
        (_, Some(line)) => line.created.date(),
        (CaptureMethod::Automatic, None) => charge.created.date(),
        (CaptureMethod::Manual, None) => app.clock.now().date(),
    }
}

/// Keeps a ledger line, which is booked from there.
pub(super) async fn keep_line(
    conn: &mut PgConnection,
    payment: &Payment,
    line: &BalanceTransaction,
    presented: Option<Money>,
) -> Result<(), AppError> {
    let (merchant, account) = (payment.merchant_id, payment.provider_account_id);
    let kept = Line {
        fact: line.clone(),
        about: About {
            presented: presented.filter(|presented| presented.currency != line.amount.currency),
            ..About::default()
        },
    };
    Ok(store::balance_transactions::insert(conn, merchant, account, Some(payment.id), &[kept]).await?)
}
