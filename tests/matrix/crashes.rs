//! SIGKILL at each step between "key claimed" and "answer given". The program is held there from the outside: by a lock
//! of ours in its database, by the pretend Stripe, or by the network.

use std::future::ready;
use std::time::Duration;

use anyhow::ensure;
use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::service::Service;
use sqlx::{Postgres, Transaction};

use super::answers::First;
use super::judge::{ask_all, judge_all};
use super::kinds::KINDS;
use super::table::Row;
use super::world::{Case, Healer, PATIENCE, World};
use crate::support::{database, try_within};

/// Long enough to be held in on a busy machine. What a crash leaves is taken up five seconds after it.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(6);

/// Where the program is when it is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The first transaction waits before its commit.
    Claimed,
    /// The first transaction is committed, and nothing reaches the provider.
    Committed,
    /// The request is on its way, and arrives after the crash.
    UnderWay,
    /// The request has arrived, and nothing has happened yet.
    Arrived,
    /// It has happened, and no answer leaves the provider.
    Happened,
    /// The answer is there, and the second transaction waits before its commit.
    Answered,
    /// The second transaction is committed, and the caller gets no answer.
    Written,
}

impl Step {
    pub(super) const ALL: [Self; 7] = [
        Self::Claimed,
        Self::Committed,
        Self::UnderWay,
        Self::Arrived,
        Self::Happened,
        Self::Answered,
        Self::Written,
    ];

    const fn words(self) -> &'static str {
        match self {
            Self::Claimed => "killed before the claim was committed",
            Self::Committed => "killed before the request left",
            Self::UnderWay => "killed while the request was under way",
            Self::Arrived => "killed before the effect",
            Self::Happened => "killed after the effect",
            Self::Answered => "killed in the second transaction",
            Self::Written => "killed before the answer left",
        }
    }

    /// Makes sure that the program will get to this step and no further.
    async fn bar(self, world: &World, cases: &[Case]) -> anyhow::Result<Bar> {
        let fault = match self {
            Self::Claimed => return Ok(Some(world.lock_operations().await?)),
            Self::Committed | Self::UnderWay => {
                world.to_stripe.hold_requests();
                return Ok(None);
            }
            Self::Answered => {
                world.to_stripe.hold_answers();
                return Ok(None);
            }
            Self::Written => {
                world.to_service.hold_answers();
                return Ok(None);
            }
            Self::Arrived => Fault::TimeoutBefore,
            Self::Happened => Fault::TimeoutAfter,
        };
        for case in cases {
            let matcher = Matcher::method_path("POST", case.kind.route);
            world.stripe.faults().always(matcher, fault);
        }
        Ok(None)
    }

    /// Waits until each case is at this step.
    async fn reach(self, world: &World, cases: &[Case], bar: &mut Bar) -> anyhow::Result<()> {
        let all = cases.len();
        let happened = || cases.iter().filter(|case| case.effects(world) == 1).count();
        match self {
            Self::Claimed => until(all, async || world.blocked_at("insert into operation").await).await,
            Self::Committed => {
                until(all, async || {
                    world.count("operation where state = 'pending'").await
                })
                .await
            }
            Self::UnderWay => until(all, async || Ok(world.to_stripe.waiting())).await,
            Self::Arrived => until(all, async || Ok(world.stripe.faults().fired().len())).await,
            Self::Happened => until(all, async || Ok(happened())).await,
            Self::Answered => {
                until(all, async || Ok(happened())).await?;
                *bar = Some(world.lock_operations().await?);
                world.to_stripe.open();
                until(all, async || world.blocked_at("update operation").await).await
            }
            Self::Written => {
                let answered = "idempotency_record where status is not null";
                let prepared = KINDS.iter().filter(|kind| kind.on.is_some()).count();
                until(prepared + all, async || world.count(answered).await).await
            }
        }
    }
}

/// What bars the way, where it is a lock.
type Bar = Option<Transaction<'static, Postgres>>;

async fn until<N: TryInto<usize>>(
    wanted: usize,
    count: impl AsyncFn() -> anyhow::Result<N>,
) -> anyhow::Result<()> {
    let reached = try_within(PATIENCE, async || {
        let counted = count().await.map_err(|error| error.to_string())?;
        match counted.try_into() {
            Ok(counted) if counted == wanted => Ok(()),
            Ok(counted) => Err(format!("{counted} of {wanted} are there")),
            Err(_) => Err("not a count".to_owned()),
        }
    })
    .await;
    reached.map_err(anyhow::Error::msg)
}

/// Kills the program at one step of every kind at once, starts it again, and sees what becomes of them.
pub(super) async fn crash(name: String, step: Step, healer: Healer) -> anyhow::Result<Vec<Row>> {
    let world = World::set_up(&name, &database().await, healer, PROVIDER_TIMEOUT).await?;
    let service = world.serve().await?;
    let cases = world.prepare().await?;
    let bar = step.bar(&world, &cases).await?;
    let (firsts, killed) = tokio::join!(ask_all(&world, &cases), kill(&world, service, step, &cases, bar));
    let service = world.serve().await?;
    let happened = healer.after(step.words());
    let rows = judge_all(&world, &cases, &happened, ready(killed), firsts, |_, first| {
        told_nothing(first)
    })
    .await;
    service.kill().await?;
    Ok(rows)
}

async fn kill(
    world: &World,
    service: Service,
    step: Step,
    cases: &[Case],
    mut bar: Bar,
) -> anyhow::Result<()> {
    let reached = step.reach(world, cases, &mut bar).await;
    service.kill().await?;
    world.stripe.faults().clear();
    if step == Step::UnderWay {
        world.to_stripe.open();
    } else {
        world.to_stripe.break_off();
    }
    world.to_service.break_off();
    if let Some(lock) = bar {
        lock.rollback().await?;
    }
    reached
}

fn told_nothing(first: &First) -> anyhow::Result<()> {
    ensure!(first.is_err(), "a program that is dead has answered");
    Ok(())
}
