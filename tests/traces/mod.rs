//! One trace leads from Odoo's call to Stripe's and on to Odoo's books, in logs and at a collector.

#[cfg(feature = "otlp")]
mod exported;

use std::path::Path;
use std::time::Duration;

use quittance_sandbox::merchant::{Merchant, OdooAccess, StripeAccess};
use quittance_sandbox::odoo::{Options as OdooOptions, PretendOdoo};
use quittance_sandbox::service::Quittance;
use quittance_sandbox::stripe::{Options as StripeOptions, PretendStripe, WebhookEndpoint};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use time::macros::date;

use crate::support::{NewForTests, Reply, WEBHOOK_SECRET, database, eventually_within, payment};

const LONG: Duration = Duration::from_mins(1);

/// What an Odoo sends that traces.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The program with a worker, logging JSON, between a pretend Stripe and a pretend Odoo.
struct Shop {
    quittance: Quittance,
    merchant: Merchant,
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "held, so that it runs"))]
    stripe: PretendStripe,
    odoo: PretendOdoo,
    url: String,
}

impl Shop {
    async fn set_up(name: &str, settings: &[(&str, &str)]) -> Self {
        let url = database().await;
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("traces-{name}.log"));
        let program = Path::new(env!("CARGO_BIN_EXE_quittance"));
        let mut quittance = Quittance::new(program, &url, &log)
            .unwrap()
            .with("QUITTANCE_PROVIDER_TIMEOUT_MS", "500")
            .with("QUITTANCE_RETRY_DIVISOR", "100")
            .with("QUITTANCE_LOG_FORMAT", "json");
        quittance.run(&["migrate"], &[]).await.unwrap();
        for (name, value) in settings {
            quittance = quittance.with(name, value);
        }
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
            quittance,
            merchant,
            stripe,
            odoo,
            url,
        }
    }

    /// A payment of an invoice, asked for in a trace, with a card that is charged at once.
    async fn create(&self, reference: &str, traceparent: Option<&str>) -> Reply {
        let invoice = self
            .odoo
            .add_invoice("Azure Interior", 12_100, "EUR", date!(2026 - 11 - 01))
            .unwrap();
        let settles = json!([{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }]);
        let wish = json!({ "payment_method": "pm_card_visa", "settles": settles });
        let request = Client::new_for_tests()
            .post(format!("{}/v1/payments", self.quittance.url()))
            .bearer_auth(&self.merchant.api_key)
            .header("Idempotency-Key", reference);
        let request = match traceparent {
            Some(context) => request.header("traceparent", context),
            None => request,
        };
        Reply::of(request.json(&payment(reference, wish))).await
    }

    /// Waits until all that is to be told of a payment is in Odoo.
    async fn posted(&self, reference: &str) {
        let url = format!("{}/v1/payments?reference={reference}", self.quittance.url());
        eventually_within(LONG, async || {
            let asked = Client::new_for_tests()
                .get(&url)
                .bearer_auth(&self.merchant.api_key);
            let listed = Reply::of(asked).await.expect(StatusCode::OK);
            let postings = listed["data"][0]["postings"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let sent = postings
                .iter()
                .filter(|posting| posting["state"] == "sent")
                .count();
            if sent > 0 && sent == postings.len() {
                Ok(())
            } else {
                Err(format!("{listed:#}"))
            }
        })
        .await;
    }

    /// Changes what is kept.
    #[cfg(feature = "otlp")]
    async fn tell(&self, sql: &'static str) {
        let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
    }

    /// Waits until so many rows are kept.
    #[cfg(feature = "otlp")]
    async fn until_kept(&self, rows: &str, count: usize) {
        eventually_within(LONG, async || {
            let kept = self.kept(rows).await;
            if kept.len() == count {
                Ok(())
            } else {
                Err(format!("{rows}: {kept:?}"))
            }
        })
        .await;
    }

    /// The lines of the log.
    fn lines(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.quittance.log()).unwrap();
        let lines = log.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// The traces that rows of a table keep.
    async fn kept(&self, rows: &str) -> Vec<Option<String>> {
        let sql = format!("select trace_context from {rows} order by created_at");
        let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(&pool)
            .await
            .unwrap()
    }
}

fn of_message<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn a_log_line_says_the_callers_trace_and_the_request_and_so_does_what_the_worker_does_for_it() {
    let shop = Shop::set_up("logged", &[("QUITTANCE_LOG", "quittance=debug,warn")]).await;
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    let context = format!("00-{TRACE}-{CALLER}-01");
    let reply = shop.create("S1", Some(&context)).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    shop.posted("S1").await;
    service.stop().await.unwrap();

    let request = reply.headers["x-request-id"].to_str().unwrap();
    let lines = shop.lines();
    let mut seen = 0;
    for message in ["served", "an operation was attempted", "a request was sent"] {
        for line in of_message(&lines, message) {
            if line["request_id"] == request {
                seen += 1;
                assert_eq!(line["trace_id"], TRACE, "{line:#}");
            }
        }
    }
    assert_eq!(seen, 3, "{lines:#?}");
    let sent = of_message(&lines, "odoo has what it was sent");
    assert!(sent.iter().all(|line| line["trace_id"] == TRACE), "{sent:#?}");
    assert!(!sent.is_empty());
    assert_eq!(shop.kept("operation").await, [Some(context.clone())]);
    assert!(shop.kept("outbox_message").await.contains(&Some(context)));
}

#[tokio::test]
async fn what_is_no_trace_context_is_left_out_and_a_delivery_is_in_nobodys_trace() {
    let shop = Shop::set_up("untraced", &[("QUITTANCE_LOG", "quittance=debug,warn")]).await;
    let service = shop.quittance.serve(&[]).await.unwrap();
    for (number, wrong) in ["hello", "00-0-0-01", &"0".repeat(9_000)].into_iter().enumerate() {
        let reply = shop.create(&format!("W{number}"), Some(wrong)).await;
        assert!(
            reply.status == StatusCode::CREATED || wrong.len() > 8_000,
            "{reply:?}"
        );
    }
    let delivery = Client::new_for_tests()
        .post(format!(
            "{}{}",
            shop.quittance.url(),
            shop.merchant.webhook_path()
        ))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(
        Reply::of(delivery.body("{}")).await.status,
        StatusCode::BAD_REQUEST
    );
    service.stop().await.unwrap();
    let lines = shop.lines();
    assert!(lines.len() > 3);
    for line in lines {
        assert_eq!(line["trace_id"], Value::Null, "{line:#}");
    }
    assert!(shop.kept("operation").await.iter().all(Option::is_none));
}
