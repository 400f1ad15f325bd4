//! One document, one payment: what stands in the way of asking for money again.
//!
//! Odoo makes a transaction for each attempt at a document, and any open one can still be paid, in another tab or on another
//! device. So the open ones end before a new one begins, and one that has or may get the money stops it.

use sqlx::PgConnection;

use crate::app::apply::open_exception;
use crate::app::{App, AppError, commit};
use crate::domain::exception::ExceptionKind;
use crate::domain::ids::PaymentId;
use crate::domain::money::Money;
use crate::domain::payment::{Payment, PaymentState};
use crate::store;

/// Finds the attempts that must be called off before `new` may begin; none where it may begin now.
///
/// Holds the reference and the documents until the transaction ends, so that two new payments of the same find each other.
///
/// # Errors
/// [`AppError::ReferenceInUse`] and [`AppError::DocumentInPayment`] name the payment that is in the way.
pub(super) async fn in_the_way(
    app: &App,
    conn: &mut PgConnection,
    new: &Payment,
) -> Result<Vec<PaymentId>, AppError> {
    store::payments::lock_names(conn, new.merchant_id, &names(new)).await?;
    let mut open = Vec::new();
    let (merchant, account) = (new.merchant_id, new.provider_account_id);
    let living = store::payments::find_living(conn, merchant, account, &new.reference).await?;
    if let Some(id) = living {
        let living = store::payments::get(conn, &app.sealer, merchant, id).await?;
        if living.amount == new.amount || !is_open(living.state) {
            return Err(AppError::ReferenceInUse {
                payment: id,
                differs: living.amount != new.amount,
            });
        }
        open.push(id);
    }
    if new.settles.is_empty() {
        return Ok(open);
    }
    for other in store::payments::list_of_documents(conn, &app.sealer, new).await? {
        if open.contains(&other.id) {
            continue;
        }
        if is_open(other.state) {
            open.push(other.id);
        } else if keeps_money(&other) && !new.allow_double {
            return Err(AppError::DocumentInPayment {
                payment: other.id,
                state: other.state,
                document: shared_document(new, &other),
            });
        }
    }
    Ok(open)
}

/// Raises that a payment was asked for again with another amount while its money may be moving.
pub(super) async fn raise_difference(app: &App, new: &Payment, living: PaymentId) -> Result<(), AppError> {
    let mut tx = app.begin(new.merchant_id).await?;
    let living = store::payments::lock(&mut tx, &app.sealer, new.merchant_id, living).await?;
    let (held, asked) = (Money::from(living.amount), Money::from(new.amount));
    let detail = format!(
        "{} was asked for again as {asked} while it was {} with {held}",
        new.reference.as_str(),
        living.state
    );
    let subject = format!("{}: {asked}", living.id);
    let kind = ExceptionKind::ReferenceAmountDiffers;
    open_exception(app, &mut tx, &living, kind, &subject, &detail).await?;
    commit(tx).await
}

/// Whether the customer has not begun to pay: it can be called off without taking anything from anybody.
const fn is_open(state: PaymentState) -> bool {
    matches!(state, PaymentState::Created | PaymentState::RequiresAction)
}

/// Whether it has, holds or may get the customer's money.
const fn keeps_money(payment: &Payment) -> bool {
    match payment.state {
        PaymentState::Processing | PaymentState::Authorized | PaymentState::Unknown => true,
        PaymentState::Captured => payment.captured_minor > payment.refunded_minor,
        PaymentState::Created
        | PaymentState::RequiresAction
        | PaymentState::Failed
        | PaymentState::Canceled => false,
    }
}

/// The documents that a payment settles, as they are held by [`store::payments::lock_names`], in its order.
pub(in crate::app) fn document_names(payment: &Payment) -> Vec<String> {
    let documents = payment.settles.iter();
    let mut names: Vec<String> = documents
        .map(|document| format!("{},{}", document.model, document.id))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn names(new: &Payment) -> Vec<String> {
    let mut names = document_names(new);
    names.push(format!("{} {}", new.provider_account_id, new.reference.as_str()));
    names.sort();
    names
}

fn shared_document(new: &Payment, other: &Payment) -> String {
    new.settles
        .iter()
        .find(|document| {
            other
                .settles
                .iter()
                .any(|theirs| theirs.model == document.model && theirs.id == document.id)
        })
        .map(|document| format!("{},{}", document.model, document.id))
        .unwrap_or_default()
}
