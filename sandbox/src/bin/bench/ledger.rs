//! The provider's ledger, read, matched with payments and booked: lines a second, and the memory that it takes.
//!
//! A million lines of ten payouts, in the shapes and pages of Stripe's; a twentieth are refunds. The payments are written straight
//! into the database. One worker does all, as it would in earnest.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::Cluster;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options, PretendStripe, Volume};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor};

use crate::WEBHOOK_SECRET;
use crate::report::{Report, Thousandths};

const VOLUME: Volume = Volume {
    payouts: 10,
    lines_each: 99_999,
    metadata: None,
};
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(20);

pub(crate) async fn measure(report: &mut Report, cluster: &Cluster) -> Result<()> {
    let stripe = PretendStripe::start(Options {
        volume: Some(VOLUME),
        ..Options::default()
    })
    .await?;
    let database = cluster
        .create_database(&format!("ledger_{}", std::process::id()))
        .await?;
    let quittance = Quittance::new(
        &Quittance::find_program()?,
        &database,
        Path::new("target/bench/ledger.log"),
    )?;
    quittance.run(&["migrate"], &[]).await?;
    Merchant::add(&quittance, &StripeAccess::of(&stripe, WEBHOOK_SECRET), None).await?;
    let mut db = PgConnection::connect(&database).await?;
    let lines = VOLUME.lines();
    write_payments(&mut db, lines).await?;
    let worker = quittance.work()?;
    let started = Instant::now();
    let mut most = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        most = most.max(worker.resident_kib()?);
        // What is read and booked ends with the oldest line, and lines are read newest first.
        let left: bool = sqlx::query_scalar(
            "select exists (select from balance_transaction where book_at is not null)
                 or not exists (select from balance_transaction where id = $1)",
        )
        .bind(Volume::id("txn", 0))
        .fetch_one(&mut db)
        .await?;
        if !left {
            break;
        }
        if started.elapsed() > PATIENCE {
            bail!("{lines} lines were not booked in {PATIENCE:?}");
        }
    }
    let micros = u64::try_from(started.elapsed().as_micros())?;
    worker.stop().await?;
    let (booked, matched): (i64, i64) =
        sqlx::query_as("select count(*), count(payment_id) from ledger_transaction")
            .fetch_one(&mut db)
            .await?;
    let ours = lines - i64::from(VOLUME.payouts);
    if (booked, matched) != (lines, ours) {
        bail!("{booked} of {lines} lines are booked, {matched} of {ours} are matched");
    }
    let per_s = u64::try_from(lines)?
        .checked_mul(1_000_000)
        .and_then(|lines| lines.checked_div(micros))
        .context("it took no time")?;
    report.add("ledger_lines_per_s", Thousandths::whole(per_s)?, "1/s")?;
    report.add("ledger_rss_mib", Thousandths::ratio(most, 1024)?, "MiB")
}

/// A captured payment for every charge, and the account's list to be read from its beginning.
async fn write_payments(db: &mut PgConnection, count: i64) -> Result<()> {
    sqlx::query(
        "insert into payment (merchant_id, id, provider_account_id, reference, amount_minor, currency, capture_method, state,
             provider_reference, charge_reference, created_at, updated_at)
         select a.merchant_id, gen_random_uuid(), a.id, 'LEDGER/' || n, 12100, 'EUR', 'automatic', 'captured',
             'pi_3V' || lpad(n::text, 10, '0'), 'ch_3V' || lpad(n::text, 10, '0'), now(), now()
         from provider_account a, generate_series(0, $1 - 1) n",
    )
    .bind(count)
    .execute(&mut *db)
    .await?;
    db.execute("vacuum analyze payment").await?;
    db.execute(
        "insert into line_cursor (merchant_id, provider_account_id, read_until, due_at)
         select merchant_id, id, '2000-01-01', now() from provider_account",
    )
    .await?;
    Ok(())
}
