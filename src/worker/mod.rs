//! The loops that work through what is on disk: events, messages to Odoo, operations without an outcome.
//!
//! Any number of workers may run: each takes up what no other holds. A bell in the same process wakes early what waits for
//! events and messages; nothing depends on it. The rest waits for the time alone.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::{
    App, AppError, endpoints, history, nightly, outbox, personal, queue, reconciliation, restore, sweep,
};

/// How often old endpoints, idempotency keys and events are looked for.
const HOUSEKEEPING: Duration = Duration::from_mins(1);

/// How many polls pass between two looks for what nobody waits for: payments whose time is over, accounts whose turn it is.
const RARE_POLLS: u32 = 20;

/// Works until `stop`, and returns once what was begun is ended. `poll` is the longest pause between two looks.
pub async fn run(app: Arc<App>, poll: Duration, stop: CancellationToken) {
    let rarely = poll * RARE_POLLS;
    let housekeeping = HOUSEKEEPING.max(poll);
    tokio::join!(
        every(&app, "events", poll, &stop, async |app| queue::work(app).await),
        every(&app, "outbox", poll, &stop, async |app| outbox::work(app).await),
        now_and_then(&app, "restore", poll, &stop, async |app| restore::work(app).await),
        now_and_then(&app, "sweep", poll, &stop, async |app| sweep::work(app).await),
        now_and_then(&app, "expiry", rarely, &stop, async |app| {
            sweep::end_expired(app).await.map(|()| 0)
        }),
        now_and_then(&app, "history", rarely, &stop, async |app| history::work(app)
            .await),
        now_and_then(&app, "nightly", rarely, &stop, async |app| nightly::work(app)
            .await),
        every(&app, "ledger", poll, &stop, async |app| {
            reconciliation::book_due(app).await
        }),
        now_and_then(&app, "matching", rarely, &stop, async |app| {
            reconciliation::match_due(app).await
        }),
        now_and_then(&app, "expectations", rarely, &stop, async |app| {
            reconciliation::judge_due(app).await
        }),
        now_and_then(&app, "lines", rarely, &stop, async |app| {
            reconciliation::pull(app).await
        }),
        now_and_then(&app, "payouts", rarely, &stop, async |app| {
            reconciliation::read_due(app).await
        }),
        now_and_then(&app, "endpoints", housekeeping, &stop, async |app| {
            endpoints::retire_due(app).await
        }),
        now_and_then(&app, "housekeeping", housekeeping, &stop, async |app| {
            let forgotten = sweep::forget_old_keys(app).await? + sweep::forget_old_events(app).await?;
            Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
        }),
        now_and_then(&app, "personal data", housekeeping, &stop, async |app| {
            Ok(usize::try_from(personal::erase_due(app).await?).unwrap_or(usize::MAX))
        }),
    );
}

/// Repeats a step: at once while there is work, else when the bell rings or the pause is over.
async fn every(
    app: &Arc<App>,
    name: &'static str,
    pause: Duration,
    stop: &CancellationToken,
    work: impl AsyncFn(&Arc<App>) -> Result<usize, AppError>,
) {
    while !stop.is_cancelled() {
        let bell = app.bell.notified();
        if step(app, name, &work).await {
            continue;
        }
        tokio::select! {
            () = bell => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// The same for what goes by the time alone: no bell rings for it.
async fn now_and_then(
    app: &Arc<App>,
    name: &'static str,
    pause: Duration,
    stop: &CancellationToken,
    work: impl AsyncFn(&Arc<App>) -> Result<usize, AppError>,
) {
    while !stop.is_cancelled() {
        if step(app, name, &work).await {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Makes a step once. Whether there may be more work.
async fn step(
    app: &Arc<App>,
    name: &'static str,
    work: &impl AsyncFn(&Arc<App>) -> Result<usize, AppError>,
) -> bool {
    match work(app).await {
        Ok(found) => found > 0,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                step = name,
                "a step failed and is tried again"
            );
            false
        }
    }
}
