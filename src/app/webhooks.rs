//! Events: proven and kept on the way in, applied when their turn comes.

use std::sync::Arc;

use super::accounts::KnownAccount;
use super::apply::{Applied, apply};
use super::news::tell;
use super::payments::refresh;
use super::{App, AppError, account_events, commit, disputes, events, foreign, payouts, wallet_events};
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};
use crate::domain::payment::Authority;
use crate::domain::snapshot::Snapshot;
use crate::provider::{Delivery, Interpretation, PartRef, VerifyError};
use crate::store;
use crate::store::webhook_events::{Ended, SealedEvent, WebhookEvent};
use crate::store::{Db, StoreError, Tx};

/// What became of a delivery. All but `Unknown`, `Refused` and `NotKept` are answered with a 2xx.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// It is on disk.
    Kept,
    /// Proven, but of the other mode or of an account that is not ours: not kept, so that the endpoint stays enabled.
    NotOurs,
    /// No such account.
    Unknown,
    /// Not proven. Nothing of it was read.
    Refused(VerifyError),
    /// The database cannot be reached: the provider must come back.
    NotKept,
}

/// Takes in a delivery: proves it, keeps it, and returns once it is on disk.
///
/// `header` finds a header of the request by its name in lower case.
pub async fn receive<'a>(
    app: &App,
    provider_name: &str,
    id: ProviderAccountId,
    header: impl FnOnce(&str) -> Option<&'a str>,
    body: &'a [u8],
) -> Result<Received, AppError> {
    let found = match recall_over(app, &app.intake, id).await {
        Ok(found) => found.filter(|known| known.account.provider == provider_name),
        Err(AppError::Store(StoreError::Database(_))) => return Ok(Received::NotKept),
        Err(error) => return Err(error),
    };
    let Some(known) = found else {
        return Ok(Received::Unknown);
    };
    let account = &known.account;
    let provider = app.provider(&account.provider)?;
    let delivery = Delivery {
        signature: header(provider.signature_header()),
        body,
    };
    let webhook = match provider.verify(&delivery, &known.webhook_secrets, app.clock.now()) {
        Ok(webhook) => webhook,
        Err(error) => return Ok(Received::Refused(error)),
    };
    let envelope = webhook.envelope();
    if !envelope.is_of(account) {
        tracing::info!(provider_account_id = %id, live = envelope.live, "an event that is not this account's was left out");
        return Ok(Received::NotOurs);
    }
    let event = SealedEvent::seal(&known.data_key, account.merchant_id, id, &webhook)?;
    if app.inbox.keep(event).await.is_err() {
        return Ok(Received::NotKept);
    }
    app.bell.notify_waiters();
    Ok(Received::Kept)
}

/// The account, and no connection for one that was read lately.
pub(super) async fn recall(app: &App, id: ProviderAccountId) -> Result<Option<Arc<KnownAccount>>, AppError> {
    recall_over(app, &app.db, id).await
}

async fn recall_over(
    app: &App,
    db: &Db,
    id: ProviderAccountId,
) -> Result<Option<Arc<KnownAccount>>, AppError> {
    if let Some(known) = app.accounts.recall(id) {
        return Ok(Some(known));
    }
    let Some((merchant, mut conn)) = db.read_for_account(id).await? else {
        return Ok(None);
    };
    app.accounts.find(app, &mut conn, merchant, id).await
}

/// Whose a part of a payment is. The provider is asked, unless it is a payment that we know.
async fn whole_of(app: &App, event: &WebhookEvent, part: PartRef) -> Result<Interpretation, AppError> {
    if let PartRef::Whole(reference) = &part
        && find_payment(app, event, reference, None).await?.is_some()
    {
        return Ok(Interpretation::Payment {
            reference: reference.clone(),
            payment: None,
            snapshot: None,
        });
    }
    let known = recall(app, event.provider_account_id).await?;
    let known = known.ok_or(AppError::NotFound("provider account"))?;
    let provider = app.provider(&known.account.provider)?;
    provider
        .resolve(&known.account, &part)
        .await
        .map_err(AppError::Provider)
}

/// Has one event applied: by what it tells, or by reading what it is about.
pub(super) async fn apply_event(
    app: &App,
    event: &WebhookEvent,
    interpretation: Interpretation,
) -> Result<(), AppError> {
    let (found, snapshot) = match interpretation {
        Interpretation::Payment {
            reference,
            payment,
            snapshot,
        } => match find_payment(app, event, &reference, payment).await? {
            Some(id) => (Some(id), snapshot),
            None => return foreign::hear(app, event, &reference).await,
        },
        Interpretation::Charge { reference, payment } => {
            match find_charged(app, event, &reference, payment).await? {
                Some(id) => (Some(id), None),
                None => return foreign::hear(app, event, &reference).await,
            }
        }
        Interpretation::Checkout {
            reference,
            payment,
            snapshot,
        } => match find_paid_on_page(app, event, &reference, payment).await? {
            Some(id) => (Some(id), snapshot),
            None => return foreign::hear_of_page(app, event, &reference, snapshot.as_deref()).await,
        },
        Interpretation::Setup { reference, setup } => {
            return wallet_events::apply_setup(app, event, &reference, setup).await;
        }
        Interpretation::PaymentMethod { reference, customer } => {
            return wallet_events::apply_method(app, event, &reference, customer.as_deref()).await;
        }
        Interpretation::Mandate { reference, method } => {
            return wallet_events::apply_mandate(app, event, &reference, method.as_deref()).await;
        }
        Interpretation::Dispute { reference, snapshot } => {
            return disputes::hear(app, event, &reference, snapshot.as_deref()).await;
        }
        Interpretation::Part(part) => {
            let whole = whole_of(app, event, part).await?;
            return Box::pin(apply_event(app, event, whole)).await;
        }
        Interpretation::Payout { reference, snapshot } => {
            return payouts::hear(app, event, &reference, snapshot.as_deref()).await;
        }
        Interpretation::Account(said) => return account_events::hear(app, event, said.as_deref()).await,
        Interpretation::Deauthorized => return account_events::hear_deauthorized(app, event).await,
        Interpretation::NotFollowed => (None, None),
    };
    match found {
        Some(id) => take_in(app, event, id, snapshot).await,
        None => end(app, event, Ended::Ignored).await,
    }
}

/// Has a payment's event applied by what it tells, and where that is not enough, by reading the payment.
async fn take_in(
    app: &App,
    event: &WebhookEvent,
    id: PaymentId,
    snapshot: Option<Box<Snapshot>>,
) -> Result<(), AppError> {
    if let Some(said) = snapshot {
        let mut tx = app.begin(event.merchant_id).await?;
        let mut payment = store::payments::lock(&mut tx, &app.sealer, event.merchant_id, id).await?;
        let applied = apply(app, &mut tx, &mut payment, &said, Authority::Hint).await?;
        if applied == Applied::Done {
            return end_with(app, tx, event, Ended::Applied).await;
        }
        // What it told is kept; what it could not tell is read.
        commit(tx).await?;
    }
    let mut conn = app.db.read(event.merchant_id).await?;
    if store::payments::read_since(&mut conn, event.merchant_id, id, event.received_at).await? {
        drop(conn);
        return end(app, event, Ended::Applied).await;
    }
    drop(conn);
    refresh(app, event.merchant_id, id, Some(event)).await
}

/// The payment that an event is about: by the provider's id of it, or by ours where it came before the answer to our call
/// was written down. None where it did not start here.
async fn find_payment(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    named: Option<PaymentId>,
) -> Result<Option<PaymentId>, AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    if let Some(id) =
        store::payments::find_by_provider_reference(&mut conn, merchant, account, reference).await?
    {
        return Ok(Some(id));
    }
    let Some(id) = named else { return Ok(None) };
    match store::payments::get(&mut conn, &app.sealer, merchant, id).await {
        Ok(payment) if payment.provider_account_id == account => match payment.provider_reference {
            None => {
                drop(conn);
                adopt(app, merchant, id, reference).await?;
                Ok(Some(id))
            }
            // The answer to our call was written down while we looked.
            Some(known) => Ok(Some(id).filter(|_| known == reference)),
        },
        Ok(_) | Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The payment that a charge is of, where its event does not say: by the charge, or by our id of the payment.
async fn find_charged(
    app: &App,
    event: &WebhookEvent,
    charge: &str,
    named: Option<PaymentId>,
) -> Result<Option<PaymentId>, AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    if let Some(id) = store::payments::find_by_charge(&mut conn, merchant, account, charge).await? {
        return Ok(Some(id));
    }
    let Some(id) = named else { return Ok(None) };
    match store::payments::get(&mut conn, &app.sealer, merchant, id).await {
        // Only the payment's own reference can be read: a charge says none.
        Ok(payment) => {
            let is_there = payment.provider_account_id == account && payment.provider_reference.is_some();
            Ok(is_there.then_some(id))
        }
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The payment that is paid on a page: by the provider's id of the page, or by ours where it came before the answer to our
/// call was written down.
async fn find_paid_on_page(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    named: Option<PaymentId>,
) -> Result<Option<PaymentId>, AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    if let Some(id) = store::checkout_sessions::find_payment(&mut conn, merchant, account, reference).await? {
        return Ok(Some(id));
    }
    let Some(id) = named else { return Ok(None) };
    let session = store::checkout_sessions::find(&mut conn, &app.sealer, merchant, id).await?;
    Ok(session
        .filter(|session| session.provider_account_id == account)
        .filter(|session| {
            session
                .provider_reference
                .as_deref()
                .is_none_or(|known| known == reference)
        })
        .map(|_| id))
}

/// Notes the provider's id of a payment that was told of by an event before the answer to our call was written down.
async fn adopt(app: &App, merchant: MerchantId, id: PaymentId, reference: &str) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, id).await?;
    if payment.provider_reference.is_none() {
        payment.provider_reference = Some(reference.to_owned());
        payment.touch(app.clock.now());
        store::payments::update(&mut tx, &app.sealer, &payment).await?;
        tell(app, &mut tx, &payment).await?;
        commit(tx).await?;
    }
    Ok(())
}

/// Ends an event that changes nothing.
pub(super) async fn end(app: &App, event: &WebhookEvent, ended: Ended<'_>) -> Result<(), AppError> {
    end_with(app, app.begin(event.merchant_id).await?, event, ended).await
}

/// Ends an event together with what its transaction changed; one that is dead is an exception until a replay ends it.
///
/// Where the lease was lost, whoever holds it now applies the event: nothing of this transaction counts.
pub(super) async fn end_with(
    app: &App,
    mut tx: Tx,
    event: &WebhookEvent,
    ended: Ended<'_>,
) -> Result<(), AppError> {
    if !store::webhook_events::end(&mut tx, event, ended).await? {
        return Ok(());
    }
    match ended {
        Ended::Applied | Ended::Ignored => events::close_exception(app, &mut tx, event).await?,
        Ended::Dead { error } => events::open_exception(app, &mut tx, event, error).await?,
        Ended::Again { .. } => {}
    }
    commit(tx).await
}
