//! What an operator's machines are told.

use std::collections::BTreeSet;

use quittance::startup::Role;
use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::support::{NewForTests, Reply, TestApp, Wishes, eventually, settings, signed, signed_with};

async fn spawn(role: Role) -> TestApp {
    TestApp::spawn_with(Wishes {
        role,
        metrics: true,
        ..Wishes::default()
    })
    .await
}

async fn ask(test: &TestApp, path: &str) -> Reply {
    let address = test.application().metrics_address().unwrap();
    Reply::of(Client::new_for_tests().get(format!("http://{address}{path}"))).await
}

async fn text(test: &TestApp) -> String {
    let reply = ask(test, "/metrics").await;
    assert_eq!(reply.status, StatusCode::OK);
    String::from_utf8(reply.bytes).unwrap()
}

/// What a series stands at: all of its labels must be named.
fn value(text: &str, series: &str) -> Option<i64> {
    text.lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .find_map(|rest| rest.trim().parse().ok())
}

/// The metrics of docs/metrics.md, by the first column of its tables.
fn documented() -> BTreeSet<String> {
    let list = include_str!("../../docs/metrics.md");
    list.lines()
        .filter_map(|line| line.strip_prefix("| `quittance_")?.split(['`', '{']).next())
        .map(|name| format!("quittance_{name}"))
        .collect()
}

#[tokio::test]
async fn every_metric_that_is_documented_is_shown_and_no_other() {
    let test = spawn(Role::Both).await;
    let paid = test.create("INV/1", json!({})).await.expect(StatusCode::CREATED);
    test.pay(&paid, "pm_card_visa").await;
    let (signature, body) = signed(
        &json!({ "id": "evt_1", "object": "event", "type": "a.b", "created": 1,
        "livemode": false, "api_version": null, "data": { "object": {} } }),
    );
    let delivery = Client::new_for_tests().post(test.webhook_url());
    Reply::of(delivery.header("stripe-signature", signature).body(body)).await;
    for sql in [
        "insert into exception (merchant_id, id, kind, subject, detail, opened_at) select merchant_id, gen_random_uuid(), 'payout_differs', 'x', 'y', now() from merchant",
        "update operation set state = 'unknown', due_at = now() + interval '1 day'",
    ] {
        sqlx::query(sql).execute(&test.db).await.unwrap();
    }
    let shown = text(&test).await;
    let names: BTreeSet<String> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let documented = documented()
        .into_iter()
        .map(|name| name.trim_end_matches("_total").to_owned());
    let of_instances =
        |name: &String| name.starts_with("quittance_outbox_") && name != "quittance_outbox_dead";
    let wanted: BTreeSet<String> = documented.filter(|name| !of_instances(name)).collect();
    assert!(wanted.len() > 15, "{wanted:?}");
    assert_eq!(names, wanted);
    assert!(shown.ends_with("# EOF\n"));
}

#[tokio::test]
async fn requests_calls_keys_and_deliveries_are_counted_by_what_became_of_them() {
    let test = spawn(Role::Both).await;
    let delivery = |secret: &str| {
        let (signature, body) = signed_with(secret, &json!({ "id": "evt_2" }));
        let request = Client::new_for_tests().post(test.webhook_url());
        Reply::of(request.header("stripe-signature", signature).body(body))
    };
    let counted = async |series: &str| value(&text(&test).await, series).unwrap_or_default();
    let series = [
        r#"quittance_http_requests_total{route="/v1/payments",method="POST",status="201"}"#,
        r#"quittance_provider_calls_total{operation="POST /v1/payment_intents",outcome="answered"}"#,
        r#"quittance_idempotency_total{outcome="replayed"}"#,
        r#"quittance_webhooks_total{outcome="refused"}"#,
    ];
    let mut before = Vec::new();
    for one in series {
        before.push(counted(one).await);
    }
    test.create("INV/2", json!({})).await.expect(StatusCode::CREATED);
    test.create("INV/2", json!({})).await.expect(StatusCode::CREATED);
    delivery("whsec_another").await;
    // Other tests of this process count as well.
    for (one, before) in series.into_iter().zip(before) {
        assert!(counted(one).await > before, "{one}");
    }
}

#[tokio::test]
async fn what_waits_is_told_of_all_merchants_with_its_age_and_a_done_row_is_not() {
    let test = spawn(Role::Serve).await;
    let paid = test.create("INV/3", json!({})).await.expect(StatusCode::CREATED);
    test.pay(&paid, "pm_card_visa").await;
    eventually(async || {
        let waiting = test.count("webhook_event where due_at is not null").await;
        (waiting > 1)
            .then_some(())
            .ok_or_else(|| format!("{waiting} wait"))
    })
    .await;
    sqlx::query(
        "update webhook_event set received_at = received_at - interval '1 hour' where due_at is not null",
    )
    .execute(&test.db)
    .await
    .unwrap();
    let waiting = test.count("webhook_event where due_at is not null").await;
    assert!(waiting > 0);
    eventually(async || {
        let shown = text(&test).await;
        let pending = value(&shown, "quittance_events_pending");
        let lag = value(&shown, "quittance_event_lag_seconds").unwrap_or_default();
        if pending >= Some(waiting) && lag >= 3_600 {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
}

#[tokio::test]
async fn a_worker_answers_probes_and_metrics_and_nothing_else() {
    let test = spawn(Role::Work).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(ask(&test, path).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/v1/payments", "/", "/openapi.json"] {
        assert_eq!(ask(&test, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn no_label_holds_an_id_of_a_customer_a_payment_or_a_merchant() {
    let test = spawn(Role::Both).await;
    let paid = test.create("INV/4", json!({})).await.expect(StatusCode::CREATED);
    test.payment(paid["id"].as_str().unwrap()).await;
    test.get("/v1/payments/pay_nonsense").await;
    test.get("/some/path/of/4242").await;
    let shown = text(&test).await;
    for id in [
        paid["id"].as_str().unwrap(),
        &test.merchant.to_string(),
        "nonsense",
        "4242",
        paid["provider_reference"].as_str().unwrap(),
    ] {
        assert!(!shown.contains(id), "{id}: {shown}");
    }
}

#[tokio::test]
async fn without_postgres_the_processs_own_numbers_are_told() {
    let test = spawn(Role::Serve).await;
    test.create("INV/5", json!({})).await.expect(StatusCode::CREATED);
    sqlx::raw_sql("drop table webhook_event cascade")
        .execute(&test.db)
        .await
        .unwrap();
    let shown = text(&test).await;
    assert!(shown.contains("quittance_http_requests_total"), "{shown}");
    assert!(!shown.contains("quittance_events_pending"), "{shown}");
}

#[tokio::test]
async fn a_taken_port_for_metrics_is_named() {
    let taken = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let settings = quittance::config::Settings {
        metrics_listen: Some(taken.local_addr().unwrap()),
        ..settings(&crate::support::database().await)
    };
    let Err(error) = quittance::startup::Application::start(&settings, Role::Work).await else {
        panic!("it started")
    };
    assert!(
        error
            .to_string()
            .starts_with("QUITTANCE_METRICS_LISTEN: cannot serve on"),
        "{error}"
    );
}
