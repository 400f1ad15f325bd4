//! First figures: `make bench`. Everything runs on this machine and shares its cores.
//!
//! The service is a release build with its own Postgres, on which whatever is acknowledged survives a power cut; the
//! floor is measured on the same Postgres in the same run.

mod api;
mod connection;
mod floor;
mod load;
mod payments;
mod report;
mod webhooks;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::{Cluster, Durability};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{Options, PretendStripe};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use floor::{DURABLE, Floor};
use payments::Payments;
use report::{Report, Thousandths, percentile};
use webhooks::Endpoint;

const WEBHOOK_SECRET: &str = "whsec_bench";
const CONNECTIONS: u64 = 16;
const WARM_UP_EVENTS: u64 = 4_000;
/// The load ends at whichever comes first.
const EVENTS: u64 = 96_000;
const AT_MOST: Duration = Duration::from_secs(10);
/// Before the load and after it, so that a machine that slows down slows both.
const FLOOR_EACH: Duration = Duration::from_secs(5);
const WARM_UP_PAYMENTS: u32 = 50;
const PAYMENTS: u32 = 500;
const STARTS: usize = 5;

/// Its own thread pool would only compete with what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let target = Path::new("target");
    std::fs::create_dir_all(target)?;
    let mut report = Report::default();
    let cluster = Cluster::start(Durability::Full).await?;
    floor::require_durable(&cluster).await?;
    for name in DURABLE {
        report.add(&format!("postgres_{name}"), Thousandths::whole(1)?, "on")?;
    }
    let stripe = PretendStripe::start(Options::default()).await?;
    let database = cluster
        .create_database(&format!("bench_{}", std::process::id()))
        .await?;
    let quittance = Quittance::new(
        &Quittance::find_program()?,
        &database,
        &target.join("bench/quittance.log"),
    )?;
    quittance.run(&["migrate"], &[]).await?;
    let merchant = Merchant::add(&quittance, &stripe_access(&stripe), None).await?;
    let service = quittance.serve(&[]).await?;

    let endpoint = Endpoint {
        address: address(&quittance.url())?,
        path: merchant.webhook_path(),
        secret: WEBHOOK_SECRET.to_owned(),
    };
    acknowledge(&mut report, &cluster, &database, &endpoint).await?;
    let payments = Payments {
        service: endpoint.address,
        api_key: merchant.api_key.clone(),
        stripe: address(&stripe.url())?,
        stripe_key: stripe.secret_key().to_owned(),
    };
    create(&mut report, &payments).await?;
    api::measure(&mut report, &payments).await?;
    report.add(
        "rss_mib",
        Thousandths::ratio(service.resident_kib()?, 1024)?,
        "MiB",
    )?;
    api::memory(&mut report, &payments, &service).await?;
    start(&mut report, &quittance, service).await?;
    report.write(&target.join("bench.json"))
}

/// Webhooks a second, beside the floor.
async fn acknowledge(
    report: &mut Report,
    cluster: &Cluster,
    database: &str,
    endpoint: &Endpoint,
) -> Result<()> {
    let floor = Floor::prepare(
        cluster,
        Path::new("target/bench").to_owned(),
        webhooks::event(0, 0).len(),
    )
    .await?;
    let connections = usize::try_from(CONNECTIONS)?;
    floor.run(connections, Duration::from_secs(1)).await?;
    webhooks::run(endpoint, 0, CONNECTIONS, WARM_UP_EVENTS, AT_MOST).await?;

    let before = floor.run(connections, FLOOR_EACH).await?;
    let acknowledged = webhooks::run(endpoint, WARM_UP_EVENTS, CONNECTIONS, EVENTS, AT_MOST).await?;
    let after = floor.run(connections, FLOOR_EACH).await?;

    let kept = events_kept(database).await?;
    if kept != acknowledged.count + WARM_UP_EVENTS {
        bail!(
            "{} events were acknowledged, {kept} are on disk",
            acknowledged.count + WARM_UP_EVENTS
        );
    }
    let floor_per_s = before.midpoint(after);
    let per_s = acknowledged.per_second()?;
    report.add(
        "webhook_events_c16",
        Thousandths::whole(acknowledged.count)?,
        "events",
    )?;
    report.add("webhook_floor_per_s_c16", Thousandths::whole(floor_per_s)?, "1/s")?;
    report.add("webhook_ack_per_s_c16", Thousandths::whole(per_s)?, "1/s")?;
    report.add(
        "webhook_ack_ratio_c16",
        Thousandths::ratio(per_s, floor_per_s)?,
        "of the floor",
    )?;
    for percent in [50, 99] {
        let latency = percentile(&acknowledged.latencies, percent)?;
        report.add(
            &format!("webhook_ack_p{percent}_ms_c16"),
            Thousandths::millis(latency)?,
            "ms",
        )?;
    }
    Ok(())
}

/// What a payment costs beyond what Stripe takes for the same call.
async fn create(report: &mut Report, payments: &Payments) -> Result<()> {
    let times = payments.run(WARM_UP_PAYMENTS, PAYMENTS).await?;
    let direct = percentile(&times.direct, 50)?;
    report.add("create_stripe_ms_p50", Thousandths::millis(direct)?, "ms")?;
    for percent in [50, 99] {
        let overhead = percentile(&times.total, percent)?.saturating_sub(direct);
        report.add(
            &format!("create_overhead_ms_p{percent}"),
            Thousandths::millis(overhead)?,
            "ms",
        )?;
    }
    Ok(())
}

/// How long a start takes on a migrated database: the middle one of several.
async fn start(report: &mut Report, quittance: &Quittance, mut service: Service) -> Result<()> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        service.stop().await?;
        service = quittance.serve(&[]).await?;
        times.push(service.ready_after());
    }
    service.stop().await?;
    times.sort_unstable();
    report.add("ready_ms", Thousandths::millis(percentile(&times, 50)?)?, "ms")
}

async fn events_kept(database: &str) -> Result<u64> {
    let mut connection = PgConnection::connect(database).await?;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM webhook_event")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    Ok(u64::try_from(kept)?)
}

fn stripe_access(stripe: &PretendStripe) -> StripeAccess {
    StripeAccess {
        api_base: stripe.url(),
        secret_key: stripe.secret_key().to_owned(),
        publishable_key: stripe.publishable_key().to_owned(),
        webhook_secret: WEBHOOK_SECRET.to_owned(),
    }
}

/// The address in a loopback URL.
fn address(url: &str) -> Result<SocketAddr> {
    let host = url.strip_prefix("http://").context("an address without http")?;
    host.parse().with_context(|| format!("{host} is no address"))
}
