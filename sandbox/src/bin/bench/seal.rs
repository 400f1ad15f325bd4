//! Keys at rest: how long a rotation of the key-encryption key takes for ten thousand merchants, and opening a secret.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::Cluster;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::PretendStripe;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::WEBHOOK_SECRET;
use crate::report::{Report, Thousandths};

const MERCHANTS: i32 = 10_000;
/// Nothing but pretended secrets are sealed with these.
const OLD: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";
const NEW: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

pub(crate) async fn measure(report: &mut Report, cluster: &Cluster, stripe: &PretendStripe) -> Result<()> {
    let database = cluster
        .create_database(&format!("seal_{}", std::process::id()))
        .await?;
    let log = Path::new("target/bench/seal.log");
    let quittance =
        Quittance::new(&Quittance::find_program()?, &database, log)?.with("QUITTANCE_SEALING_KEY", OLD);
    quittance.run(&["migrate"], &[]).await?;
    Merchant::add(&quittance, &StripeAccess::of(stripe, WEBHOOK_SECRET), None).await?;
    let mut db = PgConnection::connect(&database).await?;
    sqlx::query(
        "insert into merchant (merchant_id, name, created_at)
         select gen_random_uuid(), 'Merchant ' || number, now() from generate_series(2, $1) number",
    )
    .bind(MERCHANTS)
    .execute(&mut db)
    .await?;
    // Gives each its data key.
    let checked = quittance.run(&["keys", "check"], &[]).await?;
    let open = checked["open_cached_ns"].as_i64().context("nothing was opened")?;
    report.add("open_cached_us", Thousandths(open), "µs")?;
    let unwrap = checked["unwrap_us"].as_u64().context("nothing was unwrapped")?;
    report.add("unwrap_us", Thousandths::whole(unwrap)?, "µs")?;

    let rotating = quittance
        .with("QUITTANCE_SEALING_KEY", NEW)
        .with("QUITTANCE_SEALING_KEYS_PREVIOUS", OLD);
    let begun = Instant::now();
    let done = rotating.run(&["keys", "rotate"], &[]).await?;
    let took = i64::try_from(begun.elapsed().as_millis())?;
    ensure!(
        done["rewrapped"] == MERCHANTS,
        "not all were wrapped anew: {done}"
    );
    report.add("kek_rewrap_10k_s", Thousandths(took), "s")
}
