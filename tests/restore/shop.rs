//! The real program over a cluster that can be put back, and a shop that asks it for money.

use std::path::Path;
use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::postgres::{Cluster, Durability};
use quittance_sandbox::service::{Quittance, Service};
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe, WebhookEndpoint};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use time::macros::date;

use crate::support::{Reply, WEBHOOK_SECRET, eventually_within, payment};

pub(super) const LONG: Duration = Duration::from_mins(1);

pub(super) struct Shop {
    pub(super) cluster: Cluster,
    pub(super) database: String,
    pub(super) quittance: Quittance,
    pub(super) merchant: Merchant,
    pub(super) stripe: PretendStripe,
    pub(super) odoo: PretendOdoo,
    http: Client,
}

impl Shop {
    /// The program set up with its own commands, not started yet.
    pub(super) async fn set_up(name: &str) -> Self {
        let cluster = Cluster::start_archiving(Durability::Fast).await.unwrap();
        let database = cluster.create_database("shop").await.unwrap();
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("restore-{name}.log"));
        let quittance = Quittance::new(Path::new(env!("CARGO_BIN_EXE_quittance")), &database, &log)
            .unwrap()
            .with("QUITTANCE_RETRY_DIVISOR", "100");
        quittance.run(&["migrate"], &[]).await.unwrap();
        let stripe = PretendStripe::start(StripeOptions::default()).await.unwrap();
        let odoo = PretendOdoo::start(OdooOptions::default()).await.unwrap();
        let at_stripe = StripeAccess::of(&stripe, WEBHOOK_SECRET);
        let at_odoo = OdooAccess::of(&odoo);
        let merchant = Merchant::add(&quittance, &at_stripe, Some(&at_odoo))
            .await
            .unwrap();
        let endpoint = format!("{}{}", quittance.url(), merchant.webhook_path());
        stripe.add_endpoint(WebhookEndpoint::new(endpoint, WEBHOOK_SECRET));
        Self {
            cluster,
            database,
            quittance,
            merchant,
            stripe,
            odoo,
            http: Client::builder().pool_max_idle_per_host(0).build().unwrap(),
        }
    }

    pub(super) async fn serve(&self) -> Service {
        self.quittance.serve(&["--with-worker"]).await.unwrap()
    }

    /// An invoice of EUR 121.00 in Odoo.
    pub(super) fn invoice(&self) -> i64 {
        let issued = date!(2026 - 11 - 01);
        self.odoo
            .add_invoice("Azure Interior", 12_100, "EUR", issued)
            .unwrap()
    }

    /// A request of Odoo's, under a key.
    pub(super) async fn post(&self, path: &str, key: &str, body: &Value) -> Reply {
        let request = self.http.post(format!("{}{path}", self.quittance.url()));
        let request = request.bearer_auth(&self.merchant.api_key);
        Reply::of(request.header("Idempotency-Key", key).json(body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        let request = self.http.get(format!("{}{path}", self.quittance.url()));
        Reply::of(request.bearer_auth(&self.merchant.api_key)).await
    }

    /// Asks for EUR 121.00 of a card at once, as Odoo does however often it must.
    pub(super) async fn charge(&self, reference: &str, invoice: i64, more: Value) -> Reply {
        let mut body = payment(
            reference,
            json!({ "payment_method": "pm_card_visa",
                "settles": [{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }] }),
        );
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        self.post("/v1/payments", &format!("pay-{reference}"), &body)
            .await
    }

    /// Asks again until it is answered otherwise than that it must wait.
    pub(super) async fn until_answered(&self, ask: impl AsyncFn() -> Reply) -> Reply {
        eventually_within(LONG, async || match ask().await {
            reply if reply.status == StatusCode::SERVICE_UNAVAILABLE => Err(format!("{reply:?}")),
            reply => Ok(reply),
        })
        .await
    }

    /// Keeps Stripe from telling what it did, so that the fence stays.
    pub(super) fn keep_stripe_silent(&self) {
        let lists = Matcher::method_path("GET", "/v1/checkout/sessions");
        self.stripe.faults().always(lists, Fault::Unavailable);
    }

    pub(super) fn let_stripe_speak(&self) {
        self.stripe.faults().clear();
    }

    /// What `restore status` says, however it ends.
    pub(super) async fn status(&self) -> Value {
        let output = self.quittance.output(&["restore", "status"], &[]).await.unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until the restore is over, and says how it went.
    pub(super) async fn until_lifted(&self) -> Value {
        eventually_within(LONG, async || {
            let status = self.status().await;
            if status["ok"] == true {
                Ok(status)
            } else {
                Err(status.to_string())
            }
        })
        .await
    }

    /// Waits until an invoice stands so in Odoo.
    pub(super) async fn until_booked(&self, invoice: i64, state: &str) {
        eventually_within(LONG, async || {
            let invoices = self.odoo.invoices();
            let found = invoices.iter().find(|found| found.id == invoice).unwrap();
            if found.payment_state == state {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
    }
}
