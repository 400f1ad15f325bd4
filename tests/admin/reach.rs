//! How far an administrator reaches.

use quittance::app::setup;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Admin, account, serving};
use crate::events::{each, key_with};

#[tokio::test]
async fn an_administrator_of_one_merchant_sets_that_up_and_finds_no_other() {
    let test = serving().await;
    let own = Admin::of_merchant(&test, false).await;
    let app = test.application().app();
    let stranger = setup::add_merchant(app, "Stranger").await.unwrap();
    let (stranger_key, _) = setup::create_api_key(app, stranger, "theirs", false)
        .await
        .unwrap();

    let made = own
        .post(
            &own.path("/api_keys"),
            "k-1",
            &json!({ "name": "mine", "preset": "odoo" }),
        )
        .await;
    made.expect(StatusCode::CREATED);
    let added = own
        .post(&own.path("/provider_accounts"), "a-1", &account(json!({})))
        .await;
    added.expect(StatusCode::CREATED);
    let list = own.get("/v1/merchants").await.expect(StatusCode::OK);
    assert_eq!(each(&list, "id"), [test.merchant.to_string()]);
    let renamed = own.change(&own.path("/rename"), &json!({ "name": "Mine" })).await;
    renamed.expect(StatusCode::OK);

    let theirs = format!("/v1/merchants/{stranger}");
    let nowhere = "/v1/merchants/mer_00000000000000000000000000".to_owned();
    let of_theirs = own.get(&format!("{theirs}/api_keys")).await;
    assert_eq!(
        without_id(&of_theirs.json()),
        without_id(&own.get(&format!("{nowhere}/api_keys")).await.json()),
        "another's looks like nobody's"
    );
    for path in ["", "/api_keys", "/provider_accounts", "/odoo_instances"] {
        own.get(&format!("{theirs}{path}"))
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    for (path, body) in [
        ("/rename", json!({ "name": "Mine too" })),
        ("/disable", json!({})),
        ("/api_keys", json!({ "name": "x", "preset": "odoo" })),
        ("/provider_accounts", account(json!({}))),
        (
            "/odoo_instances",
            json!({ "via": "addon", "url": "http://127.0.0.1:1/" }),
        ),
    ] {
        let refused = own.post(&format!("{theirs}{path}"), path, &body).await;
        refused.expect(StatusCode::NOT_FOUND);
    }
    // Theirs, looked for among one's own.
    let key = own.path(&format!("/api_keys/{stranger_key}"));
    own.get(&key).await.expect(StatusCode::NOT_FOUND);
    own.change(&format!("{key}/revoke"), &json!({}))
        .await
        .expect(StatusCode::NOT_FOUND);
    own.post(&format!("{key}/roll"), "r-1", &json!({}))
        .await
        .expect(StatusCode::NOT_FOUND);
    assert_eq!(
        test.count("api_key where revoked_at is not null or expires_at is not null")
            .await,
        0
    );
}

fn without_id(problem: &Value) -> Value {
    let mut problem = problem.clone();
    problem["request_id"] = Value::Null;
    problem
}

#[tokio::test]
async fn what_is_the_operator_s_to_decide_is_refused_to_a_merchant() {
    let test = serving().await;
    let own = Admin::of_merchant(&test, false).await;
    let made = own.post("/v1/merchants", "m-1", &json!({ "name": "More" })).await;
    assert_eq!(made.expect(StatusCode::FORBIDDEN)["code"], "operator_only");
    for path in ["/disable", "/enable"] {
        let refused = own.change(&own.path(path), &json!({})).await;
        assert_eq!(refused.expect(StatusCode::FORBIDDEN)["code"], "operator_only");
    }
    assert_eq!(test.count("merchant where disabled_at is null").await, 1);
}

#[tokio::test]
async fn a_test_key_sets_up_nothing_that_moves_real_money_and_a_live_key_nothing_that_does_not() {
    let test = serving().await;
    let app = test.application().app();
    let (live_key, _) = setup::create_api_key(app, test.merchant, "live", true)
        .await
        .unwrap();
    let (test_key, _) = setup::create_api_key(app, test.merchant, "play", false)
        .await
        .unwrap();
    for (live, other) in [(false, live_key), (true, test_key)] {
        let own = Admin::of_merchant(&test, live).await;
        let mode = if live { "live" } else { "test" };
        let body = json!({ "name": "x", "preset": "odoo", "live": !live });
        let refused = own.post(&own.path("/api_keys"), "k-1", &body).await;
        let refused = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&refused["code"], &refused["field"]),
            (&json!("mode_out_of_reach"), &json!("live"))
        );
        let other_mode = if live { "test" } else { "live" };
        let body = json!({ "live": !live, "secret_key": format!("sk_{other_mode}_1") });
        let refused = own.post(&own.path("/provider_accounts"), "a-1", &body).await;
        assert_eq!(
            refused.expect(StatusCode::UNPROCESSABLE_ENTITY)["code"],
            "mode_out_of_reach"
        );
        own.get(&own.path(&format!("/api_keys/{other}")))
            .await
            .expect(StatusCode::NOT_FOUND);
        own.change(&own.path(&format!("/api_keys/{other}/revoke")), &json!({}))
            .await
            .expect(StatusCode::NOT_FOUND);
        let list = own.get(&own.path("/api_keys")).await.expect(StatusCode::OK);
        let prefixes = each(&list, "prefix");
        assert!(
            prefixes
                .iter()
                .all(|prefix| prefix.starts_with(&format!("qk_{mode}_"))),
            "{prefixes:?}"
        );
        let one = format!("/provider_accounts/{}", test.account);
        let status = own.get(&own.path(&one)).await.status;
        assert_eq!(
            status,
            if live {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            }
        );
    }
}

#[tokio::test]
async fn a_key_without_the_scope_sets_nothing_up() {
    let test = serving().await;
    let all_but: Vec<_> = quittance::domain::scope::Scope::ALL
        .into_iter()
        .filter(|scope| *scope != quittance::domain::scope::Scope::Admin)
        .collect();
    let shop = Admin {
        test: &test,
        key: key_with(&test, test.merchant, false, &all_but).await,
    };
    let refused = shop
        .get(&shop.path("/api_keys"))
        .await
        .expect(StatusCode::FORBIDDEN);
    assert_eq!(refused["code"], "scope_missing");
    let body = json!({ "name": "x", "preset": "admin" });
    let refused = shop.post(&shop.path("/api_keys"), "k-1", &body).await;
    refused.expect(StatusCode::FORBIDDEN);
}
