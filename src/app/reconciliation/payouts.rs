//! The lines that a payout went out with: read page by page, and held against its amount.

use std::time::Duration;

use super::rest_after;
use crate::app::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::money::Money;
use crate::domain::payout::Payout;
use crate::provider::{LinePage, Lines, ProviderError};
use crate::store;
use crate::store::payout_readings::PayoutReading;

/// How many payouts are read at once: all that are taken up.
const AT_ONCE: i64 = 4;

/// How many pages one turn of a payout has.
const PAGES: usize = 50;

/// Reads the lines of payouts whose turn it is. How many there were.
pub async fn read_due(app: &App) -> Result<usize, AppError> {
    let readings = {
        let mut tx = app.db.dispatch().await?;
        let leased = store::payout_readings::lease(&mut tx, app.timing.event_lease, AT_ONCE).await?;
        commit(tx).await?;
        leased
    };
    let found = readings.len();
    for reading in readings {
        let payout = reading.payout.clone();
        if let Err(error) = read(app, reading).await {
            // Its lease runs out by itself, and then it is its turn again.
            tracing::error!(
                error = &error as &dyn std::error::Error,
                payout,
                "the lines of a payout could not be read"
            );
        }
    }
    Ok(found)
}

#[tracing::instrument(name = "app.reconciliation.read_payout", skip_all, fields(payout = reading.payout))]
async fn read(app: &App, mut reading: PayoutReading) -> Result<(), AppError> {
    let known = {
        let mut conn = app.db.read(reading.merchant_id).await?;
        app.accounts
            .get(app, &mut conn, reading.merchant_id, reading.provider_account_id)
            .await?
    };
    let account = &known.account;
    let Some(settlement) = app.provider(&account.provider)?.settlement() else {
        return Ok(());
    };
    for _ in 0..PAGES {
        let lines = Lines::OfPayout(&reading.payout);
        let page = match settlement
            .read_lines(account, lines, reading.next.as_deref())
            .await
        {
            Ok(page) => page,
            Err(error) => return put_off(app, reading, error).await,
        };
        if !keep(app, &mut reading, page).await? || reading.next.is_none() {
            return Ok(());
        }
    }
    let mut tx = app.begin(reading.merchant_id).await?;
    store::payout_readings::give_back(&mut tx, &reading, Duration::ZERO).await?;
    commit(tx).await
}

/// Keeps a page, and after the last one holds the sum against the payout. `false` where another worker goes on.
async fn keep(app: &App, reading: &mut PayoutReading, page: LinePage) -> Result<bool, AppError> {
    let (merchant, account) = (reading.merchant_id, reading.provider_account_id);
    let lines = page.lines;
    let others = lines
        .iter()
        .filter(|line| line.fact.source.as_ref() != Some(&reading.payout));
    let (count, net_minor) = others.fold((0, 0), |(count, net), line| {
        (count + 1, net + line.fact.net_minor)
    });
    reading.line_count += count;
    reading.net_minor += net_minor;
    reading.next = page.next;
    let ids: Vec<&str> = lines.iter().map(|line| line.fact.id.as_str()).collect();
    let mut tx = app.begin(merchant).await?;
    store::balance_transactions::insert(&mut tx, merchant, account, None, &lines).await?;
    store::payout_readings::insert_lines(&mut tx, reading, &ids).await?;
    if !store::payout_readings::advance(&mut tx, reading, app.timing.event_lease).await? {
        return Ok(false);
    }
    if reading.next.is_none() {
        let payout = store::payouts::lock(&mut tx, merchant, account, &reading.payout).await?;
        compare(app, &mut tx, &payout, reading).await?;
    }
    commit(tx).await?;
    app.bell.notify_waiters();
    Ok(true)
}

/// Opens an exception where the lines of a payout are not its amount.
async fn compare(
    app: &App,
    conn: &mut sqlx::PgConnection,
    payout: &Payout,
    reading: &PayoutReading,
) -> Result<(), AppError> {
    let amount = payout.told.amount;
    if reading.net_minor == amount.minor {
        return Ok(());
    }
    let sum = Money::new(reading.net_minor, amount.currency);
    let differs = Money::new(reading.net_minor - amount.minor, amount.currency);
    let detail = format!(
        "{} is {amount}, its {} lines sum to {sum}: {differs} too much",
        reading.payout, reading.line_count
    );
    let kind = ExceptionKind::PayoutDiffers;
    let new = NewException::new(reading.merchant_id, kind, &reading.payout, &detail)
        .at(reading.provider_account_id)
        .holding(&reading.payout)
        .between(Some(amount), Some(sum));
    if store::exceptions::open(conn, &new, app.clock.now()).await? {
        tracing::warn!(?kind, payout = reading.payout, "an exception was opened");
    }
    Ok(())
}

/// Leaves a payout to its next turn.
async fn put_off(app: &App, reading: PayoutReading, error: ProviderError) -> Result<(), AppError> {
    let wait = rest_after(app, &error);
    let mut tx = app.begin(reading.merchant_id).await?;
    store::payout_readings::give_back(&mut tx, &reading, wait).await?;
    commit(tx).await?;
    Err(AppError::Provider(error))
}
