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

const SEVERAL: &str = "capture_method=manual&payment_method_options[card][request_multicapture]=if_available";

#[tokio::test]
async fn several_captures_each_have_a_ledger_line_and_the_last_lets_go_of_the_rest() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", SEVERAL).await;
    let options = &held.body["payment_method_options"]["card"];
    assert_eq!(options["request_multicapture"], "if_available");
    let capture = format!("{INTENTS}/{}/capture", held.id());
    for (form, status, received, capturable) in [
        (
            "amount_to_capture=7000&final_capture=false",
            "requires_capture",
            7_000,
            5_100,
        ),
        (
            "amount_to_capture=2000&final_capture=false",
            "requires_capture",
            9_000,
            3_100,
        ),
        ("amount_to_capture=1000", "succeeded", 10_000, 0),
    ] {
        let captured = desk.post(&capture, form).await.body;
        assert_eq!(
            (
                &captured["status"],
                &captured["amount_received"],
                &captured["amount_capturable"]
            ),
            (&status.into(), &received.into(), &capturable.into()),
            "{form}"
        );
        let charge = &desk.stripe.charges()[0];
        assert_eq!(
            (&charge["captured"], &charge["amount_captured"]),
            (&(status == "succeeded").into(), &received.into()),
            "{form}"
        );
        assert_eq!(charge["amount_refunded"], 0, "{form}");
    }
    let charge = desk.stripe.charges()[0]["id"].as_str().unwrap().to_owned();
    let lines = desk
        .get(&format!("/v1/balance_transactions?source={charge}&type=charge"))
        .await;
    let amounts: Vec<_> = lines.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["amount"].clone())
        .collect();
    assert_eq!(amounts, [1_000, 2_000, 7_000]);
    let each = ["charge.updated", "payment_intent.amount_capturable_updated"];
    let last = ["charge.captured", "payment_intent.succeeded"];
    assert_eq!(desk.kinds()[3..], [&each[..], &each, &each, &last].concat());
    assert_eq!(
        desk.stripe.events()[4]["data"]["previous_attributes"]["amount_capturable"],
        12_100
    );
}

#[tokio::test]
async fn what_was_captured_may_be_refunded_while_more_can_be_captured() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", SEVERAL).await;
    let path = format!("{INTENTS}/{}", held.id());
    desk.post(
        &format!("{path}/capture"),
        "amount_to_capture=7000&final_capture=false",
    )
    .await;
    let refund = |amount: i64| format!("payment_intent={}&amount={amount}", held.id());
    let too_much = desk.post("/v1/refunds", &refund(7_001)).await;
    assert_eq!(too_much.body["error"]["param"], "amount");
    let refunded = desk.post("/v1/refunds", &refund(7_000)).await;
    assert_eq!(refunded.status, StatusCode::OK);
    assert_eq!(desk.stripe.charges()[0]["refunded"], false);
    let released = desk
        .post(
            &format!("{path}/capture"),
            "amount_to_capture=0&final_capture=true",
        )
        .await;
    assert_eq!(
        (&released.body["status"], &released.body["amount_received"]),
        (&"succeeded".into(), &7_000.into())
    );
    assert_eq!(desk.stripe.charges()[0]["refunded"], true);
    assert_eq!(desk.stripe.balance_transactions().len(), 2);
}

#[tokio::test]
async fn more_than_one_capture_needs_to_be_asked_for_and_to_be_available() {
    let desk = Desk::open().await;
    for (card, more) in [
        ("visa", "capture_method=manual"),
        ("credit_disableEnterpriseCardFeatures", SEVERAL),
    ] {
        let held = desk.pay(card, more).await;
        let charge = desk.stripe.charges().pop().unwrap();
        let multicapture = &charge["payment_method_details"]["card"]["multicapture"];
        assert_eq!(multicapture["status"], "unavailable", "{card}");
        let capture = format!("{INTENTS}/{}/capture", held.id());
        let refused = desk
            .post(&capture, "amount_to_capture=100&final_capture=false")
            .await;
        assert_eq!(
            (refused.status, &refused.body["error"]["param"]),
            (StatusCode::BAD_REQUEST, &"final_capture".into()),
            "{card}"
        );
        let nothing = desk.post(&capture, "amount_to_capture=0").await;
        assert_eq!(nothing.code(), "parameter_invalid_integer", "{card}");
        assert_eq!(
            desk.post(&capture, "amount_to_capture=100").await.body["status"],
            "succeeded"
        );
    }
}

#[tokio::test]
async fn an_authorization_takes_fifty_captures() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", SEVERAL).await;
    let capture = format!("{INTENTS}/{}/capture", held.id());
    for count in 1..=50 {
        let captured = desk
            .post(&capture, "amount_to_capture=10&final_capture=false")
            .await;
        assert_eq!(captured.body["amount_received"], count * 10);
    }
    let refused = desk
        .post(&capture, "amount_to_capture=10&final_capture=false")
        .await;
    assert_eq!(refused.code(), "payment_intent_unexpected_state");
    let released = desk.post(&capture, "amount_to_capture=0").await;
    assert_eq!(released.body["status"], "succeeded");
}

#[tokio::test]
async fn canceling_or_lapsing_after_a_capture_lets_go_of_the_rest_only() {
    for lapses in [false, true] {
        let desk = Desk::open().await;
        let held = desk.pay("visa", SEVERAL).await;
        let path = format!("{INTENTS}/{}", held.id());
        desk.post(
            &format!("{path}/capture"),
            "amount_to_capture=7000&final_capture=false",
        )
        .await;
        if lapses {
            desk.stripe.lapse(held.id()).unwrap();
        } else {
            desk.post(&format!("{path}/cancel"), "").await;
        }
        let ended = desk.get(&path).await.body;
        assert_eq!(
            (&ended["status"], &ended["amount_received"], &ended["canceled_at"]),
            (&"succeeded".into(), &7_000.into(), &Value::Null)
        );
        assert_eq!(desk.stripe.balance("eur"), 7_000 - 130);
        assert!(
            desk.kinds()
                .ends_with(&["charge.captured", "payment_intent.succeeded"].map(str::to_owned))
        );
    }
}

#[tokio::test]
async fn an_authorization_that_nobody_captures_lapses() {
    let desk = Desk::open().await;
    let held = desk.pay("visa", "capture_method=manual").await;
    desk.stripe.lapse(held.id()).unwrap();
    let lapsed = desk.get(&format!("{INTENTS}/{}", held.id())).await.body;
    assert_eq!(
        (&lapsed["status"], &lapsed["cancellation_reason"]),
        (&"canceled".into(), &"automatic".into())
    );
    assert_eq!(desk.kinds()[3..], ["charge.expired", "payment_intent.canceled"]);
    let event = desk.stripe.events().pop().unwrap();
    assert_eq!(event["request"]["id"], Value::Null);
    assert_eq!(desk.stripe.charges()[0]["refunded"], true);
    assert!(desk.stripe.lapse(held.id()).is_err());
}

#[tokio::test]
async fn a_cancellation_has_one_of_four_reasons() {
    let desk = Desk::open().await;
    for reason in ["duplicate", "fraudulent", "requested_by_customer", "abandoned"] {
        let open = desk.post(INTENTS, "amount=100&currency=eur").await;
        let canceled = desk
            .post(
                &format!("{INTENTS}/{}/cancel", open.id()),
                &format!("cancellation_reason={reason}"),
            )
            .await;
        assert_eq!(canceled.body["cancellation_reason"], reason);
    }
    let open = desk.post(INTENTS, "amount=100&currency=eur").await;
    let refused = desk
        .post(
            &format!("{INTENTS}/{}/cancel", open.id()),
            "cancellation_reason=automatic",
        )
        .await;
    assert_eq!(refused.body["error"]["param"], "cancellation_reason");
}
