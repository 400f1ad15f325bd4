//! The money of a payment: what was captured, and the ledger lines of it.

use sqlx::PgConnection;
use time::Date;

use super::open_exception;
use super::refund::apply_refund;
use crate::app::news::post;
use crate::app::{App, AppError};
use crate::domain::balance_transaction::{About, BalanceTransaction, Line};
use crate::domain::exception::ExceptionKind;
use crate::domain::money::Money;
use crate::domain::outbox::Message;
use crate::domain::payment::{CaptureMethod, Payment};
use crate::domain::posting::Posting;
use crate::domain::snapshot::ChargeSnapshot;
use crate::store;

/// Takes in a charge: Odoo is told what it captured beyond what it was told before, each ledger line, and each refund.
pub(super) async fn apply_charge(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    charge: &ChargeSnapshot,
) -> Result<(), AppError> {
    let new_minor = payment.captured_minor - payment.posted_minor;
    if new_minor > 0 {
        let paid = Posting::CustomerPayment {
            charge: payment_key(payment, charge),
            provider_reference: payment.provider_reference.clone().unwrap_or_default(),
            reference: payment.reference.as_str().to_owned(),
            amount: payment.money(new_minor),
            date: captured_on(app, payment, charge),
            settles: payment.settles.clone(),
        };
        post(app, conn, payment, paid).await?;
        payment.posted_minor = payment.captured_minor;
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    let keys = line_keys(conn, payment, charge).await?;
    // Of a charge that was captured several times, what the customer paid for each is not told.
    let presented = (keys.len() == 1).then(|| payment.money(payment.captured_minor));
    for (line, key) in charge.balance_transactions.iter().zip(keys) {
        let posting = Posting::ChargeLine {
            charge: key,
            balance_transaction: Box::new(line.clone()),
        };
        keep_line(app, conn, payment, line, presented, posting).await?;
    }
    for refund in &charge.refunds {
        apply_refund(app, conn, payment, refund).await?;
    }
    Ok(())
}

/// The key of what Odoo is told of a capture: the charge, and for each further capture of it how far it then was.
fn payment_key(payment: &Payment, charge: &ChargeSnapshot) -> String {
    if payment.posted_minor == 0 {
        charge.id.clone()
    } else {
        format!("{}_{}", charge.id, payment.captured_minor)
    }
}

/// Which customer payment each ledger line of a charge meets in Outstanding: with several captures, the first one that
/// reaches as far as the line does.
async fn line_keys(
    conn: &mut PgConnection,
    payment: &Payment,
    charge: &ChargeSnapshot,
) -> Result<Vec<String>, AppError> {
    let lines = &charge.balance_transactions;
    if lines.len() < 2 {
        return Ok(lines.iter().map(|_| charge.id.clone()).collect());
    }
    let mut reached_minor = 0;
    let told: Vec<(i64, String)> = store::outbox::list_of(conn, payment.merchant_id, &[payment.id])
        .await?
        .into_iter()
        .filter_map(|entry| match entry.posting.0 {
            Message::Posting(Posting::CustomerPayment { charge, amount, .. }) => {
                reached_minor += amount.minor;
                Some((reached_minor, charge))
            }
            Message::Posting(
                Posting::ChargeLine { .. } | Posting::CustomerRefund { .. } | Posting::RefundLine { .. },
            )
            | Message::News(_) => None,
        })
        .collect();
    let mut line_minor = 0;
    Ok(lines
        .iter()
        .map(|line| {
            line_minor += line.amount.minor;
            told.iter()
                .find(|(reached_minor, _)| *reached_minor >= line_minor)
                .or(told.last())
                .map_or_else(|| charge.id.clone(), |(_, key)| key.clone())
        })
        .collect())
}

/// The day the money moved. A charge that was captured by hand is older than that; its ledger line is not.
fn captured_on(app: &App, payment: &Payment, charge: &ChargeSnapshot) -> Date {
    match (payment.capture_method, charge.balance_transactions.last()) {
        (_, Some(line)) => line.created.date(),
        (CaptureMethod::Automatic, None) => charge.created.date(),
        (CaptureMethod::Manual, None) => app.clock.now().date(),
    }
}

/// Keeps a ledger line, and has it posted where it is in the currency that the payment was made in.
pub(super) async fn keep_line(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    line: &BalanceTransaction,
    presented: Option<Money>,
    posting: Posting,
) -> Result<(), AppError> {
    let (merchant, account) = (payment.merchant_id, payment.provider_account_id);
    let kept = Line {
        fact: line.clone(),
        about: About {
            presented: presented.filter(|presented| presented.currency != line.amount.currency),
            ..About::default()
        },
    };
    store::balance_transactions::insert(conn, merchant, account, Some(payment.id), &[kept]).await?;
    if payment.odoo_instance_id.is_none() || line.amount.currency == payment.amount.currency() {
        return post(app, conn, payment, posting).await;
    }
    let detail = format!(
        "{} settles as {}, the payment is in {}",
        line.id,
        line.amount,
        payment.amount.currency()
    );
    open_exception(
        app,
        conn,
        payment,
        ExceptionKind::SettlementCurrencyDiffers,
        &line.id,
        &detail,
    )
    .await
}
