//! First figures: `make bench`, or one part of them: `make bench PARTS="webhooks events"` (and `payments`, `auth`, `ledger`, `postings`, `seal`, `rows`). Everything runs on
//! this machine and shares its cores.
//!
//! The service is a release build with its own Postgres, on which whatever is acknowledged survives a power cut; the
//! floor is measured on the same Postgres in the same run.

mod api;
mod auth;
mod connection;
mod cost;
mod events;
mod floor;
mod ledger;
mod load;
mod payments;
mod postings;
mod report;
mod rows;
mod seal;
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
use webhooks::{Endpoint, Load};

const WEBHOOK_SECRET: &str = "whsec_bench";
const CONNECTIONS: [u64; 3] = [1, 16, 64];
const WARM_UP_EVENTS: u64 = 4_000;
/// Each load ends at whichever comes first.
const EVENTS: u64 = 64_000;
const AT_MOST: Duration = Duration::from_secs(8);
/// How long events come at half of what is possible.
const HALF_LOAD: u64 = 8;
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
    let parts: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    if wanted("webhooks") || wanted("payments") {
        serve(&mut report, &cluster, &stripe, wanted).await?;
    }
    if wanted("events") {
        events::measure(&mut report, &cluster, &stripe).await?;
    }
    if wanted("auth") {
        auth::measure(&mut report, &cluster, &stripe).await?;
    }
    if wanted("ledger") {
        ledger::measure(&mut report, &cluster).await?;
    }
    if wanted("postings") {
        postings::measure(&mut report, &cluster).await?;
    }
    if wanted("seal") {
        seal::measure(&mut report, &cluster, &stripe).await?;
    }
    if wanted("rows") {
        rows::measure(&mut report, &cluster).await?;
    }
    report.write(&target.join("bench.json"))
}

/// What one service does that nobody works behind.
async fn serve(
    report: &mut Report,
    cluster: &Cluster,
    stripe: &PretendStripe,
    wanted: impl Fn(&str) -> bool,
) -> Result<()> {
    let database = cluster
        .create_database(&format!("bench_{}", std::process::id()))
        .await?;
    let log = Path::new("target/bench/quittance.log");
    let quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
    quittance.run(&["migrate"], &[]).await?;
    let merchant = Merchant::add(&quittance, &StripeAccess::of(stripe, WEBHOOK_SECRET), None).await?;
    let service = quittance.serve(&[]).await?;
    let endpoint = Endpoint {
        address: address(&quittance.url())?,
        path: merchant.webhook_path(),
        secret: WEBHOOK_SECRET.to_owned(),
    };
    if wanted("webhooks") {
        acknowledge(report, cluster, &database, &endpoint).await?;
    }
    if !wanted("payments") {
        return service.stop().await;
    }
    let payments = Payments {
        service: endpoint.address,
        api_key: merchant.api_key.clone(),
        stripe: address(&stripe.url())?,
        stripe_key: stripe.secret_key().to_owned(),
    };
    create(report, &payments).await?;
    look_at_tables(&database).await?;
    api::measure(report, &payments).await?;
    report.add(
        "rss_mib",
        Thousandths::ratio(service.resident_kib()?, 1024)?,
        "MiB",
    )?;
    api::memory(report, &payments, &service).await?;
    start(report, &quittance, service).await
}

/// What Postgres does once a minute by itself. Until then it goes by plans that it made while the tables were all but empty.
pub(crate) async fn look_at_tables(database: &str) -> Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    sqlx::query("vacuum analyze").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Webhooks a second, beside the floor; and how long each takes at half of the most.
async fn acknowledge(
    report: &mut Report,
    cluster: &Cluster,
    database: &str,
    endpoint: &Endpoint,
) -> Result<()> {
    let row_bytes = webhooks::event(0, 0, "pi_00000000000000").len();
    let floor = Floor::prepare(cluster, Path::new("target/bench").to_owned(), row_bytes).await?;
    let mut load = Load {
        first: 0,
        connections: 16,
        events: WARM_UP_EVENTS,
        at_most: AT_MOST,
        per_s: None,
    };
    floor.run(16, Duration::from_secs(1)).await?;
    let mut sent = webhooks::run(endpoint, &load).await?.count;
    let mut per_s = 0;
    for connections in CONNECTIONS {
        load.first += load.events;
        (load.connections, load.events) = (connections, EVENTS);
        let clients = usize::try_from(connections)?;
        let before = floor.run(clients, FLOOR_EACH).await?;
        let acknowledged = webhooks::run(endpoint, &load).await?;
        let after = floor.run(clients, FLOOR_EACH).await?;
        sent += acknowledged.count;
        per_s = acknowledged.per_second()?;
        let floor_per_s = before.midpoint(after);
        let mut add = |name: &str, value: Thousandths, unit: &str| {
            report.add(&format!("webhook_{name}_c{connections}"), value, unit)
        };
        add("floor_per_s", Thousandths::whole(floor_per_s)?, "1/s")?;
        add("ack_per_s", Thousandths::whole(per_s)?, "1/s")?;
        add(
            "ack_ratio",
            Thousandths::ratio(per_s, floor_per_s)?,
            "of the floor",
        )?;
        for percent in [50, 99] {
            let latency = percentile(&acknowledged.latencies, percent)?;
            add(&format!("ack_p{percent}_ms"), Thousandths::millis(latency)?, "ms")?;
        }
    }
    load.first += load.events;
    load.events = per_s / 2 * HALF_LOAD;
    load.per_s = Some(per_s / 2);
    let at_half = webhooks::run(endpoint, &load).await?;
    sent += at_half.count;
    let p99 = percentile(&at_half.latencies, 99)?;
    report.add("webhook_ack_p99_ms_at_half", Thousandths::millis(p99)?, "ms")?;
    let kept = events_kept(database).await?;
    if kept != sent {
        bail!("{sent} events were acknowledged, {kept} are on disk");
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

/// The address in a loopback URL.
fn address(url: &str) -> Result<SocketAddr> {
    let host = url.strip_prefix("http://").context("an address without http")?;
    host.parse().with_context(|| format!("{host} is no address"))
}
