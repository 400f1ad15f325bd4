//! Provider accounts over HTTP.

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Admin, account, serving};
use crate::support::{Reply, TestApp, eventually, signed_with};

/// What a webhook that is signed with a secret is answered.
async fn deliver(test: &TestApp, account: &str, secret: &str) -> StatusCode {
    let event = json!({
        "id": "evt_1", "object": "event", "type": "product.created", "created": 1_790_000_000, "livemode": false,
        "api_version": "2026-09-30.endive", "data": { "object": { "id": "prod_1" } },
    });
    let (signature, body) = signed_with(secret, &event);
    let request = test
        .request(Method::POST, &format!("/webhooks/stripe/{account}"))
        .header("Stripe-Signature", signature)
        .body(body);
    Reply::of(request).await.status
}

#[tokio::test]
async fn an_account_is_added_once_and_no_answer_holds_its_secrets() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let body = account(json!({ "webhook_secret": "whsec_4711", "external_account": "acct_1" }));
    let path = operator.path("/provider_accounts");
    let first = operator.post(&path, "a-1", &body).await;
    let added = first.expect(StatusCode::CREATED);
    let again = operator.post(&path, "a-1", &body).await;
    assert_eq!(again.expect(StatusCode::CREATED), added);
    assert_eq!(test.count("provider_account").await, 2);
    let id = added["id"].as_str().unwrap();
    assert_eq!(added["webhook_path"], format!("/webhooks/stripe/{id}"));
    assert_eq!(
        (&added["live"], &added["external_account"]),
        (&json!(false), &json!("acct_1"))
    );
    let replies = [
        first,
        operator.get(&path).await,
        operator.get(&format!("{path}/{id}")).await,
    ];
    for reply in replies {
        let shown = String::from_utf8_lossy(&reply.bytes).into_owned();
        assert!(
            reply.status.is_success() && !shown.contains("rk_test") && !shown.contains("whsec_"),
            "{shown}"
        );
    }
    assert_eq!(deliver(&test, id, "whsec_4711").await, StatusCode::OK);
    let base: String =
        sqlx::query_scalar("select api_base from provider_account where external_account = 'acct_1'")
            .fetch_one(&test.db)
            .await
            .unwrap();
    assert_eq!(base, "https://api.stripe.com/");
}

#[tokio::test]
async fn an_account_s_keys_are_rotated_and_a_key_of_the_other_mode_is_refused() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let path = operator.path(&format!("/provider_accounts/{}/rotate_keys", test.account));
    let rotated = operator
        .change(&path, &json!({ "secret_key": "sk_test_new" }))
        .await;
    let rotated = rotated.expect(StatusCode::OK);
    assert_eq!(
        rotated["publishable_key"],
        test.stripe.publishable_key(),
        "left out, it stays"
    );
    let app = test.application().app();
    let mut conn = test.db.acquire().await.unwrap();
    let kept = quittance::store::provider_accounts::get(&mut conn, &app.sealer, test.merchant, test.account)
        .await
        .unwrap();
    assert_eq!(kept.secret_key.expose_secret(), "sk_test_new");
    for (body, field) in [
        (json!({ "secret_key": "sk_live_new" }), "secret_key"),
        (json!({ "secret_key": "sk_test_\nnew" }), "secret_key"),
        (
            json!({ "secret_key": "sk_test_x", "publishable_key": "ü" }),
            "publishable_key",
        ),
    ] {
        let refused = operator
            .change(&path, &body)
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused["field"], field, "{refused}");
        assert!(!refused.to_string().contains("_new"), "{refused}");
    }
}

#[tokio::test]
async fn webhook_secrets_are_added_beside_each_other_and_end_one_by_one() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let path = operator.path(&format!("/provider_accounts/{}", test.account));
    let secrets = format!("{path}/webhook_secrets");
    let body = json!({ "webhook_secret": "whsec_second" });
    let added = operator
        .post(&secrets, "s-1", &body)
        .await
        .expect(StatusCode::CREATED);
    let again = operator
        .post(&secrets, "s-1", &body)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(again, added);
    assert_eq!(added["webhook_secrets"].as_array().unwrap().len(), 2, "{added}");
    let account = test.account.to_string();
    for secret in [crate::support::WEBHOOK_SECRET, "whsec_second"] {
        assert_eq!(deliver(&test, &account, secret).await, StatusCode::OK);
    }
    let id = added["webhook_secrets"][0]["id"].as_str().unwrap();
    let ended = operator.change(&format!("{secrets}/{id}/end"), &json!({})).await;
    let ended = ended.expect(StatusCode::OK);
    assert!(ended["webhook_secrets"][0]["ended_at"].is_string(), "{ended}");
    let again = operator.change(&format!("{secrets}/{id}/end"), &json!({})).await;
    assert_eq!(again.expect(StatusCode::OK), ended);
    assert_eq!(
        deliver(&test, &account, crate::support::WEBHOOK_SECRET).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(deliver(&test, &account, "whsec_second").await, StatusCode::OK);
    let unknown = operator
        .change(
            &format!("{secrets}/whs_00000000000000000000000000/end"),
            &json!({}),
        )
        .await;
    unknown.expect(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_secret_of_an_endpoint_that_we_registered_is_rolled_and_not_ended() {
    let test = serving().await;
    let operator = Admin::operator(&test).await;
    let secret: quittance::domain::ids::WebhookSecretId = sqlx::query_scalar("select id from webhook_secret")
        .fetch_one(&test.db)
        .await
        .unwrap();
    sqlx::query(
        "insert into webhook_endpoint (merchant_id, provider_account_id, id, state, url, provider_reference, secret_id, created_at)
         values ($1, $2, gen_random_uuid(), 'active', 'https://x', 'we_1', $3, now())",
    )
    .bind(test.merchant)
    .bind(test.account)
    .bind(secret)
    .execute(&test.db)
    .await
    .unwrap();
    let path = operator.path(&format!(
        "/provider_accounts/{}/webhook_secrets/{secret}/end",
        test.account
    ));
    let refused = operator
        .change(&path, &json!({}))
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(refused["code"], "webhook_secret_in_use");
}

#[tokio::test]
async fn nothing_begins_at_a_disabled_account_and_what_began_goes_on() {
    let test = TestApp::spawn().await;
    let operator = Admin::operator(&test).await;
    let begun = test
        .create("S1", json!({ "payment_method": "pm_card_visa" }))
        .await;
    let begun = begun.expect(StatusCode::CREATED);
    let id = begun["id"].as_str().unwrap();
    test.until(id, "captured").await;
    let path = operator.path(&format!("/provider_accounts/{}", test.account));
    let disabled = operator.change(&format!("{path}/disable"), &json!({})).await;
    assert!(disabled.expect(StatusCode::OK)["disabled_at"].is_string());

    let named = json!({ "provider_account": test.account.to_string() });
    let refused = test.create("S2", named).await.expect(StatusCode::CONFLICT);
    assert_eq!(refused["code"], "account_disabled");
    let alone = test
        .create("S3", json!({}))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        alone["code"], "no_provider_account",
        "a disabled one is not the only one"
    );
    let customer = json!({ "partner": "7", "provider_account": test.account.to_string() });
    let refused = test
        .post("/v1/customers", "c-1", &customer)
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(refused["code"], "account_disabled");
    let refund = test
        .post(&format!("/v1/payments/{id}/refunds"), "r-1", &json!({}))
        .await;
    refund.expect(StatusCode::CREATED);

    let enabled = operator.change(&format!("{path}/enable"), &json!({})).await;
    assert_eq!(enabled.expect(StatusCode::OK)["disabled_at"], Value::Null);
    eventually(async || match test.create("S4", json!({})).await {
        reply if reply.status == StatusCode::CREATED => Ok(()),
        reply => Err(reply.json().to_string()),
    })
    .await;
}
