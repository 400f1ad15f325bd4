//! Payouts, as events and reads tell of them. Both come through [`apply`].

use sqlx::PgConnection;

use super::apply::{Applied, Heard, READS};
use super::foreign::affairs;
use super::reconciliation::follow;
use super::webhooks::{end, end_with};
use super::{App, AppError};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::payment::Decision;
use crate::domain::payout::{Payout, PayoutSnapshot, PayoutState, decide};
use crate::domain::snapshot::Said;
use crate::provider::ProviderAccount;
use crate::store;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// Takes in what an event says of a payout, and ends the event in the same transaction.
pub(super) async fn hear(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    said: Option<&PayoutSnapshot>,
) -> Result<(), AppError> {
    let (merchant, account) = (event.merchant_id, event.provider_account_id);
    if let Some(said) = said {
        let mut tx = app.begin(merchant).await?;
        if apply(app, &mut tx, (merchant, account), said, Heard::Once).await? == Applied::Done {
            return end_with(app, tx, event, Ended::Applied).await;
        }
    }
    let known = {
        let mut conn = app.db.read(merchant).await?;
        let since = event.received_at;
        if store::payouts::read_since(&mut conn, merchant, account, reference, since).await? {
            drop(conn);
            return end(app, event, Ended::Applied).await;
        }
        app.accounts.get(app, &mut conn, merchant, account).await?
    };
    refresh(app, &known.account, reference, event).await
}

/// Reads a payout from its provider, takes in what it says, and ends the event in the same transaction.
///
/// A read counts only if nothing else was learned of the payout since it began; otherwise it is made again.
#[tracing::instrument(name = "app.payout.refresh", skip_all, fields(reference))]
async fn refresh(
    app: &App,
    account: &ProviderAccount,
    reference: &str,
    event: &WebhookEvent,
) -> Result<(), AppError> {
    let place = (account.merchant_id, account.id);
    let affairs = affairs(app.provider(&account.provider)?)?;
    for _ in 0..READS {
        let (began_at, held) = {
            let mut conn = app.db.read(event.merchant_id).await?;
            let began_at = store::payments::read_begins(&mut conn).await?;
            let held = store::payouts::find(&mut conn, place.0, place.1, reference).await?;
            (began_at, held)
        };
        let said = affairs
            .fetch_payout(account, reference)
            .await
            .map_err(AppError::Provider)?;
        let mut tx = app.begin(event.merchant_id).await?;
        let as_of = Heard::AsOf(held.map(|held| held.version));
        if apply(app, &mut tx, place, &said, as_of).await? == Applied::Ask {
            continue;
        }
        store::payouts::note_read(&mut tx, place.0, place.1, reference, began_at).await?;
        return end_with(app, tx, event, Ended::Applied).await;
    }
    Err(AppError::in_flight())
}

/// Takes in how a payout was listed just now. What is heard of it at the same time goes first.
pub(super) async fn take_in(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    said: &PayoutSnapshot,
) -> Result<(), AppError> {
    let held = store::payouts::find(conn, merchant, account, &said.provider_reference).await?;
    let as_of = Heard::AsOf(held.as_ref().map(|held| held.version));
    let _it_or_what_is_newer = apply(app, conn, (merchant, account), said, as_of).await?;
    // Where it was known before the account was opened, what it is for the books may be another now.
    let payout = store::payouts::lock(conn, merchant, account, &said.provider_reference).await?;
    follow(app, conn, &payout).await
}

/// Takes in what a provider says of a payout. It is safe to repeat, in any order.
async fn apply(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    said: &PayoutSnapshot,
    heard: Heard,
) -> Result<Applied, AppError> {
    let now = app.clock.now();
    let recognized = matches!(said.state, Said::Known(_));
    if !recognized && matches!(heard, Heard::Once) {
        return Ok(Applied::Ask);
    }
    let new = Payout::new(merchant, account, said.clone(), now);
    if store::payouts::insert(conn, &new).await? {
        follow(app, conn, &new).await?;
        tell_a_person(app, conn, &new).await?;
        return Ok(Applied::Done);
    }
    let mut payout = store::payouts::lock(conn, merchant, account, &said.provider_reference).await?;
    let Some(authority) = heard.authority(payout.version) else {
        return Ok(Applied::Ask);
    };
    match decide(&payout, said, authority) {
        Decision::Apply => {
            payout.take_in(said, now);
            store::payouts::update(conn, &payout).await?;
            follow(app, conn, &payout).await?;
            tell_a_person(app, conn, &payout).await?;
        }
        Decision::AlreadySo | Decision::Stale => {}
        Decision::Ask => return Ok(Applied::Ask),
        Decision::Impossible(kind) => {
            let detail = format!("held: {}; said: {}", payout.told.state.word(), said.state.word());
            open_exception(app, conn, &payout, kind, &detail).await?;
        }
    }
    Ok(Applied::Done)
}

/// Opens an exception where a payout came back, and where the provider uses a word that we do not know.
async fn tell_a_person(app: &App, conn: &mut PgConnection, payout: &Payout) -> Result<(), AppError> {
    let told = &payout.told;
    let (kind, detail) = match &told.state {
        Said::Known(PayoutState::Failed) => {
            let code = told.failure_code.as_deref().unwrap_or("no code given");
            let message = told.failure_message.as_deref().unwrap_or("no reason given");
            (
                ExceptionKind::PayoutFailed,
                format!("{}: {code}: {message}", told.amount),
            )
        }
        Said::Unrecognized(word) => (
            ExceptionKind::UnrecognizedState,
            format!("{} is {word}", told.provider_reference),
        ),
        Said::Known(
            PayoutState::Pending | PayoutState::InTransit | PayoutState::Paid | PayoutState::Canceled,
        ) => return Ok(()),
    };
    open_exception(app, conn, payout, kind, &detail).await
}

async fn open_exception(
    app: &App,
    conn: &mut PgConnection,
    payout: &Payout,
    kind: ExceptionKind,
    detail: &str,
) -> Result<(), AppError> {
    let subject = &payout.told.provider_reference;
    let new = NewException::new(payout.merchant_id, kind, subject, detail).at(payout.provider_account_id);
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(payout_id = %payout.id, ?kind, subject, "an exception was opened");
    }
    Ok(())
}
