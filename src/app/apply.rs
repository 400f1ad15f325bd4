//! The one way in which a payment's state changes.
//!
//! An answer to our call, an event, a poll and a sweep all come through [`apply`]. It is safe to repeat, in any order:
//! what it writes is keyed by what happened, not by who told of it.

use sqlx::PgConnection;
use time::Date;

use super::news::{post, tell};
use super::payments::document_names;
use super::{App, AppError};
use crate::domain::balance_transaction::{About, BalanceTransaction, Line};
use crate::domain::checkout::CheckoutState;
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::ids::RefundId;
use crate::domain::money::Money;
use crate::domain::outbox::Message;
use crate::domain::payment::{Authority, CaptureMethod, Decision, Payment, PaymentState};
use crate::domain::posting::Posting;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::snapshot::{
    ChargeSnapshot, CheckoutSnapshot, PaymentSnapshot, RefundSnapshot, Said, Snapshot,
};
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
    let before = payment.version;
    let applied = match said {
        Snapshot::Payment(said) => apply_payment(app, conn, payment, said, authority).await?,
        Snapshot::Refund(said) => {
            apply_refund(app, conn, payment, said).await?;
            Applied::Done
        }
        Snapshot::Checkout(said) => apply_checkout(app, conn, payment, said).await?,
    };
    if payment.version != before {
        tell(app, conn, payment).await?;
    }
    Ok(applied)
}

/// Takes in what the provider says of the page on which a payment is paid. The money itself is asked about.
async fn apply_checkout(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    said: &CheckoutSnapshot,
) -> Result<Applied, AppError> {
    let (merchant, now) = (payment.merchant_id, app.clock.now());
    let Some(mut session) = store::checkout_sessions::find(conn, &app.sealer, merchant, payment.id).await?
    else {
        return Ok(Applied::Done);
    };
    let news = session.apply(said);
    if news {
        store::checkout_sessions::update(conn, &app.sealer, merchant, &session, now).await?;
    }
    let begun = payment.provider_reference.is_none() && said.payment_reference.is_some();
    let state = match session.state {
        CheckoutState::Expired if payment.provider_reference.is_none() && !begun => PaymentState::Canceled,
        CheckoutState::Open | CheckoutState::Complete if payment.state == PaymentState::Unknown => {
            PaymentState::Created
        }
        CheckoutState::Open | CheckoutState::Complete | CheckoutState::Expired => payment.state,
    };
    if begun || state != payment.state {
        payment.provider_reference = payment
            .provider_reference
            .take()
            .or_else(|| said.payment_reference.clone());
        payment.state = state;
        payment.touch(now);
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    Ok(
        if payment.provider_reference.is_some() && !payment.state.is_final() {
            Applied::Ask
        } else {
            Applied::Done
        },
    )
}

async fn apply_payment(
    app: &App,
    conn: &mut PgConnection,
    payment: &mut Payment,
    said: &PaymentSnapshot,
    authority: Authority,
) -> Result<Applied, AppError> {
    let was_captured = payment.captured_at.is_some();
    let was_living = payment.state.is_living();
    let heard = payment.hear(said, authority, app.clock.now());
    if heard.news {
        if !was_living && payment.state.is_living() {
            look_for_its_reference(app, conn, payment).await?;
        }
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    match heard.decision {
        Decision::Apply => {
            if !was_captured && payment.captured_at.is_some() {
                look_for_a_double(app, conn, payment).await?;
            }
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

/// Opens an exception where a payment lives although we took it for failed, and its reference was given to another one. Both
/// stay as the provider has them: which of them counts is for a person to say.
async fn look_for_its_reference(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
) -> Result<(), AppError> {
    let (merchant, account) = (payment.merchant_id, payment.provider_account_id);
    let living = store::payments::find_living(conn, merchant, account, &payment.reference).await?;
    let Some(other) = living.filter(|&other| other != payment.id) else {
        return Ok(());
    };
    store::payments::give_up_reference(conn, merchant, payment.id).await?;
    let detail = format!(
        "{} failed and {other} was asked for as {} in its place, but the provider has it as {}: cancel or give back one",
        payment.id,
        payment.reference.as_str(),
        payment.state
    );
    let subject = payment.id.to_string();
    let kind = ExceptionKind::ReferenceTaken;
    open_exception(app, conn, payment, kind, &subject, &detail).await
}

/// Opens an exception where a document was paid twice: another of its payments got the customer's money while this one could
/// be paid.
async fn look_for_a_double(app: &App, conn: &mut PgConnection, payment: &Payment) -> Result<(), AppError> {
    if payment.settles.is_empty() {
        return Ok(());
    }
    // Of two that are captured at the same moment, the second one to look finds the first.
    store::payments::lock_names(conn, payment.merchant_id, &document_names(payment)).await?;
    let others = store::payments::list_of_documents(conn, &app.sealer, payment).await?;
    let double = others.iter().find(|other| {
        other.captured_minor > other.refunded_minor
            && other.captured_at.is_some_and(|at| at >= payment.created_at)
    });
    let Some(other) = double else { return Ok(()) };
    let detail = format!(
        "{} and {} both paid the same document: give one of them back with POST /v1/payments/{}/refunds",
        other.id, payment.id, payment.id
    );
    let subject = payment.id.to_string();
    open_exception(
        app,
        conn,
        payment,
        ExceptionKind::DoublePayment,
        &subject,
        &detail,
    )
    .await
}

async fn apply_charge(
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
    post(app, conn, payment, returned).await?;
    let Some(line) = &said.balance_transaction else {
        return Ok(());
    };
    let posting = Posting::RefundLine {
        refund: said.provider_reference.clone(),
        balance_transaction: Box::new(line.clone()),
    };
    let presented = Some(-payment.money(refund.amount_minor));
    keep_line(app, conn, payment, line, presented, posting).await
}

/// Keeps a ledger line, and has it posted where it is in the currency that the payment was made in.
async fn keep_line(
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

/// Opens an exception on a payment; the same one is opened once, and told of once.
pub(super) async fn open_exception(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
    kind: ExceptionKind,
    subject: &str,
    detail: &str,
) -> Result<(), AppError> {
    let new = NewException::new(payment.merchant_id, kind, subject, detail).of(payment.id);
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(payment_id = %payment.id, ?kind, subject, "an exception was opened");
    }
    Ok(())
}
