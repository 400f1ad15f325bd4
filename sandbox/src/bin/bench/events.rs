//! Events through the whole pipeline: kept, taken up, applied, and left for Odoo in the outbox; on an empty table and on an
//! aged one.
//!
//! The payments are written straight into the database, as the service leaves them once a customer is asked to pay. One
//! event in twenty is of a kind that tells too little, so that its payment is read from the pretend Stripe.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::Cluster;
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::PretendStripe;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor};

use crate::connection::Connection;
use crate::cost::Cost;
use crate::payments::post;
use crate::report::{Report, Thousandths};
use crate::webhooks::{self, Endpoint, Kind, Load};
use crate::{WEBHOOK_SECRET, address};

/// How many events a backlog holds.
const BACKLOG: u32 = 20_000;
/// One in so many is read from the provider.
const READ_ONE_IN: u32 = 20;
/// How many old events an aged table holds.
const AGED: i32 = 5_000_000;
/// For how long events come at a steady rate.
const STEADY: Duration = Duration::from_secs(15);
const CONNECTIONS: u64 = 16;
/// How long a backlog may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// A service with a database of its own.
struct House {
    quittance: Quittance,
    endpoint: Endpoint,
    db: PgConnection,
    /// The provider's ids of payments at the pretend Stripe.
    intents: Vec<String>,
    used: u32,
}

/// What a backlog came to.
struct Backlog {
    /// Events applied a second.
    per_s: u64,
    /// What they cost from the webhook to the outbox.
    cost: Cost,
}

/// Applied events a second, what each costs, how long an event waits, memory, and the same on an aged table.
pub(crate) async fn measure(report: &mut Report, cluster: &Cluster, stripe: &PretendStripe) -> Result<()> {
    let mut house = House::build(cluster, stripe).await?;
    // The first backlog warms up.
    house.backlog(cluster).await?;
    let fresh = house.backlog(cluster).await?;
    report.add("events_applied_per_s", Thousandths::whole(fresh.per_s)?, "1/s")?;
    fresh.cost.report(report, "event", BACKLOG)?;
    house.steady(report, fresh.per_s / 2).await?;
    house.age().await?;
    house.backlog(cluster).await?;
    let aged = house.backlog(cluster).await?;
    report.add(
        "events_applied_per_s_aged",
        Thousandths::whole(aged.per_s)?,
        "1/s",
    )?;
    report.add(
        "aged_table_ratio",
        Thousandths::ratio(aged.per_s, fresh.per_s)?,
        "of the empty table",
    )
}

impl House {
    async fn build(cluster: &Cluster, stripe: &PretendStripe) -> Result<Self> {
        let database = cluster
            .create_database(&format!("events_{}", std::process::id()))
            .await?;
        let log = Path::new("target/bench/events.log");
        let quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
        quittance.run(&["migrate"], &[]).await?;
        let merchant = Merchant::add(&quittance, &StripeAccess::of(stripe, WEBHOOK_SECRET), None).await?;
        let endpoint = Endpoint {
            address: address(&quittance.url())?,
            path: merchant.webhook_path(),
            secret: WEBHOOK_SECRET.to_owned(),
        };
        let mut db = PgConnection::connect(&database).await?;
        // A place for messages to Odoo that rests: what is measured ends at the outbox.
        db.execute(
            "insert into odoo_instance (merchant_id, id, url, database, api_key_sealed, books, paused_until, created_at)
             select merchant_id, gen_random_uuid(), 'http://127.0.0.1:9', 'bench', '', '{}', now() + interval '1 year', now()
             from merchant",
        )
        .await?;
        let intents = intents(
            address(&stripe.url())?,
            stripe.secret_key(),
            2 * BACKLOG / READ_ONE_IN,
        )
        .await?;
        Ok(Self {
            quittance,
            endpoint,
            db,
            intents,
            used: 0,
        })
    }

    /// Has a whole backlog delivered while nobody works, then worked through.
    async fn backlog(&mut self, cluster: &Cluster) -> Result<Backlog> {
        let from = self.payments(BACKLOG).await?;
        let before = cluster.worked().await?;
        let serve = self.quittance.serve(&[]).await?;
        self.deliver(from, BACKLOG, None).await?;
        let received = serve.worked()?;
        serve.stop().await?;
        let worker = self.quittance.work()?;
        let started = Instant::now();
        while self.is_due().await? {
            if started.elapsed() > PATIENCE {
                bail!("a backlog of {BACKLOG} events was not worked through in {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let cost = Cost {
            service: received + worker.worked()?,
            postgres: cluster.worked().await?.saturating_sub(before),
        };
        worker.stop().await?;
        let (ended, micros): (i64, i64) = sqlx::query_as(
            "select count(*), (extract(epoch from max(ended_at) - min(ended_at)) * 1000000)::bigint
             from webhook_event where state = 'applied' and attempts = 0
               and (merchant_id, id) in (select merchant_id, id from webhook_event order by id desc limit $1)",
        )
        .bind(i64::from(BACKLOG))
        .fetch_one(&mut self.db)
        .await?;
        if ended != i64::from(BACKLOG) {
            bail!("{ended} of {BACKLOG} events were applied at once");
        }
        let micros = u64::try_from(micros)?.max(1);
        Ok(Backlog {
            per_s: u64::from(BACKLOG) * 1_000_000 / micros,
            cost,
        })
    }

    /// Events at a steady rate while they are worked on: how long each waits, and what memory both processes take.
    async fn steady(&mut self, report: &mut Report, per_s: u64) -> Result<()> {
        let count = u32::try_from(per_s * STEADY.as_secs())?;
        let from = self.payments(count).await?;
        let serve = self.quittance.serve(&[]).await?;
        let worker = self.quittance.work()?;
        let acknowledged = self.deliver(from, count, Some(per_s)).await?;
        let memory = serve.resident_kib()? + worker.resident_kib()?;
        while self.is_due().await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        worker.stop().await?;
        serve.stop().await?;
        let micros: i64 = sqlx::query_scalar(
            "select (extract(epoch from percentile_disc(0.99) within group (order by ended_at - received_at)) * 1000000)::bigint
             from webhook_event
             where (merchant_id, id) in (select merchant_id, id from webhook_event order by id desc limit $1)",
        )
        .bind(i64::try_from(acknowledged)?)
        .fetch_one(&mut self.db)
        .await?;
        report.add("events_steady_per_s", Thousandths::whole(per_s)?, "1/s")?;
        let delay = Duration::from_micros(u64::try_from(micros)?);
        report.add("event_delay_p99_ms", Thousandths::millis(delay)?, "ms")?;
        report.add(
            "rss_mib_serve_and_worker",
            Thousandths::ratio(memory, 1024)?,
            "MiB",
        )
    }

    /// Old events, all applied, in the place of years.
    async fn age(&mut self) -> Result<()> {
        sqlx::query(
            "insert into webhook_event (merchant_id, provider_account_id, created, event_id, id, kind, object_id,
                 api_version, payload_sealed, state, due_at, received_at, ended_at)
             select a.merchant_id, a.id, at, 'evt_old' || n,
                 (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
                     || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
                 'payment_intent.succeeded', 'pi_old' || n, '2026-09-30.endive', decode(md5(n::text), 'hex'),
                 'applied', null, at, at
             from provider_account a, generate_series(1, $1) n,
                 lateral (select now() - interval '1 day' - n * interval '1 second' as at) moment",
        )
        .bind(AGED)
        .execute(&mut self.db)
        .await?;
        self.db.execute("vacuum analyze webhook_event").await?;
        Ok(())
    }

    /// Writes so many payments for which a customer was asked; the number of the first.
    async fn payments(&mut self, count: u32) -> Result<u32> {
        let from = self.used;
        self.used += count;
        self.db.execute("truncate outbox_message").await?;
        // The payments that are read are the same each time, and begin anew.
        sqlx::query("update payment set provider_reference = null where provider_reference = any($1)")
            .bind(&self.intents)
            .execute(&mut self.db)
            .await?;
        let inserted = sqlx::query(
            "insert into payment (merchant_id, id, provider_account_id, odoo_instance_id, reference, amount_minor,
                 currency, capture_method, state, provider_reference, created_at, updated_at)
             select a.merchant_id, gen_random_uuid(), a.id, o.id, 'EVENT/' || n, 12100, 'EUR', 'automatic', 'created',
                 case when n % $3 = 0 then ($4::text[])[1 + ((n - $1) / $3) % cardinality($4)] else 'pi_bench' || n end,
                 now(), now()
             from provider_account a join odoo_instance o using (merchant_id), generate_series($1, $1 + $2 - 1) n",
        )
        .bind(i32::try_from(from)?)
        .bind(i32::try_from(count)?)
        .bind(i32::try_from(READ_ONE_IN)?)
        .bind(&self.intents)
        .execute(&mut self.db)
        .await?;
        if inserted.rows_affected() != u64::from(count) {
            bail!("the payments could not be written");
        }
        self.db.execute("analyze").await?;
        Ok(from)
    }

    /// Has the events of so many payments delivered.
    async fn deliver(&self, from: u32, count: u32, per_s: Option<u64>) -> Result<u64> {
        let intents = &self.intents;
        let kind = move |number: u64| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if number.is_multiple_of(READ_ONE_IN) {
                let index = ((number - from) / READ_ONE_IN) as usize % intents.len();
                Kind::ChargeUpdated(intents[index].clone())
            } else {
                Kind::Succeeded(format!("pi_bench{number}"))
            }
        };
        let load = Load {
            first: from.into(),
            connections: CONNECTIONS,
            events: count.into(),
            at_most: PATIENCE,
            per_s,
        };
        let acknowledged = webhooks::run_of(&self.endpoint, &load, kind).await?;
        Ok(acknowledged.count)
    }

    async fn is_due(&mut self) -> Result<bool> {
        let due = "select exists (select from webhook_event where due_at is not null)";
        Ok(sqlx::query_scalar(due).fetch_one(&mut self.db).await?)
    }
}

/// Payments at the pretend Stripe, paid.
async fn intents(stripe: SocketAddr, key: &str, count: u32) -> Result<Vec<String>> {
    let mut connection = Connection::open(stripe).await?;
    let mut intents = Vec::new();
    for number in 0..count {
        let body =
            "amount=12100&currency=eur&payment_method_types[0]=card&payment_method=pm_card_visa&confirm=true";
        let form = "application/x-www-form-urlencoded";
        let request = post(
            "/v1/payment_intents",
            stripe,
            key,
            &format!("events-{number}"),
            form,
            body,
        );
        let status = connection.send(&request).await?;
        let answer: serde_json::Value = serde_json::from_slice(connection.body())?;
        if status != 200 {
            bail!("the pretend Stripe answered {status}: {answer}");
        }
        let id = answer["id"].as_str().context("an intent without an id")?;
        intents.push(id.to_owned());
    }
    Ok(intents)
}
