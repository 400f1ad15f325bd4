//! What an operator watches: how much waits, for how long, and what is out of hand.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{App, AppError};
use crate::store::gauges::{self, Standing, Waiting};
use crate::telemetry::metrics::Reading;

/// How long a count is good for: however many ask, Postgres is asked this often.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// What was counted last.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<Option<(Instant, Vec<Reading>)>>);

/// What stands now, over all merchants; the same from every process, but for its own connections.
///
/// # Errors
/// [`AppError`] where Postgres does not answer.
pub async fn read(app: &App) -> Result<Vec<Reading>, AppError> {
    let mut last = app.gauges.0.lock().await;
    if let Some((at, counted)) = last.as_ref()
        && at.elapsed() < GOOD_FOR
    {
        return Ok(counted.clone());
    }
    let counted = count(app).await?;
    *last = Some((Instant::now(), counted.clone()));
    Ok(counted)
}

async fn count(app: &App) -> Result<Vec<Reading>, AppError> {
    let mut tx = app.db.dispatch().await?;
    let standing = gauges::count(&mut tx).await?;
    let waiting = gauges::list_waiting(&mut tx).await?;
    let exceptions = gauges::list_exceptions(&mut tx).await?;
    let keys = gauges::list_keys(&mut tx).await?;
    drop(tx);
    let mut readings = of_queues(&standing);
    readings.extend(waiting.iter().flat_map(of_instance));
    readings.extend(exceptions.into_iter().map(|(kind, number)| Reading {
        name: "exceptions_open",
        help: "Exceptions that a person must see",
        labels: vec![("kind", kind)],
        value: number,
    }));
    readings.extend(keys.into_iter().map(|(kind, version, number)| Reading {
        name: "key_versions",
        help: "Data keys by the key-encryption key that wraps them, and those that seal by their version",
        labels: vec![("kind", kind), ("version", version)],
        value: number,
    }));
    Ok(readings)
}

fn of_queues(standing: &Standing) -> Vec<Reading> {
    [
        (
            "events_pending",
            "Events that are to be applied",
            standing.events_pending,
        ),
        (
            "event_lag_seconds",
            "How long the oldest event waits",
            standing.event_lag_s,
        ),
        ("events_dead", "Events out of attempts", standing.events_dead),
        ("outbox_dead", "Messages out of attempts", standing.outbox_dead),
        (
            "instances_paused",
            "Odoo instances that rest",
            standing.instances_paused,
        ),
        (
            "operations_unknown",
            "Operations of which nobody knows the outcome",
            standing.operations_unknown,
        ),
        (
            "operations_unknown_oldest_seconds",
            "How long that has been so of the oldest",
            standing.operations_unknown_oldest_s,
        ),
        (
            "reconciliation_lag_seconds",
            "How long the reading or booking of ledger lines is overdue",
            standing.reconciliation_lag_s,
        ),
        (
            "restore_fenced",
            "Accounts at which no money moves since the database was restored",
            standing.restore_fenced,
        ),
    ]
    .map(|(name, help, value)| Reading {
        name,
        help,
        labels: Vec::new(),
        value,
    })
    .into()
}

fn of_instance(waiting: &Waiting) -> [Reading; 2] {
    let labels = || vec![("odoo_instance", waiting.odoo_instance_id.to_string())];
    [
        Reading {
            name: "outbox_pending",
            help: "Messages that wait for an Odoo",
            labels: labels(),
            value: waiting.pending,
        },
        Reading {
            name: "outbox_oldest_seconds",
            help: "How long the oldest of them waits",
            labels: labels(),
            value: waiting.oldest_s,
        },
    ]
}
