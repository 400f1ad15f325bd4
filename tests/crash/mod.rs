//! The real program, killed without warning and started again.

mod logs;

use std::path::Path;
use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{DeliveryPlan, Options as StripeOptions, PretendStripe, WebhookEndpoint};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use time::macros::date;

use crate::support::{Reply, WEBHOOK_SECRET, database, eventually_within, payment};

const LONG: Duration = Duration::from_mins(1);

struct Shop {
    quittance: Quittance,
    merchant: Merchant,
    stripe: PretendStripe,
    odoo: PretendOdoo,
    http: Client,
}

impl Shop {
    /// The program set up with its own commands, not started yet; short leases, so that what a crash left is soon due.
    async fn set_up(name: &str) -> Self {
        let url = database().await;
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
        let quittance = Quittance::new(Path::new(env!("CARGO_BIN_EXE_quittance")), &url, &log)
            .unwrap()
            .with("QUITTANCE_PROVIDER_TIMEOUT_MS", "500")
            .with("QUITTANCE_ODOO_TIMEOUT_MS", "1000")
            .with("QUITTANCE_RETRY_DIVISOR", "100");
        quittance.run(&["migrate"], &[]).await.unwrap();
        let stripe = PretendStripe::start(StripeOptions::default()).await.unwrap();
        let odoo = PretendOdoo::start(OdooOptions::default()).await.unwrap();
        let merchant = Merchant::add(
            &quittance,
            &StripeAccess::of(&stripe, WEBHOOK_SECRET),
            Some(&OdooAccess::of(&odoo)),
        )
        .await
        .unwrap();
        let endpoint = format!("{}{}", quittance.url(), merchant.webhook_path());
        stripe.add_endpoint(WebhookEndpoint::new(endpoint, WEBHOOK_SECRET));
        Self {
            quittance,
            merchant,
            stripe,
            odoo,
            http: Client::builder().build().unwrap(),
        }
    }

    async fn create(&self, reference: &str, invoice: i64) -> reqwest::Result<Reply> {
        let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
        let body = payment(
            reference,
            json!({ "payment_method": "pm_card_visa", "settles": settles }),
        );
        let request = self
            .http
            .post(format!("{}/v1/payments", self.quittance.url()))
            .bearer_auth(&self.merchant.api_key);
        let response = request
            .header("Idempotency-Key", reference)
            .json(&body)
            .send()
            .await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply {
            status,
            headers,
            bytes: response.bytes().await?.to_vec(),
        })
    }

    async fn listed(&self, reference: &str) -> Value {
        let url = format!("{}/v1/payments?reference={reference}", self.quittance.url());
        Reply::of(self.http.get(url).bearer_auth(&self.merchant.api_key))
            .await
            .expect(StatusCode::OK)["data"]
            .clone()
    }
}

#[tokio::test]
async fn a_kill_while_the_provider_is_charging_ends_in_one_charge_and_the_right_answer() {
    for fault in [Fault::TimeoutBefore, Fault::TimeoutAfter] {
        let shop = Shop::set_up(&format!("charging-{fault:?}")).await;
        let invoice = shop
            .odoo
            .add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))
            .unwrap();
        let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
        shop.stripe
            .faults()
            .next(Matcher::method_path("POST", "/v1/payment_intents"), fault);
        let (cut, ()) = tokio::join!(shop.create("S1", invoice), async {
            eventually_within(LONG, async || match shop.stripe.faults().fired().len() {
                0 => Err("nothing was sent".to_owned()),
                _ => Ok(()),
            })
            .await;
            service.kill().await.unwrap();
        });
        assert!(cut.is_err(), "the caller's connection broke");

        let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
        let told = eventually_within(LONG, async || match shop.create("S1", invoice).await.unwrap() {
            reply if reply.status == StatusCode::CREATED => Ok(reply.json()),
            reply => Err(format!("{reply:?}")),
        })
        .await;
        assert_eq!(told["state"], "captured", "{fault:?}");
        assert_eq!(shop.stripe.charges_made(), 1, "{fault:?}");
        service.stop().await.unwrap();
    }
}

#[tokio::test]
async fn kills_at_any_moment_lose_no_payment_no_event_and_no_posting_and_double_none() {
    let shop = Shop::set_up("any-moment").await;
    shop.stripe
        .set_delivery(DeliveryPlan::default().twice().shuffled(8).concurrent(4));
    let references: Vec<String> = (0..12).map(|number| format!("S{number}")).collect();
    let invoices: Vec<i64> = references
        .iter()
        .map(|_| {
            shop.odoo
                .add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))
                .unwrap()
        })
        .collect();
    let mut service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    for (number, (reference, invoice)) in references.iter().zip(&invoices).enumerate() {
        // Whatever the answer is, Odoo repeats the request until it has one.
        let _first = shop.create(reference, *invoice).await;
        if number % 4 == 3 {
            service.kill().await.unwrap();
            service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
        }
    }
    for (reference, invoice) in references.iter().zip(&invoices) {
        eventually_within(LONG, async || {
            match shop.create(reference, *invoice).await.unwrap() {
                reply if reply.status == StatusCode::CREATED => Ok(()),
                reply => Err(format!("{reply:?}")),
            }
        })
        .await;
        eventually_within(LONG, async || {
            let listed = shop.listed(reference).await;
            let postings = listed[0]["postings"].as_array().unwrap();
            let done = postings.len() == 2 && postings.iter().all(|posting| posting["state"] == "sent");
            if done { Ok(()) } else { Err(format!("{listed:#}")) }
        })
        .await;
    }
    assert_eq!(shop.stripe.charges_made(), references.len());
    assert!(
        shop.odoo
            .invoices()
            .iter()
            .all(|invoice| invoice.payment_state == "paid")
    );
    assert_eq!(
        (shop.odoo.payments().len(), shop.odoo.statement_lines().len()),
        (12, 12)
    );
    assert_eq!(shop.odoo.account_balance("101403"), 0);
    assert_eq!(shop.odoo.journal_balance("STRP"), shop.stripe.balance("eur"));
    service.stop().await.unwrap();
}
