//! Whose a line is, and what the customer paid for it; and once more for those that nobody could tell it of.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::app::postings::{self, Booked};
use crate::app::{App, AppError, commit};
use crate::domain::balance_transaction::references_in;
use crate::domain::exception::{ExceptionKind, ITSELF};
use crate::domain::exchange::{Part, Rate, find_capture};
use crate::domain::ids::{MerchantId, PaymentId, ProviderAccountId};
use crate::domain::money::{Currency, Money};
use crate::store;
use crate::store::StoreError;
use crate::store::balance_transactions::{Matched, Unbooked};
use crate::store::exceptions::Closing;
use crate::store::ledger::NewTransaction;

/// How many lines that wait share a transaction.
const BATCH: i64 = 100;

/// How long a line waits until it is matched anew for the first time; later as long as it has waited then.
pub(super) const FIRST_WAIT: time::Duration = time::Duration::MINUTE;

/// How long a line is matched anew: so long a provider repeats the events that may tell of its payment.
const WAITS: time::Duration = time::Duration::days(3);

/// The payment of a customer's line: the one that it names or that its ids lead to, else the one whose reference it tells.
///
/// By its words alone a line is matched only where nothing contradicts: they hold one reference of ours, one payment of this account
/// has it, exactly this amount of it was captured, no line of that is matched, and not both name an object of the provider's. Two
/// charges of one order are two payments, however alike they are.
pub(super) async fn find_payment(
    conn: &mut PgConnection,
    unbooked: &Unbooked,
    taken: &BTreeSet<PaymentId>,
) -> Result<Option<Matched>, AppError> {
    let (fact, about) = (&unbooked.line.fact, &unbooked.line.about);
    if unbooked.payment.is_some() || about.is_named || fact.amount.minor <= 0 {
        return Ok(unbooked.payment.clone());
    }
    let texts = about.notes.iter().map(String::as_str);
    let words = references_in(texts.chain(fact.description.as_deref()));
    if words.is_empty() {
        return Ok(None);
    }
    let (merchant, account) = (unbooked.merchant_id, unbooked.provider_account_id);
    let named = store::payments::list_by_references(conn, merchant, account, &words).await?;
    let references: BTreeSet<&str> = named.iter().map(|payment| payment.reference.as_str()).collect();
    if references.len() != 1 {
        return Ok(None);
    }
    let paid = about.presented.unwrap_or(fact.amount);
    let charge = about.charge_reference.as_ref().or(fact.source.as_ref());
    let mut fitting = named.iter().filter(|payment| {
        let matched = &payment.matched;
        (paid.minor, paid.currency.code()) == (matched.captured_minor, matched.currency.as_str())
            && agree(
                payment.provider_reference.as_ref(),
                about.payment_reference.as_ref(),
            )
            && agree(matched.charge_reference.as_ref(), charge)
            && !taken.contains(&matched.id)
    });
    let (Some(only), None) = (fitting.next(), fitting.next()) else {
        return Ok(None);
    };
    let expects = store::expectations::lock_without_lines(conn, merchant, only.matched.id).await?;
    Ok(expects.then(|| only.matched.clone()))
}

fn agree(held: Option<&String>, told: Option<&String>) -> bool {
    held.zip(told).is_none_or(|(held, told)| held == told)
}

/// What the customer paid for a line or got back, in the payment's currency; none where nobody can tell.
pub(super) async fn find_presented(
    conn: &mut PgConnection,
    unbooked: &Unbooked,
    matched: &Matched,
) -> Result<Option<Money>, AppError> {
    let (fact, about) = (&unbooked.line.fact, &unbooked.line.about);
    if fact.amount.currency.code() == matched.currency {
        return Ok(Some(fact.amount));
    }
    let told = about
        .presented
        .filter(|presented| presented.currency.code() == matched.currency);
    let source = fact.source.as_ref();
    let is_of_charge =
        source.is_some() && [&matched.charge_reference, &about.charge_reference].contains(&&fact.source);
    if !matched.is_captured_by_hand || !is_of_charge {
        return Ok(told);
    }
    let merchant = unbooked.merchant_id;
    let rate = fact.exchange_rate.as_deref().and_then(Rate::parse);
    let captures = store::operations::list_captured(conn, merchant, matched.id).await?;
    if captures.is_empty() {
        // Captured at the provider: what its source tells is the whole charge, and not always this line.
        let is_whole = |told: &Money| rate.is_none_or(|rate| rate.turns(*told, fact.amount));
        return Ok(told.filter(|told| matched.captured_minor > 0 && is_whole(told)));
    }
    let captured_minor: i128 = captures.iter().copied().map(i128::from).sum();
    if captured_minor != i128::from(matched.captured_minor) {
        return Ok(None);
    }
    let currency: Currency = matched
        .currency
        .parse()
        .map_err(|error| StoreError::corrupt("payment", &error))?;
    let account = unbooked.provider_account_id;
    let mut parts =
        store::balance_transactions::list_parts(conn, merchant, account, source, currency).await?;
    let place = parts.iter().position(|(id, _)| *id == fact.id);
    // A line without a rate is none of those.
    let place = place.unwrap_or_else(|| {
        let arrived = fact.amount;
        let (rate, booked_minor) = (None, None);
        parts.push((
            fact.id.clone(),
            Part {
                arrived,
                rate,
                booked_minor,
            },
        ));
        parts.len() - 1
    });
    let parts: Vec<Part> = parts.into_iter().map(|(_, part)| part).collect();
    Ok(find_capture(&captures, currency, &parts, place))
}

/// Matches lines anew that wait in Suspense. How many there were.
pub async fn match_due(app: &App) -> Result<usize, AppError> {
    let due = {
        let mut conn = app.db.dispatch().await?;
        store::balance_transactions::list_waiting(&mut conn, BATCH).await?
    };
    let mut matched = 0;
    for ((merchant, account), ids) in super::by_account(due) {
        let mut tx = app.begin(merchant).await?;
        let mut lines = store::balance_transactions::lock_waiting(&mut tx, merchant, account, &ids).await?;
        // In one order, so that two workers never wait for each other's exceptions.
        lines.sort_by(|one, other| one.line.fact.id.cmp(&other.line.fact.id));
        for line in &lines {
            match_anew(app, &mut tx, line).await?;
        }
        commit(tx).await?;
        matched += lines.len();
    }
    Ok(matched)
}

async fn match_anew(app: &App, conn: &mut PgConnection, unbooked: &Unbooked) -> Result<(), AppError> {
    let place = (unbooked.merchant_id, unbooked.provider_account_id);
    let line = &unbooked.line.fact.id;
    // A person who decides meanwhile holds it.
    let kinds = [ExceptionKind::ForeignLine, ExceptionKind::CurrencyDiffers];
    let Some(kind) = store::exceptions::lock_open(conn, place.0, &kinds, line).await? else {
        return Ok(store::balance_transactions::end_waiting(conn, place, line, None).await?);
    };
    let matched = find_payment(conn, unbooked, &BTreeSet::new()).await?;
    let presented = match &matched {
        Some(matched) => find_presented(conn, unbooked, matched).await?,
        None => None,
    };
    let Some((matched, presented)) = matched.zip(presented) else {
        let first = app.timing.scaled(FIRST_WAIT);
        return Ok(store::balance_transactions::wait_on(conn, place, line, first, WAITS).await?);
    };
    clear(app, conn, place, unbooked, (&matched, presented)).await?;
    let reason = format!("it belongs to {}", matched.id);
    let closing = Closing {
        reason: &reason,
        by: ITSELF,
        at: app.clock.now(),
    };
    let subjects = [line.clone()];
    store::exceptions::close(conn, place.0, kind, &subjects, closing).await?;
    tracing::info!(balance_transaction = line, payment_id = %matched.id, "a line that waited was matched");
    Ok(())
}

/// Books what waits for a line as the customer's.
async fn clear(
    app: &App,
    conn: &mut PgConnection,
    place: (MerchantId, ProviderAccountId),
    unbooked: &Unbooked,
    (matched, presented): (&Matched, Money),
) -> Result<(), AppError> {
    let fact = &unbooked.line.fact;
    let (payment, told) = (matched.id, super::told(matched));
    let booked = store::ledger::list_of_line(conn, place.0, place.1, &fact.id).await?;
    if let Ok(entries) = booked.clear(presented) {
        let moved = Booked {
            disputed: None,
            transaction: NewTransaction {
                source: format!("matched:{}", fact.id),
                payment_id: Some(payment),
                occurred_at: app.clock.now(),
                entries,
            },
            label: super::label(fact),
            meets: super::meets(unbooked),
            payment: told,
        };
        postings::book(app, conn, place, vec![moved]).await?;
    }
    store::balance_transactions::end_waiting(conn, place, &fact.id, Some(payment)).await?;
    Ok(store::expectations::wake(conn, place.0, &[payment]).await?)
}
