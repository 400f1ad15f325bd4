//! Events: proven and kept on the way in, applied by a worker.

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::accounts::KnownAccount;
use super::apply::{Applied, apply};
use super::payments::refresh;
use super::{App, AppError, account_events, commit, disputes, foreign, payouts, wallet_events};
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};
use crate::domain::outbox::{MAX_ATTEMPTS, delay_after_refusal};
use crate::domain::payment::Authority;
use crate::provider::{Delivery, Interpretation, VerifyError};
use crate::store;
use crate::store::StoreError;
use crate::store::webhook_events::{Ended, SealedEvent, WebhookEvent};

/// How many events a worker takes up at once, and how many payments it works on at once.
const BATCH: i64 = 64;
const AT_ONCE: usize = 8;

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
    let found = match recall(app, id).await {
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
    let ours = envelope.live == account.live && envelope.external_account == account.external_account;
    if !ours {
        tracing::info!(provider_account_id = %id, live = envelope.live, "an event that is not this account's was left out");
        return Ok(Received::NotOurs);
    }
    let event = SealedEvent::seal(&app.sealer, account.merchant_id, id, &webhook)?;
    if app.inbox.keep(event).await.is_err() {
        return Ok(Received::NotKept);
    }
    app.bell.notify_waiters();
    Ok(Received::Kept)
}

/// The account, and no connection for one that was read lately.
async fn recall(app: &App, id: ProviderAccountId) -> Result<Option<Arc<KnownAccount>>, AppError> {
    if let Some(known) = app.accounts.recall(id) {
        return Ok(Some(known));
    }
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    app.accounts.find(app, &mut conn, id).await
}

/// Takes up a batch of events and applies them: one payment's in turn, so that one read serves them all. How many.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let events = {
        let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
        let now = database_now(&mut conn).await?;
        store::webhook_events::lease(&mut conn, now, now + app.timing.event_lease, BATCH).await?
    };
    let taken = events.len();
    let mut by_object: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        let interpretation = interpret(app, &event).await;
        let object = match &interpretation {
            Ok(
                Interpretation::Payment { reference, .. }
                | Interpretation::Checkout { reference, .. }
                | Interpretation::Setup { reference, .. }
                | Interpretation::PaymentMethod { reference, .. }
                | Interpretation::Mandate { reference, .. }
                | Interpretation::Dispute { reference, .. }
                | Interpretation::Charge { reference, .. }
                | Interpretation::Payout { reference, .. },
            ) => reference.clone(),
            Ok(Interpretation::Account(_) | Interpretation::Deauthorized | Interpretation::NotFollowed)
            | Err(_) => event.event_id.clone(),
        };
        let key = (event.provider_account_id, object);
        by_object.entry(key).or_default().push((event, interpretation));
    }
    stream::iter(by_object.into_values())
        .for_each_concurrent(AT_ONCE, |events| async {
            for (event, interpretation) in events {
                work_one(app, &event, interpretation).await;
            }
        })
        .await;
    Ok(taken)
}

async fn interpret(app: &App, event: &WebhookEvent) -> Result<Interpretation, AppError> {
    let known = recall(app, event.provider_account_id).await?;
    let known = known.ok_or(AppError::NotFound("provider account"))?;
    let payload = event.open(&app.sealer)?;
    Ok(app.provider(&known.account.provider)?.interpret(&payload))
}

/// Ends one event in one way or another: what goes wrong with it is its own affair.
#[tracing::instrument(name = "app.webhook.apply", skip_all,
    fields(merchant_id = %event.merchant_id, event_id = %event.event_id))]
async fn work_one(app: &App, event: &WebhookEvent, interpretation: Result<Interpretation, AppError>) {
    let applied = match interpretation {
        Ok(interpretation) => apply_event(app, event, interpretation).await,
        Err(error) => Err(error),
    };
    let Err(error) = applied else { return };
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        attempts = event.attempts,
        "an event could not be applied"
    );
    if let Err(error) = put_back(app, event, &error.to_string()).await {
        // The lease runs out by itself, and then it is tried again.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an event could not be put back"
        );
    }
}

async fn apply_event(
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
        Interpretation::Payout { reference, snapshot } => {
            return payouts::hear(app, event, &reference, snapshot.as_deref()).await;
        }
        Interpretation::Account(said) => return account_events::hear(app, event, &said).await,
        Interpretation::Deauthorized => return account_events::hear_deauthorized(app, event).await,
        Interpretation::NotFollowed => (None, None),
    };
    let Some(id) = found else {
        return end(app, event, Ended::Ignored).await;
    };
    if let Some(said) = snapshot {
        let mut tx = app.begin().await?;
        let mut payment = store::payments::lock(&mut tx, &app.sealer, event.merchant_id, id).await?;
        let applied = apply(app, &mut tx, &mut payment, &said, Authority::Hint).await?;
        if applied == Applied::Done {
            // Where the lease was lost, whoever holds it now applies the event: nothing of this transaction may count.
            return if store::webhook_events::end(&mut tx, event, Ended::Applied).await? {
                commit(tx).await
            } else {
                Ok(())
            };
        }
        // What it told is kept; what it could not tell is read.
        commit(tx).await?;
    }
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
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
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    if let Some(id) =
        store::payments::find_by_provider_reference(&mut conn, merchant, account, reference).await?
    {
        return Ok(Some(id));
    }
    let Some(id) = named else { return Ok(None) };
    match store::payments::get(&mut conn, &app.sealer, merchant, id).await {
        Ok(payment) if payment.provider_account_id == account && payment.provider_reference.is_none() => {
            drop(conn);
            adopt(app, merchant, id, reference).await?;
            Ok(Some(id))
        }
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
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
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
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    if let Some(id) = store::checkout_sessions::find_payment(&mut conn, merchant, account, reference).await? {
        return Ok(Some(id));
    }
    let Some(id) = named else { return Ok(None) };
    let session = store::checkout_sessions::find(&mut conn, &app.sealer, merchant, id).await?;
    Ok(session
        .filter(|session| session.provider_account_id == account && session.provider_reference.is_none())
        .map(|_| id))
}

/// Notes the provider's id of a payment that was told of by an event before the answer to our call was written down.
async fn adopt(app: &App, merchant: MerchantId, id: PaymentId, reference: &str) -> Result<(), AppError> {
    let mut tx = app.begin().await?;
    let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, id).await?;
    if payment.provider_reference.is_none() {
        payment.provider_reference = Some(reference.to_owned());
        payment.touch(app.clock.now());
        store::payments::update(&mut tx, &app.sealer, &payment).await?;
        commit(tx).await?;
    }
    Ok(())
}

pub(super) async fn end(app: &App, event: &WebhookEvent, ended: Ended<'_>) -> Result<(), AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    store::webhook_events::end(&mut conn, event, ended).await?;
    Ok(())
}

async fn put_back(app: &App, event: &WebhookEvent, error: &str) -> Result<(), AppError> {
    let mut conn = app.db.acquire().await.map_err(StoreError::from)?;
    let attempts = event.attempts + 1;
    let ended = if attempts >= MAX_ATTEMPTS {
        Ended::Dead { error }
    } else {
        let delay = app.timing.scaled(delay_after_refusal(attempts));
        Ended::Again {
            at: database_now(&mut conn).await? + delay,
            error,
        }
    };
    store::webhook_events::end(&mut conn, event, ended).await?;
    Ok(())
}

/// The database's clock, which events are received and leased by.
async fn database_now(conn: &mut PgConnection) -> Result<OffsetDateTime, AppError> {
    Ok(store::payments::read_begins(conn).await?)
}
