//! What is shown together stood so at one moment.

use quittance::startup::Role;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, Wishes, eventually};

/// Asks while a payment and its operation change between one look of the service's and the next.
async fn ask_meanwhile(test: &TestApp, path: &str) -> Value {
    let mut change = test.db.begin().await.unwrap();
    sqlx::query("lock table operation")
        .execute(&mut *change)
        .await
        .unwrap();
    let changed = async {
        eventually(async || {
            let waiting = "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
            match test.count(waiting).await {
                0 => Err("nobody looks for the operations".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
        for sql in [
            "update payment set state = 'canceled', version = version + 1",
            "update operation set state = 'declined'",
        ] {
            sqlx::query(sql).execute(&mut *change).await.unwrap();
        }
        change.commit().await.unwrap();
    };
    let (shown, ()) = tokio::join!(test.get(path), changed);
    shown.expect(StatusCode::OK)
}

#[tokio::test]
async fn a_payment_is_shown_with_its_operations_as_they_stood_together() {
    for is_list in [false, true] {
        let test = TestApp::spawn_with(Wishes {
            role: Role::Serve,
            webhooks: false,
            ..Wishes::default()
        })
        .await;
        let payment = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
        let id = payment["id"].as_str().unwrap();
        let shown = if is_list {
            ask_meanwhile(&test, "/v1/payments").await["data"][0].clone()
        } else {
            ask_meanwhile(&test, &format!("/v1/payments/{id}")).await
        };
        let states = (&shown["state"], &shown["operations"][0]["state"]);
        assert_eq!(states, (&json!("created"), &json!("succeeded")));
        let now = test.payment(id).await;
        let states = (&now["state"], &now["operations"][0]["state"]);
        assert_eq!(states, (&json!("canceled"), &json!("declined")));
    }
}
