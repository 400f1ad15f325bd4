//! The one way in which a dispute's state changes: an event, a read and the answer to our call all come through
//! [`apply`].

use sqlx::PgConnection;
use time::format_description::well_known::Rfc3339;

use super::facet;
use crate::app::apply::{Applied, Heard, READS};
use crate::app::news::{tell, tell_dispute};
use crate::app::reconciliation::losses;
use crate::app::webhooks::{end, end_with};
use crate::app::{App, AppError, commit};
use crate::domain::dispute::{Dispute, DisputeSnapshot, DisputeState, decide};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::domain::payment::{Decision, Payment};
use crate::domain::snapshot::Said;
use crate::provider::ProviderAccount;
use crate::store;
use crate::store::webhook_events::{Ended, WebhookEvent};

/// Takes in what an event says of a dispute, and ends the event in the same transaction.
pub(in crate::app) async fn hear(
    app: &App,
    event: &WebhookEvent,
    reference: &str,
    said: Option<&DisputeSnapshot>,
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
        if store::disputes::read_since(&mut conn, merchant, account, reference, since).await? {
            drop(conn);
            return end(app, event, Ended::Applied).await;
        }
        app.accounts.get(app, &mut conn, merchant, account).await?
    };
    refresh(app, &known.account, reference, Some(event)).await
}

/// Reads a dispute from its provider and takes in what it says; with `event`, ends that event in the same transaction.
///
/// A read counts only if nothing else was learned of the dispute since it began; otherwise it is made again.
#[tracing::instrument(name = "app.dispute.refresh", skip_all, fields(reference))]
pub(in crate::app) async fn refresh(
    app: &App,
    account: &ProviderAccount,
    reference: &str,
    event: Option<&WebhookEvent>,
) -> Result<(), AppError> {
    let place = (account.merchant_id, account.id);
    let disputes = facet(app.provider(&account.provider)?)?;
    for _ in 0..READS {
        let (began_at, held) = {
            let mut conn = app.db.read(place.0).await?;
            let began_at = store::payments::read_begins(&mut conn).await?;
            (
                began_at,
                store::disputes::find(&mut conn, place.0, place.1, reference).await?,
            )
        };
        let said = disputes
            .fetch_dispute(account, reference)
            .await
            .map_err(AppError::Provider)?;

        let mut tx = app.begin(place.0).await?;
        let as_of = Heard::AsOf(held.map(|held| held.version));
        if apply(app, &mut tx, place, &said, as_of).await? == Applied::Ask {
            continue;
        }
        let dispute = store::disputes::lock(&mut tx, place.0, place.1, reference).await?;
        store::disputes::note_read(&mut tx, place.0, dispute.id, began_at).await?;
        return match event {
            Some(event) => end_with(app, tx, event, Ended::Applied).await,
            None => commit(tx).await,
        };
    }
    Err(AppError::in_flight())
}

/// Takes in what a provider says of a dispute. It is safe to repeat, in any order. Locks the payment first, then the dispute.
pub(super) async fn apply(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    said: &DisputeSnapshot,
    heard: Heard,
) -> Result<Applied, AppError> {
    let now = app.clock.now();
    let recognized = matches!(said.state, Said::Known(_));
    if !recognized && matches!(heard, Heard::Once) {
        return Ok(Applied::Ask);
    }
    let payment = lock_payment(app, conn, merchant, account, said).await?;
    let payment_id = payment.as_ref().map(|payment| payment.id);
    let new = Dispute::new(merchant, account, payment_id, said.clone(), now);
    if store::disputes::insert(conn, &new).await? {
        tracing::info!(dispute_id = %new.id, reference = said.provider_reference, "a dispute was opened");
        tell_a_person(app, conn, &new, None).await?;
        losses::book(app, conn, &new).await?;
        count_on_payment(app, conn, payment, &new).await?;
        return Ok(Applied::Done);
    }
    let mut dispute = store::disputes::lock(conn, merchant, account, &said.provider_reference).await?;
    let Some(authority) = heard.authority(dispute.version) else {
        return Ok(Applied::Ask);
    };
    let orphaned = dispute.payment_id.is_none() && payment_id.is_some();
    match decide(&dispute, said, authority) {
        Decision::Apply => {
            let before = dispute.told.state.clone();
            dispute.take_in(said, now);
            dispute.payment_id = dispute.payment_id.or(payment_id);
            store::disputes::update(conn, &dispute).await?;
            tell_a_person(app, conn, &dispute, Some(&before)).await?;
            losses::book(app, conn, &dispute).await?;
        }
        Decision::AlreadySo | Decision::Stale if orphaned => {
            dispute.payment_id = payment_id;
            dispute.touch(now);
            store::disputes::update(conn, &dispute).await?;
        }
        Decision::AlreadySo | Decision::Stale => return Ok(Applied::Done),
        Decision::Ask => return Ok(Applied::Ask),
        Decision::Impossible(kind) => {
            let detail = format!("held: {}; said: {}", dispute.told.state.word(), said.state.word());
            open_exception(app, conn, &dispute, kind, &said.provider_reference, &detail).await?;
            return Ok(Applied::Done);
        }
    }
    count_on_payment(app, conn, payment, &dispute).await?;
    Ok(Applied::Done)
}

/// The payment that a dispute is about, held until the transaction ends; none where it did not start here.
async fn lock_payment(
    app: &App,
    conn: &mut PgConnection,
    merchant: MerchantId,
    account: ProviderAccountId,
    said: &DisputeSnapshot,
) -> Result<Option<Payment>, AppError> {
    let mut found = None;
    if let Some(reference) = &said.payment_reference {
        found = store::payments::find_by_provider_reference(conn, merchant, account, reference).await?;
    }
    if let (None, Some(charge)) = (found, &said.charge_reference) {
        found = store::payments::find_by_charge(conn, merchant, account, charge).await?;
    }
    Ok(match found {
        Some(id) => Some(store::payments::lock(conn, &app.sealer, merchant, id).await?),
        None => None,
    })
}

/// Sums up what disputes took of a payment, and tells of that and of the dispute that changed it.
async fn count_on_payment(
    app: &App,
    conn: &mut PgConnection,
    payment: Option<Payment>,
    changed: &Dispute,
) -> Result<(), AppError> {
    let Some(mut payment) = payment else { return Ok(()) };
    let disputes = store::disputes::list_of_payment(conn, payment.merchant_id, payment.id).await?;
    let disputed_minor = disputes
        .iter()
        .map(|dispute| &dispute.told)
        .filter(|told| told.state.takes_money() && told.amount.currency == payment.amount.currency())
        .map(|told| told.amount.minor)
        .sum();
    if payment.disputed_minor != disputed_minor {
        payment.disputed_minor = disputed_minor;
        payment.touch(app.clock.now());
        store::payments::update_disputed(conn, &payment).await?;
        tell(app, conn, &payment).await?;
    }
    tell_dispute(app, conn, &payment, changed).await
}

/// Opens an exception where a person must act: once for the inquiry, once for the dispute that takes money, and where the
/// provider uses a word that we do not know.
async fn tell_a_person(
    app: &App,
    conn: &mut PgConnection,
    dispute: &Dispute,
    before: Option<&Said<DisputeState>>,
) -> Result<(), AppError> {
    let told = &dispute.told;
    let reference = &told.provider_reference;
    if matches!(told.state, Said::Unrecognized(_)) {
        let detail = format!("{reference} is {}", told.state.word());
        open_exception(
            app,
            conn,
            dispute,
            ExceptionKind::UnrecognizedState,
            reference,
            &detail,
        )
        .await?;
    }
    let takes = told.state.takes_money();
    let took = before.is_some_and(Said::takes_money);
    let subject = match (before, takes) {
        (_, true) if !took => reference.clone(),
        (None, false) if !told.state.is_closed() => format!("{reference} inquiry"),
        (_, _) => return Ok(()),
    };
    let detail = describe(told);
    open_exception(
        app,
        conn,
        dispute,
        ExceptionKind::DisputeOpened,
        &subject,
        &detail,
    )
    .await
}

fn describe(told: &DisputeSnapshot) -> String {
    let reason = told.reason.as_deref().unwrap_or("no reason given");
    let due = told.due_at.map_or_else(
        || "no evidence is taken".to_owned(),
        |due_at| {
            format!(
                "evidence is due by {}",
                due_at.format(&Rfc3339).unwrap_or_default()
            )
        },
    );
    let reference = &told.provider_reference;
    format!(
        "{reference}: {}, {reason}, {}; {due}",
        told.amount,
        told.state.word()
    )
}

async fn open_exception(
    app: &App,
    conn: &mut PgConnection,
    dispute: &Dispute,
    kind: ExceptionKind,
    subject: &str,
    detail: &str,
) -> Result<(), AppError> {
    let new = NewException::new(dispute.merchant_id, kind, subject, detail)
        .at(dispute.provider_account_id)
        .of(dispute.payment_id);
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(dispute_id = %dispute.id, ?kind, subject, "an exception was opened");
    }
    Ok(())
}
