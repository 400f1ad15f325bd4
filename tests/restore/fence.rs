//! What a fenced service does and does not do, and when the fence is lifted.

use quittance_sandbox::stripe::DeliveryPlan;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::shop::{LONG, Shop};
use crate::support::{eventually_within, payment};

impl Shop {
    /// What a promotion does to the service: the database is another one, and lacks nothing.
    pub(super) async fn become_another(&self) {
        self.execute("update incarnation set identity = 'another'").await;
    }

    pub(super) async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.database).await.unwrap();
        connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .unwrap();
    }

    pub(super) async fn count(&self, table_and_condition: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.database).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(format!(
            "select count(*) from {table_and_condition}"
        )))
        .fetch_one(&mut connection)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn while_it_is_fenced_nothing_moves_money_or_is_kept_and_reads_and_webhooks_work() {
    let shop = Shop::set_up("fenced").await;
    let service = shop.serve().await;
    let invoice = shop.invoice();
    let held = shop
        .charge("HELD", invoice, json!({ "capture_method": "manual" }))
        .await
        .expect(StatusCode::CREATED);
    let id = held["id"].as_str().unwrap().to_owned();
    let customer = json!({ "partner": "7", "name": "Azure Interior" });
    let customer = shop.post("/v1/customers", "customer", &customer).await;
    let customer = customer.json()["id"].clone();
    let keys = shop.count("idempotency_record").await;
    shop.keep_stripe_silent();
    shop.become_another().await;

    let page = json!({ "payment": payment("S2", json!({})), "success_url": "https://shop.example/thanks" });
    for (path, body) in [
        ("/v1/payments".to_owned(), payment("S1", json!({}))),
        ("/v1/checkout_sessions".to_owned(), page),
        (
            "/v1/setups".to_owned(),
            json!({ "customer": customer, "return_url": "https://shop.example/" }),
        ),
        (format!("/v1/payments/{id}/capture"), json!({})),
        (format!("/v1/payments/{id}/cancel"), json!({})),
        (format!("/v1/payments/{id}/refunds"), json!({})),
        (
            format!("/v1/payments/{id}/confirm"),
            json!({ "payment_method": "pm_card_visa", "return_url": "https://shop.example/" }),
        ),
    ] {
        let reply = shop.post(&path, &format!("fenced{path}"), &body).await;
        let problem = reply.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(problem["code"], "fenced", "{path}");
        assert!(reply.header("Retry-After").is_some(), "{path}");
    }
    assert_eq!(shop.count("idempotency_record").await, keys);
    assert_eq!(shop.stripe.payment_intents().len(), 1);

    // What was answered before is answered again, what is known is shown, and what Stripe tells is kept.
    let again = shop
        .charge("HELD", invoice, json!({ "capture_method": "manual" }))
        .await;
    assert_eq!(again.expect(StatusCode::CREATED)["id"], held["id"]);
    let shown = shop.get(&format!("/v1/payments/{id}?refresh=true")).await;
    assert_eq!(shown.expect(StatusCode::OK)["state"], "authorized");
    assert_eq!(shop.get("/readyz").await.status, StatusCode::OK);
    shop.stripe.set_delivery(DeliveryPlan::default());
    shop.stripe
        .lapse(held["provider_reference"].as_str().unwrap())
        .unwrap();
    eventually_within(LONG, async || {
        let shown = shop.get(&format!("/v1/payments/{id}")).await.json();
        if shown["state"] == "canceled" {
            Ok(())
        } else {
            Err(shown.to_string())
        }
    })
    .await;
    let status = shop.status().await;
    assert_eq!(status["ok"], false);

    shop.let_stripe_speak();
    let status = shop.until_lifted().await;
    assert_eq!(status["finished_because"], "every account was taken in");
    let reply = shop.charge("S1", shop.invoice(), json!({})).await;
    reply.expect(StatusCode::CREATED);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn where_nothing_is_missing_the_fence_lifts_by_itself_within_seconds() {
    let shop = Shop::set_up("promoted").await;
    let service = shop.serve().await;
    shop.charge("S1", shop.invoice(), json!({}))
        .await
        .expect(StatusCode::CREATED);
    let began = std::time::Instant::now();
    shop.become_another().await;
    let refused = shop.charge("S2", shop.invoice(), json!({})).await;
    refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    let status = shop.until_lifted().await;
    assert_eq!(status["accounts"][0]["rewritten"], 0);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(shop.count("exception").await, 0);
    shop.charge("S2", shop.invoice(), json!({}))
        .await
        .expect(StatusCode::CREATED);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn an_operator_may_lift_the_fence_with_a_reason_and_only_once() {
    let shop = Shop::set_up("finished").await;
    let service = shop.serve().await;
    shop.keep_stripe_silent();
    shop.become_another().await;
    eventually_within(LONG, async || match shop.status().await {
        status if status["ok"] == false => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    let finish = ["restore", "finish", "--reason", "compared by hand"];
    shop.quittance.run(&finish, &[]).await.unwrap();
    let status = shop.status().await;
    assert_eq!(status["finished_because"], "compared by hand");
    shop.charge("S1", shop.invoice(), json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert!(shop.quittance.run(&finish, &[]).await.is_err());
    service.stop().await.unwrap();
}
