//! Bad days of the provider, until the caller has had a first answer; and of the database between two transactions.

use std::future::ready;
use std::time::Duration;

use anyhow::{bail, ensure};
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::postgres::Cluster;
use reqwest::StatusCode;

use super::answers::{First, asks_to_come_again};
use super::judge::{ask_all, judge_all};
use super::kinds::Kind;
use super::table::Row;
use super::world::{Healer, PATIENCE, World};
use crate::support::{database, database_of, try_within};

/// Longer than a busy machine takes to answer.
const PATIENT: Duration = Duration::from_secs(6);

/// No longer than needed, where an answer that settles anything never comes.
const HASTY: Duration = Duration::from_secs(1);

/// Every fault, in words.
pub(super) const FAULTS: [(Fault, &str); 14] = [
    (Fault::TimeoutBefore, "timeout before the effect"),
    (Fault::TimeoutAfter, "timeout after the effect"),
    (Fault::ResetBefore, "connection reset before the effect"),
    (Fault::ResetAfter, "connection reset after the effect"),
    (Fault::CutAfter, "connection reset mid-answer"),
    (TOO_MANY, "429"),
    (Fault::Conflict, "409"),
    (Fault::Unavailable, "503"),
    (Fault::ErrorBefore, "500"),
    (Fault::ErrorAfter, "500 stored under the key"),
    (Fault::Garbage, "garbage body"),
    (Fault::Strange, "unknown words, fields missing"),
    (Fault::StrangeStatus, "unknown status"),
    (
        Fault::Delay(Duration::from_millis(1_500)),
        "effect after the timeout",
    ),
];

/// To come back later than a call may take, so that this is the answer at once.
const TOO_MANY: Fault = Fault::TooManyRequests {
    retry_after_secs: Some(8),
};

/// How long a call may take: whether it is answered must not depend on how busy the machine is.
const fn timeout(fault: Fault) -> Duration {
    match fault {
        Fault::Strange | Fault::TooManyRequests { .. } => PATIENT,
        Fault::Conflict
        | Fault::Delay(_)
        | Fault::TimeoutBefore
        | Fault::TimeoutAfter
        | Fault::ResetBefore
        | Fault::ResetAfter
        | Fault::CutAfter
        | Fault::ErrorBefore
        | Fault::ErrorAfter
        | Fault::Unavailable
        | Fault::Garbage
        | Fault::Says { .. }
        | Fault::StrangeStatus => HASTY,
    }
}

/// What a caller may be told at first: only what is known by then.
fn may_tell(fault: Fault, kind: &Kind, first: &First) -> anyhow::Result<()> {
    let Ok(first) = first else {
        bail!("every request is answered");
    };
    let wanted = match fault {
        // It happened, and the answer says so in words that we know.
        Fault::Strange => kind.status,
        // Nothing happened, as the provider itself says.
        Fault::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
        // Nobody knows: the key of a 409 may be held by a request of ours.
        Fault::Conflict
        | Fault::Delay(_)
        | Fault::TimeoutBefore
        | Fault::TimeoutAfter
        | Fault::ResetBefore
        | Fault::ResetAfter
        | Fault::CutAfter
        | Fault::ErrorBefore
        | Fault::ErrorAfter
        | Fault::Unavailable
        | Fault::Garbage
        | Fault::Says { .. }
        | Fault::StrangeStatus => StatusCode::ACCEPTED,
    };
    ensure!(first.status == wanted, "{wanted} would be right");
    ensure!(
        first.status == kind.status || asks_to_come_again(first),
        "it does not say when to come again"
    );
    Ok(())
}

/// Lets every kind meet a fault at once until each has a first answer, and sees what becomes of them.
pub(super) async fn suffer(
    name: String,
    fault: Fault,
    words: &str,
    healer: Healer,
) -> anyhow::Result<Vec<Row>> {
    let world = World::set_up(&name, &database().await, healer, timeout(fault)).await?;
    let service = world.serve().await?;
    let cases = world.prepare().await?;
    for case in &cases {
        let matcher = Matcher::method_path("POST", case.kind.route);
        world.stripe.faults().always(matcher, fault);
    }
    let firsts = ask_all(&world, &cases).await;
    world.stripe.faults().clear();
    // The key will never tell: every one must have been found by looking.
    let found = async {
        let looked_up = world.count("operation where look_up").await?;
        ensure!(
            fault != Fault::ErrorAfter || looked_up == i64::try_from(cases.len())?,
            "{looked_up} were looked up"
        );
        Ok(())
    };
    let happened = healer.after(words);
    let may = |kind: &Kind, first: &First| may_tell(fault, kind, first);
    let rows = judge_all(&world, &cases, &happened, found, firsts, may).await;
    service.kill().await?;
    Ok(rows)
}

/// How Postgres goes away.
#[derive(Clone, Copy)]
pub(super) enum Outage {
    /// In good order.
    Stop,
    /// As if the power was cut.
    Crash,
}

/// Restarts Postgres while the provider's answers are on their way.
pub(super) async fn restart(cluster: &Cluster, outage: Outage) -> anyhow::Result<Vec<Row>> {
    let (name, happened) = match outage {
        Outage::Stop => ("matrix-stop", "Postgres restarted between the transactions"),
        Outage::Crash => ("matrix-crash", "Postgres crashed between the transactions"),
    };
    let world = World::set_up(name, &database_of(cluster).await, Healer::Worker, PATIENT).await?;
    let service = world.serve().await?;
    let cases = world.prepare().await?;
    world.to_stripe.hold_answers();
    let restarted = async {
        let happened = try_within(PATIENCE, async || {
            if cases.iter().all(|case| case.effects(&world) == 1) {
                Ok(())
            } else {
                Err("not all have happened".to_owned())
            }
        });
        happened.await.map_err(anyhow::Error::msg)?;
        match outage {
            Outage::Stop => cluster.stop().await?,
            Outage::Crash => cluster.crash().await?,
        }
        cluster.start_server().await?;
        world.to_stripe.open();
        Ok(())
    };
    let (firsts, restarted) = tokio::join!(ask_all(&world, &cases), restarted);
    let may = |kind: &Kind, first: &First| match first {
        Ok(first) if first.status == kind.status || asks_to_come_again(first) => Ok(()),
        _ => bail!("the answer, or when to come again, would be right"),
    };
    let happened = Healer::Worker.after(happened);
    let rows = judge_all(&world, &cases, &happened, ready(restarted), firsts, may).await;
    service.kill().await?;
    Ok(rows)
}
