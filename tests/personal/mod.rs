//! What is personal goes when a customer asks or its time has come; the books stay.

use quittance::app::auth::Administered;
use quittance::app::{AppError, personal};
use quittance::domain::ids::CustomerId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::events::Operator;
use crate::reconciliation::balances;
use crate::support::TestApp;

/// What only one person has, in every field that takes it.
const MARK: &str = "Ada-7f3a9c";

/// A customer of that name, and their paid payment.
async fn paid(test: &TestApp) -> (CustomerId, Value) {
    let body = json!({
        "partner": "p1", "name": MARK, "email": format!("{MARK}@example.com"), "phone": "+49 30 7391",
        "metadata": { "note": MARK },
    });
    let customer = test
        .post("/v1/customers", "c1", &body)
        .await
        .expect(StatusCode::OK);
    let id: CustomerId = customer["id"].as_str().unwrap().parse().unwrap();
    let more = json!({
        "customer": customer["id"],
        "payment_method": "pm_card_visa",
        "description": format!("for {MARK}"),
        "metadata": { "note": MARK },
        "receipt_email": format!("{MARK}@example.com"),
        "shipping": { "name": MARK, "address": { "line1": MARK, "country": "DE" } },
    });
    let payment = test.create("S1", more).await.expect(StatusCode::CREATED);
    let payment = test.until(payment["id"].as_str().unwrap(), "captured").await;
    test.stripe
        .wait_until_delivered(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    crate::reconciliation::reconcile(test, crate::reconciliation::an_hour_ago()).await;
    (id, payment)
}

/// Everything that the database holds in clear, but the caches of answers that their keys' time ends.
async fn dump(test: &TestApp) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&test.db)
    .await
    .unwrap();
    let mut dumped = String::new();
    for table in tables {
        let sql = format!("select row_to_json(t)::text from {table} t");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(&test.db)
            .await
            .unwrap();
        dumped.extend(rows.iter().map(|row| format!("{table} {row}\n")));
    }
    dumped
}

/// The bytes of all events, as whoever may see them sees them.
async fn payloads(test: &TestApp) -> String {
    let operator = Operator::of(test).await;
    let list = operator.get("/v1/events?limit=100").await.expect(StatusCode::OK);
    let mut bytes = String::new();
    for event in list["data"].as_array().unwrap() {
        let path = format!("/v1/events/{}/payload", event["id"].as_str().unwrap());
        bytes.push_str(&String::from_utf8_lossy(&operator.get(&path).await.bytes));
    }
    bytes
}

fn lines_with<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(mark)).collect()
}

#[tokio::test]
async fn what_is_personal_of_a_customer_is_nowhere_once_it_is_erased_and_the_books_are_as_they_were() {
    let test = TestApp::spawn().await;
    let (customer, payment) = paid(&test).await;
    let app = test.application().app();
    let by = Administered::at_the_command_line(test.merchant);
    assert!(dump(&test).await.contains(MARK) && payloads(&test).await.contains(MARK));
    let export = personal::export(app, &by, customer).await.unwrap();
    assert_eq!(export["customer"]["name"], MARK);
    assert_eq!(export["payments"][0]["terms"]["shipping"]["name"], MARK);
    assert!(!export.to_string().contains("sealed"), "{export:#}");
    let before = balances(&test.db).await;

    let erased = personal::erase(app, &by, customer).await.unwrap();
    assert_eq!(erased.payments, 1);
    assert!(erased.provider_reference.unwrap().starts_with("cus_"));

    let dumped = dump(&test).await;
    assert_eq!(lines_with(&dumped, MARK), Vec::<&str>::new());
    assert_eq!(lines_with(&dumped, "30 7391"), Vec::<&str>::new());
    assert!(!payloads(&test).await.contains(MARK));
    assert_eq!(balances(&test.db).await, before);
    let after = test.payment(payment["id"].as_str().unwrap()).await;
    for field in [
        "amount_minor",
        "captured_minor",
        "state",
        "reference",
        "provider_reference",
    ] {
        assert_eq!(after[field], payment[field], "{field}");
    }
    let again = personal::erase(app, &by, customer).await.unwrap();
    assert_eq!(again.payments, 1, "safe to repeat");
    let acts = test
        .count("audit_entry where action in ('merchant.export', 'merchant.erase')")
        .await;
    assert_eq!(acts, 3);
}

#[tokio::test]
async fn a_customer_of_whom_something_is_unfinished_is_not_erased() {
    let test = TestApp::spawn().await;
    let (customer, _) = paid(&test).await;
    let more = json!({ "customer": customer.to_string(), "capture_method": "manual", "payment_method": "pm_card_visa" });
    let held = test.create("S2", more).await.expect(StatusCode::CREATED);
    let app = test.application().app();
    let by = Administered::at_the_command_line(test.merchant);
    let refused = personal::erase(app, &by, customer).await;
    assert!(
        matches!(&refused, Err(AppError::Unfinished(left)) if left.payments == 1),
        "{refused:?}"
    );
    assert!(dump(&test).await.contains(MARK));
    let path = format!("/v1/payments/{}/cancel", held["id"].as_str().unwrap());
    test.post(&path, "cancel", &json!({}))
        .await
        .expect(StatusCode::OK);
    personal::erase(app, &by, customer).await.unwrap();
}

#[tokio::test]
async fn payments_that_ended_long_ago_lose_what_is_personal_and_others_keep_it() {
    let test = TestApp::spawn().await;
    paid(&test).await;
    let more = json!({ "payment_method": "pm_card_visa", "description": "a recent one" });
    test.create("S2", more).await.expect(StatusCode::CREATED);
    let more =
        json!({ "capture_method": "manual", "payment_method": "pm_card_visa", "description": "a held one" });
    test.create("S3", more).await.expect(StatusCode::CREATED);
    sqlx::query(
        "update payment set updated_at = now() - interval '731 days' where reference in ('S1', 'S3')",
    )
    .execute(&test.db)
    .await
    .unwrap();

    personal::erase_due(test.application().app()).await.unwrap();

    let kept: Vec<(String, bool)> =
        sqlx::query_as("select reference, description is not null from payment order by reference")
            .fetch_all(&test.db)
            .await
            .unwrap();
    let kept: Vec<(&str, bool)> = kept
        .iter()
        .map(|(reference, is)| (reference.as_str(), *is))
        .collect();
    assert_eq!(kept, [("S1", false), ("S2", true), ("S3", true)]);
}
