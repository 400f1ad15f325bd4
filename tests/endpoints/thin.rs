//! Thin events end as events that show the object do.

use std::time::Duration;

use quittance_sandbox::stripe::{Verdict, WebhookEndpoint};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, WEBHOOK_SECRET, Wishes, eventually, payment};

/// A service that is told in one of the two forms.
async fn told(thin: bool) -> TestApp {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    test.stripe.add_endpoint(WebhookEndpoint {
        thin,
        ..WebhookEndpoint::new(test.webhook_url(), WEBHOOK_SECRET)
    });
    test
}

/// All that was told is applied, or found to be nothing of ours.
async fn quiet(test: &TestApp) {
    test.stripe
        .wait_until_delivered(Duration::from_secs(20))
        .await
        .unwrap();
    eventually(async || {
        let open = test
            .count("webhook_event where state not in ('applied', 'ignored')")
            .await;
        if open == 0 {
            Ok(())
        } else {
            Err(format!("{open} wait"))
        }
    })
    .await;
}

async fn posted(test: &TestApp, path: &str, body: &Value) -> Value {
    let reply: Reply = test.post(path, path, body).await;
    assert!(reply.status.is_success(), "{path}: {}", reply.json());
    reply.json()
}

/// Payments that are paid, refunded, disputed, paid on a page or let go, and a method that is saved.
async fn story(test: &TestApp) -> Value {
    let paid = super::paid_in_the_browser(test, "paid").await;
    let held = test
        .create("held", json!({ "capture_method": "manual" }))
        .await
        .expect(StatusCode::CREATED);
    test.pay(&held, "pm_card_visa").await;
    test.until(held["id"].as_str().unwrap(), "authorized").await;
    let intent = held["provider_reference"].as_str().unwrap();
    // At the provider, where we hear of it only by its events.
    test.stripe.lapse(intent).unwrap();
    test.until(held["id"].as_str().unwrap(), "canceled").await;

    let id = paid["id"].as_str().unwrap();
    let refund = json!({ "amount_minor": 2_100 });
    posted(test, &format!("/v1/payments/{id}/refunds"), &refund).await;
    let intent = paid["provider_reference"].as_str().unwrap();
    let dispute = test.stripe.dispute(intent, "fraudulent").unwrap();
    eventually(async || match test.count("dispute").await {
        1 => Ok(()),
        other => Err(format!("{other} disputes")),
    })
    .await;
    test.stripe.decide_dispute(&dispute, Verdict::Lost).unwrap();

    let page = json!({ "payment": payment("page", json!({})),
        "success_url": "https://shop.example/thanks", "cancel_url": "https://shop.example/cart" });
    let session = posted(test, "/v1/checkout_sessions", &page).await;
    let reference = session["provider_reference"].as_str().unwrap();
    test.stripe
        .customer()
        .check_out(reference, "pm_card_visa")
        .await
        .unwrap();
    test.until(session["payment"]["id"].as_str().unwrap(), "captured")
        .await;
    saved_for_later(test).await;
    quiet(test).await;
    outcome(test).await
}

/// A customer leaves a card in the browser, which is taken from them at the provider.
async fn saved_for_later(test: &TestApp) {
    let customer = posted(test, "/v1/customers", &json!({ "partner": "p", "name": "Ada" })).await;
    let setup = posted(test, "/v1/setups", &json!({ "customer": customer["id"] })).await;
    let said = |name: &str| setup[name].as_str().unwrap();
    test.stripe
        .customer()
        .confirm_setup(said("provider_reference"), said("client_secret"), "pm_card_visa")
        .await
        .unwrap();
    eventually(
        async || match test.count("setup where state = 'succeeded'").await {
            1 => Ok(()),
            other => Err(format!("{other} setups succeeded")),
        },
    )
    .await;
}

/// What is on disk, without ids and times.
async fn outcome(test: &TestApp) -> Value {
    let rows = async |sql: &'static str| {
        sqlx::query_scalar::<_, Value>(sql)
            .fetch_one(&test.db)
            .await
            .unwrap()
    };
    json!({
        "payments": rows("select json_agg(json_build_array(reference, state, authorized_minor, captured_minor,
            refunded_minor, disputed_minor) order by reference) from payment").await,
        "refunds": rows("select json_agg(json_build_array(amount_minor, state)) from refund").await,
        "setups": rows("select json_agg(state) from setup").await,
        "methods": rows("select json_agg(json_build_array(kind, last4)) from payment_method").await,
        "disputes": rows("select json_agg(json_build_array(amount_minor, state)) from dispute").await,
        "lines": rows("select json_agg(json_build_array(kind, net_minor) order by kind, net_minor)
            from balance_transaction").await,
    })
}

#[tokio::test]
async fn thin_events_of_every_kind_end_in_the_same_state_as_events_with_a_snapshot() {
    let (thin, shown) = (told(true).await, told(false).await);
    let (one, other) = tokio::join!(story(&thin), story(&shown));
    assert_eq!(one, other);
    let kinds: Vec<String> = sqlx::query_scalar("select distinct kind from webhook_event order by kind")
        .fetch_all(&thin.db)
        .await
        .unwrap();
    assert!(kinds.iter().all(|kind| kind.starts_with("v1.")), "{kinds:?}");
    for family in [
        "payment_intent",
        "charge",
        "refund",
        "charge.dispute",
        "checkout.session",
        "setup_intent",
        "payment_method",
    ] {
        assert!(
            kinds
                .iter()
                .any(|kind| kind.starts_with(&format!("v1.{family}."))),
            "{family}: {kinds:?}"
        );
    }
    // What comes of a setup before its answer is written down can be left: that answer says as much.
    let ignored = "webhook_event where state = 'ignored' and kind not like 'v1.setup_intent.%'
        and kind not like 'v1.payment_method.%' and kind <> 'v1.customer.created'";
    assert_eq!(thin.count(ignored).await, 0);
}
