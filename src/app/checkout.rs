//! Pages of the provider's on which a payment is paid. Making one is creating a payment; see [`payments::create`].

use std::sync::Arc;

use super::auth::Caller;
use super::error::no;
use super::payments::Change;
use super::{App, AppError, Keyed, Served, payments};
use crate::domain::checkout::{CheckoutSession, CheckoutState};
use crate::domain::ids::{CheckoutSessionId, PaymentId};
use crate::domain::operation::{Ask, OperationKind};
use crate::store;

/// The payment that is paid on a page. Whether the caller may see it, is asked where it is read.
pub async fn find_payment(app: &App, caller: &Caller, id: CheckoutSessionId) -> Result<PaymentId, AppError> {
    Ok(get(app, caller, id).await?.payment_id)
}

/// Closes a page, and calls its payment off. Under a key that was used, the kept answer.
///
/// # Errors
/// [`AppError::CheckoutNotOpen`] where nobody can pay there any more.
pub async fn expire(
    app: &Arc<App>,
    caller: &Caller,
    keyed: Keyed,
    id: CheckoutSessionId,
) -> Result<Served, AppError> {
    let session = get(app, caller, id).await?;
    let change = Change {
        kind: OperationKind::Cancel,
        amount_minor: None,
        currency: None,
        ask: Ask::default(),
    };
    if session.state != CheckoutState::Open && !keyed.key.is_used(app, caller.merchant_id).await? {
        return Err(AppError::CheckoutNotOpen(session.state));
    }
    payments::change(app, caller, keyed, session.payment_id, change).await
}

async fn get(app: &App, caller: &Caller, id: CheckoutSessionId) -> Result<CheckoutSession, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let found = store::checkout_sessions::get(&mut conn, &app.sealer, caller.merchant_id, id).await;
    found.map_err(no("checkout session"))
}
