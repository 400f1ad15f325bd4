//! The nightly sweep: what is not final is read from its provider once a day, whatever became of the events about it.
//!
//! Where it stands is on disk, so that a restart neither skips nor repeats it. It reads few things at a time and rests in
//! between: reads stand behind what moves money, and these stand behind no other read for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use uuid::Uuid;

use super::accounts::KnownAccount;
use super::payments::refresh;
use super::{App, AppError, commit, disputes, rights};
use crate::provider::ProviderError;
use crate::store;
use crate::store::StoreError;
use crate::store::account_sweeps::{AccountSweep, Step};

/// From the beginning of one sweep of an account to that of the next.
const EVERY: Duration = Duration::from_hours(24);

/// How many accounts are swept at once: all that are taken up.
const AT_ONCE: i64 = 4;

/// How many things of an account are read before it rests, and how many of these at once.
const BATCH: i64 = 32;
const ABREAST: usize = 2;

/// How long an account rests between two batches.
const REST: time::Duration = time::Duration::seconds(5);

/// How long a sweep rests that the provider turned away.
const TURNED_AWAY: time::Duration = time::Duration::minutes(10);

/// How far back disputes are listed: before the last sweep, and at most.
const DISPUTES_AGAIN: time::Duration = time::Duration::days(3);
const DISPUTES_AT_MOST: time::Duration = time::Duration::days(120);

/// Reads a batch of each account whose sweep is due. How many accounts there were.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let sweeps = {
        let mut tx = app.db.dispatch().await?;
        let missing = store::account_sweeps::list_missing(&mut tx).await?;
        if !missing.is_empty() {
            drop(tx);
            let mut enrolling = app.db.begin_for(missing).await?;
            store::account_sweeps::enroll(&mut enrolling, EVERY).await?;
            commit(enrolling).await?;
            tx = app.db.dispatch().await?;
        }
        let leased = store::account_sweeps::lease(&mut tx, app.timing.event_lease, AT_ONCE).await?;
        commit(tx).await?;
        leased
    };
    let found = sweeps.len();
    stream::iter(sweeps)
        .for_each_concurrent(None, |sweep| async move {
            if let Err(error) = take_up(app, &sweep).await {
                // Its lease runs out by itself, and then it is due again.
                tracing::error!(error = &error as &dyn std::error::Error, provider_account_id = %sweep.provider_account_id, "an account could not be swept");
            }
        })
        .await;
    Ok(found)
}

/// Where a sweep stands after a batch, and how long it then rests.
struct Stand {
    after: Option<Uuid>,
    rest: Duration,
}

#[tracing::instrument(name = "app.nightly.sweep", skip_all, fields(provider_account_id = %sweep.provider_account_id))]
async fn take_up(app: &App, sweep: &AccountSweep) -> Result<(), AppError> {
    let until = Instant::now() + app.timing.event_lease / 2;
    let mut conn = app.db.read(sweep.merchant_id).await?;
    let known = app
        .accounts
        .get(app, &mut conn, sweep.merchant_id, sweep.provider_account_id)
        .await?;
    let mut after = sweep.after_id;
    if sweep.step == Step::Payments {
        let payments = store::account_sweeps::list_payments(&mut conn, sweep, after, BATCH).await?;
        drop(conn);
        if !payments.is_empty() {
            let reads = payments.into_iter().map(async |id| {
                let read = refresh(app, sweep.merchant_id, id, None).await;
                (id.uuid(), read)
            });
            let stand = read_all(app, reads, after, until).await?;
            return note(app, sweep, Step::Payments, stand).await;
        }
        after = None;
        if let Err(error) = hear_of_disputes(app, &known, sweep).await {
            let rest = turned_away(app, &error).ok_or(error)?;
            let after = sweep.after_id;
            return note(app, sweep, Step::Payments, Stand { after, rest }).await;
        }
        conn = app.db.read(sweep.merchant_id).await?;
    }
    let open = store::account_sweeps::list_disputes(&mut conn, sweep, after, BATCH).await?;
    drop(conn);
    if open.is_empty() {
        rights::look_at(app, &known.account).await;
        let mut tx = app.begin(sweep.merchant_id).await?;
        store::account_sweeps::finish(&mut tx, sweep, EVERY).await?;
        return commit(tx).await;
    }
    let reads = open.into_iter().map(async |(id, reference)| {
        let read = disputes::refresh(app, &known.account, &reference, None).await;
        (id, read)
    });
    let stand = read_all(app, reads, after, until).await?;
    note(app, sweep, Step::Disputes, stand).await
}

/// Makes reads in their order, until time is up or the provider turns one away.
///
/// One that fails by itself is left to the next night, and so is one whose provider does not answer: it may be the only one.
async fn read_all<F>(
    app: &App,
    reads: impl Iterator<Item = F> + Send,
    mut after: Option<Uuid>,
    until: Instant,
) -> Result<Stand, AppError>
where
    F: Future<Output = (Uuid, Result<(), AppError>)> + Send,
{
    let mut reads = std::pin::pin!(stream::iter(reads).buffered(ABREAST));
    while let Some((id, read)) = reads.next().await {
        if let Err(error) = read {
            if matches!(error, AppError::Store(StoreError::Database(_))) {
                return Err(error);
            }
            tracing::warn!(error = &error as &dyn std::error::Error, %id, "what is not final could not be read");
            if let Some(rest) = turned_away(app, &error) {
                let limited = matches!(error, AppError::Provider(ProviderError::RateLimited { .. }));
                let after = if limited { after } else { Some(id) };
                return Ok(Stand { after, rest });
            }
        }
        after = Some(id);
        if Instant::now() >= until {
            break;
        }
    }
    let rest = app.timing.scaled(REST).unsigned_abs();
    Ok(Stand { after, rest })
}

/// How long to rest after an error that the account's next read would meet too; none after one of a single object's.
fn turned_away(app: &App, error: &AppError) -> Option<Duration> {
    let AppError::Provider(error) = error else {
        return None;
    };
    let rest = app.timing.scaled(TURNED_AWAY).unsigned_abs();
    match error {
        ProviderError::RateLimited { after } => Some(rest.max(after.unwrap_or_default())),
        ProviderError::Auth | ProviderError::Lacks { .. } | ProviderError::Unavailable { .. } => Some(rest),
        ProviderError::Invalid { .. } | ProviderError::Ambiguous { .. } => None,
    }
}

/// Takes in the disputes that were opened since shortly before the last sweep.
async fn hear_of_disputes(app: &App, known: &KnownAccount, sweep: &AccountSweep) -> Result<(), AppError> {
    let since = (sweep.swept_at - DISPUTES_AGAIN).max(sweep.began_at - DISPUTES_AT_MOST);
    disputes::catch_up(app, &known.account, since).await
}

async fn note(app: &App, sweep: &AccountSweep, step: Step, stand: Stand) -> Result<(), AppError> {
    let mut tx = app.begin(sweep.merchant_id).await?;
    store::account_sweeps::advance(&mut tx, sweep, step, stand.after, stand.rest).await?;
    commit(tx).await
}
