//! Reconciliation: the provider's own ledger, read, matched with our payments, and booked.
//!
//! Lines come from three places (an account's list, a payout's, a payment that was read) and all wait in one table.
//! [`book_due`] is the one way from there into the ledger.

mod expectations;
mod lines;
pub(super) mod losses;
mod matching;
pub mod opening;
mod payouts;
pub mod report;
mod suspense;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::postings::{self, Booked};
use super::{App, AppError, commit};
use crate::domain::balance_transaction::BalanceTransaction;
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::ids::{MerchantId, OdooInstanceId, PaymentId, ProviderAccountId};
use crate::domain::ledger::{self, Classified, Counterpart, LedgerAccount, Unexplained};
use crate::domain::odoo_reference::odoo_reference;
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::posting;
use crate::domain::snapshot::Said;
use crate::provider::ProviderError;
use crate::store;
use crate::store::StoreError;
use crate::store::balance_transactions::{BookedLine, LineKey, Matched, Unbooked};
use crate::store::ledger::NewTransaction;

pub use expectations::judge_due;
pub use lines::pull;
pub use matching::match_due;
use matching::{find_payment, find_presented};
pub use payouts::read_due;
pub(super) use suspense::{check_settled, on_linked, settle, take_back};

/// How many lines share a transaction.
const BATCH: i64 = 500;

/// How long what is read rests whose provider turned us away.
const TURNED_AWAY: time::Duration = time::Duration::minutes(10);

/// How long lines wait that could not be booked.
const AFTER_FAILURE: time::Duration = time::Duration::minutes(1);

/// Reads an account's ledger lines anew from a moment on, and books what is new until nothing is left to do. How many were
/// booked.
///
/// # Errors
/// [`AppError::NotFound`] where the merchant has no such account; [`AppError::Provider`] where it cannot be read to the end.
pub async fn reconcile(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    since: OffsetDateTime,
) -> Result<usize, AppError> {
    lines::read_since(app, merchant, account, since).await?;
    book_all(app).await
}

/// Books until nothing is left to do. How many lines.
async fn book_all(app: &App) -> Result<usize, AppError> {
    let mut booked = 0;
    loop {
        let read = read_due(app).await?;
        let now_booked = book_due(app).await?;
        booked += now_booked;
        let others = match_due(app).await? + judge_due(app).await?;
        if read + now_booked + others == 0 {
            return Ok(booked);
        }
    }
}

/// Books lines that wait for it. How many.
pub async fn book_due(app: &App) -> Result<usize, AppError> {
    let due = {
        let mut conn = app.db.dispatch().await?;
        store::balance_transactions::list_unbooked(&mut conn, BATCH).await?
    };
    let mut booked = 0;
    for (place, ids) in by_account(due) {
        match book_lines(app, place, &ids).await {
            Ok(lines) => booked += lines,
            // One account must not hold up the others.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, provider_account_id = %place.1, "ledger lines could not be booked");
                let mut tx = app.begin(place.0).await?;
                let wait = app.timing.scaled(AFTER_FAILURE);
                store::balance_transactions::postpone(&mut tx, place.0, place.1, &ids, wait).await?;
                commit(tx).await?;
            }
        }
    }
    Ok(booked)
}

/// The lines of each account.
fn by_account(lines: Vec<LineKey>) -> HashMap<(MerchantId, ProviderAccountId), Vec<String>> {
    let mut by_account: HashMap<_, Vec<String>> = HashMap::new();
    for (merchant, account, id) in lines {
        by_account.entry((merchant, account)).or_default().push(id);
    }
    by_account
}

/// Books those of an account's lines that still wait and that nobody else has. How many.
async fn book_lines(
    app: &App,
    place: (MerchantId, ProviderAccountId),
    ids: &[String],
) -> Result<usize, AppError> {
    let mut tx = app.begin(place.0).await?;
    let mut lines = store::balance_transactions::lock_unbooked(&mut tx, place.0, place.1, ids).await?;
    if lines.is_empty() {
        return Ok(0);
    }
    // In one order, so that two workers never wait for each other's exceptions.
    lines.sort_by(|one, other| one.line.fact.id.cmp(&other.line.fact.id));
    book(app, &mut tx, place, &lines).await?;
    commit(tx).await?;
    Ok(lines.len())
}

async fn book(
    app: &App,
    conn: &mut PgConnection,
    (merchant, account): (MerchantId, ProviderAccountId),
    lines: &[Unbooked],
) -> Result<(), AppError> {
    let known = app.accounts.get(app, conn, merchant, account).await?;
    let settlement = app.provider(&known.account.provider)?.settlement();
    let mut to_book = Vec::with_capacity(lines.len());
    let mut disputes = Vec::new();
    let mut booked: Vec<BookedLine<'_>> = Vec::with_capacity(lines.len());
    let mut taken = BTreeSet::new();
    for unbooked in lines {
        let fact = &unbooked.line.fact;
        let classified =
            settlement.map_or_else(Classified::of_a_payment, |settlement| settlement.classify(fact));
        let matched = if classified.counterpart == Some(Counterpart::Customer) {
            find_payment(conn, unbooked, &taken).await?
        } else {
            unbooked.payment.clone()
        };
        let presented = match &matched {
            Some(matched) => find_presented(conn, unbooked, matched).await?,
            None => None,
        };
        let booking = ledger::book(fact, &classified, presented)
            .map_err(|error| StoreError::corrupt("balance_transaction", &error))?;
        let payment = matched.as_ref().map(|matched| matched.id);
        taken.extend(payment);
        if let Some(why) = booking.unexplained {
            explain(app, conn, unbooked, matched.as_ref(), why).await?;
        }
        if classified.counterpart == Some(Counterpart::Account(LedgerAccount::Disputes)) {
            disputes.extend(fact.source.as_deref());
        }
        let is_customers = presented.is_some() && classified.counterpart == Some(Counterpart::Customer);
        booked.push(BookedLine {
            id: &fact.id,
            payment,
            waits: booking.unexplained == Some(Unexplained::Foreign),
        });
        to_book.push(Booked {
            disputed: None,
            label: label(fact),
            meets: is_customers.then(|| meets(unbooked)).flatten(),
            payment: matched.as_ref().and_then(told),
            transaction: NewTransaction {
                source: fact.id.clone(),
                payment_id: payment,
                occurred_at: fact.created,
                entries: booking.entries,
            },
        });
    }
    postings::book(app, conn, (merchant, account), to_book).await?;
    losses::book_of(app, conn, (merchant, account), disputes).await?;
    let payments: Vec<PaymentId> = booked.iter().filter_map(|line| line.payment).collect();
    store::expectations::wake(conn, merchant, &payments).await?;
    let wait = app.timing.scaled(matching::FIRST_WAIT);
    Ok(store::balance_transactions::note_booked(conn, merchant, account, &booked, wait).await?)
}

/// A payment that a line belongs to, and the Odoo that is told of it.
fn told(matched: &Matched) -> Option<(PaymentId, OdooInstanceId)> {
    Some((matched.id, matched.odoo_instance?))
}

/// What people read beside a line: what it is about, or what the provider says of it.
fn label(fact: &BalanceTransaction) -> String {
    fact.source
        .as_ref()
        .or(fact.description.as_ref())
        .unwrap_or(&fact.kind)
        .clone()
}

/// What a customer's line meets in Odoo: the payment of its charge, its refund, or that the refund came back.
fn meets(unbooked: &Unbooked) -> Option<String> {
    let source = unbooked.line.fact.source.as_ref()?;
    if unbooked.is_of_refund && unbooked.line.fact.amount.minor > 0 {
        return Some(posting::returned(source));
    }
    Some(source.clone())
}

/// Opens the exception of a line that waits in Suspense.
async fn explain(
    app: &App,
    conn: &mut PgConnection,
    unbooked: &Unbooked,
    matched: Option<&Matched>,
    why: Unexplained,
) -> Result<(), AppError> {
    let fact = &unbooked.line.fact;
    let (kind, detail) = match (why, matched) {
        (Unexplained::Unmapped, _) => (
            ExceptionKind::UnmappedLine,
            format!(
                "{} of {} is a {} ({}), which has no account here: it waits in suspense",
                fact.id,
                fact.amount,
                fact.kind,
                fact.reporting_category.as_deref().unwrap_or("no category")
            ),
        ),
        (Unexplained::Foreign, Some(payment)) => (
            ExceptionKind::CurrencyDiffers,
            format!(
                "{} of {} belongs to {}, which is paid in {}: what the customer paid for it is not known, so that it waits in suspense",
                fact.id, fact.amount, payment.id, payment.currency
            ),
        ),
        (Unexplained::Foreign, None) => (
            ExceptionKind::ForeignLine,
            format!(
                "{} of {} ({}) belongs to no payment that started here{}: it waits in suspense",
                fact.id,
                fact.amount,
                fact.source.as_deref().unwrap_or("no source"),
                made_elsewhere(fact)
            ),
        ),
    };
    let payment = matched.map(|matched| matched.id);
    let new = NewException::new(unbooked.merchant_id, kind, &fact.id, &detail)
        .of(payment)
        .at(unbooked.provider_account_id);
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(?kind, balance_transaction = fact.id, "an exception was opened");
    }
    Ok(())
}

/// Who else made a line's payment, where it looks as if Odoo's own module did: then that has posted it already.
fn made_elsewhere(fact: &BalanceTransaction) -> String {
    let reference = fact.description.as_deref().and_then(odoo_reference);
    reference.map_or_else(String::new, |reference| {
        format!("; it looks like {reference} of Odoo's own payment_stripe, which posts by itself")
    })
}

/// Books where a payout stands, and has its lines read once all of them can be told.
pub(super) async fn follow(app: &App, conn: &mut PgConnection, payout: &Payout) -> Result<(), AppError> {
    let (merchant, account, told) = (payout.merchant_id, payout.provider_account_id, &payout.told);
    let reference = &told.provider_reference;
    let (paid, returned) = (format!("paid:{reference}"), format!("returned:{reference}"));
    let moved = match &told.state {
        Said::Known(PayoutState::Paid)
            if store::openings::books_payout(conn, merchant, account, reference, told.opened_at).await? =>
        {
            Some((paid, ledger::book_paid_out(told.amount)))
        }
        Said::Known(PayoutState::Failed)
            if store::ledger::is_booked(conn, merchant, account, &paid).await? =>
        {
            Some((returned, ledger::book_returned(told.amount)))
        }
        Said::Known(
            PayoutState::Pending
            | PayoutState::InTransit
            | PayoutState::Paid
            | PayoutState::Failed
            | PayoutState::Canceled,
        )
        | Said::Unrecognized(_) => None,
    };
    if let Some((source, Ok(entries))) = moved {
        let transaction = NewTransaction {
            source,
            payment_id: None,
            occurred_at: payout.updated_at,
            entries,
        };
        let paid = Booked {
            disputed: None,
            transaction,
            label: reference.clone(),
            meets: Some(reference.clone()),
            payment: None,
        };
        postings::book(app, conn, (merchant, account), vec![paid]).await?;
    }
    if told.is_automatic && told.is_reconciled() {
        store::payout_readings::enroll(conn, merchant, account, reference).await?;
    }
    Ok(())
}

/// How long what is read rests after an error of its provider's.
fn rest_after(app: &App, error: &ProviderError) -> Duration {
    let rest = app.timing.scaled(TURNED_AWAY).unsigned_abs();
    if let ProviderError::RateLimited { after } = error {
        rest.max(after.unwrap_or_default())
    } else {
        rest
    }
}
