//! What it adds to a request to prove who sends it, with 10,000 keys in turn; beside the same answer on a path where nobody asks.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::Cluster;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::PretendStripe;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::connection::Connection;
use crate::report::{Report, Thousandths, percentile};
use crate::{WEBHOOK_SECRET, address};

const KEYS: usize = 10_000;
const ROUNDS: usize = 3;

pub(crate) async fn measure(report: &mut Report, cluster: &Cluster, stripe: &PretendStripe) -> Result<()> {
    let database = cluster
        .create_database(&format!("auth_{}", std::process::id()))
        .await?;
    let log = Path::new("target/bench/auth.log");
    let quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
    quittance.run(&["migrate"], &[]).await?;
    Merchant::add(&quittance, &StripeAccess::of(stripe, WEBHOOK_SECRET), None).await?;
    let mut db = PgConnection::connect(&database).await?;
    sqlx::query(
        "insert into api_key (hash, merchant_id, id, name, prefix, live, scopes, created_at)
         select sha256(convert_to('qk_test_' || lpad(n::text, 43, '0'), 'UTF8')), merchant_id, gen_random_uuid(), 'bench',
             'qk_test_', false, '{payments:read}', now()
         from merchant, generate_series(0, $1 - 1) as n",
    )
    .bind(i32::try_from(KEYS)?)
    .execute(&mut db)
    .await?;
    let service = quittance.serve(&[]).await?;
    let host = address(&quittance.url())?;
    let mut connection = Connection::open(host).await?;
    // Both are answered 404 as a problem, without the database: the one for want of a route, the other of a payment.
    let open = format!("GET /v1/nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    let proven = |number: usize| {
        format!(
            "GET /v1/payments/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer qk_test_{number:0>43}\r\n\r\n"
        )
        .into_bytes()
    };
    let mut first = Vec::with_capacity(KEYS);
    for number in 0..KEYS {
        first.push(timed(&mut connection, &proven(number)).await?);
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for number in 0..KEYS {
            without.push(timed(&mut connection, &open).await?);
            with.push(timed(&mut connection, &proven(number)).await?);
        }
    }
    service.stop().await?;
    for times in [&mut first, &mut without, &mut with] {
        times.sort_unstable();
    }
    let open = percentile(&without, 50)?;
    for (name, times) in [("auth_added_ms_p50", &with), ("auth_first_ms_p50", &first)] {
        let added = percentile(times, 50)?.saturating_sub(open);
        report.add(name, Thousandths::millis(added)?, "ms")?;
    }
    Ok(())
}

async fn timed(connection: &mut Connection, request: &[u8]) -> Result<Duration> {
    let started = Instant::now();
    let status = connection.send(request).await?;
    let took = started.elapsed();
    if status != 404 {
        bail!(
            "answered {status}: {}",
            String::from_utf8_lossy(connection.body())
        );
    }
    Ok(took)
}
