//! Writes again what a restore lost, as a crash would have left it: operations without an outcome, which are looked up and never
//! repeated. What came of them, and all that follows, goes the usual way.

use std::sync::Arc;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::app::carry_out::carry_out;
use crate::app::payments::refresh;
use crate::app::{App, AppError, commit};
use crate::domain::checkout::{CheckoutSession, CheckoutState};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::idempotency::Asked;
use crate::domain::ids::{CheckoutSessionId, CustomerId, MerchantId, OperationId, PaymentId};
use crate::domain::money::Amount;
use crate::domain::operation::{Ask, Operation, OperationKind, OperationState};
use crate::domain::payment::{Payment, PaymentState, Reference};
use crate::domain::trace::{CaptureTrace, PaymentTrace, RefundTrace, Trace};
use crate::store;
use crate::store::StoreError;
use crate::store::restores::RestoreAccount;

/// Takes in what a provider keeps of one thing that we asked for; whether a row had to be written again. Safe to repeat.
pub(super) async fn take_in(
    app: &Arc<App>,
    account: &RestoreAccount,
    trace: Trace,
) -> Result<bool, AppError> {
    match trace {
        Trace::Payment(made) => take_in_payment(app, account, *made).await,
        Trace::Capture(taken) => take_in_capture(app, account, &taken).await,
        Trace::Refund(given) => take_in_refund(app, account, &given).await,
    }
}

async fn find_payment(
    app: &App,
    conn: &mut PgConnection,
    merchant: MerchantId,
    id: PaymentId,
) -> Result<Option<Payment>, AppError> {
    match store::payments::get(conn, &app.sealer, merchant, id).await {
        Ok(payment) => Ok(Some(payment)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn is_known(conn: &mut PgConnection, merchant: MerchantId, id: OperationId) -> Result<bool, AppError> {
    match store::operations::get(conn, merchant, id).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn take_in_payment(
    app: &Arc<App>,
    account: &RestoreAccount,
    made: PaymentTrace,
) -> Result<bool, AppError> {
    let merchant = account.merchant_id;
    let mut conn = app.db.read(merchant).await?;
    let known = find_payment(app, &mut conn, merchant, made.payment).await?;
    drop(conn);
    if let Some(known) = known {
        // The row is there, and the request is known by it; what the provider calls the payment may not be.
        if known.provider_reference.is_none() && !made.is_page {
            learn_reference(app, merchant, &made).await?;
        }
        return Ok(false);
    }
    let Some(reference) = made.reference.clone() else {
        let told = "no reference of Odoo's is noted with it: find out what it is for, and resolve this";
        let mut tx = app.begin(merchant).await?;
        let about = About(made.payment, None, &made.provider_reference);
        question(app, &mut tx, account, about, told).await?;
        commit(tx).await?;
        return Ok(false);
    };
    let living = living(app, account, &reference).await?;
    let mut tx = app.begin(merchant).await?;
    let payment = draft(&mut tx, account, &made, reference, living.is_some()).await?;
    store::payments::insert(&mut tx, &payment).await?;
    store::payments::insert_documents(&mut tx, &payment).await?;
    store::payments::update(&mut tx, &app.sealer, &payment).await?;
    let kind = if made.is_page {
        let session = page_of(&payment);
        store::checkout_sessions::insert(&mut tx, merchant, &session, payment.created_at).await?;
        OperationKind::Checkout
    } else {
        OperationKind::Authorize
    };
    let ask = Ask {
        asked: made.asked,
        payment_method: made.payment_method.clone(),
        ..Ask::default()
    };
    let operation = lost(
        &payment,
        made.operation,
        kind,
        payment.amount.minor(),
        ask,
        made.made_at,
    );
    write(app, &mut tx, merchant, &operation).await?;
    ask_about_gaps(app, &mut tx, account, &made, &payment).await?;
    commit(tx).await?;
    carry_out(Arc::clone(app), payment, operation, None).await?;
    Ok(true)
}

/// The living payment that has the reference, after it was read: what the database takes for living may have ended since.
async fn living(
    app: &App,
    account: &RestoreAccount,
    reference: &Reference,
) -> Result<Option<PaymentId>, AppError> {
    let (merchant, id) = (account.merchant_id, account.provider_account_id);
    let mut conn = app.db.read(merchant).await?;
    let Some(held) = store::payments::find_living(&mut conn, merchant, id, reference).await? else {
        return Ok(None);
    };
    drop(conn);
    refresh(app, merchant, held, None).await?;
    let mut conn = app.db.read(merchant).await?;
    Ok(store::payments::find_living(&mut conn, merchant, id, reference).await?)
}

/// The payment as it was asked for. Where another one has its reference, it begins as one that was taken for failed: that it lives is
/// then found as for any such payment, and told to a person.
async fn draft(
    conn: &mut PgConnection,
    account: &RestoreAccount,
    made: &PaymentTrace,
    reference: Reference,
    is_taken: bool,
) -> Result<Payment, AppError> {
    let (merchant, id) = (account.merchant_id, account.provider_account_id);
    let amount = Amount::parse(made.amount.minor, made.amount.currency)
        .map_err(|error| StoreError::corrupt("payment", &error))?;
    let instances = store::odoo_instances::list(conn, merchant).await?;
    let customer = known_customer(conn, account, made).await?;
    Ok(Payment {
        id: made.payment,
        odoo_instance_id: made.odoo_instance.filter(|named| instances.contains(named)),
        state: if is_taken {
            PaymentState::Failed
        } else {
            PaymentState::Unknown
        },
        customer_id: customer,
        customer_reference: made.customer_reference.clone(),
        capture_method: made.capture_method,
        hosted: made.is_page,
        settles: made.settles.clone().unwrap_or_default(),
        description: made.description.clone(),
        metadata: made.notes.clone(),
        provider_reference: (!made.is_page).then(|| made.provider_reference.clone()),
        ..Payment::new(merchant, id, reference, amount, made.made_at)
    })
}

async fn known_customer(
    conn: &mut PgConnection,
    account: &RestoreAccount,
    made: &PaymentTrace,
) -> Result<Option<CustomerId>, AppError> {
    let (merchant, id) = (account.merchant_id, account.provider_account_id);
    if let Some(named) = made.customer {
        match store::customers::get(conn, merchant, named).await {
            Ok(_) => return Ok(Some(named)),
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let Some(reference) = &made.customer_reference else {
        return Ok(None);
    };
    Ok(store::customers::find_by_provider_reference(conn, merchant, id, reference).await?)
}

fn page_of(payment: &Payment) -> CheckoutSession {
    CheckoutSession {
        id: CheckoutSessionId::generate(),
        payment_id: payment.id,
        provider_account_id: payment.provider_account_id,
        state: CheckoutState::Open,
        provider_reference: None,
        url: None,
        expires_at: None,
    }
}

/// An operation as a crash leaves it after as long as its key holds: nothing is left but looking it up.
fn lost(
    payment: &Payment,
    id: OperationId,
    kind: OperationKind,
    amount_minor: i64,
    ask: Ask,
    made_at: OffsetDateTime,
) -> Operation {
    Operation {
        state: OperationState::Unknown,
        look_up: true,
        ..Operation::new(id, payment, kind, amount_minor, ask, made_at)
    }
}

/// Writes an operation and the key that it was asked for under, leased to the caller.
async fn write(
    app: &App,
    conn: &mut PgConnection,
    merchant: MerchantId,
    operation: &Operation,
) -> Result<(), AppError> {
    let now = app.clock.now();
    store::operations::insert(conn, merchant, operation, now + app.timing.operation_lease).await?;
    stand_for(conn, merchant, operation.ask.asked, operation.id, now).await
}

async fn stand_for(
    conn: &mut PgConnection,
    merchant: MerchantId,
    asked: Option<Asked>,
    operation: OperationId,
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let Some(asked) = asked else { return Ok(()) };
    Ok(store::idempotency_records::rewrite(conn, merchant, &asked, operation, now).await?)
}

async fn learn_reference(app: &App, merchant: MerchantId, made: &PaymentTrace) -> Result<(), AppError> {
    let mut tx = app.begin(merchant).await?;
    let mut payment = store::payments::lock(&mut tx, &app.sealer, merchant, made.payment).await?;
    if payment.provider_reference.is_some() {
        return Ok(());
    }
    payment.provider_reference = Some(made.provider_reference.clone());
    payment.touch(app.clock.now());
    store::payments::update(&mut tx, &app.sealer, &payment).await?;
    commit(tx).await?;
    refresh(app, merchant, made.payment, None).await
}

/// Asks a person for what the provider could not keep.
async fn ask_about_gaps(
    app: &App,
    conn: &mut PgConnection,
    account: &RestoreAccount,
    made: &PaymentTrace,
    payment: &Payment,
) -> Result<(), AppError> {
    let mut gaps = Vec::new();
    if made.settles.is_none() {
        gaps.push("which documents it settles");
    }
    if made.odoo_instance != payment.odoo_instance_id {
        gaps.push("which Odoo it belongs to");
    }
    if made.customer.is_some() && payment.customer_id.is_none() {
        gaps.push("whose customer paid it");
    }
    if gaps.is_empty() {
        return Ok(());
    }
    let told = format!(
        "{} was written again without knowing {}: see to it in Odoo, and resolve this",
        payment.reference.as_str(),
        gaps.join(", ")
    );
    let about = About(payment.id, Some(payment.id), &made.provider_reference);
    question(app, conn, account, about, &told).await
}

/// What a question is about: our payment as the provider names it, the same where it is known here, and the provider's object.
struct About<'a>(PaymentId, Option<PaymentId>, &'a str);

/// Opens an exception that keeps the fence until a person resolves it.
async fn question(
    app: &App,
    conn: &mut PgConnection,
    account: &RestoreAccount,
    About(named, known, subject): About<'_>,
    told: &str,
) -> Result<(), AppError> {
    let detail = format!("{subject} ({named}): {told}");
    let kind = ExceptionKind::RestoreIncomplete;
    let new = NewException::new(account.merchant_id, kind, subject, &detail)
        .of(known)
        .at(account.provider_account_id);
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(subject, "an exception was opened");
    }
    Ok(())
}

/// A capture leaves its mark with what it took or not at all: that it is there is its outcome.
async fn take_in_capture(
    app: &Arc<App>,
    account: &RestoreAccount,
    taken: &CaptureTrace,
) -> Result<bool, AppError> {
    let (merchant, id) = (account.merchant_id, account.provider_account_id);
    let mut tx = app.begin(merchant).await?;
    let reference = &taken.payment_reference;
    let found = store::payments::find_by_provider_reference(&mut tx, merchant, id, reference).await?;
    let Some(payment) = found else {
        // Of a payment that could not be written again: a person was asked about that.
        return Ok(false);
    };
    let payment = store::payments::lock(&mut tx, &app.sealer, merchant, payment).await?;
    if is_known(&mut tx, merchant, taken.operation).await? {
        return Ok(false);
    }
    let Some(amount_minor) = taken.amount_minor.filter(|&minor| minor > 0) else {
        let told =
            "it was captured, and how much was asked for is not noted with it: compare, and resolve this";
        let about = About(payment.id, Some(payment.id), reference);
        question(app, &mut tx, account, about, told).await?;
        commit(tx).await?;
        return Ok(false);
    };
    let ask = Ask {
        asked: taken.asked,
        reference: taken.reference.clone().filter(|reference| !reference.is_empty()),
        ..Ask::default()
    };
    let now = app.clock.now();
    let mut capture = lost(
        &payment,
        taken.operation,
        OperationKind::Capture,
        amount_minor,
        ask,
        now,
    );
    write(app, &mut tx, merchant, &capture).await?;
    capture.state = OperationState::Succeeded;
    store::operations::update(&mut tx, merchant, &capture, None).await?;
    commit(tx).await?;
    refresh(app, merchant, payment.id, None).await?;
    Ok(true)
}

async fn take_in_refund(
    app: &Arc<App>,
    account: &RestoreAccount,
    given: &RefundTrace,
) -> Result<bool, AppError> {
    let merchant = account.merchant_id;
    let mut tx = app.begin(merchant).await?;
    if is_known(&mut tx, merchant, given.operation).await? {
        return Ok(false);
    }
    let payment = match store::payments::lock(&mut tx, &app.sealer, merchant, given.payment).await {
        Ok(payment) => payment,
        Err(StoreError::NotFound) => {
            let told =
                "it gave back money of a payment that is not known here: find out which, and resolve this";
            let about = About(given.payment, None, &given.provider_reference);
            question(app, &mut tx, account, about, told).await?;
            commit(tx).await?;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    };
    let ask = Ask {
        asked: given.asked,
        reference: given.reference.clone(),
        ..Ask::default()
    };
    let (kind, minor) = (OperationKind::Refund, given.amount.minor);
    let refund = lost(&payment, given.operation, kind, minor, ask, given.made_at);
    write(app, &mut tx, merchant, &refund).await?;
    commit(tx).await?;
    carry_out(Arc::clone(app), payment, refund, None).await?;
    Ok(true)
}
