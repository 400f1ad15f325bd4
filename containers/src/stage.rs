//! Everything around the service: a private network with a Postgres, and the pretend Stripe and Odoo on this machine.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{self, PretendOdoo};
use quittance_sandbox::stripe::{self, PretendStripe, WebhookEndpoint};
use testcontainers::core::{ExecCommand, Healthcheck, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use uuid::Uuid;

use crate::door::Door;
use crate::image::{Image, LABEL};
use crate::proxy::Proxy;
use crate::replica::{Replica, Runner};
use crate::shop::Shop;

const WEBHOOK_SECRET: &str = "whsec_containers";
/// Stripe repeats for days; here it repeats for as long as anything may be away.
const WEBHOOK_RETRIES: [Duration; 600] = [Duration::from_millis(100); 600];
const SUPERUSER: &str = "postgres";
/// The service's login is no superuser: row-level security must bind it.
const LOGIN: &str =
    "create role quittance login createrole password 'quittance'; create database quittance owner quittance;";

/// The running parts. Dropping it ends them all.
#[derive(Debug)]
pub struct Stage {
    /// A Stripe.
    pub stripe: PretendStripe,
    /// An Odoo.
    pub odoo: PretendOdoo,
    /// Before all replicas; webhooks come this way too.
    pub proxy: Proxy,
    /// Who has an account with both.
    pub merchant: Merchant,
    runner: Runner,
    postgres: ContainerAsync<GenericImage>,
    _doors: [Door; 2],
}

impl Stage {
    /// Starts everything, migrates as the chart's Job does, and sets up a merchant with the service's own commands.
    pub async fn set() -> Result<Self> {
        let network = format!("quittance-{}", Uuid::now_v7().simple());
        let database = format!("{network}-db");
        let postgres = start_postgres(&network, &database).await?;
        let stripe = PretendStripe::start(stripe::Options {
            webhook_retries: WEBHOOK_RETRIES.to_vec(),
            ..stripe::Options::default()
        })
        .await?;
        let odoo = PretendOdoo::start(odoo::Options::default()).await?;
        let doors = [
            Door::open(&network, address(&stripe.url())?).await?,
            Door::open(&network, address(&odoo.url())?).await?,
        ];
        let url = format!("postgres://quittance:quittance@{database}/quittance");
        let runner = Runner::new(network, url)?;
        runner.migrate().await?;
        let access = StripeAccess {
            api_base: doors[0].url(),
            ..StripeAccess::of(&stripe, WEBHOOK_SECRET)
        };
        let books = OdooAccess {
            url: doors[1].url(),
            ..OdooAccess::of(&odoo)
        };
        let merchant = Merchant::add(&runner, &access, Some(&books)).await?;
        let proxy = Proxy::start().await?;
        let endpoint = format!("{}{}", proxy.url(), merchant.webhook_path());
        stripe.add_endpoint(WebhookEndpoint::new(endpoint, WEBHOOK_SECRET));
        Ok(Self {
            stripe,
            odoo,
            proxy,
            merchant,
            runner,
            postgres,
            _doors: doors,
        })
    }

    /// Starts one more replica of `serve`, and lets the proxy ask it once it is ready.
    pub async fn serve(&self) -> Result<Replica> {
        let replica = self.runner.serve().await?;
        self.proxy.add(replica.url());
        Ok(replica)
    }

    /// Starts a `worker`.
    pub async fn work(&self) -> Result<Replica> {
        self.runner.work().await
    }

    /// The merchant's shop, which asks at an address.
    pub fn shop_at(&self, base: &str) -> Result<Shop> {
        Shop::new(base, &self.merchant)
    }

    /// Ends Postgres in good order, as an operator does, and starts it again.
    pub async fn restart_postgres(&self) -> Result<()> {
        self.postgres.stop_with_timeout(Some(30)).await?;
        self.postgres.start().await.context("starting Postgres again")
    }

    /// The one number that a statement answers with.
    pub async fn count(&self, sql: &str) -> Result<i64> {
        let words = [
            "psql",
            "--host=127.0.0.1",
            "--dbname=quittance",
            "--no-psqlrc",
            "--tuples-only",
        ];
        let whole = ["env", "PGPASSWORD=quittance"].into_iter().chain(words);
        let who = format!("--username={SUPERUSER}");
        let statement = format!("--command={sql}");
        let command = ExecCommand::new(whole.chain([&*who, &*statement]));
        let mut answer = self.postgres.exec(command).await?;
        let text = String::from_utf8(answer.stdout_to_vec().await?)?;
        let told = answer.stderr_to_vec().await?;
        let number = text.trim().parse();
        number.with_context(|| format!("{sql}: {text}{}", String::from_utf8_lossy(&told)))
    }
}

async fn start_postgres(network: &str, name: &str) -> Result<ContainerAsync<GenericImage>> {
    let image = Image::postgres()?;
    // Over the network: while it is being set up, Postgres answers on its socket only.
    let healthy = Healthcheck::cmd(["pg_isready", "--host=127.0.0.1", "--dbname=quittance"])
        .with_interval(Duration::from_millis(500))
        .with_retries(120);
    let container = GenericImage::new(image.name, image.tag)
        .with_wait_for(WaitFor::healthcheck())
        .with_health_check(healthy)
        .with_network(network)
        .with_label(LABEL, "1")
        .with_container_name(name)
        .with_env_var("POSTGRES_USER", SUPERUSER)
        .with_env_var("POSTGRES_PASSWORD", "quittance")
        .with_copy_to("/docker-entrypoint-initdb.d/login.sql", LOGIN.as_bytes().to_vec());
    container.start().await.context("starting Postgres")
}

fn address(url: &str) -> Result<SocketAddr> {
    let address = url.strip_prefix("http://").unwrap_or(url);
    address.parse().with_context(|| format!("{url} is no address"))
}
