//! What a payment costs and leaves on disk, with its webhooks, its postings into Odoo and its bookings: processor time, and rows and bytes of
//! each table.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::stream::{self, StreamExt, TryStreamExt};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::postgres::Cluster;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options, PretendStripe, WebhookEndpoint};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use time::macros::date;

use crate::WEBHOOK_SECRET;
use crate::cost::Cost;
use crate::report::{Report, Thousandths};

const PAYMENTS: u32 = 1_000;
/// How many come before, so that Postgres knows its tables: it looks at them once a minute by itself.
const WARM_UP_PAYMENTS: u32 = 300;
/// How many are asked for at once.
const AT_ONCE: usize = 8;
/// How long it may take until all is told and booked.
const PATIENCE: Duration = Duration::from_mins(15);
/// What an Odoo that traces sends with each request; the last half differs.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-";

/// Rows and bytes of a table.
type Sizes = BTreeMap<String, (u64, u64)>;

pub(crate) async fn measure(report: &mut Report, cluster: &Cluster) -> Result<()> {
    let stripe = PretendStripe::start(Options::default()).await?;
    let odoo = PretendOdoo::start(OdooOptions::default()).await?;
    let database = cluster
        .create_database(&format!("rows_{}", std::process::id()))
        .await?;
    let log = Path::new("target/bench/rows.log");
    let quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
    quittance.run(&["migrate"], &[]).await?;
    let at_odoo = OdooAccess::of(&odoo);
    let merchant = Merchant::add(
        &quittance,
        &StripeAccess::of(&stripe, WEBHOOK_SECRET),
        Some(&at_odoo),
    )
    .await?;
    let hook = format!("{}{}", quittance.url(), merchant.webhook_path());
    stripe.add_endpoint(WebhookEndpoint::new(hook, WEBHOOK_SECRET));
    let mut db = PgConnection::connect(&database).await?;
    let service = quittance.serve(&["--with-worker"]).await?;
    pay(&quittance, &merchant, &odoo, 0..WARM_UP_PAYMENTS).await?;
    settle(&mut db, WARM_UP_PAYMENTS).await?;
    let before = sizes(&mut db).await?;
    let (service_before, worked) = (service.worked()?, cluster.worked().await?);
    let all = WARM_UP_PAYMENTS + PAYMENTS;
    pay(&quittance, &merchant, &odoo, WARM_UP_PAYMENTS..all).await?;
    settle(&mut db, all).await?;
    let cost = Cost {
        service: service.worked()?.saturating_sub(service_before),
        postgres: cluster.worked().await?.saturating_sub(worked),
    };
    cost.report(report, "payment", PAYMENTS)?;
    service.stop().await?;
    let after = sizes(&mut db).await?;
    for (table, (rows, bytes)) in after {
        let (rows_before, bytes_before) = before.get(&table).copied().unwrap_or_default();
        let (rows, bytes) = (
            rows.saturating_sub(rows_before),
            bytes.saturating_sub(bytes_before),
        );
        if rows >= u64::from(PAYMENTS) / 10 {
            report.add(
                &format!("rows_{table}"),
                Thousandths::ratio(rows, PAYMENTS.into())?,
                "a payment",
            )?;
            report.add(
                &format!("bytes_{table}"),
                Thousandths::whole(bytes / u64::from(PAYMENTS))?,
                "a payment",
            )?;
        }
    }
    Ok(())
}

/// Charges a card for one invoice after the other.
async fn pay(
    quittance: &Quittance,
    merchant: &Merchant,
    odoo: &PretendOdoo,
    numbers: Range<u32>,
) -> Result<()> {
    let client = reqwest::Client::builder().build()?;
    let url = format!("{}/v1/payments", quittance.url());
    stream::iter(numbers)
        .map(|number| {
            let (client, url) = (client.clone(), url.clone());
            async move {
                let invoice = odoo.add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))?;
                let body = serde_json::json!({
                    "reference": format!("INV/2026/{number:05}"), "amount_minor": 12_100, "currency": "EUR",
                    "description": format!("Invoice INV/2026/{number:05}"), "receipt_email": "customer@example.com",
                    "payment_method": "pm_card_visa",
                    "settles": [{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }],
                });
                let asked = client
                    .post(url)
                    .bearer_auth(&merchant.api_key)
                    .header("Idempotency-Key", format!("rows-{number}"))
                    .header("traceparent", format!("{TRACE}{number:016x}-00"))
                    .json(&body);
                let status = asked.send().await?.status();
                if status.is_success() {
                    Ok(())
                } else {
                    bail!("a payment was answered {status}")
                }
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Waits until Odoo has all that it is told of, and all is booked and applied.
async fn settle(db: &mut PgConnection, payments: u32) -> Result<()> {
    let started = Instant::now();
    loop {
        let left: i64 = sqlx::query_scalar(
            "select (select count(*) from outbox_message where state <> 'sent') + (select count(*) from webhook_event where due_at is not null)
                 + (select count(*) from balance_transaction where book_at is not null)
                 + greatest($1 - (select count(*) from ledger_transaction), 0)",
        )
        .bind(i64::from(payments))
        .fetch_one(&mut *db)
        .await?;
        if left == 0 {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("{left} things are left after {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Every table, vacuumed: with its indexes and what is kept beside it.
async fn sizes(db: &mut PgConnection) -> Result<Sizes> {
    sqlx::query("vacuum analyze").execute(&mut *db).await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut sizes = Sizes::new();
    for table in tables {
        let sql = format!("select count(*), pg_total_relation_size('\"{table}\"') from \"{table}\"");
        let (rows, bytes): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut *db).await?;
        sizes.insert(table, (u64::try_from(rows)?, u64::try_from(bytes)?));
    }
    Ok(sizes)
}
