//! Authorized money: taken once, in part, or let go.

use axum::http::StatusCode;
use serde_json::Value;

use super::support::Desk;

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn an_authorization_is_captured_once_and_in_part_and_the_rest_is_released() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", "capture_method=manual").await;
    let capture = format!("{INTENTS}/{}/capture", held.id());
    let charge = &desk.stripe.charges()[0];
    assert_eq!(
        (&charge["captured"], &charge["balance_transaction"]),
        (&false.into(), &Value::Null)
    );
    let too_much = desk.post(&capture, "amount_to_capture=12101").await;
    assert_eq!(
        (too_much.status, too_much.code()),
        (StatusCode::BAD_REQUEST, &"amount_too_large".into())
    );
    let captured = desk
        .post(&capture, "amount_to_capture=10000&metadata[operation]=op_1")
        .await;
    assert_eq!(
        (&captured.body["status"], &captured.body["amount_received"]),
        (&"succeeded".into(), &10_000.into())
    );
    assert_eq!(captured.body["metadata"]["operation"], "op_1");
    let charge = &desk.stripe.charges()[0];
    assert_eq!(
        (&charge["amount_captured"], &charge["amount_refunded"]),
        (&10_000.into(), &2_100.into())
    );
    let again = desk.post(&capture, "").await;
    assert_eq!(again.code(), "payment_intent_unexpected_state");
    assert_eq!(again.body["error"]["payment_intent"]["id"], held.id());
    assert_eq!(
        desk.kinds()[2..],
        [
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded"
        ]
    );
}

#[tokio::test]
async fn a_canceled_authorization_moves_no_money_and_cannot_be_captured_or_confirmed() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", "capture_method=manual").await;
    let path = format!("{INTENTS}/{}", held.id());
    let canceled = desk
        .post(&format!("{path}/cancel"), "cancellation_reason=abandoned")
        .await;
    assert_eq!(
        (&canceled.body["status"], &canceled.body["amount_capturable"]),
        (&"canceled".into(), &0.into())
    );
    for verb in ["capture", "cancel", "confirm"] {
        let refused = desk.post(&format!("{path}/{verb}"), "").await;
        assert_eq!(refused.code(), "payment_intent_unexpected_state", "{verb}");
    }
    assert_eq!(
        (
            desk.stripe.balance("eur"),
            desk.stripe.balance_transactions().len()
        ),
        (0, 0)
    );
    assert_eq!(desk.kinds()[3..], ["charge.refunded", "payment_intent.canceled"]);
}
