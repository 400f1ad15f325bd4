//! What moved, held against the ledger lines of it: too much, too little, or nothing by its deadline.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, ITSELF, NewException};
use crate::domain::expectation::{ExpectationKind, ExpectationState, Judged, Patience};
use crate::domain::ids::MerchantId;
use crate::domain::money::Money;
use crate::store;
use crate::store::exceptions::Closing;
use crate::store::expectations::Due;

/// How many are judged in one transaction.
const BATCH: i64 = 200;

/// How long a difference of amounts lasts before it is told of: an hour is what Stripe takes at most to write the line of an
/// asynchronous capture, and twelve of our walks along its list of events.
///
/// Source: <https://docs.stripe.com/payments/payment-intents/asynchronous-capture>.
const WITH_AMOUNTS: time::Duration = time::Duration::HOUR;

/// How long a line may be away: the same hour, and so many walks along the account's own list and a nightly read of the payment
/// that nothing which works by itself will bring it any more. Slow methods do not take longer: what their bank has not said yet is
/// not captured here, and has its line when it is.
const WITH_LINES: time::Duration = time::Duration::DAY;

/// Judges what is expected and whose turn it is. How many there were.
pub async fn judge_due(app: &App) -> Result<usize, AppError> {
    let due = {
        let mut conn = app.db.dispatch().await?;
        store::expectations::list_due(&mut conn, BATCH).await?
    };
    let mut by_merchant: HashMap<MerchantId, Vec<Uuid>> = HashMap::new();
    for (merchant, id) in due {
        by_merchant.entry(merchant).or_default().push(id);
    }
    let mut judged = 0;
    for (merchant, ids) in by_merchant {
        judged += judge(app, merchant, &ids).await?;
    }
    Ok(judged)
}

/// Judges those of a merchant's that nobody else has. How many.
async fn judge(app: &App, merchant: MerchantId, ids: &[Uuid]) -> Result<usize, AppError> {
    let patience = Patience {
        with_amounts: app.timing.scaled(WITH_AMOUNTS),
        with_lines: app.timing.scaled(WITH_LINES),
    };
    let mut tx = app.begin(merchant).await?;
    let due = store::expectations::lock_due(&mut tx, merchant, ids).await?;
    let mut all = Vec::with_capacity(due.len());
    for due in due {
        let is_read = app
            .providers
            .find(&due.provider)
            .is_some_and(|provider| provider.settlement().is_some());
        let judged = if is_read {
            due.standing.judge(due.differs_since, patience, due.read_at)
        } else {
            Judged::void()
        };
        all.push((due, judged));
    }
    for (due, judged) in &all {
        tell(app, &mut tx, due, *judged).await?;
    }
    store::expectations::update(&mut tx, &all).await?;
    commit(tx).await?;
    Ok(all.len())
}

/// Opens the exception of what differs, and ends that of what did.
async fn tell(app: &App, conn: &mut PgConnection, due: &Due, judged: Judged) -> Result<(), AppError> {
    if due.state != judged.state
        && let Some(kind) = told_as(due.state)
    {
        let closing = Closing {
            reason: "its ledger lines have changed",
            by: ITSELF,
            at: app.clock.now(),
        };
        let subjects = [due.subject.clone()];
        store::exceptions::close(conn, due.merchant_id, kind, &subjects, closing).await?;
    }
    let Some(kind) = told_as(judged.state) else {
        return Ok(());
    };
    let found = Money::new(due.standing.found_minor, due.expected.currency);
    let detail = detail(due, kind, found);
    let new = NewException::new(due.merchant_id, kind, &due.subject, &detail)
        .of(due.payment_id)
        .at(due.provider_account_id)
        .between(Some(due.expected), Some(found));
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(payment_id = %due.payment_id, ?kind, subject = due.subject, "an exception was opened");
    }
    Ok(())
}

/// The exception of a state, where it has one.
const fn told_as(state: ExpectationState) -> Option<ExceptionKind> {
    match state {
        ExpectationState::Over => Some(ExceptionKind::AmountOver),
        ExpectationState::Under => Some(ExceptionKind::AmountUnder),
        ExpectationState::Missing => Some(ExceptionKind::LineMissing),
        ExpectationState::Expected | ExpectationState::Matched | ExpectationState::Void => None,
    }
}

/// What differs, and what to do.
fn detail(due: &Due, kind: ExceptionKind, found: Money) -> String {
    let (payment, reference) = (due.payment_id, &due.reference);
    let moved = match due.kind {
        ExpectationKind::Capture => format!("{} was captured of {payment} ({reference})", due.expected),
        ExpectationKind::Refund if due.expected.minor == 0 => {
            format!("the refund {} of {payment} ({reference}) came back", due.subject)
        }
        ExpectationKind::Refund => format!(
            "{} was given back of {payment} ({reference}) by {}",
            -due.expected, due.subject
        ),
    };
    let lines = format!("its ledger lines come to {found}");
    if kind == ExceptionKind::LineMissing {
        let rest = Money::new(due.expected.minor - found.minor, found.currency);
        format!(
            "{moved}, {lines}: a line of {rest} is missing; look for it at the provider, then read the ledger again with \
             `quittance reconcile --since`"
        )
    } else {
        format!("{moved}, {lines}")
    }
}
