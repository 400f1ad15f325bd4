//! What was booked, posted into Odoo: bookings a second, one import of fifty after the other.
//!
//! Into the pretend Odoo, or a real one where `ODOO_URL`, `ODOO_DB`, `ODOO_API_KEY` and, before 19, `ODOO_LOGIN` are set: a
//! database made for it, as its books are filled.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::postgres::Cluster;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options, PretendStripe, Volume};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::WEBHOOK_SECRET;
use crate::report::{Report, Thousandths};

const VOLUME: Volume = Volume {
    payouts: 1,
    lines_each: 1_999,
    metadata: None,
};
/// How long booking, and then posting, may take.
const PATIENCE: Duration = Duration::from_mins(20);

pub(crate) async fn measure(report: &mut Report, cluster: &Cluster) -> Result<()> {
    let stripe = PretendStripe::start(Options {
        volume: Some(VOLUME),
        ..Options::default()
    })
    .await?;
    let pretend = PretendOdoo::start(OdooOptions::default()).await?;
    let database = cluster
        .create_database(&format!("postings_{}", std::process::id()))
        .await?;
    let log = Path::new("target/bench/postings.log");
    let quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
    quittance.run(&["migrate"], &[]).await?;
    let merchant = Merchant::add(&quittance, &StripeAccess::of(&stripe, WEBHOOK_SECRET), None).await?;
    let mut db = PgConnection::connect(&database).await?;
    sqlx::query(
        "insert into line_cursor (merchant_id, provider_account_id, read_until, due_at)
         select merchant_id, id, '2000-01-01', now() from provider_account",
    )
    .execute(&mut db)
    .await?;
    let lines = VOLUME.lines();
    let worker = quittance.work()?;
    until(&mut db, "select count(*) from ledger_transaction", lines).await?;
    worker.stop().await?;

    map(&quittance, &merchant, &pretend).await?;
    let queued: i64 = sqlx::query_scalar("select count(*) from outbox_message")
        .fetch_one(&mut db)
        .await?;
    let worker = quittance.work()?;
    let started = Instant::now();
    until(
        &mut db,
        "select count(*) from outbox_message where state = 'sent'",
        queued,
    )
    .await?;
    let micros = u64::try_from(started.elapsed().as_micros())?;
    worker.stop().await?;
    let per_s = u64::try_from(queued)?
        .checked_mul(1_000_000)
        .and_then(|posted| posted.checked_div(micros))
        .context("it took no time")?;
    report.add("odoo_bookings_per_s", Thousandths::whole(per_s)?, "1/s")
}

async fn until(db: &mut PgConnection, count: &'static str, wanted: i64) -> Result<()> {
    let started = Instant::now();
    loop {
        let found: i64 = sqlx::query_scalar(count).fetch_one(&mut *db).await?;
        if found >= wanted {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("{found} of {wanted} in {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "who measures chooses the Odoo by the environment"
)]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Adds the Odoo and has a journal made there: what is booked already is queued with that.
async fn map(quittance: &Quittance, merchant: &Merchant, pretend: &PretendOdoo) -> Result<()> {
    let (url, database, key) = match (read("ODOO_URL"), read("ODOO_DB"), read("ODOO_API_KEY")) {
        (Some(url), Some(database), Some(key)) => (url, database, key),
        _ => (pretend.url(), pretend.database(), pretend.api_key()),
    };
    let mut add = vec![
        "odoo-instance",
        "add",
        "--merchant",
        &merchant.id,
        "--url",
        &url,
        "--database",
        &database,
    ];
    let login = read("ODOO_LOGIN");
    if let Some(login) = &login {
        add.extend(["--login", login]);
    }
    let added = quittance.run(&add, &[("ODOO_API_KEY", &key)]).await?;
    let instance = added["id"].as_str().context("no instance was added")?;
    let setup = [
        "odoo",
        "setup",
        "--merchant",
        &merchant.id,
        "--odoo-instance",
        instance,
        "--provider-account",
        &merchant.provider_account,
        "--currency",
        "EUR",
        "--apply",
    ];
    quittance.run(&setup, &[]).await?;
    Ok(())
}
