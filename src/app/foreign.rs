//! Payments that did not start here: kept as the provider has them, for reconciliation.

use std::sync::Arc;

use super::apply::READS;
use super::auth::Caller;
use super::page::one_more;
use super::payments::refresh;
use super::webhooks::{end, end_with};
use super::{App, AppError, Page};
use crate::domain::foreign_payment::{ForeignPayment, ForeignSnapshot};
use crate::domain::ids::{ForeignPaymentId, PaymentId};
use crate::domain::snapshot::Snapshot;
use crate::provider::{Affairs, ObjectRef, Provider, ProviderError};
use crate::store;
use crate::store::foreign_payments::Read;
use crate::store::webhook_events::{Ended, WebhookEvent};

pub use crate::store::foreign_payments::ForeignFilter;

/// The foreign payments that fit, newest first, after `after`, `limit` at most.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &ForeignFilter,
    after: Option<ForeignPaymentId>,
    limit: u16,
) -> Result<Page<ForeignPayment>, AppError> {
    let mut conn = app.db.read(caller.merchant_id).await?;
    let (merchant, live) = (caller.merchant_id, caller.live);
    let found =
        store::foreign_payments::list(&mut conn, merchant, live, filter, after, one_more(limit)).await?;
    Ok(Page::of(found, limit))
}

/// Keeps a payment that an event tells of and that did not start here, and ends the event.
///
/// It is read from the provider, once for all events that came before the read began. A read counts only if no other was
/// written since it began; otherwise it is made again. A charge may lead to its payment, and that to one of ours whose own
/// answer we had not written down yet: then it is that one which is read.
#[tracing::instrument(name = "app.foreign.hear", skip_all, fields(reference))]
pub(super) async fn hear(app: &App, event: &WebhookEvent, reference: &str) -> Result<(), AppError> {
    let place = (event.merchant_id, event.provider_account_id);
    let mut reference = reference.to_owned();
    for _ in 0..READS {
        let (read, known) = {
            let mut conn = app.db.read(event.merchant_id).await?;
            // It may be one of ours that is about to be known again.
            if store::restores::is_fenced(&mut conn, event.merchant_id).await? {
                return Err(AppError::Fenced);
            }
            let since = event.received_at;
            if store::foreign_payments::read_since(&mut conn, place.0, place.1, &reference, since).await? {
                drop(conn);
                return end(app, event, Ended::Applied).await;
            }
            let began_at = store::payments::read_begins(&mut conn).await?;
            let of_version =
                store::foreign_payments::find_version(&mut conn, place.0, place.1, &reference).await?;
            let known = app.accounts.get(app, &mut conn, place.0, place.1).await?;
            (Read { of_version, began_at }, known)
        };
        let Some(affairs) = app.provider(&known.account.provider)?.affairs() else {
            return end(app, event, Ended::Ignored).await;
        };
        let said = match affairs.fetch_foreign(&known.account, &reference).await {
            Ok(said) => said,
            Err(ProviderError::Invalid { code, .. }) => {
                tracing::warn!(code, "a payment that did not start here cannot be read");
                return end(app, event, Ended::Ignored).await;
            }
            Err(error) => return Err(AppError::Provider(error)),
        };
        if let Some(ours) = find_ours(app, event, &said).await? {
            return refresh(app, place.0, ours, Some(event)).await;
        }
        if said.provider_reference != reference {
            reference = said.provider_reference;
            continue;
        }
        let mut tx = app.begin(event.merchant_id).await?;
        if !store::foreign_payments::write(&mut tx, place, &said, read, app.clock.now()).await? {
            continue;
        }
        return end_with(app, tx, event, Ended::Applied).await;
    }
    Err(AppError::in_flight())
}

/// The same for a page: the payment that is made on it, once there is one.
pub(super) async fn hear_of_page(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    said: Option<&Snapshot>,
) -> Result<(), AppError> {
    let read;
    let said = if said.is_some() {
        said
    } else {
        read = read_page(app, event, reference).await?;
        read.as_ref()
    };
    match said {
        Some(Snapshot::Checkout(page)) => match &page.payment_reference {
            Some(payment) => hear(app, event, payment).await,
            None => end(app, event, Ended::Ignored).await,
        },
        Some(Snapshot::Payment(_) | Snapshot::Refund(_)) | None => end(app, event, Ended::Ignored).await,
    }
}

async fn read_page(app: &App, event: &WebhookEvent, reference: &str) -> Result<Option<Snapshot>, AppError> {
    let known = {
        let mut conn = app.db.read(event.merchant_id).await?;
        app.accounts
            .get(app, &mut conn, event.merchant_id, event.provider_account_id)
            .await?
    };
    let page = ObjectRef::Checkout(reference.to_owned());
    match app
        .provider(&known.account.provider)?
        .fetch(&known.account, &page)
        .await
    {
        Ok(said) => Ok(Some(said)),
        Err(ProviderError::Invalid { .. }) => Ok(None),
        Err(error) => Err(AppError::Provider(error)),
    }
}

/// The payment of ours that a foreign one turns out to be.
async fn find_ours(
    app: &App,
    event: &WebhookEvent,
    said: &ForeignSnapshot,
) -> Result<Option<PaymentId>, AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    let reference = &said.provider_reference;
    let found = store::payments::find_by_provider_reference(&mut conn, merchant, account, reference).await?;
    Ok(match (found, &said.charge_reference) {
        (None, Some(charge)) => store::payments::find_by_charge(&mut conn, merchant, account, charge).await?,
        (found, _) => found,
    })
}

/// What else goes on at an account, where its provider tells.
pub(super) fn affairs(provider: &Arc<dyn Provider>) -> Result<&dyn Affairs, AppError> {
    provider.affairs().ok_or_else(|| AppError::NotSupported {
        what: "payouts".to_owned(),
    })
}
