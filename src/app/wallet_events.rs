//! Events of setups, payment methods and mandates: hints after which the object is read. What is of nobody known here is
//! ignored.

use super::payment_methods::{learn_as_of, let_go};
use super::setups::refresh;
use super::wallet::WalletAccount;
use super::webhooks::{end, end_with};
use super::{App, AppError};
use crate::domain::ids::SetupId;
use crate::domain::payment_method::{MethodState, PaymentMethod};
use crate::store;
use crate::store::StoreError;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// A setup changed. It is found by the provider's id, or by ours where the event came before the answer to our call was
/// written down.
pub(super) async fn apply_setup(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    named: Option<SetupId>,
) -> Result<(), AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    let found = store::setups::find_by_provider_reference(&mut conn, merchant, account, reference).await?;
    let setup = match found.or(named) {
        Some(id) => match store::setups::get(&mut conn, &app.sealer, merchant, id).await {
            Ok(setup) => Some(setup),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    drop(conn);
    let ours = setup.filter(|setup| {
        let held = setup.provider_reference.as_deref();
        setup.provider_account_id == account && held.is_none_or(|held| held == reference)
    });
    let Some(setup) = ours else {
        return end(app, event, Ended::Ignored).await;
    };
    if setup.state.is_final() && setup.provider_reference.is_some() {
        return end(app, event, Ended::Applied).await;
    }
    refresh(app, merchant, setup.id, reference, Some(event)).await
}

/// A payment method changed, came or went.
pub(super) async fn apply_method(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    customer: Option<&str>,
) -> Result<(), AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    let held =
        store::payment_methods::find_by_provider_reference(&mut conn, merchant, account, reference).await?;
    let whose = match (&held, customer) {
        (Some(held), _) => Some(held.customer_id),
        (None, Some(customer)) => {
            store::customers::find_by_provider_reference(&mut conn, merchant, account, customer).await?
        }
        (None, None) => None,
    };
    let Some(whose) = whose else {
        drop(conn);
        return end(app, event, Ended::Ignored).await;
    };
    if held.is_some_and(|held| held.state == MethodState::Detached) {
        drop(conn);
        return end(app, event, Ended::Applied).await;
    }
    let at = WalletAccount::get(app, &mut conn, merchant, account).await?;
    drop(conn);
    let began_at = app.clock.now();
    let said = at.wallet()?.fetch_method(at.account(), reference).await;
    let said = said.map_err(AppError::Provider)?;

    let mut tx = app.begin(merchant).await?;
    let customer = store::customers::lock(&mut tx, merchant, whose).await?;
    let held =
        store::payment_methods::find_by_provider_reference(&mut tx, merchant, account, reference).await?;
    match (said, held) {
        (Some(said), _) => {
            let known_as = customer.provider_reference.clone().unwrap_or_default();
            learn_as_of(app, &mut tx, (merchant, account), &known_as, &said, began_at).await?;
        }
        (None, Some(held)) => {
            let_go(app, &mut tx, customer, held.id).await?;
        }
        (None, None) => {}
    }
    end_with(app, tx, event, Ended::Applied).await
}

/// A mandate changed.
pub(super) async fn apply_mandate(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    method: Option<&str>,
) -> Result<(), AppError> {
    let Some(method) = find_method(app, event, reference, method).await? else {
        return end(app, event, Ended::Ignored).await;
    };
    let mut conn = app.db.read(event.merchant_id).await?;
    let at = WalletAccount::get(app, &mut conn, method.merchant_id, method.provider_account_id).await?;
    drop(conn);
    let said = at.wallet()?.fetch_mandate(at.account(), reference).await;
    let said = said.map_err(AppError::Provider)?;

    let mut tx = app.begin(event.merchant_id).await?;
    let mut held = store::payment_methods::lock(&mut tx, event.merchant_id, method.id).await?;
    held.take_mandate(&said);
    held.updated_at = app.clock.now();
    store::payment_methods::update(&mut tx, &held).await?;
    end_with(app, tx, event, Ended::Applied).await
}

/// The method that a mandate is for, where it is one of ours.
async fn find_method(
    app: &App,
    event: &WebhookEvent,
    mandate: &str,
    method: Option<&str>,
) -> Result<Option<PaymentMethod>, AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    let found = store::payment_methods::find_by_mandate(&mut conn, merchant, account, mandate).await?;
    let (None, Some(method)) = (&found, method) else {
        return Ok(found);
    };
    Ok(store::payment_methods::find_by_provider_reference(&mut conn, merchant, account, method).await?)
}
