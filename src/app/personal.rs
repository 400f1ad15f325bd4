//! What is personal: kept as long as configuration says, handed out and erased where a customer asks. The books stay as they are.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::auth::Administered;
use super::error::no;
use super::{App, AppError, audit_log, commit};
use crate::domain::audit_log::Action;
use crate::domain::ids::{CustomerId, MerchantId};
use crate::store;
use crate::store::personal::Unfinished;

/// How much is taken up in one transaction, and in how many of them for one merchant before it is another's turn.
const BATCH: i64 = 500;
const TURNS: u32 = 20;

/// How many events are looked at in one statement.
const EVENTS: i64 = 20_000;

/// How long what is personal is kept, where nobody asks for it to go earlier.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Events, once they are applied or ignored.
    pub events: Duration,
    /// Of payments of which nothing more can come: description, notes, receipt address, shipping, and from where the customer agreed
    /// to be debited.
    pub payments: Duration,
    /// From which addresses people acted.
    pub origins: Duration,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            events: Duration::days(90),
            payments: Duration::days(730),
            origins: Duration::days(180),
        }
    }
}

/// Erases what was kept long enough, a batch at a time. How much.
pub async fn erase_due(app: &App) -> Result<u64, AppError> {
    let merchants = {
        let mut tx = app.db.dispatch().await?;
        store::merchants::list(&mut tx).await?
    };
    let now = app.clock.now();
    let mut erased = 0;
    for merchant in merchants {
        for _ in 0..TURNS {
            let mut tx = app.begin(merchant).await?;
            let before = now - app.kept.payments;
            let payments = store::personal::erase_payments(&mut tx, merchant, before, BATCH, now).await?;
            let before = now - app.kept.origins;
            let origins = store::personal::erase_origins(&mut tx, merchant, before, BATCH).await?;
            commit(tx).await?;
            let done = u64::try_from(payments)
                .unwrap_or(u64::MAX)
                .saturating_add(origins);
            erased += done;
            if done == 0 {
                break;
            }
        }
    }
    Ok(erased)
}

/// All that is kept of a customer. What is sealed is no person's to read and is left out.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn export(app: &App, by: &Administered, customer: CustomerId) -> Result<Value, AppError> {
    let merchant = by.merchant_id;
    let mut tx = app.begin(merchant).await?;
    store::customers::get(&mut tx, merchant, customer)
        .await
        .map_err(no("customer"))?;
    let found = store::personal::export(&mut tx, merchant, customer).await?;
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &by.actor(),
        (Action::MerchantExport, &customer),
        &json!({}),
    )
    .await?;
    commit(tx).await?;
    Ok(found)
}

/// What was erased of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Of how many payments.
    pub payments: usize,
    /// The bytes of how many events.
    pub events: usize,
    /// The provider's id of the customer, where it has one: what the provider keeps is to be erased there.
    pub provider_reference: Option<String>,
}

/// Erases what is personal of a customer: contact, notes, methods, what payments say beside their amounts, and the bytes of events
/// about any of it. The caller's own name of the partner stays, so that it is not made anew. Safe to repeat.
///
/// # Errors
/// [`AppError::NotFound`]; [`AppError::Unfinished`] where something may still come of what the customer began.
pub async fn erase(app: &App, by: &Administered, customer: CustomerId) -> Result<Erased, AppError> {
    let (merchant, now) = (by.merchant_id, app.clock.now());
    let mut tx = app.begin(merchant).await?;
    let known = store::customers::get(&mut tx, merchant, customer)
        .await
        .map_err(no("customer"))?;
    let left = store::personal::count_unfinished(&mut tx, merchant, customer).await?;
    if left.payments + left.methods + left.setups > 0 {
        return Err(AppError::Unfinished(left));
    }
    let references = store::personal::list_references(&mut tx, merchant, customer).await?;
    let payments = store::personal::erase_customer(&mut tx, merchant, customer, now).await?;
    let detail = json!({ "payments": payments });
    audit_log::record(
        app,
        &mut tx,
        merchant,
        &by.actor(),
        (Action::MerchantErase, &customer),
        &detail,
    )
    .await?;
    commit(tx).await?;
    Ok(Erased {
        payments,
        events: erase_events(app, merchant, &references).await?,
        provider_reference: known.provider_reference,
    })
}

/// Empties the events about any of `references`: they stay, so that none is taken in again.
async fn erase_events(app: &App, merchant: MerchantId, references: &[String]) -> Result<usize, AppError> {
    let (mut erased, mut after) = (0, None);
    loop {
        let mut tx = app.begin(merchant).await?;
        let (found, last) =
            store::personal::list_events(&mut tx, merchant, after, references, EVENTS).await?;
        for event in &found {
            store::webhook_events::empty(&mut tx, &app.sealer, merchant, *event).await?;
        }
        commit(tx).await?;
        erased += found.len();
        if last.is_none() {
            return Ok(erased);
        }
        after = last;
    }
}

impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} payments, {} saved methods and {} setups are not at their end: cancel or capture, detach, or wait, and ask again",
            self.payments, self.methods, self.setups
        )
    }
}

impl App {
    /// Before when events are forgotten.
    pub(super) fn events_kept_since(&self) -> OffsetDateTime {
        self.clock.now() - self.kept.events
    }
}
