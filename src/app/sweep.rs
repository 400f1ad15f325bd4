//! Finishes what a crash left, and finds out what is unknown: from what is on disk, with the same provider key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::{self, StreamExt};
use time::Duration;
use tracing::Instrument;

use super::carry_out::carry_out;
use super::{App, AppError, commit, payments};
use crate::domain::ids::{MerchantId, OperationId};
use crate::store;
use crate::telemetry::trace;

/// How many operations a sweep looks at, and how many it works on at once.
const BATCH: i64 = 32;
const AT_ONCE: usize = 4;

/// How long idempotency keys are kept.
const KEYS_KEPT: Duration = Duration::days(30);

/// How many events are forgotten in one statement, and in how many of them for one merchant before it is another's turn.
const EVENTS_AT_ONCE: u64 = 2_000;
const TURNS: u32 = 100;

/// Takes up operations whose lease ran out or whose next attempt is due. How many were due.
pub async fn work(app: &Arc<App>) -> Result<usize, AppError> {
    let due = {
        let mut conn = app.db.dispatch().await?;
        store::operations::list_due(&mut conn, app.clock.now(), BATCH).await?
    };
    let found = AtomicUsize::new(0);
    stream::iter(due)
        .for_each_concurrent(AT_ONCE, async |(merchant, id)| {
            match take_up(app, merchant, id).await {
                // What is fenced stays due: it is no reason to look again at once.
                Err(AppError::Fenced) => {}
                Ok(()) => {
                    found.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    // Its lease runs out by itself, and then it is due again.
                    tracing::error!(error = &error as &dyn std::error::Error, operation_id = %id, "an operation could not be swept");
                }
            }
        })
        .await;
    Ok(found.into_inner())
}

async fn take_up(app: &Arc<App>, merchant: MerchantId, id: OperationId) -> Result<(), AppError> {
    let now = app.clock.now();
    let mut tx = app.begin(merchant).await?;
    if store::restores::is_fenced(&mut tx, merchant).await? {
        return Err(AppError::Fenced);
    }
    let until = now + app.timing.operation_lease;
    let Some(operation) = store::operations::lease(&mut tx, merchant, id, now, until).await? else {
        // Another worker was quicker.
        return Ok(());
    };
    let payment = store::payments::get(&mut tx, &app.sealer, merchant, operation.payment_id).await?;
    let asked_in = store::operations::trace_context(&mut tx, merchant, id).await?;
    commit(tx).await?;
    let span =
        tracing::info_span!("app.operation.take_up", operation_id = %id, traceparent = tracing::field::Empty);
    trace::continue_from(&span, asked_in);
    carry_out(Arc::clone(app), payment, operation, None)
        .instrument(span)
        .await?;
    Ok(())
}

/// Calls off payments whose time to be paid is over. What cannot be called off now is tried again at the next look.
pub async fn end_expired(app: &Arc<App>) -> Result<(), AppError> {
    let expired = {
        let mut conn = app.db.dispatch().await?;
        store::payments::list_expired(&mut conn, app.clock.now(), BATCH).await?
    };
    stream::iter(expired)
        .for_each_concurrent(AT_ONCE, |(merchant, id)| async move {
            if let Err(error) = payments::call_off(app, merchant, id, payments::deadline(app)).await {
                tracing::info!(error = &error as &dyn std::error::Error, payment_id = %id, "an expired payment is not called off yet");
            }
        })
        .await;
    Ok(())
}

/// Forgets idempotency keys whose time is over, a batch at a time. How many.
pub async fn forget_old_keys(app: &App) -> Result<u64, AppError> {
    let before = app.clock.now() - KEYS_KEPT;
    let mut conn = app.db.dispatch().await?;
    let merchants = store::idempotency_records::list_merchants(&mut conn, before, 1_000).await?;
    drop(conn);
    if merchants.is_empty() {
        return Ok(0);
    }
    let mut tx = app.db.begin_for(merchants).await?;
    let purged = store::idempotency_records::purge(&mut tx, before, 1_000).await?;
    commit(tx).await?;
    Ok(purged)
}

/// Forgets events whose time is over, in batches that hold nobody up. How many.
pub async fn forget_old_events(app: &App) -> Result<u64, AppError> {
    let mut conn = app.db.dispatch().await?;
    let merchants = store::merchants::list(&mut conn).await?;
    drop(conn);
    let before = app.events_kept_since();
    let mut forgotten = 0;
    for merchant in merchants {
        for _ in 0..TURNS {
            let mut tx = app.begin(merchant).await?;
            let gone = store::webhook_events::purge(&mut tx, merchant, before, EVENTS_AT_ONCE).await?;
            commit(tx).await?;
            forgotten += gone;
            if gone < EVENTS_AT_ONCE {
                break;
            }
        }
    }
    Ok(forgotten)
}
