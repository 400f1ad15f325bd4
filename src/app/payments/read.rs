//! Reads payments: as we hold them, or as the provider does.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::PaymentDetail;
use crate::app::apply::{Applied, READS, apply};
use crate::app::auth::Caller;
use crate::app::error::no;
use crate::app::page::one_more;
use crate::app::webhooks::end_with;
use crate::app::{App, AppError, Page, commit};
use crate::domain::ids::{MerchantId, PaymentId};
use crate::domain::payment::{Authority, Payment};
use crate::provider::{ObjectRef, ProviderError};
use crate::store;
use crate::store::payments::PaymentFilter;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// One payment as we hold it; `fresh` reads it from the provider first, as long as a caller can wait.
pub async fn get(app: &App, caller: &Caller, id: PaymentId, fresh: bool) -> Result<PaymentDetail, AppError> {
    if fresh {
        let mut conn = app.db.read(caller.merchant_id).await?;
        find_of_mode(&mut conn, app, caller, id).await?;
        drop(conn);
        let read = refresh(app, caller.merchant_id, id, None);
        tokio::time::timeout(app.timing.answer_within, read)
            .await
            .map_err(|_elapsed| AppError::Provider(ProviderError::too_slow()))??;
    }
    let mut tx = app.begin_to_read(caller.merchant_id).await?;
    let payment = find_of_mode(&mut tx, app, caller, id).await?;
    let detail = PaymentDetail::load(&mut tx, app, payment).await?;
    commit(tx).await?;
    Ok(detail)
}

/// A payment that the caller may see.
async fn find_of_mode(
    conn: &mut PgConnection,
    app: &App,
    caller: &Caller,
    id: PaymentId,
) -> Result<Payment, AppError> {
    let payment = store::payments::get(conn, &app.sealer, caller.merchant_id, id)
        .await
        .map_err(no("payment"))?;
    check_mode(conn, app, caller, &payment).await?;
    Ok(payment)
}

/// Which payments to list.
#[derive(Clone, Debug)]
pub enum List {
    /// Those that fit, newest first.
    Newest(PaymentFilter),
    /// Those that changed since then, in the order of their changes: for who keeps a copy.
    Updated(OffsetDateTime),
}

/// Where a page of a list ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The last payment of it.
    pub id: PaymentId,
    /// When that one last changed.
    pub updated_at: OffsetDateTime,
}

/// A page of the caller's payments, after where the last one ended.
pub async fn list(
    app: &App,
    caller: &Caller,
    list: &List,
    after: Option<After>,
    limit: u16,
) -> Result<Page<PaymentDetail>, AppError> {
    let (merchant, live) = (caller.merchant_id, caller.live);
    let more = one_more(limit);
    let after_id = after.map(|after| after.id);
    let mut tx = app.begin_to_read(merchant).await?;
    let found = match list {
        List::Newest(filter) => {
            store::payments::list(&mut tx, &app.sealer, merchant, live, filter, after_id, more).await?
        }
        List::Updated(since) => {
            let since = after.map_or(*since, |after| after.updated_at);
            store::payments::list_updated(&mut tx, &app.sealer, merchant, live, since, after_id, more).await?
        }
    };
    let Page { data, has_more } = Page::of(found, limit);
    let data = PaymentDetail::load_all(&mut tx, app, merchant, data).await?;
    commit(tx).await?;
    Ok(Page { data, has_more })
}

/// Reads a payment from its provider and takes in what it says; with `event`, ends that event in the same transaction.
///
/// Providers give payments no version, so a read counts only if nothing else was learned of the payment since it began;
/// otherwise it is made again. One that is paid on a page is read through the page until the customer has begun to pay.
#[tracing::instrument(name = "app.payment.refresh", skip_all, fields(payment_id = %id))]
pub async fn refresh(
    app: &App,
    merchant: MerchantId,
    id: PaymentId,
    event: Option<&WebhookEvent>,
) -> Result<(), AppError> {
    for _ in 0..READS {
        let mut conn = app.db.read(merchant).await?;
        let began_at = store::payments::read_begins(&mut conn).await?;
        let held = store::payments::get(&mut conn, &app.sealer, merchant, id)
            .await
            .map_err(no("payment"))?;
        let known = app
            .accounts
            .get(app, &mut conn, held.merchant_id, held.provider_account_id)
            .await?;
        let object = object_of(app, &mut conn, &held).await?;
        drop(conn);
        let Some(object) = object else { return Ok(()) };
        let provider = app.provider(&known.account.provider)?;
        let said = provider
            .fetch(&known.account, &object)
            .await
            .map_err(AppError::Provider)?;

        let mut tx = app.begin(merchant).await?;
        let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, id).await?;
        let authority = Authority::since(held.version, &payment);
        if authority == Authority::Hint {
            continue;
        }
        if apply(app, &mut tx, &mut payment, &said, authority).await? == Applied::Ask {
            // The page led to the payment itself.
            commit(tx).await?;
            continue;
        }
        store::payments::note_read(&mut tx, merchant, id, began_at).await?;
        return match event {
            Some(event) => end_with(app, tx, event, Ended::Applied).await,
            None => commit(tx).await,
        };
    }
    Err(AppError::in_flight())
}

/// What to read of a payment: itself, or the page on which it is paid while nobody has begun to.
async fn object_of(
    app: &App,
    conn: &mut PgConnection,
    payment: &Payment,
) -> Result<Option<ObjectRef>, AppError> {
    if let Some(reference) = &payment.provider_reference {
        return Ok(Some(ObjectRef::Payment(reference.clone())));
    }
    let session = store::checkout_sessions::find(conn, &app.sealer, payment.merchant_id, payment.id).await?;
    Ok(session
        .and_then(|session| session.provider_reference)
        .map(ObjectRef::Checkout))
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
        .map_err(no("payment"))?;
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
    let known = app
        .accounts
        .get(app, conn, payment.merchant_id, payment.provider_account_id)
        .await?;
    if known.account.live == caller.live {
        Ok(())
    } else {
        Err(AppError::NotFound("payment"))
    }
}
