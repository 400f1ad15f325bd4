//! An account's list of ledger lines, read page by page: what no payment and no payout told of is found here.

use std::time::Duration;

use time::OffsetDateTime;

use super::rest_after;
use crate::app::{App, AppError, commit};
use crate::domain::ids::{MerchantId, ProviderAccountId};
use crate::provider::{Lines, ProviderError};
use crate::store;
use crate::store::line_cursors::LineCursor;

/// How many accounts are read at once: all that are taken up.
const AT_ONCE: i64 = 4;

/// How many pages one turn of an account has.
const PAGES: usize = 20;

/// From one look at an account's list to the next.
const EVERY: Duration = Duration::from_hours(1);

/// How late a line may be listed: so far back every walk reads again.
const LATE: time::Duration = time::Duration::hours(1);

/// Reads the lines of the accounts whose turn it is. How many there were.
pub async fn pull(app: &App) -> Result<usize, AppError> {
    let cursors = {
        let mut tx = app.db.dispatch().await?;
        let missing = store::line_cursors::list_missing(&mut tx).await?;
        if !missing.is_empty() {
            drop(tx);
            let mut enrolling = app.db.begin_for(missing).await?;
            store::line_cursors::enroll(&mut enrolling, EVERY).await?;
            commit(enrolling).await?;
            tx = app.db.dispatch().await?;
        }
        let leased = store::line_cursors::lease(&mut tx, app.timing.event_lease, AT_ONCE).await?;
        commit(tx).await?;
        leased
    };
    let found = cursors.len();
    for cursor in cursors {
        let account = cursor.provider_account_id;
        let walked = match walk(app, cursor).await {
            Ok(Some(rest)) => give_back(app, &rest, Duration::ZERO).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = walked {
            // Its lease runs out by itself, and then it is its turn again.
            tracing::error!(error = &error as &dyn std::error::Error, provider_account_id = %account, "ledger lines could not be read");
        }
    }
    Ok(found)
}

/// Reads an account's lines anew from a moment on, to the end; what is known is left as it is.
///
/// # Errors
/// [`AppError::Provider`] where it cannot be read to the end: the workers go on with it.
pub(super) async fn read_since(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
    since: OffsetDateTime,
) -> Result<(), AppError> {
    let mut cursor = {
        let mut tx = app.begin(merchant).await?;
        let known = app.accounts.find(app, &mut tx, merchant, account).await?;
        if known.is_none_or(|known| known.account.merchant_id != merchant) {
            return Err(AppError::NotFound("provider account"));
        }
        let lease = app.timing.event_lease;
        let taken = store::line_cursors::rewind(&mut tx, merchant, account, since, lease).await?;
        commit(tx).await?;
        taken
    };
    while let Some(rest) = walk(app, cursor).await? {
        cursor = rest;
    }
    Ok(())
}

/// Reads what an account's list has grown by since it was read last, to the end.
pub(super) async fn read_on(
    app: &App,
    merchant: MerchantId,
    account: ProviderAccountId,
) -> Result<(), AppError> {
    let until = {
        let mut conn = app.db.read(merchant).await?;
        store::line_cursors::read_until(&mut conn, merchant, account).await?
    };
    read_since(app, merchant, account, until - LATE).await
}

/// Goes on with a walk for a while. What is left of it, where something is.
#[tracing::instrument(name = "app.reconciliation.walk", skip_all, fields(provider_account_id = %cursor.provider_account_id))]
async fn walk(app: &App, mut cursor: LineCursor) -> Result<Option<LineCursor>, AppError> {
    let known = {
        let mut conn = app.db.read(cursor.merchant_id).await?;
        app.accounts
            .get(app, &mut conn, cursor.merchant_id, cursor.provider_account_id)
            .await?
    };
    let account = &known.account;
    let Some(settlement) = app.provider(&account.provider)?.settlement() else {
        give_back(app, &cursor, EVERY).await?;
        return Ok(None);
    };
    let since = cursor.walk_since.unwrap_or(cursor.read_until - LATE);
    cursor.walk_since = Some(since);
    for _ in 0..PAGES {
        let page = match settlement
            .read_lines(account, Lines::Since(since), cursor.walk_next.as_deref())
            .await
        {
            Ok(page) => page,
            Err(error) => {
                put_off(app, cursor, &error).await?;
                return Err(AppError::Provider(error));
            }
        };
        let newest = page.lines.iter().map(|line| line.fact.created).max();
        cursor.walk_newest = cursor.walk_newest.max(newest);
        cursor.walk_next = page.next;
        let is_last = cursor.walk_next.is_none();
        let mut tx = app.begin(cursor.merchant_id).await?;
        store::balance_transactions::insert(&mut tx, account.merchant_id, account.id, None, &page.lines)
            .await?;
        let held = if is_last {
            store::line_cursors::finish(&mut tx, &cursor, EVERY).await?
        } else {
            store::line_cursors::advance(&mut tx, &cursor, app.timing.event_lease).await?
        };
        if !held {
            return Ok(None);
        }
        commit(tx).await?;
        app.bell.notify_waiters();
        if is_last {
            return Ok(None);
        }
    }
    Ok(Some(cursor))
}

/// Leaves the rest of a walk to the account's next turn.
async fn put_off(app: &App, mut cursor: LineCursor, error: &ProviderError) -> Result<(), AppError> {
    let wait = rest_after(app, error);
    if matches!(error, ProviderError::Invalid { .. }) && cursor.walk_next.is_some() {
        // The provider may have forgotten the line at which the walk stands: another walk begins.
        (cursor.walk_since, cursor.walk_next, cursor.walk_newest) = (None, None, None);
        let mut tx = app.begin(cursor.merchant_id).await?;
        store::line_cursors::advance(&mut tx, &cursor, wait).await?;
        commit(tx).await
    } else {
        give_back(app, &cursor, wait).await
    }
}

async fn give_back(app: &App, cursor: &LineCursor, wait: Duration) -> Result<(), AppError> {
    let mut tx = app.begin(cursor.merchant_id).await?;
    store::line_cursors::give_back(&mut tx, cursor, wait).await?;
    commit(tx).await
}
