//! Disputes: opened by the bank, answered by the merchant, and paid for.

use axum::http::StatusCode;
use quittance_sandbox::stripe::Verdict;
use serde_json::{Value, json};

use super::support::{Answered, Desk};

/// A disputed payment: its intent and the dispute's id.
async fn disputed(desk: &Desk) -> (Answered, String) {
    let paid = desk.pay("visa", "capture_method=automatic").await;
    let dispute = desk.stripe.dispute(paid.id(), "product_not_received").unwrap();
    (paid, dispute)
}

async fn read(desk: &Desk, dispute: &str) -> Value {
    desk.get(&format!("/v1/disputes/{dispute}")).await.body
}

#[tokio::test]
async fn a_dispute_takes_the_amount_and_a_fee_at_once() {
    let desk = Desk::open().await;
    let (paid, id) = disputed(&desk).await;
    let dispute = read(&desk, &id).await;
    assert_eq!(
        (&dispute["status"], &dispute["amount"], &dispute["reason"]),
        (
            &"needs_response".into(),
            &12_100.into(),
            &"product_not_received".into()
        )
    );
    assert_eq!(dispute["payment_intent"], paid.id());
    let line = &dispute["balance_transactions"][0];
    assert_eq!(
        (&line["type"], &line["reporting_category"], &line["source"]),
        (&"adjustment".into(), &"dispute".into(), &id.clone().into())
    );
    assert_eq!(
        (&line["amount"], &line["fee"], &line["net"]),
        (&(-12_100).into(), &2_000.into(), &(-14_100).into())
    );
    assert_eq!(line["fee_details"][0]["description"], "Dispute fee");
    assert_eq!(desk.stripe.balance("eur"), -207 - 2_000);
    assert_eq!(desk.stripe.charges()[0]["disputed"], true);
    assert_eq!(
        desk.kinds()[3..],
        ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    );
    let created = &desk.stripe.events()[3];
    assert_eq!(created["data"]["object"]["balance_transactions"], json!([]));
    assert_eq!(created["request"]["id"], Value::Null);
    let refused = desk
        .post("/v1/refunds", &format!("payment_intent={}", paid.id()))
        .await;
    assert_eq!(refused.code(), "charge_disputed");
    assert!(desk.stripe.dispute(paid.id(), "general").is_err());
}

#[tokio::test]
async fn evidence_is_kept_until_it_is_submitted_and_then_goes_to_the_bank_once() {
    let desk = Desk::open().await;
    let (_, id) = disputed(&desk).await;
    let path = format!("/v1/disputes/{id}");
    let kept = desk
        .post(
            &path,
            "submit=false&evidence[customer_name]=Ada&evidence[receipt]=file_1&metadata[a]=b",
        )
        .await
        .body;
    assert_eq!(
        (&kept["status"], &kept["metadata"]["a"]),
        (&"needs_response".into(), &"b".into())
    );
    assert_eq!(
        (
            &kept["evidence_details"]["has_evidence"],
            &kept["evidence_details"]["submission_count"]
        ),
        (&true.into(), &0.into())
    );
    let sent = desk
        .post(&path, "evidence[receipt]=&evidence[product_description]=Shoes")
        .await
        .body;
    assert_eq!(
        (&sent["status"], &sent["evidence_details"]["submission_count"]),
        (&"under_review".into(), &1.into())
    );
    let evidence = &sent["evidence"];
    assert_eq!(
        (&evidence["customer_name"], &evidence["receipt"]),
        (&"Ada".into(), &Value::Null)
    );
    let updated = desk.stripe.events().pop().unwrap();
    assert_eq!(updated["type"], "charge.dispute.updated");
    assert_eq!(updated["data"]["previous_attributes"]["status"], "needs_response");
    let again = desk.post(&path, "evidence[customer_name]=Eve").await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(read(&desk, &id).await["evidence"]["customer_name"], "Ada");
    assert_eq!(desk.post(&path, "metadata[a]=c").await.status, StatusCode::OK);
}

#[tokio::test]
async fn evidence_that_is_too_long_unknown_or_no_file_is_refused_by_name() {
    let desk = Desk::open().await;
    let (_, id) = disputed(&desk).await;
    let long = |name: &str, count: usize| format!("evidence[{name}]={}", "x".repeat(count));
    let whole = [
        "access_activity_log",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "duplicate_charge_explanation",
        "product_description",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "uncategorized_text",
    ]
    .map(|name| long(name, 20_000))
    .join("&");
    let cases = [
        (long("uncategorized_text", 20_001), "evidence[uncategorized_text]"),
        (long("shipping_date", 5_001), "evidence[shipping_date]"),
        (whole, "evidence"),
        ("evidence[receipt]=receipt.pdf".to_owned(), "evidence[receipt]"),
        ("evidence[alibi]=none".to_owned(), "evidence[alibi]"),
    ];
    for (form, param) in cases {
        let refused = desk.post(&format!("/v1/disputes/{id}"), &form).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["param"]),
            (StatusCode::BAD_REQUEST, &param.into())
        );
    }
    let fits = desk
        .post(&format!("/v1/disputes/{id}"), &long("uncategorized_text", 20_000))
        .await;
    assert_eq!(fits.status, StatusCode::OK);
}

#[tokio::test]
async fn a_won_dispute_brings_the_amount_back_but_not_the_fee() {
    let desk = Desk::open().await;
    let (_, id) = disputed(&desk).await;
    assert!(desk.stripe.decide_dispute(&id, Verdict::WarningClosed).is_err());
    desk.stripe.decide_dispute(&id, Verdict::Won).unwrap();
    let dispute = read(&desk, &id).await;
    assert_eq!(dispute["status"], "won");
    let line = &dispute["balance_transactions"][1];
    assert_eq!(
        (&line["reporting_category"], &line["net"]),
        (&"dispute_reversal".into(), &12_100.into())
    );
    assert_eq!(desk.stripe.balance("eur"), 11_893 - 2_000);
    assert_eq!(
        desk.kinds()[5..],
        ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    );
    assert!(desk.stripe.decide_dispute(&id, Verdict::Lost).is_err());
}

#[tokio::test]
async fn a_dispute_that_is_given_up_is_lost_and_takes_no_more_evidence() {
    let desk = Desk::open().await;
    let (_, id) = disputed(&desk).await;
    let path = format!("/v1/disputes/{id}");
    let lost = desk.post(&format!("{path}/close"), "").await;
    assert_eq!(lost.body["status"], "lost");
    assert_eq!(desk.kinds()[5..], ["charge.dispute.closed"]);
    assert_eq!(desk.stripe.balance("eur"), -207 - 2_000);
    for (path, form) in [
        (path.clone(), "evidence[customer_name]=Ada"),
        (format!("{path}/close"), ""),
    ] {
        let refused = desk.post(&path, form).await;
        assert_eq!(
            (refused.status, &refused.body["error"]["message"]),
            (StatusCode::BAD_REQUEST, &"This dispute is already closed.".into())
        );
    }
}

#[tokio::test]
async fn an_inquiry_moves_no_money_until_it_is_escalated() {
    let desk = Desk::open().await;
    let paid = desk.pay("visa", "capture_method=automatic").await;
    let charge = paid.body["latest_charge"].as_str().unwrap();
    let id = desk.stripe.inquire(charge, "fraudulent").unwrap();
    let inquiry = read(&desk, &id).await;
    assert_eq!(
        (&inquiry["status"], &inquiry["is_charge_refundable"]),
        (&"warning_needs_response".into(), &true.into())
    );
    assert_eq!(desk.stripe.balance("eur"), 11_893);
    let refund = format!("charge={charge}&amount=100");
    assert_eq!(desk.post("/v1/refunds", &refund).await.status, StatusCode::OK);
    desk.stripe.escalate_dispute(&id).unwrap();
    assert_eq!(desk.post("/v1/refunds", &refund).await.code(), "charge_disputed");
    assert!(
        desk.kinds()
            .ends_with(&["charge.dispute.updated", "charge.dispute.funds_withdrawn"].map(str::to_owned))
    );

    let other = desk.pay("visa", "").await;
    let id = desk.stripe.inquire(other.id(), "general").unwrap();
    desk.stripe.decide_dispute(&id, Verdict::WarningClosed).unwrap();
    assert_eq!(read(&desk, &id).await["status"], "warning_closed");
}

#[tokio::test]
async fn a_card_that_will_be_disputed_pays_first_and_its_evidence_decides() {
    for (text, status) in [("winning_evidence", "won"), ("losing_evidence", "lost")] {
        let desk = Desk::open().await;
        let paid = desk.pay("createDispute", "").await;
        assert_eq!(paid.body["status"], "succeeded");
        assert!(desk.stripe.disputes().is_empty());
        desk.stripe.settle();
        let listed = desk
            .get(&format!("/v1/disputes?payment_intent={}", paid.id()))
            .await;
        let dispute = &listed.body["data"][0];
        assert_eq!(dispute["reason"], "fraudulent");
        let path = format!("/v1/disputes/{}", dispute["id"].as_str().unwrap());
        let sent = desk
            .post(&path, &format!("evidence[uncategorized_text]={text}"))
            .await;
        assert_eq!(sent.body["status"], "under_review");
        desk.stripe.settle();
        assert_eq!(desk.get(&path).await.body["status"], status);
    }
}

#[tokio::test]
async fn what_was_not_captured_cannot_be_disputed() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", "capture_method=manual").await;
    assert!(desk.stripe.dispute(held.id(), "fraudulent").is_err());
    assert!(desk.stripe.dispute("ch_nothing", "fraudulent").is_err());
    assert_eq!(
        desk.get("/v1/disputes/dp_nothing").await.code(),
        "resource_missing"
    );
}
