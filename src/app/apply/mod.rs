//! The one way in which a payment's state changes.
//!
//! An answer to our call, an event, a poll and a sweep all come through [`apply`]. It is safe to repeat, in any order:
//! what it writes is keyed by what happened, not by who told of it.

mod charge;
mod refund;

use sqlx::PgConnection;

use super::news::tell;
use super::payments::document_names;
use super::{App, AppError};
use crate::domain::checkout::CheckoutState;
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::money::Money;
use crate::domain::payment::{Authority, Decision, Payment, PaymentState};
use crate::domain::snapshot::{CheckoutSnapshot, PaymentSnapshot, Snapshot};
use crate::store;
use charge::apply_charge;
use refund::apply_refund;

/// Whether a snapshot was enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Applied {
    /// What it told is taken in, or was known.
    Done,
    /// It could not decide: the payment must be read from the provider.
    Ask,
}

/// How a snapshot of a payout or a dispute came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    /// In an event, or as an answer that may be a replay: it was true at some moment.
    Once,
    /// By asking when the object was at this version, or not known yet.
    AsOf(Option<i64>),
}

impl Heard {
    /// What it counts for where the object is at this version; none where something was learned of it since it was asked for.
    pub(super) fn authority(self, version: i64) -> Option<Authority> {
        match self {
            Self::Once => Some(Authority::Hint),
            Self::AsOf(asked) => (asked == Some(version)).then_some(Authority::Fresh),
        }
    }
}

/// How often a read that something overtook is made again before it is left to the next event or sweep.
pub(super) const READS: usize = 5;

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
    let before_minor = payment.captured_minor;
    let heard = payment.hear(said, authority, app.clock.now());
    if heard.news {
        if !was_living && payment.state.is_living() {
            look_for_its_reference(app, conn, payment).await?;
        }
        store::payments::update(conn, &app.sealer, payment).await?;
    }
    if payment.captured_minor != before_minor {
        store::expectations::expect_capture(conn, payment.merchant_id, payment.id).await?;
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
