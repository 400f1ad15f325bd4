//! The real program, a pretend Stripe and a caller, with a gate between each two.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{Options, PretendStripe};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres, Transaction};

use super::answers::{asks_to_come_again, words};
use super::gate::Gate;
use super::kinds::{Happened, KINDS, Kind};
use crate::support::{Reply, WEBHOOK_SECRET, try_within};

/// How long anything may take on a busy machine before it counts as not happening.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// How long a caller waits before it repeats: sooner than it is told to, which must do no harm.
const PAUSE: Duration = Duration::from_millis(100);

/// Who goes on with what was left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Healer {
    /// A worker, from what is on disk.
    Worker,
    /// The caller, who repeats the request.
    Caller,
}

impl Healer {
    /// What happened, and who went on.
    pub(super) fn after(self, happened: &str) -> String {
        match self {
            Self::Worker => format!("{happened}; swept"),
            Self::Caller => format!("{happened}; repeated"),
        }
    }
}

/// One database, and everything around it.
pub(super) struct World {
    quittance: Quittance,
    merchant: Merchant,
    healer: Healer,
    pub(super) stripe: PretendStripe,
    pub(super) to_stripe: Gate,
    pub(super) to_service: Gate,
    pub(super) db: PgPool,
    http: Client,
}

/// One kind of request in one world.
pub(super) struct Case {
    pub(super) kind: &'static Kind,
    path: String,
}

impl Case {
    /// What the provider did for it.
    pub(super) fn happened(&self, world: &World) -> Happened {
        Happened::at(&world.stripe, self.kind.name)
    }

    /// How often it happened at the provider.
    pub(super) fn effects(&self, world: &World) -> usize {
        (self.kind.effects)(&self.happened(world))
    }
}

impl World {
    /// A program set up with its own commands, not started yet. No webhooks: only what is on disk, and the caller's
    /// repeats, bring it on.
    pub(super) async fn set_up(
        name: &str,
        database: &str,
        healer: Healer,
        provider_timeout: Duration,
    ) -> anyhow::Result<Self> {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
        let quittance = Quittance::new(Path::new(env!("CARGO_BIN_EXE_quittance")), database, &log)?
            .with(
                "QUITTANCE_PROVIDER_TIMEOUT_MS",
                &provider_timeout.as_millis().to_string(),
            )
            .with("QUITTANCE_RETRY_DIVISOR", "100")
            .with("QUITTANCE_POLL_MS", "50")
            // One for each case that is held within a transaction, and some for the worker: all worlds share one server.
            .with("QUITTANCE_DATABASE_CONNECTIONS", &(KINDS.len() + 5).to_string());
        let stripe = PretendStripe::start(Options::default()).await?;
        let to_stripe = Gate::before(address(&stripe.url())?).await?;
        let to_service = Gate::before(address(&quittance.url())?).await?;
        let access = StripeAccess {
            api_base: to_stripe.url(),
            ..StripeAccess::of(&stripe, WEBHOOK_SECRET)
        };
        Ok(Self {
            merchant: Merchant::add(&quittance, &access, None).await?,
            quittance,
            healer,
            stripe,
            to_stripe,
            to_service,
            db: PgPoolOptions::new().max_connections(3).connect(database).await?,
            // A caller who trusts no connection that it had before.
            http: Client::builder()
                .timeout(PATIENCE)
                .pool_max_idle_per_host(0)
                .build()?,
        })
    }

    pub(super) async fn serve(&self) -> anyhow::Result<Service> {
        let with: &[&str] = match self.healer {
            Healer::Worker => &["--with-worker"],
            Healer::Caller => &[],
        };
        self.quittance.serve(with).await
    }

    /// A case of each kind, with the payment that it is about.
    pub(super) async fn prepare(&self) -> anyhow::Result<Vec<Case>> {
        try_join_all(KINDS.iter().map(async |kind| {
            let mut path = kind.path.to_owned();
            if let Some((at, on)) = &kind.on {
                let made = self.finally(at, "on", kind, on).await;
                let made = made.map_err(anyhow::Error::msg)?;
                ensure!(
                    made.status == StatusCode::CREATED,
                    "{}: {}",
                    kind.name,
                    made.json()
                );
                let made = made.json();
                path = path.replace("{id}", made["id"].as_str().context("what is made has an id")?);
            }
            Ok(Case { kind, path })
        }))
        .await
    }

    /// Asks, or repeats: it is the same request every time.
    pub(super) async fn ask(&self, case: &Case) -> reqwest::Result<Reply> {
        self.post(&case.path, "key", case.kind, &case.kind.body).await
    }

    /// Waits until the worker has brought everything to an end, where there is one: nobody else does anything till then.
    pub(super) async fn heal(&self) -> anyhow::Result<()> {
        if self.healer == Healer::Caller {
            return Ok(());
        }
        let swept = try_within(PATIENCE, async || {
            match self
                .count("operation where state in ('pending', 'unknown')")
                .await
            {
                Ok(0) => Ok(()),
                other => Err(format!("{other:?} operations are not swept")),
            }
        });
        swept.await.map_err(anyhow::Error::msg)
    }

    /// Repeats a request until its answer does not ask to come again.
    async fn finally(&self, path: &str, key: &str, kind: &Kind, body: &Value) -> Result<Reply, String> {
        try_within(PATIENCE, async || {
            let other = match self.post(path, key, kind, body).await {
                Ok(reply) if !asks_to_come_again(&reply) => return Ok(reply),
                other => words(&other),
            };
            tokio::time::sleep(PAUSE).await;
            Err(other)
        })
        .await
    }

    /// Repeats until it is answered finally.
    pub(super) async fn repeat(&self, case: &Case) -> Result<Reply, String> {
        self.finally(&case.path, "key", case.kind, &case.kind.body).await
    }

    async fn post(&self, path: &str, key: &str, kind: &Kind, body: &Value) -> reqwest::Result<Reply> {
        let response = self
            .http
            .post(format!("{}{path}", self.to_service.url()))
            .bearer_auth(&self.merchant.api_key)
            .header("Idempotency-Key", format!("{key}-{}", kind.name))
            .json(body)
            .send()
            .await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply {
            status,
            headers,
            bytes: response.bytes().await?.to_vec(),
        })
    }

    /// Holds every write to an operation, until the transaction ends.
    pub(super) async fn lock_operations(&self) -> anyhow::Result<Transaction<'static, Postgres>> {
        let mut lock = self.db.begin().await?;
        sqlx::query("lock table operation in share row exclusive mode")
            .execute(&mut *lock)
            .await?;
        Ok(lock)
    }

    /// How many of the program's sessions wait for a lock at a statement.
    pub(super) async fn blocked_at(&self, statement: &str) -> anyhow::Result<i64> {
        let blocked = "select count(*) from pg_stat_activity where datname = current_database()
             and application_name = 'quittance' and wait_event_type = 'Lock' and query like $1 || '%'";
        Ok(sqlx::query_scalar(blocked)
            .bind(statement)
            .fetch_one(&self.db)
            .await?)
    }

    /// How many rows a condition finds.
    pub(super) async fn count(&self, table_and_condition: &str) -> anyhow::Result<i64> {
        let sql = format!("select count(*) from {table_and_condition}");
        Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.db)
            .await?)
    }

    /// Whether nothing is left over once every case has its answer: in the database, and at the provider.
    pub(super) async fn check_tidy(&self) -> anyhow::Result<()> {
        for left in [
            "operation where state not in ('succeeded', 'declined', 'refused')",
            "idempotency_record where status is null",
            "exception",
        ] {
            let count = self.count(left).await?;
            ensure!(count == 0, "{count} left: {left}");
        }
        let operations = self.count("operation").await?;
        let mut keys = self.stripe.keys_seen();
        keys.sort();
        keys.dedup();
        ensure!(
            i64::try_from(keys.len())? == operations,
            "{} keys at the provider for {operations} operations",
            keys.len()
        );
        Ok(())
    }
}

fn address(url: &str) -> anyhow::Result<std::net::SocketAddr> {
    Ok(url.trim_start_matches("http://").parse()?)
}
