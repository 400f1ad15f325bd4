//! What waits for a person, or for too long.

use super::{Finding, unread};
use crate::app::{App, AppError};
use crate::domain::ids::MerchantId;
use crate::store;
use crate::store::gauges::{self, Standing};

/// How long an outcome may be unknown: one that is sought again and again is known by then.
const UNKNOWN_S: i64 = 3_600;

/// How long an event may wait while workers run.
const LAG_S: i64 = 300;

pub(super) async fn of_merchant(app: &App, merchant: MerchantId) -> Vec<Finding> {
    let counted = async {
        let mut conn = app.db.read(merchant).await?;
        let mut open = 0;
        for live in [false, true] {
            open += store::exceptions::lists::count_open(&mut conn, merchant, live).await?;
        }
        Ok::<_, AppError>(open)
    };
    let check = "exceptions.open";
    vec![match counted.await {
        Ok(0) => Finding::ok(check, "no difference waits for a person").of(merchant),
        Ok(open) => {
            let said = format!("{open} differences wait for a person");
            Finding::warning(check, said, "`quittance exceptions list`: docs/runbook.md").of(merchant)
        }
        Err(error) => unread(check, &error).of(merchant),
    }]
}

pub(super) async fn look(app: &App) -> Vec<Finding> {
    let counted = async {
        let mut tx = app.db.dispatch().await?;
        Ok::<_, AppError>(gauges::count(&mut tx).await?)
    };
    match counted.await {
        Ok(standing) => vec![events(&standing), operations(&standing)],
        Err(error) => vec![unread("queues.events", &error)],
    }
}

fn events(standing: &Standing) -> Finding {
    let (pending, lag) = (standing.events_pending, standing.event_lag_s);
    let said = format!("{pending} events wait, the oldest for {lag} s");
    if lag > LAG_S {
        Finding::warning(
            "queues.events",
            said,
            "look whether a worker runs: `quittance worker`",
        )
    } else {
        Finding::ok("queues.events", said)
    }
}

fn operations(standing: &Standing) -> Finding {
    let check = "queues.operations";
    let (unknown, oldest) = (standing.operations_unknown, standing.operations_unknown_oldest_s);
    let said = format!("of {unknown} operations nobody knows the outcome, of the oldest for {oldest} s");
    match unknown {
        0 => Finding::ok(check, "no operation's outcome is unknown"),
        _ if oldest > UNKNOWN_S => Finding::error(check, said, "look at the provider: docs/runbook.md"),
        _ => Finding::warning(check, said, "wait: workers find out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Level;

    #[test]
    fn an_outcome_that_is_unknown_for_an_hour_is_an_error() {
        let with = |unknown, oldest| Standing {
            operations_unknown: unknown,
            operations_unknown_oldest_s: oldest,
            ..Standing::default()
        };
        assert_eq!(operations(&with(0, 0)).level, Level::Ok);
        assert_eq!(operations(&with(1, 60)).level, Level::Warning);
        assert_eq!(operations(&with(1, 3_601)).level, Level::Error);
    }
}
