//! What cannot be asked of a dispute.

use quittance::app::setup;
use quittance_sandbox::stripe::Verdict;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{all_applied, deliver, disputed, event, of_payment, opened, paid, path, unheard};
use crate::support::{Reply, TestApp};

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn each_wrong_field_of_evidence_is_named_and_nothing_is_asked_of_the_provider() {
    let test = TestApp::spawn().await;
    let (_, dispute) = opened(&test, "S1").await;
    let evidence = format!("{}/evidence", path(&dispute));
    let whole: Value = [
        "access_activity_log",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "duplicate_charge_explanation",
        "product_description",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "uncategorized_text",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), json!("x".repeat(20_000))))
    .collect();
    let cases = [
        (
            json!({ "uncategorized_text": "x".repeat(20_001) }),
            "evidence.uncategorized_text",
            "too_long",
        ),
        (
            json!({ "customer_name": "x".repeat(5_001) }),
            "evidence.customer_name",
            "too_long",
        ),
        (whole, "evidence", "too_long"),
        (
            json!({ "product_description": "4242 4242 4242 4242" }),
            "evidence.product_description",
            "card_number",
        ),
        (
            json!({ "shipping_address": "a\u{0}b" }),
            "evidence.shipping_address",
            "invalid_text",
        ),
        (
            json!({ "receipt": "receipt.pdf" }),
            "evidence.receipt",
            "invalid_id",
        ),
        (json!({ "receipt": "pm_1" }), "evidence.receipt", "invalid_id"),
        (json!({ "alibi": "none" }), "alibi", "unknown_field"),
        (
            json!({ "customer_name": 7 }),
            "evidence.customer_name",
            "invalid_field",
        ),
        (json!([]), "submit", "missing_field"),
        (json!({}), "evidence", "missing_field"),
    ];
    for (given, field, code) in cases {
        let body = if given.is_array() {
            json!({})
        } else {
            json!({ "evidence": given, "submit": false })
        };
        let problem = test
            .post(&evidence, "k", &body)
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&problem["field"], &problem["code"]),
            (&json!(field), &json!(code))
        );
        assert!(!problem.to_string().contains("4242"));
    }
    let unknown = test
        .post(&evidence, "k", &json!({ "submit": true, "urgent": true }))
        .await
        .expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(unknown["field"], "urgent");
    let keyless = Reply::of(
        test.request(reqwest::Method::POST, &evidence)
            .json(&json!({ "submit": true })),
    )
    .await;
    assert_eq!(
        keyless.expect(StatusCode::BAD_REQUEST)["code"],
        "idempotency_key_required"
    );
    let asked = test.stripe.requests();
    assert!(
        !asked
            .iter()
            .any(|request| request.path.starts_with("/v1/disputes"))
    );
    assert_eq!(test.count("idempotency_record where status is null").await, 0);

    let fits = json!({ "evidence": { "uncategorized_text": "x".repeat(20_000) }, "submit": false });
    test.post(&evidence, "k", &fits).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn a_closed_dispute_is_answered_no_more_whether_or_not_we_heard_of_its_end() {
    for heard in [true, false] {
        let test = if heard {
            TestApp::spawn().await
        } else {
            unheard().await
        };
        let payment = paid(&test, "S1").await;
        let reference = disputed(&test, &payment);
        if !heard {
            deliver(&test, &event("evt_1", &test.stripe.disputes()[0])).await;
            all_applied(&test).await;
        }
        super::until(&test, &payment, "needs_response").await;
        test.stripe.decide_dispute(&reference, Verdict::Won).unwrap();
        if heard {
            super::until(&test, &payment, "won").await;
        }
        let dispute = of_payment(&test, &payment).await.remove(0);
        for (what, body) in [("accept", json!({})), ("evidence", json!({ "submit": true }))] {
            let problem = test
                .post(&format!("{}/{what}", path(&dispute)), what, &body)
                .await
                .expect(StatusCode::CONFLICT);
            assert_eq!(problem["code"], "dispute_closed", "{what}, heard: {heard}");
            assert!(problem["detail"].as_str().unwrap().contains("won"));
        }
        assert_eq!(of_payment(&test, &payment).await[0]["state"], "won");
    }
}

#[tokio::test]
async fn evidence_that_is_overdue_is_refused_with_the_date_and_giving_up_is_not() {
    let test = unheard().await;
    let payment = paid(&test, "S1").await;
    disputed(&test, &payment);
    let mut told = test.stripe.disputes().remove(0);
    told["evidence_details"]["due_by"] = json!(1_700_000_000);
    deliver(&test, &event("evt_1", &told)).await;
    all_applied(&test).await;
    let dispute = of_payment(&test, &payment).await.remove(0);
    let problem = test
        .post(
            &format!("{}/evidence", path(&dispute)),
            "k",
            &json!({ "submit": true }),
        )
        .await
        .expect(StatusCode::CONFLICT);
    assert_eq!(problem["code"], "evidence_overdue");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("2023-11-14T22:13:20Z")
    );
    test.post(&format!("{}/accept", path(&dispute)), "accept", &json!({}))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn what_the_provider_alone_refuses_is_told_and_may_be_asked_again() {
    let test = TestApp::spawn().await;
    let payment = paid(&test, "S1").await;
    let intent = payment["provider_reference"].as_str().unwrap();
    test.stripe.inquire(intent, "general").unwrap();
    let inquiry = super::until(&test, &payment, "warning").await;
    let accept = format!("{}/accept", path(&inquiry));
    for _ in 0..2 {
        let problem = test
            .post(&accept, "accept", &json!({}))
            .await
            .expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["code"], "provider_refused");
    }
}

#[tokio::test]
async fn nobody_sees_or_answers_another_merchants_dispute_and_test_and_live_never_mix() {
    let test = TestApp::spawn().await;
    let (payment, dispute) = opened(&test, "S1").await;
    let app = test.application().app();
    let stranger = setup::add_merchant(app, "Stranger").await.unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    for (merchant, live) in [(stranger, false), (test.merchant, true)] {
        let (_, key) = setup::create_api_key(app, merchant, "other", live).await.unwrap();
        let key = key.text.expose_secret().to_owned();
        let path = path(&dispute);
        for read in [path.clone(), format!("{path}?refresh=true")] {
            let reply = Reply::of(http.get(format!("{}{read}", test.url)).bearer_auth(&key)).await;
            assert_eq!(reply.expect(StatusCode::NOT_FOUND)["code"], "not_found");
        }
        for what in ["accept", "evidence"] {
            let post = http
                .post(format!("{}{path}/{what}", test.url))
                .bearer_auth(&key)
                .header("Idempotency-Key", what)
                .json(&if what == "accept" {
                    json!({})
                } else {
                    json!({ "submit": true })
                });
            Reply::of(post).await.expect(StatusCode::NOT_FOUND);
        }
        for query in [
            String::new(),
            format!("?payment={}", payment["id"].as_str().unwrap()),
        ] {
            let list = http
                .get(format!("{}/v1/disputes{query}", test.url))
                .bearer_auth(&key);
            assert_eq!(Reply::of(list).await.expect(StatusCode::OK)["data"], json!([]));
        }
    }
    for unknown in [
        "/v1/disputes/dsp_01h455vb4pex5vsknk084sn02q",
        "/v1/disputes/nonsense",
    ] {
        test.get(unknown).await.expect(StatusCode::NOT_FOUND);
        test.post(&format!("{unknown}/accept"), "k", &json!({}))
            .await
            .expect(StatusCode::NOT_FOUND);
    }
    assert_eq!(test.stripe.disputes()[0]["status"], "needs_response");
}
