//! The one way in which a payment's state changes.
//!
//! An answer to our call, an event, a poll and a sweep all come through [`apply`]. It is safe to repeat, in any order:
//! what it writes is keyed by what happened, not by who told of it.

use sqlx::PgConnection;
use time::Date;

use super::{App, AppError};
use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::RefundId;
use crate::domain::money::Money;
use crate::domain::payment::{Authority, CaptureMethod, Decision, Payment, decide};
use crate::domain::posting::Posting;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::snapshot::{ChargeSnapshot, PaymentSnapshot, RefundSnapshot, Said, Snapshot};
use crate::store;

/// Whether a snapshot was enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Applied {
    /// What it told is taken in, or was known.
    Done,
    /// It could not decide: the payment must be read from the provider.
    Ask,
}

/// Takes in what a provider says of a payment whose row the caller holds, and leaves word for Odoo.
pub(super) async fn apply(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    said: &Snapshot,
    authority: Authority,
) -> Result<Applied, AppError> {
    match said {
        Snapshot::Payment(said) => apply_payment(app, conn, payment, said, authority).await,
        Snapshot::Refund(said) => {
            apply_refund(app, conn, payment, said).await?;
            Ok(Applied::Done)
        }
    }
}

async fn apply_payment(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    said: &PaymentSnapshot,
    authority: Authority,
) -> Result<Applied, AppError> {
    let decision = decide(payment, said, authority);
    if !matches!(decision, Decision::Impossible(_)) && payment.learn_names(said) {
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    match decision {
        Decision::Apply => {
            payment.take_in(said, app.clock.now());
            store::payments::update(conn, &app.sealer, payment).await?;
        }
        Decision::AlreadySo => {}
        Decision::Stale => return Ok(Applied::Done),
        Decision::Ask => return Ok(Applied::Ask),
        Decision::Impossible(kind) => {
            let detail = format!(
                "held: {:?}, {}, captured {}; said: {:?}, {}, captured {}",
                payment.state,
                Money::from(payment.amount),
                payment.captured_minor,
                said.state,
                said.amount,
                said.captured_minor
            );
            open_exception(app, conn, payment, kind, &said.provider_reference, &detail).await?;
            return Ok(Applied::Done);
        }
    }
    if let Some(charge) = said.charge.as_ref().filter(|_| payment.captured_minor > 0) {
        apply_charge(app, conn, payment, charge).await?;
    }
    Ok(Applied::Done)
}

async fn apply_charge(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    charge: &ChargeSnapshot,
) -> Result<(), AppError> {
    let paid = Posting::CustomerPayment {
        charge: charge.id.clone(),
        provider_reference: payment.provider_reference.clone().unwrap_or_default(),
        reference: payment.reference.as_str().to_owned(),
        amount: payment.money(payment.captured_minor),
        date: captured_on(app, payment, charge),
        settles: payment.settles.clone(),
    };
    push(app, conn, payment, &paid).await?;
    if let Some(line) = &charge.balance_transaction {
        let posting = Posting::ChargeLine {
            charge: charge.id.clone(),
            balance_transaction: line.clone(),
        };
        keep_line(app, conn, payment, line, &posting).await?;
    }
    for refund in &charge.refunds {
        apply_refund(app, conn, payment, refund).await?;
    }
    Ok(())
}

/// The day the money moved. A charge that was captured by hand is older than that; its ledger line is not.
fn captured_on(app: &App, payment: &Payment, charge: &ChargeSnapshot) -> Date {
    match (payment.capture_method, &charge.balance_transaction) {
        (_, Some(line)) => line.created.date(),
        (CaptureMethod::Automatic, None) => charge.created.date(),
        (CaptureMethod::Manual, None) => app.clock.now().date(),
    }
}

async fn apply_refund(
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
        if refund.apply(said) {
            store::refunds::update(conn, payment.merchant_id, refund, app.clock.now()).await?;
        }
        (Some(before), refund.clone())
    } else {
        let refund = Refund {
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
        };
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
    if before == Some(RefundState::Succeeded) && !refund.state.counts() {
        let detail = format!(
            "{} of {} came back",
            said.provider_reference,
            payment.money(refund.amount_minor)
        );
        open_exception(
            app,
            conn,
            payment,
            ExceptionKind::RefundFailed,
            &said.provider_reference,
            &detail,
        )
        .await?;
    }
    post_refund(app, conn, payment, &refund, said).await
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
    push(app, conn, payment, &returned).await?;
    let Some(line) = &said.balance_transaction else {
        return Ok(());
    };
    let posting = Posting::RefundLine {
        refund: said.provider_reference.clone(),
        balance_transaction: line.clone(),
    };
    keep_line(app, conn, payment, line, &posting).await
}

/// Keeps a ledger line, and has it posted where it is in the currency that the payment was made in.
async fn keep_line(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    line: &BalanceTransaction,
    posting: &Posting,
) -> Result<(), AppError> {
    let (merchant, account) = (payment.merchant_id, payment.provider_account_id);
    store::balance_transactions::insert(conn, merchant, account, payment.id, line).await?;
    if line.amount.currency == payment.amount.currency() {
        return push(app, conn, payment, posting).await;
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

async fn push(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    posting: &Posting,
) -> Result<(), AppError> {
    let Some(instance) = payment.odoo_instance_id else {
        return Ok(());
    };
    store::outbox::push(
        conn,
        payment.merchant_id,
        instance,
        payment.id,
        posting,
        app.clock.now(),
    )
    .await?;
    Ok(())
}

/// Opens an exception on a payment; the same one is opened once, and told of once.
pub(super) async fn open_exception(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    kind: ExceptionKind,
    subject: &str,
    detail: &str,
) -> Result<(), AppError> {
    let (merchant, now) = (payment.merchant_id, app.clock.now());
    if store::exceptions::open(conn, merchant, kind, Some(payment.id), subject, detail, now).await? {
        tracing::warn!(payment_id = %payment.id, ?kind, subject, "an exception was opened");
    }
    Ok(())
}
