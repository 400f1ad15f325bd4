//! Keeps the real service running with a pretend Stripe behind it, for an Odoo that somebody else runs: `odoo/trial` does.
//!
//! `stand [NAME=VALUE…]` starts a Postgres, a pretend Stripe and the service with those settings, and prints one line of JSON that says
//! how to reach each. Then it takes orders, one a line, answers each with a line of JSON, and ends with its input.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use quittance_sandbox::merchant::{Merchant, StripeAccess};
use quittance_sandbox::postgres::{Cluster, Durability};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{DeliveryPlan, Options, PayoutKind, PretendStripe};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

/// What events are signed with until somebody registers the endpoint, and the service learns another.
const WEBHOOK_SECRET: &str = "whsec_stand";
/// Stripe repeats for days; here it repeats for as long as the service may be away.
const WEBHOOK_RETRIES: [Duration; 600] = [Duration::from_millis(100); 600];
/// How long events may be on their way before `wait` gives up.
const DELIVERED_WITHIN: Duration = Duration::from_mins(2);

/// Whom Odoo is to be there: it refuses to be the one who may do everything.
const POSTGRES_USER: &str = "odoo";

struct Stand {
    stripe: PretendStripe,
    quittance: Quittance,
    merchant: Merchant,
    service: Option<Service>,
    // Last, so that the database outlives the service.
    postgres: Cluster,
}

#[tokio::main]
async fn main() -> Result<()> {
    let settings: Vec<String> = std::env::args().skip(1).collect();
    let mut stand = Stand::start(&settings).await?;
    say(&stand.told().await?).await?;
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        let words: Vec<&str> = order.split_whitespace().collect();
        let answer = stand.obey(&words).await;
        let answer = answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        say(&answer).await?;
    }
    match stand.service.take() {
        Some(service) => service.stop().await,
        None => Ok(()),
    }
}

async fn say(answer: &Value) -> Result<()> {
    let mut out = stdout();
    out.write_all(format!("{answer}\n").as_bytes()).await?;
    Ok(out.flush().await?)
}

impl Stand {
    async fn start(settings: &[String]) -> Result<Self> {
        let postgres = Cluster::start(Durability::Fast).await?;
        postgres.create_user(POSTGRES_USER).await?;
        let stripe = PretendStripe::start(Options {
            webhook_retries: WEBHOOK_RETRIES.to_vec(),
            ..Options::default()
        })
        .await?;
        let database = postgres
            .create_database(&format!("stand_{}", std::process::id()))
            .await?;
        let log = Path::new("target/trial/quittance.log");
        let mut quittance = Quittance::new(&Quittance::find_program()?, &database, log)?;
        for setting in settings {
            let (name, value) = setting.split_once('=').context("settings are NAME=VALUE")?;
            quittance = quittance.with(name, value);
        }
        quittance.run(&["migrate"], &[]).await?;
        let access = StripeAccess::of(&stripe, WEBHOOK_SECRET);
        let merchant = Merchant::add(&quittance, &access, None).await?;
        let service = quittance.serve(&["--with-worker"]).await?;
        Ok(Self {
            stripe,
            quittance,
            merchant,
            service: Some(service),
            postgres,
        })
    }

    /// How to reach everything. The first key is an Odoo's, the second may do more.
    async fn told(&self) -> Result<Value> {
        Ok(json!({
            "service_url": self.quittance.url(),
            "api_key": self.merchant.key_for_odoo(&self.quittance).await?,
            "operator_key": self.merchant.api_key,
            "merchant": self.merchant.id,
            "provider_account": self.merchant.provider_account,
            "log": self.quittance.log(),
            "stripe_url": self.stripe.url(),
            "stripe_script": self.stripe.script_url(),
            "stripe_secret_key": self.stripe.secret_key(),
            "postgres_url": self.postgres.url(),
            "postgres_user": POSTGRES_USER,
        }))
    }

    async fn obey(&mut self, order: &[&str]) -> Result<Value> {
        match order {
            ["deliver", copies, window, concurrency] => self.stripe.set_delivery(DeliveryPlan {
                copies: copies.parse()?,
                window: window.parse()?,
                concurrency: concurrency.parse()?,
            }),
            ["wait"] => self.stripe.wait_until_delivered(DELIVERED_WITHIN).await?,
            ["resend"] => self.resend()?,
            ["pay-out", currency] => {
                let payout = self.stripe.pay_out_all(currency, PayoutKind::Automatic)?;
                self.stripe.land_payout(&payout)?;
                return Ok(json!({ "payout": payout }));
            }
            ["dispute", intent] => {
                let dispute = self.stripe.dispute(intent, "fraudulent")?;
                return Ok(json!({ "dispute": dispute }));
            }
            // What neither a payment nor a payout tells of is read hourly: somebody does not want to wait for it.
            ["reconcile"] => {
                let whose = [
                    "--merchant",
                    &self.merchant.id,
                    "--provider-account",
                    &self.merchant.provider_account,
                ];
                let since = ["--since", "2020-01-01T00:00:00Z"];
                return self
                    .quittance
                    .run(&[&["reconcile"], &whose[..], &since].concat(), &[])
                    .await;
            }
            ["look", currency] => return Ok(self.look(currency)),
            ["stop-service"] => {
                let service = self.service.take().context("the service is stopped")?;
                service.stop().await?;
            }
            ["start-service"] => self.service = Some(self.quittance.serve(&["--with-worker"]).await?),
            _ => bail!("no such order: {}", order.join(" ")),
        }
        Ok(json!({}))
    }

    /// Tells everybody of everything once more.
    fn resend(&self) -> Result<()> {
        for event in self.stripe.events() {
            self.stripe
                .resend(event["id"].as_str().context("an event has an id")?)?;
        }
        Ok(())
    }

    /// What the account holds, and how often money moved.
    fn look(&self, currency: &str) -> Value {
        json!({
            "balance": self.stripe.balance(currency),
            "charges_made": self.stripe.charges_made(),
            "refunds": self.stripe.refunds().len(),
            "deliveries": self.stripe.deliveries(),
            "acknowledged": self.stripe.acknowledged(),
        })
    }
}
