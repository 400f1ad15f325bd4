//! Bad input gets a clear answer and leaves nothing behind.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, payment, signed};

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn each_wrong_field_is_named_with_a_stable_code() {
    let test = TestApp::spawn().await;
    let cases = [
        (json!({ "amount_minor": 0 }), "amount_minor", "invalid_amount"),
        (json!({ "amount_minor": -1 }), "amount_minor", "invalid_amount"),
        (json!({ "amount_minor": 12.5 }), "amount_minor", "invalid_field"),
        (json!({ "amount_minor": "12" }), "amount_minor", "invalid_field"),
        (
            json!({ "amount_minor": 1_000_000_000_000_i64 }),
            "amount_minor",
            "invalid_amount",
        ),
        (json!({ "currency": "EURO" }), "currency", "unknown_currency"),
        (json!({ "currency": "XAU" }), "currency", "unknown_currency"),
        (json!({ "reference": "" }), "reference", "invalid_reference"),
        (
            json!({ "reference": "a\u{0}b" }),
            "reference",
            "invalid_reference",
        ),
        (json!({ "reference": null }), "reference", "invalid_field"),
        (json!({ "refernce": "S1" }), "refernce", "unknown_field"),
        (
            json!({ "capture_method": "later" }),
            "capture_method",
            "invalid_field",
        ),
        (
            json!({ "description": "card 4242 4242 4242 4242" }),
            "description",
            "card_number",
        ),
        (json!({ "description": "a\u{0}b" }), "description", "invalid_text"),
        (
            json!({ "metadata": { "note": "5555555555554444" } }),
            "metadata.note",
            "card_number",
        ),
        (
            json!({ "metadata": { "quittance_payment": "x" } }),
            "metadata",
            "invalid_key",
        ),
        (
            json!({ "return_url": "javascript:alert(1)" }),
            "return_url",
            "invalid_url",
        ),
        (
            json!({ "payment_method_types": ["card", "Card!"] }),
            "payment_method_types",
            "invalid_payment_method_type",
        ),
        (
            json!({ "payment_method": "pm/../x" }),
            "payment_method",
            "invalid_id",
        ),
        (
            json!({ "provider_account": "acc_1" }),
            "provider_account",
            "invalid_id",
        ),
        (
            json!({ "settles": [{ "model": "account.move", "id": 1, "amount_minor": 99_999 }] }),
            "settles[0].amount_minor",
            "invalid_amount",
        ),
        (
            json!({ "settles": [{ "model": "account move", "id": 1, "amount_minor": 1 }] }),
            "settles[0].model",
            "invalid_model",
        ),
        (
            json!({ "settles": [{ "model": "account.move", "id": 0, "amount_minor": 1 }] }),
            "settles[0].id",
            "invalid_id",
        ),
    ];
    for (wrong, field, code) in cases {
        let problem = test
            .create("S1", wrong.clone())
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&problem["field"], &problem["code"]),
            (&json!(field), &json!(code)),
            "{wrong}"
        );
    }
    assert_eq!(
        test.count("payment").await + test.count("idempotency_record").await,
        0
    );
    assert!(test.stripe.payment_intents().is_empty());
}

#[tokio::test]
async fn what_is_no_json_or_too_large_or_has_no_key_is_refused() {
    let test = TestApp::spawn().await;
    let post = || test.request(Method::POST, "/v1/payments");
    let problem =
        async |request: reqwest::RequestBuilder, status| -> Value { Reply::of(request).await.expect(status) };

    let malformed = problem(
        post().header("Idempotency-Key", "k").body("{\"reference\":"),
        StatusCode::BAD_REQUEST,
    )
    .await;
    assert_eq!(malformed["code"], "malformed_json");
    let large = format!("{{\"description\":\"{}\"}}", "x".repeat(256 * 1024));
    let large = problem(
        post().header("Idempotency-Key", "k").body(large),
        StatusCode::PAYLOAD_TOO_LARGE,
    )
    .await;
    assert_eq!(large["code"], "body_too_large");
    let keyless = problem(post().json(&payment("S1", json!({}))), StatusCode::BAD_REQUEST).await;
    assert_eq!(
        (&keyless["code"], &keyless["field"]),
        (&json!("idempotency_key_required"), &json!("Idempotency-Key"))
    );
    let long = post()
        .header("Idempotency-Key", "x".repeat(256))
        .json(&payment("S1", json!({})));
    assert_eq!(
        problem(long, StatusCode::UNPROCESSABLE_ENTITY).await["code"],
        "idempotency_key_invalid"
    );
    assert_eq!(test.count("payment").await, 0);
}

#[tokio::test]
async fn nobody_without_a_valid_key_gets_in_and_nobody_sees_another_merchants_payment() {
    let test = TestApp::spawn().await;
    let created = test.create("S1", json!({})).await.expect(StatusCode::CREATED);
    let path = format!("/v1/payments/{}", created["id"].as_str().unwrap());
    let http = reqwest::Client::builder().build().unwrap();
    for key in [
        "",
        "qk_test_wrong",
        test.key.trim_end_matches(|_| true),
        &test.key[..test.key.len() - 1],
    ] {
        let reply = Reply::of(http.get(format!("{}{path}", test.url)).bearer_auth(key)).await;
        assert_eq!(reply.expect(StatusCode::UNAUTHORIZED)["code"], "unauthenticated");
        assert_eq!(reply.header("WWW-Authenticate"), Some("Bearer"));
    }
    let app = test.application().app();
    let stranger = quittance::app::setup::add_merchant(app, "Stranger")
        .await
        .unwrap();
    let live = (test.merchant, true);
    for (merchant, live) in [(stranger, false), live] {
        let (_, key) = quittance::app::setup::create_api_key(app, merchant, "other", live)
            .await
            .unwrap();
        let key = secrecy::ExposeSecret::expose_secret(&key.text).to_owned();
        let read = Reply::of(http.get(format!("{}{path}", test.url)).bearer_auth(&key)).await;
        assert_eq!(read.expect(StatusCode::NOT_FOUND)["code"], "not_found");
        for what in ["capture", "cancel", "refunds"] {
            let post = http
                .post(format!("{}{path}/{what}", test.url))
                .bearer_auth(&key)
                .header("Idempotency-Key", what);
            Reply::of(post).await.expect(StatusCode::NOT_FOUND);
        }
        let list = Reply::of(
            http.get(format!("{}/v1/payments?reference=S1", test.url))
                .bearer_auth(&key),
        )
        .await;
        assert_eq!(list.expect(StatusCode::OK)["data"], json!([]));
    }
}

#[tokio::test]
async fn unknown_ids_routes_and_queries_are_told_apart() {
    let test = TestApp::spawn().await;
    for path in [
        "/v1/payments/pay_01h455vb4pex5vsknk084sn02q",
        "/v1/payments/nonsense",
        "/v1/nothing",
        "/",
    ] {
        assert_eq!(
            test.get(path).await.expect(StatusCode::NOT_FOUND)["code"],
            "not_found",
            "{path}"
        );
    }
    let wrong_way = Reply::of(test.request(Method::DELETE, "/v1/payments")).await;
    assert_eq!(wrong_way.header("Allow"), Some("GET, POST"));
    assert_eq!(
        wrong_way.expect(StatusCode::METHOD_NOT_ALLOWED)["code"],
        "method_not_allowed"
    );
    for path in [
        "/v1/payments?refrence=S1",
        "/v1/payments?state=gone",
        "/v1/payments?limit=-1",
        "/v1/payments/pay_01h455vb4pex5vsknk084sn02q?refresh=maybe",
    ] {
        assert_eq!(
            test.get(path).await.expect(StatusCode::BAD_REQUEST)["code"],
            "invalid_query",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_webhook_that_is_not_proven_leaves_nothing_and_one_of_another_mode_or_account_is_let_go() {
    let test = TestApp::spawn().await;
    let http = reqwest::Client::builder().build().unwrap();
    let unsigned = Reply::of(http.post(test.webhook_url()).body("{}")).await;
    assert_eq!(unsigned.expect(StatusCode::BAD_REQUEST)["code"], "bad_signature");
    let nowhere = format!("{}/webhooks/stripe/acc_01h455vb4pex5vsknk084sn02q", test.url);
    assert_eq!(
        Reply::of(http.post(nowhere).body("{}"))
            .await
            .expect(StatusCode::NOT_FOUND)["code"],
        "unknown_account"
    );
    let elsewhere = format!("{}/webhooks/other/{}", test.url, test.account);
    Reply::of(http.post(elsewhere).body("{}"))
        .await
        .expect(StatusCode::NOT_FOUND);
    let large = Reply::of(http.post(test.webhook_url()).body("x".repeat(300_000))).await;
    large.expect(StatusCode::PAYLOAD_TOO_LARGE);

    let event = json!({ "id": "evt_1", "type": "charge.succeeded", "created": 1, "livemode": false });
    for (field, value) in [
        ("livemode", json!(true)),
        ("account", json!("acct_of_someone_else")),
    ] {
        let mut event = event.clone();
        event[field] = value;
        let (signature, body) = signed(&event);
        let request = http
            .post(test.webhook_url())
            .header("Stripe-Signature", signature);
        assert_eq!(
            Reply::of(request.body(body)).await.status,
            StatusCode::OK,
            "{field}"
        );
    }
    assert_eq!(test.count("webhook_event").await, 0);
}
