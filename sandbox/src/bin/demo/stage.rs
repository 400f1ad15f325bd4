//! Everything the story needs, running on loopback: Postgres, the pretend Stripe and Odoo, and the real service.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{self, PretendOdoo};
use quittance_sandbox::postgres::{Cluster, Durability};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{self, DeliveryPlan, PretendStripe, Settlement, WebhookEndpoint};

use crate::month::{Business, Lived};

const WEBHOOK_SECRET: &str = "whsec_demo";
/// Stripe repeats for days; here it repeats for as long as the service may be away.
const WEBHOOK_RETRIES: [Duration; 300] = [Duration::from_millis(100); 300];
/// So that nobody waits long for what the service does only after a while.
const IMPATIENT: [(&str, &str); 5] = [
    ("QUITTANCE_RETRY_DIVISOR", "100"),
    ("QUITTANCE_ANSWER_WITHIN_MS", "1000"),
    ("QUITTANCE_PROVIDER_ATTEMPT_TIMEOUT_MS", "1500"),
    ("QUITTANCE_PROVIDER_TIMEOUT_MS", "4000"),
    ("QUITTANCE_ODOO_TIMEOUT_MS", "2000"),
];

/// The running parts. Dropping it ends them all.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) stripe: PretendStripe,
    pub(crate) odoo: PretendOdoo,
    pub(crate) merchant: Merchant,
    quittance: Quittance,
    service: Option<Service>,
    // Last, so that the database outlives the service.
    _postgres: Cluster,
}

impl Stage {
    /// Starts everything and sets up a merchant with the service's own commands.
    pub(crate) async fn set() -> Result<Self> {
        let postgres = Cluster::start(Durability::Full)
            .await
            .context("starting Postgres")?;
        let delivery = DeliveryPlan::default().twice().shuffled(64).concurrent(4);
        let webhook_retries = WEBHOOK_RETRIES.to_vec();
        let options = stripe::Options {
            delivery,
            webhook_retries,
            ..stripe::Options::default()
        };
        let stripe = PretendStripe::start(options)
            .await
            .context("starting the pretend Stripe")?;
        let odoo = PretendOdoo::start(odoo::Options::default())
            .await
            .context("starting the pretend Odoo")?;
        let database = postgres
            .create_database(&format!("demo_{}", std::process::id()))
            .await?;
        let program = Quittance::find_program()?;
        let quittance = Quittance::new(&program, &database, Path::new("target/demo/quittance.log"))?;
        let quittance = IMPATIENT
            .iter()
            .fold(quittance, |quittance, (name, value)| quittance.with(name, value));
        quittance.run(&["migrate"], &[]).await?;
        let merchant = Merchant::add(
            &quittance,
            &StripeAccess::of(&stripe, WEBHOOK_SECRET),
            Some(&OdooAccess::of(&odoo)),
        )
        .await?;
        let endpoint = format!("{}{}", quittance.url(), merchant.webhook_path());
        stripe.add_endpoint(WebhookEndpoint::new(endpoint, WEBHOOK_SECRET));
        let mut stage = Self {
            stripe,
            odoo,
            merchant,
            quittance,
            service: None,
            _postgres: postgres,
        };
        stage.start_service().await?;
        Ok(stage)
    }

    /// A month of another merchant's, at a Stripe of its own, and what the audit says of it.
    pub(crate) async fn let_a_month_happen(&self) -> Result<Lived> {
        let stripe = PretendStripe::start(stripe::Options {
            settlement: Settlement::OnDemand,
            webhook_retries: WEBHOOK_RETRIES.to_vec(),
            ..stripe::Options::default()
        })
        .await?;
        let merchant =
            Merchant::add(&self.quittance, &StripeAccess::of(&stripe, WEBHOOK_SECRET), None).await?;
        let endpoint = format!("{}{}", self.url(), merchant.webhook_path());
        stripe.add_endpoint(WebhookEndpoint::new(endpoint, WEBHOOK_SECRET));
        let business = Business {
            stripe: &stripe,
            url: self.url(),
            api_key: merchant.api_key.clone(),
            client: reqwest::Client::builder().build()?,
        };
        let (month, happened) = business.happen().await?;
        let since = ["--since", Business::since()];
        let account = ["--provider-account", &merchant.provider_account];
        let whose = ["reconcile", "--merchant", &merchant.id];
        let reconcile = [&whose[..], &account, &since].concat();
        self.quittance.run(&reconcile, &[]).await?;
        let audit = business.audit().await?;
        Ok(Lived {
            month,
            happened,
            audit,
            api_key: merchant.api_key,
        })
    }

    /// Starts the service, worker included.
    pub(crate) async fn start_service(&mut self) -> Result<()> {
        self.service = Some(self.quittance.serve(&["--with-worker"]).await?);
        Ok(())
    }

    /// Pulls the plug: SIGKILL.
    pub(crate) async fn kill_service(&mut self) -> Result<()> {
        self.service
            .take()
            .context("the service is not running")?
            .kill()
            .await
    }

    /// Ends the service in good order.
    pub(crate) async fn stop_service(&mut self) -> Result<()> {
        self.service
            .take()
            .context("the service is not running")?
            .stop()
            .await
    }

    /// Where the service listens.
    pub(crate) fn url(&self) -> String {
        self.quittance.url()
    }

    /// Where the service writes its log.
    pub(crate) fn log(&self) -> &Path {
        self.quittance.log()
    }

    pub(crate) fn stripe_access(&self) -> StripeAccess {
        StripeAccess::of(&self.stripe, WEBHOOK_SECRET)
    }

    pub(crate) fn odoo_access(&self) -> OdooAccess {
        OdooAccess::of(&self.odoo)
    }
}
