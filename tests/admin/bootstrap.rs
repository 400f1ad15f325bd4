//! The first operator's key.

use reqwest::StatusCode;
use serde_json::json;

use super::{Admin, serving};
use crate::events::commands::run;
use crate::support::{TestApp, Wishes, database, eventually};

#[tokio::test]
async fn the_first_key_is_made_once_and_another_only_on_purpose() {
    let url = database().await;
    let test = TestApp::spawn_with(Wishes {
        database: Some(url.clone()),
        ..Wishes::default()
    })
    .await;
    let (first, second) = tokio::join!(
        run(&url, &["admin", "bootstrap"]),
        run(&url, &["admin", "bootstrap"])
    );
    let (made, refused) = match (first, second) {
        (Ok(made), Err(refused)) | (Err(refused), Ok(made)) => (made, refused),
        both => panic!("{both:?}"),
    };
    assert!(
        refused.contains("--another") && refused.lines().count() == 1,
        "{refused}"
    );
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("qk_admin_") && made["id"].as_str().unwrap().starts_with("opk_"));
    let another = [
        "admin",
        "bootstrap",
        "--another",
        "--name",
        "second",
        "--network",
        "127.0.0.1",
    ];
    let second = run(&url, &another).await.unwrap();
    assert_eq!(test.count("operator_key").await, 2);
    let operators = [&made, &second].map(|made| Admin {
        test: &test,
        key: made["key"].as_str().unwrap().to_owned(),
    });
    for operator in &operators {
        operator.get("/v1/merchants").await.expect(StatusCode::OK);
    }

    let list = run(&url, &["admin", "list"]).await.unwrap();
    assert_eq!(list["data"][0]["name"], "second");
    assert!(!list.to_string().contains(&key[20..]), "{list}");
    run(&url, &["admin", "revoke", made["id"].as_str().unwrap()])
        .await
        .unwrap();
    eventually(async || match operators[0].get("/v1/merchants").await.status {
        StatusCode::UNAUTHORIZED => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    operators[1].get("/v1/merchants").await.expect(StatusCode::OK);
    eventually(async || {
        let list = run(&url, &["admin", "list"]).await.unwrap();
        let used = list["data"][0]["last_used_at"].clone();
        if used.is_string() {
            Ok(())
        } else {
            Err(used.to_string())
        }
    })
    .await;
    run(&url, &["admin", "revoke", second["id"].as_str().unwrap()])
        .await
        .unwrap();
    run(&url, &["admin", "bootstrap"]).await.unwrap();
}

#[tokio::test]
async fn an_operator_s_key_moves_no_money_and_looks_at_none() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = crate::support::payment("S1", json!({}));
    let refused = operator.post("/v1/payments", "k-1", &body).await;
    assert_eq!(refused.expect(StatusCode::FORBIDDEN)["code"], "scope_missing");
    for path in [
        "/v1/payments",
        "/v1/payouts",
        "/v1/events",
        "/v1/exceptions",
        "/v1/customers",
        "/v1/audit",
    ] {
        let refused = operator.get(path).await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused["code"], "scope_missing", "{path}");
    }
    assert_eq!(test.stripe.charges_made(), 0);
    assert_eq!(test.count("payment").await, 0);
}
