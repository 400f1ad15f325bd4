//! After a restore: nothing moves money until providers have told again what the database lost.
//!
//! A database that was put back is older than what its providers did, so that a request which Odoo repeats would be a new one. Every
//! process looks whether the database is the one that was here before (`quittance_incarnation`), and the transaction that begins a
//! payment asks the same. Where it is another one, merchants are fenced until [`take_in`] has written again, for each of their
//! accounts, what the provider keeps with the marks that we left on it. Then a repeated request finds its key, and is no new one.

mod take_in;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::{App, AppError, commit};
use crate::domain::exception::{ExceptionKind, NewException};
use crate::domain::reason::Reason;
use crate::provider::ProviderError;
use crate::store;
use crate::store::restores::{Found, Restore, RestoreAccount, Standing};

/// From one look at the database to the next; its last word is how exactly the restore point is known.
const LOOKED_EVERY: Duration = Duration::from_secs(2);

/// How much before the restore point a provider is asked: clocks differ, and what was sent is made a little later.
const MARGIN: Duration = Duration::from_mins(10);

/// How many accounts are asked at once.
const AT_ONCE: i64 = 8;

/// How long an account waits for a person, or for a provider that does not answer, before it is looked at again.
const LATER: time::Duration = time::Duration::seconds(10);

/// Looks whether the database is the one that was here before, and fences everybody where it is not.
///
/// # Errors
/// [`AppError`] where the database does not answer.
pub async fn look(app: &App) -> Result<(), AppError> {
    let mut tx = app.db.begin_for([]).await?;
    if store::restores::look(&mut tx).await? == Found::Same {
        return commit(tx).await;
    }
    let began = store::restores::notice(&mut tx).await?;
    commit(tx).await?;
    if let Some(restore) = began {
        tracing::warn!(
            restore,
            "the database is another one than before: nothing moves money until providers were asked what it lacks"
        );
        app.bell.notify_waiters();
    }
    Ok(())
}

/// Looks once when the process starts, and says so where a restore could go unnoticed.
///
/// # Errors
/// [`AppError`] where the database does not answer.
pub async fn look_first(app: &App) -> Result<(), AppError> {
    look(app).await?;
    let mut conn = app.db.read_for([]).await?;
    if !store::restores::is_told_apart(&mut conn).await? {
        tracing::warn!(
            "this Postgres does not tell its system identifier or timeline: after a restore run `quittance restore begin` before anything else"
        );
    }
    Ok(())
}

/// Looks again and again until `stop`.
pub async fn watch(app: Arc<App>, stop: CancellationToken) {
    while tokio::time::timeout(LOOKED_EVERY, stop.cancelled())
        .await
        .is_err()
    {
        if let Err(error) = look(&app).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the database could not be looked at"
            );
        }
    }
}

/// Fences everybody because an operator says that the database was put back to `point`.
///
/// # Errors
/// [`AppError`] where the database does not answer.
pub async fn begin(app: &App, point: OffsetDateTime) -> Result<i64, AppError> {
    let mut tx = app.db.begin_for([]).await?;
    let restore = store::restores::begin(&mut tx, point, "an operator said so").await?;
    commit(tx).await?;
    Ok(restore)
}

/// Lifts every fence because an operator says so.
///
/// # Errors
/// [`AppError::NotFound`] where nobody is fenced.
pub async fn finish(app: &App, reason: &Reason) -> Result<(), AppError> {
    let mut tx = app.db.begin_for([]).await?;
    if !store::restores::finish(&mut tx, reason.as_str()).await? {
        return Err(AppError::NotFound("restore that is not finished"));
    }
    tracing::warn!("an operator lifted the fence of a restore");
    commit(tx).await
}

/// The latest restore, and how accounts stand in it.
///
/// # Errors
/// [`AppError`] where the database does not answer.
pub async fn status(app: &App) -> Result<Option<(Restore, Vec<Standing>)>, AppError> {
    let mut conn = app.db.dispatch().await?;
    let merchants = store::merchants::list(&mut conn).await?;
    drop(conn);
    let mut conn = app.db.read_at_once_for(merchants).await?;
    let Some(restore) = store::restores::find_latest(&mut conn).await? else {
        return Ok(None);
    };
    let standings = store::restores::list_standings(&mut conn, restore.id).await?;
    Ok(Some((restore, standings)))
}

/// Asks a page of each account that is due, and finishes the restore when every fence is lifted. How many accounts there were.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let unfinished = {
        let mut conn = app.db.dispatch().await?;
        store::restores::find_unfinished(&mut conn).await?
    };
    let Some((restore, is_enrolled)) = unfinished else {
        return Ok(0);
    };
    if !is_enrolled {
        enroll(app, restore).await?;
    }
    let mut tx = app.db.dispatch().await?;
    let due = store::restores::lease(&mut tx, restore, app.timing.operation_lease, AT_ONCE).await?;
    commit(tx).await?;
    let found = due.len();
    stream::iter(due)
        .for_each_concurrent(None, |account| async move {
            if let Err(error) = take_up(app, &account).await {
                tracing::warn!(error = &error as &dyn std::error::Error, provider_account_id = %account.provider_account_id, "an account is not taken in yet");
                if let Err(error) = put_off(app, &account, &error).await {
                    // Its lease runs out by itself.
                    tracing::error!(error = &error as &dyn std::error::Error, "an account could not be put off");
                }
            }
        })
        .await;
    let mut conn = app.db.dispatch().await?;
    let fenced = store::restores::count_fenced(&mut conn).await?;
    drop(conn);
    if fenced == 0 {
        let mut tx = app.db.begin_for([]).await?;
        store::restores::finish(&mut tx, "every account was taken in").await?;
        commit(tx).await?;
        tracing::info!(restore, "the restore is over: run `quittance audit`");
    }
    Ok(found)
}

async fn enroll(app: &App, restore: i64) -> Result<(), AppError> {
    let wait = app.timing.scaled(
        app.timing
            .operation_lease
            .try_into()
            .unwrap_or(time::Duration::MINUTE),
    );
    loop {
        let mut conn = app.db.dispatch().await?;
        let missing = store::restores::list_missing(&mut conn, restore).await?;
        drop(conn);
        let is_last = missing.is_empty();
        let mut tx = app.db.begin_for(missing).await?;
        if is_last {
            store::restores::note_enrolled(&mut tx, restore).await?;
            return commit(tx).await;
        }
        store::restores::enroll(&mut tx, restore, MARGIN, wait).await?;
        commit(tx).await?;
    }
}

/// Takes in the next page of an account, or lifts its fence where there is none.
#[tracing::instrument(name = "app.restore.take_up", skip_all, fields(provider_account_id = %account.provider_account_id))]
async fn take_up(app: &Arc<App>, account: &RestoreAccount) -> Result<(), AppError> {
    let merchant = account.merchant_id;
    if account.is_taken_in {
        let mut tx = app.begin(merchant).await?;
        if store::restores::lift(&mut tx, account).await? {
            tracing::info!("the fence is lifted");
        } else {
            store::restores::put_off(&mut tx, account, app.timing.scaled(LATER), None).await?;
        }
        return commit(tx).await;
    }
    let known = {
        let mut conn = app.db.read(merchant).await?;
        app.accounts
            .get(app, &mut conn, merchant, account.provider_account_id)
            .await?
    };
    let Some(memory) = app.provider(&known.account.provider)?.memory() else {
        ask_a_person(app, account).await?;
        return note(app, account, None, 0).await;
    };
    let next = account.next.as_deref();
    let page = memory
        .recall(&known.account, account.shelf, account.since, next)
        .await
        .map_err(AppError::Provider)?;
    let mut rewritten = 0;
    for trace in page.traces {
        rewritten += i32::from(take_in::take_in(app, account, trace).await?);
    }
    let at = match page.next {
        Some(next) => Some((account.shelf, Some(next))),
        None => account.shelf.next().map(|shelf| (shelf, None)),
    };
    note(app, account, at, rewritten).await
}

async fn note(
    app: &App,
    account: &RestoreAccount,
    at: Option<(crate::domain::trace::Shelf, Option<String>)>,
    rewritten: i32,
) -> Result<(), AppError> {
    let mut tx = app.begin(account.merchant_id).await?;
    let at = at.as_ref().map(|(shelf, next)| (*shelf, next.as_deref()));
    store::restores::advance(&mut tx, account, at, rewritten).await?;
    commit(tx).await
}

async fn put_off(app: &App, account: &RestoreAccount, error: &AppError) -> Result<(), AppError> {
    let mut wait = app.timing.scaled(LATER);
    if let AppError::Provider(ProviderError::RateLimited { after: Some(after) }) = error {
        wait = wait.max((*after).try_into().unwrap_or(wait));
    }
    let mut tx = app.begin(account.merchant_id).await?;
    store::restores::put_off(&mut tx, account, wait, Some(&error.to_string())).await?;
    commit(tx).await
}

/// Opens an exception for an account whose provider cannot be asked.
async fn ask_a_person(app: &App, account: &RestoreAccount) -> Result<(), AppError> {
    let id = account.provider_account_id;
    let detail = format!(
        "the provider of {id} cannot list what it did since {}: look there what is missing here, then resolve this",
        account.since
    );
    let subject = format!("{id} {}", account.restore_id);
    let kind = ExceptionKind::RestoreIncomplete;
    let new = NewException::new(account.merchant_id, kind, &subject, &detail).at(id);
    let mut tx = app.begin(account.merchant_id).await?;
    store::exceptions::open(&mut tx, &new, app.clock.now()).await?;
    commit(tx).await
}
