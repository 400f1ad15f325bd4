//! Reads payments: as we hold them, or as the provider does.

use sqlx::PgConnection;

use super::PaymentDetail;
use crate::app::apply::apply;
use crate::app::auth::Caller;
use crate::app::{App, AppError, commit};
use crate::domain::ids::{MerchantId, PaymentId};
use crate::domain::payment::{Authority, Payment};
use crate::provider::{ObjectRef, ProviderError};
use crate::store;
use crate::store::StoreError;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// How many payments a list shows at most.
const PAGE: i64 = 50;

/// How often a read that something overtook is made again before it is left to the next event or sweep.
const READS: usize = 5;

/// One payment as we hold it; `fresh` reads it from the provider first, as long as a caller can wait.
pub async fn get(app: &App, caller: &Caller, id: PaymentId, fresh: bool) -> Result<PaymentDetail, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let mut payment = store::payments::get(&mut conn, &app.sealer, caller.merchant_id, id)
        .await
        .map_err(no_payment)?;
    check_mode(&mut conn, app, caller, &payment).await?;
    if fresh && payment.provider_reference.is_some() {
        drop(conn);
        let read = refresh(app, caller.merchant_id, id, None);
        tokio::time::timeout(app.timing.answer_within, read)
            .await
            .map_err(|_elapsed| AppError::Provider(ProviderError::too_slow()))??;
        conn = app.db.acquire().await.map_err(StoreError::from)?;
        payment = store::payments::get(&mut conn, &app.sealer, caller.merchant_id, id).await?;
    }
    PaymentDetail::load(&mut conn, app, payment).await
}

/// The payments with that reference of Odoo's, newest first.
pub async fn list_by_reference(
    app: &App,
    caller: &Caller,
    reference: &str,
) -> Result<Vec<PaymentDetail>, AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let (merchant, live) = (caller.merchant_id, caller.live);
    let found =
        store::payments::list_by_reference(&mut conn, &app.sealer, merchant, live, reference, PAGE).await?;
    let mut details = Vec::with_capacity(found.len());
    for payment in found {
        details.push(PaymentDetail::load(&mut conn, app, payment).await?);
    }
    Ok(details)
}

/// Reads a payment from its provider and takes in what it says; with `event`, ends that event in the same transaction.
///
/// Providers give payments no version, so a read counts only if nothing else was learned of the payment since it began;
/// otherwise it is made again.
#[tracing::instrument(name = "app.payment.refresh", skip_all, fields(payment_id = %id))]
pub async fn refresh(
    app: &App,
    merchant: MerchantId,
    id: PaymentId,
    event: Option<&WebhookEvent>,
) -> Result<(), AppError> {
    for _ in 0..READS {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        let began_at = store::payments::read_begins(&mut conn).await?;
        let held = store::payments::get(&mut conn, &app.sealer, merchant, id)
            .await
            .map_err(no_payment)?;
        let known = app.accounts.get(app, &mut conn, held.provider_account_id).await?;
        drop(conn);
        let Some(reference) = held.provider_reference else {
            return Ok(());
        };
        let provider = app.provider(&known.account.provider)?;
        let said = provider
            .fetch(&known.account, &ObjectRef::Payment(reference))
            .await
            .map_err(AppError::Provider)?;

        let mut tx = app.begin().await?;
        let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, id).await?;
        if payment.version != held.version {
            continue;
        }
        let _asked_and_answered = apply(app, &mut tx, &mut payment, &said, Authority::Fresh).await?;
        store::payments::note_read(&mut tx, merchant, id, began_at).await?;
        if let Some(event) = event
            && !store::webhook_events::end(&mut tx, event, Ended::Applied).await?
        {
            return Ok(());
        }
        return commit(tx).await;
    }
    Err(AppError::InFlight {
        retry_after: std::time::Duration::from_secs(1),
    })
}

/// A payment that the caller may change, held until the transaction ends.
pub(super) async fn lock_of_mode(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    id: PaymentId,
) -> Result<Payment, AppError> {
    let payment = store::payments::lock(conn, &app.sealer, caller.merchant_id, id)
        .await
        .map_err(no_payment)?;
    check_mode(conn, app, caller, &payment).await?;
    Ok(payment)
}

/// Test keys see test payments, live keys live ones.
async fn check_mode(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    payment: &Payment,
) -> Result<(), AppError> {
    let known = app.accounts.get(app, conn, payment.provider_account_id).await?;
    if known.account.live == caller.live {
        Ok(())
    } else {
        Err(AppError::NotFound("payment"))
    }
}

fn no_payment(error: StoreError) -> AppError {
    if matches!(error, StoreError::NotFound) {
        AppError::NotFound("payment")
    } else {
        error.into()
    }
}
