//! Lists: each payment once, whatever happens meanwhile.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::TestApp;

/// All pages of a list, three payments at a time; `between` happens after the first page.
async fn pages(test: &TestApp, query: &str, between: impl AsyncFnOnce()) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    let mut between = Some(between);
    loop {
        let page = test
            .get(&format!("/v1/payments?limit=3{query}{cursor}"))
            .await
            .expect(StatusCode::OK);
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else {
            return found;
        };
        cursor = format!("&cursor={next}");
        if let Some(between) = between.take() {
            between().await;
        }
    }
}

fn references(payments: &[Value]) -> Vec<&str> {
    payments
        .iter()
        .map(|payment| payment["reference"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn pages_show_each_payment_once_newest_first_while_others_are_made() {
    let test = TestApp::spawn().await;
    for number in 0..8 {
        test.create(&format!("S{number}"), json!({}))
            .await
            .expect(StatusCode::CREATED);
    }
    let found = pages(&test, "", async || {
        test.create("late", json!({})).await.expect(StatusCode::CREATED);
    })
    .await;
    assert_eq!(
        references(&found),
        ["S7", "S6", "S5", "S4", "S3", "S2", "S1", "S0"]
    );
}

#[tokio::test]
async fn who_keeps_a_copy_sees_every_change_in_order() {
    let test = TestApp::spawn().await;
    for number in 0..5 {
        test.create(&format!("S{number}"), json!({}))
            .await
            .expect(StatusCode::CREATED);
    }
    let all = test.get("/v1/payments").await.expect(StatusCode::OK);
    let oldest = all["data"][4].clone();
    let since = oldest["updated_at"].as_str().unwrap();
    let found = pages(&test, &format!("&updated_since={since}"), async || {
        let path = format!("/v1/payments/{}/cancel", oldest["id"].as_str().unwrap());
        test.post(&path, "c", &json!({})).await.expect(StatusCode::OK);
    })
    .await;
    assert_eq!(
        references(&found),
        ["S0", "S1", "S2", "S3", "S4", "S0"],
        "the first one changed again"
    );
    assert_eq!(found[5]["state"], "canceled");
}

#[tokio::test]
async fn filters_are_all_kept_and_what_cannot_be_one_is_named() {
    let test = TestApp::spawn().await;
    let card = json!({ "payment_method": "pm_card_visa" });
    let paid = test.create("S1", card).await.expect(StatusCode::CREATED);
    test.create("S2", json!({})).await.expect(StatusCode::CREATED);
    let created = paid["created_at"].as_str().unwrap();
    for (query, wanted) in [
        ("state=captured".to_owned(), vec!["S1"]),
        ("state=created".to_owned(), vec!["S2"]),
        ("reference=S2&state=captured".to_owned(), vec![]),
        (format!("created_from={created}"), vec!["S2", "S1"]),
        (format!("created_before={created}"), vec![]),
        ("customer=cus_01h455vb4pex5vsknk084sn02q".to_owned(), vec![]),
    ] {
        let page = test
            .get(&format!("/v1/payments?{query}"))
            .await
            .expect(StatusCode::OK);
        assert_eq!(references(page["data"].as_array().unwrap()), wanted, "{query}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=?", "cursor"),
        ("cursor=aGVsbG8", "cursor"),
        ("created_from=yesterday", "created_from"),
        ("customer=cus_1", "customer"),
        (
            "updated_since=2026-01-01T00:00:00Z&state=captured",
            "updated_since",
        ),
    ] {
        let reply = test.get(&format!("/v1/payments?{query}")).await;
        assert_eq!(
            reply.expect(StatusCode::UNPROCESSABLE_ENTITY)["field"],
            field,
            "{query}"
        );
    }
}
