//! The payments API under load: fresh keys, replays, reads and lists; and memory after many payments.

use anyhow::{Context, Result};
use quittance_sandbox::service::Service;

use crate::connection::Connection;
use crate::load::Load;
use crate::payments::Payments;
use crate::report::{Report, Thousandths};

const CONNECTIONS: u32 = 16;
/// How many payments each figure is taken over.
const PAYMENTS: u32 = 4_000;
/// After how many payments memory is looked at first, and last.
const EARLY: u32 = 10_000;
const LATE: u32 = 100_000;

/// Throughput and times of what a shop does most, and how much cheaper a replay is than a fresh key.
pub(crate) async fn measure(report: &mut Report, payments: &Payments) -> Result<()> {
    let service = payments.service;
    let stripe = Load::run(payments.stripe, CONNECTIONS, PAYMENTS, 200, |number| {
        payments.intent(1_000_000 + number)
    })
    .await?;
    stripe.report(report, "api_stripe_create")?;
    let create = |number| payments.payment(1_000_000 + number);
    let fresh = Load::run(service, CONNECTIONS, PAYMENTS, 201, create).await?;
    fresh.report(report, "api_create")?;
    let replay = Load::run(service, CONNECTIONS, PAYMENTS, 201, create).await?;
    replay.report(report, "api_replay")?;
    let ratio = Thousandths::ratio(replay.per_second()?, fresh.per_second()?)?;
    report.add("replay_over_fresh", ratio, "times")?;

    let id = some_payment(payments, &create(0)).await?;
    let get = Load::run(service, CONNECTIONS, PAYMENTS, 200, |_| {
        payments.get(&format!("/v1/payments/{id}"))
    })
    .await?;
    get.report(report, "api_get")?;
    let list = Load::run(service, CONNECTIONS, PAYMENTS / 4, 200, |_| {
        payments.get("/v1/payments?limit=50")
    })
    .await?;
    list.report(report, "api_list_50")
}

async fn some_payment(payments: &Payments, again: &[u8]) -> Result<String> {
    let mut connection = Connection::open(payments.service).await?;
    connection.send(again).await?;
    let body: serde_json::Value = serde_json::from_slice(connection.body())?;
    let id = body["id"].as_str().context("a payment without an id")?;
    Ok(id.to_owned())
}

/// Memory after many payments, over that after a tenth of them.
pub(crate) async fn memory(report: &mut Report, payments: &Payments, service: &Service) -> Result<()> {
    let make = |from: u32, to: u32| {
        Load::run(payments.service, CONNECTIONS, to - from, 201, move |number| {
            payments.payment(2_000_000 + from + number)
        })
    };
    make(0, EARLY).await?;
    let early = service.resident_kib()?;
    report.add(
        "rss_mib_after_10k_payments",
        Thousandths::ratio(early, 1024)?,
        "MiB",
    )?;
    make(EARLY, LATE).await?;
    let late = service.resident_kib()?;
    report.add(
        "rss_mib_after_100k_payments",
        Thousandths::ratio(late, 1024)?,
        "MiB",
    )?;
    report.add("rss_growth", Thousandths::ratio(late, early)?, "times")
}
