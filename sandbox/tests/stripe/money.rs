//! Fees, refunds and the ledger: every cent has a line.

use std::time::Duration;

use axum::http::StatusCode;
use quittance_sandbox::stripe::{Options, Settlement};
use serde_json::{Value, json};

use super::support::{Desk, SOON};

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn an_asynchronous_capture_has_no_ledger_line_until_the_charge_is_updated() {
    let desk = Desk::open().await;
    let paid = desk.pay("visa", "description=S00042").await;
    assert_eq!(paid.body["capture_method"], "automatic_async");
    assert_eq!(desk.stripe.charges()[0]["balance_transaction"], Value::Null);
    assert_eq!(desk.stripe.balance("eur"), 0);
    desk.stripe.settle();
    let updated = desk.stripe.events().pop().unwrap();
    assert_eq!(updated["type"], "charge.updated");
    assert_eq!(
        updated["data"]["previous_attributes"],
        json!({ "balance_transaction": null })
    );
    assert_eq!(updated["request"], json!({ "id": null, "idempotency_key": null }));
    let id = updated["data"]["object"]["balance_transaction"].as_str().unwrap();
    let line = desk.get(&format!("/v1/balance_transactions/{id}")).await.body;
    assert_eq!(
        (&line["amount"], &line["fee"], &line["net"]),
        (&12_100.into(), &207.into(), &11_893.into())
    );
    assert_eq!(
        (&line["description"], &line["type"]),
        (&"S00042".into(), &"charge".into())
    );
    assert_eq!(
        (
            line["fee_details"][0]["amount"].as_i64(),
            desk.stripe.balance("eur")
        ),
        (Some(207), 11_893)
    );
}

#[tokio::test]
async fn a_synchronous_capture_has_its_ledger_line_at_once() {
    let desk = Desk::open().await;
    desk.pay("visa", "capture_method=automatic").await;
    assert_eq!(desk.stripe.balance("eur"), 11_893);
    desk.stripe.settle();
    assert!(!desk.kinds().contains(&"charge.updated".to_owned()));
}

#[tokio::test]
async fn the_ledger_line_comes_by_itself_when_a_time_is_set() {
    let settlement = Settlement::After(Duration::from_millis(50));
    let desk = Desk::with(Options {
        settlement,
        ..Options::default()
    })
    .await;
    desk.pay("visa", "").await;
    assert_eq!(desk.stripe.balance("eur"), 0);
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    assert_eq!(desk.stripe.balance("eur"), 11_893);
}

#[tokio::test]
async fn refunds_take_the_amount_back_but_not_the_fee() {
    let desk = Desk::open().await;
    let paid = desk.pay("visa", "").await;
    let form = |amount: i64| format!("payment_intent={}&amount={amount}", paid.id());
    let first = desk.post("/v1/refunds", &form(2_100)).await;
    assert_eq!(
        (&first.body["status"], &first.body["amount"]),
        (&"succeeded".into(), &2_100.into())
    );
    let too_much = desk.post("/v1/refunds", &form(10_001)).await;
    assert_eq!(
        (too_much.status, &too_much.body["error"]["param"]),
        (StatusCode::BAD_REQUEST, &"amount".into())
    );
    let rest = desk
        .post("/v1/refunds", &format!("payment_intent={}", paid.id()))
        .await;
    assert_eq!(rest.body["amount"], 10_000);
    assert_eq!(
        desk.post("/v1/refunds", &form(1)).await.code(),
        "charge_already_refunded"
    );
    assert_eq!(desk.stripe.balance("eur"), -207);
    let charge = &desk.stripe.charges()[0];
    assert_eq!(
        (&charge["amount_refunded"], &charge["refunded"]),
        (&12_100.into(), &true.into())
    );
    let refunds = [
        "charge.updated",
        "refund.created",
        "charge.refunded",
        "refund.created",
        "charge.refunded",
    ];
    assert_eq!(desk.kinds()[3..], refunds);
    let previous = &desk.stripe.events()[7]["data"]["previous_attributes"];
    assert_eq!(previous, &json!({ "amount_refunded": 2_100, "refunded": false }));
}

#[tokio::test]
async fn nothing_can_be_refunded_that_was_not_taken() {
    let desk = Desk::open().await;
    let open = desk.post(INTENTS, "amount=100&currency=eur").await;
    let held = desk.pay("visa", "capture_method=manual").await;
    for (intent, code) in [
        (&open, "payment_intent_unexpected_state"),
        (&held, "charge_not_refundable"),
    ] {
        let refused = desk
            .post("/v1/refunds", &format!("payment_intent={}", intent.id()))
            .await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, &code.into())
        );
    }
    assert_eq!(desk.post("/v1/refunds", "").await.code(), "parameter_missing");
    assert_eq!(
        desk.post("/v1/refunds", "charge=ch_nothing").await.code(),
        "resource_missing"
    );
}

#[tokio::test]
async fn a_refund_that_fails_later_gives_the_money_back_to_the_account() {
    let desk = Desk::open().await;
    let paid = desk.pay("refundFail", "").await;
    let refund = desk
        .post("/v1/refunds", &format!("payment_intent={}", paid.id()))
        .await;
    assert_eq!(
        (&refund.body["status"], desk.stripe.balance("eur")),
        (&"succeeded".into(), -207)
    );
    desk.stripe.settle();
    let failed = desk.get(&format!("/v1/refunds/{}", refund.id())).await.body;
    assert_eq!(
        (&failed["status"], desk.stripe.balance("eur")),
        (&"failed".into(), 11_893)
    );
    let line = failed["failure_balance_transaction"].as_str().unwrap();
    let line = desk.get(&format!("/v1/balance_transactions/{line}")).await.body;
    assert_eq!(
        (&line["type"], &line["amount"]),
        (&"refund_failure".into(), &12_100.into())
    );
    assert_eq!(desk.stripe.charges()[0]["amount_refunded"], 0);
    assert!(
        desk.kinds()
            .ends_with(&["refund.updated".to_owned(), "refund.failed".to_owned()])
    );
}

#[tokio::test]
async fn a_slow_refund_is_pending_until_it_is_settled() {
    let desk = Desk::open().await;
    let paid = desk.pay("pendingRefund", "").await;
    let refund = desk
        .post("/v1/refunds", &format!("payment_intent={}", paid.id()))
        .await;
    assert_eq!(refund.body["status"], "pending");
    desk.stripe.settle();
    assert_eq!(desk.stripe.refunds()[0]["status"], "succeeded");
    assert_eq!(desk.kinds().last().unwrap(), "refund.updated");
}

#[tokio::test]
async fn lists_page_by_cursor_in_both_directions_and_filter() {
    let desk = Desk::open().await;
    for amount in 101..=105 {
        desk.post(INTENTS, &format!("amount={amount}&currency=eur")).await;
    }
    let amounts = async |query: &str| {
        let page = desk.get(&format!("{INTENTS}?{query}")).await.body;
        let data = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|intent| intent["amount"].as_i64().unwrap());
        (data.collect::<Vec<_>>(), page["has_more"].as_bool().unwrap())
    };
    assert_eq!(amounts("limit=2").await, (vec![105, 104], true));
    let id = desk.stripe.payment_intents()[2]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        amounts(&format!("starting_after={id}")).await,
        (vec![102, 101], false)
    );
    assert_eq!(
        amounts(&format!("ending_before={id}&limit=1")).await,
        (vec![104], true)
    );
    assert_eq!(amounts("created[gt]=4000000000").await, (vec![], false));
    assert_eq!(amounts("created[gte]=1").await.0.len(), 5);
    assert_eq!(
        desk.get(&format!("{INTENTS}?limit=101")).await.code(),
        "parameter_invalid_integer"
    );
    assert_eq!(
        desk.get(&format!("{INTENTS}?starting_after=pi_no")).await.code(),
        "resource_missing"
    );
}

#[tokio::test]
async fn ids_expand_into_objects_where_asked() {
    let desk = Desk::open().await;
    let paid = desk
        .pay(
            "visa",
            "capture_method=automatic&expand[]=latest_charge.balance_transaction",
        )
        .await;
    assert_eq!(paid.body["latest_charge"]["balance_transaction"]["net"], 11_893);
    let refund = format!(
        "payment_intent={}&expand[]=charge.payment_intent&expand[]=balance_transaction",
        paid.id()
    );
    let refund = desk.post("/v1/refunds", &refund).await;
    assert_eq!(refund.body["charge"]["payment_intent"]["id"], paid.id());
    assert_eq!(refund.body["balance_transaction"]["amount"], -12_100);
    let listed = desk
        .get(&format!("{INTENTS}?expand[]=data.latest_charge.refunds"))
        .await;
    assert_eq!(
        listed.body["data"][0]["latest_charge"]["refunds"]["data"][0]["amount"],
        12_100
    );
    let source = desk
        .get("/v1/balance_transactions?type=charge&expand[]=data.source")
        .await;
    assert_eq!(source.body["data"][0]["source"]["object"], "charge");
    let unknown = desk.get(&format!("{INTENTS}?expand[]=data.colour")).await;
    assert_eq!(unknown.body["error"]["param"], "expand");
}

#[tokio::test]
async fn a_pending_refund_ends_as_a_test_decides_and_only_once() {
    let desk = Desk::open().await;
    for fails in [false, true] {
        let paid = desk.pay("pendingRefund", "capture_method=automatic").await;
        let before = desk.stripe.balance("eur");
        let form = format!("payment_intent={}&reason=fraudulent", paid.id());
        let refund = desk.post("/v1/refunds", &form).await;
        assert_eq!(
            (&refund.body["status"], &refund.body["reason"]),
            (&"pending".into(), &"fraudulent".into())
        );
        if fails {
            desk.stripe.fail_refund(refund.id()).unwrap();
        } else {
            desk.stripe.complete_refund(refund.id()).unwrap();
        }
        assert!(desk.stripe.complete_refund(refund.id()).is_err());
        desk.stripe.settle();
        let ended = desk.get(&format!("/v1/refunds/{}", refund.id())).await.body;
        let (status, back, last) = if fails {
            ("failed", 0, "refund.failed")
        } else {
            ("succeeded", 12_100, "refund.updated")
        };
        assert_eq!(
            (&ended["status"], before - desk.stripe.balance("eur")),
            (&status.into(), back)
        );
        assert_eq!(desk.kinds().last().unwrap(), last);
    }
    let kinds: Vec<_> = desk
        .stripe
        .balance_transactions()
        .iter()
        .map(|line| line["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["charge", "refund", "charge", "refund", "refund_failure"]);
}

#[tokio::test]
async fn a_refund_has_one_of_three_reasons() {
    let desk = Desk::open().await;
    let paid = desk.pay("visa", "").await;
    let form = format!("payment_intent={}&reason=abandoned", paid.id());
    let refused = desk.post("/v1/refunds", &form).await;
    assert_eq!(refused.body["error"]["param"], "reason");
}
