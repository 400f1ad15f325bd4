//! Setup intents: a method that is saved, and used when its customer is not there.

use axum::http::StatusCode;
use serde_json::Value;

use super::support::Desk;

pub(super) const SETUPS: &str = "/v1/setup_intents";

async fn customer(desk: &Desk) -> String {
    desk.post("/v1/customers", "name=Ada").await.id().to_owned()
}

#[tokio::test]
async fn a_browser_saves_a_card_that_then_pays_without_its_customer() {
    let desk = Desk::open().await;
    let ada = customer(&desk).await;
    let made = desk.post(SETUPS, &format!("customer={ada}&metadata[a]=b")).await;
    assert_eq!(
        (&made.body["status"], &made.body["usage"]),
        (&"requires_payment_method".into(), &"off_session".into())
    );
    let secret = made.body["client_secret"].as_str().unwrap();
    let shopper = desk.stripe.customer();
    let refused = shopper
        .confirm_setup(made.id(), "seti_other", "pm_card_visa")
        .await
        .unwrap();
    assert_eq!(refused["error"]["param"], "client_secret");
    let seen = shopper
        .confirm_setup(made.id(), secret, "pm_card_visa")
        .await
        .unwrap();
    assert_eq!(
        (&seen["status"], seen.get("metadata"), seen.get("customer")),
        (&"succeeded".into(), None, None)
    );
    let method = seen["payment_method"].as_str().unwrap();
    assert_eq!(
        desk.kinds(),
        [
            "customer.created",
            "setup_intent.created",
            "payment_method.attached",
            "setup_intent.succeeded"
        ]
    );
    for _ in 0..2 {
        let form = format!(
            "amount=100&currency=eur&customer={ada}&payment_method={method}&off_session=true&confirm=true"
        );
        assert_eq!(
            desk.post("/v1/payment_intents", &form).await.body["status"],
            "succeeded"
        );
    }
    let listed = desk.get(&format!("{SETUPS}?customer={ada}")).await;
    assert_eq!(listed.body["data"][0]["id"], made.id());
}

#[tokio::test]
async fn a_bank_that_asks_once_does_not_ask_again_and_one_that_always_asks_declines() {
    let desk = Desk::open().await;
    let ada = customer(&desk).await;
    for (card, outcome) in [
        ("authenticationRequiredOnSetup", Value::Null),
        ("authenticationRequired", "authentication_required".into()),
    ] {
        let form = format!(
            "customer={ada}&payment_method=pm_card_{card}&confirm=true&return_url=https://shop.example"
        );
        let asked = desk.post(SETUPS, &form).await;
        assert_eq!(asked.body["status"], "requires_action");
        assert_eq!(desk.kinds().last().unwrap(), "setup_intent.requires_action");
        let back = desk
            .stripe
            .customer()
            .authenticate(asked.id(), true)
            .await
            .unwrap()
            .unwrap();
        assert!(
            back.starts_with("https://shop.example?setup_intent=seti_"),
            "{back}"
        );
        assert!(back.ends_with("redirect_status=succeeded"), "{back}");
        let saved = desk.get(&format!("{SETUPS}/{}", asked.id())).await;
        assert_eq!(saved.body["status"], "succeeded");
        let method = saved.body["payment_method"].as_str().unwrap();
        let form = format!(
            "amount=100&currency=eur&customer={ada}&payment_method={method}&off_session=true&confirm=true"
        );
        let paid = desk.post("/v1/payment_intents", &form).await;
        assert_eq!(paid.code(), &outcome, "{card}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_reason_and_the_customer_may_try_another_card() {
    let desk = Desk::open().await;
    let ada = customer(&desk).await;
    let card = "payment_method=pm_card_chargeDeclinedInsufficientFunds";
    let declined = desk
        .post(
            SETUPS,
            &format!("customer={ada}&{card}&confirm=true&payment_method_types[]=card"),
        )
        .await;
    assert_eq!(
        (declined.status, declined.code()),
        (StatusCode::PAYMENT_REQUIRED, &"card_declined".into())
    );
    let intent = &declined.body["error"]["setup_intent"];
    assert_eq!(intent["last_setup_error"]["decline_code"], "insufficient_funds");
    assert_eq!(desk.kinds().last().unwrap(), "setup_intent.setup_failed");
    let path = format!("{SETUPS}/{}", intent["id"].as_str().unwrap());
    let asked = desk
        .post(
            &format!("{path}/confirm"),
            "payment_method=pm_card_threeDSecureRequired",
        )
        .await;
    assert_eq!(asked.body["next_action"]["type"], "use_stripe_sdk");
    desk.stripe
        .customer()
        .authenticate(asked.id(), false)
        .await
        .unwrap();
    let failed = desk.get(&path).await;
    assert_eq!(
        failed.body["last_setup_error"]["code"],
        "setup_intent_authentication_failure"
    );
    let saved = desk
        .post(
            &format!("{path}/confirm"),
            "payment_method=pm_card_chargeCustomerFail",
        )
        .await;
    assert_eq!(
        (&saved.body["status"], &saved.body["last_setup_error"]),
        (&"succeeded".into(), &Value::Null)
    );
    let method = saved.body["payment_method"].as_str().unwrap();
    let form = format!(
        "amount=100&currency=eur&customer={ada}&payment_method={method}&off_session=true&confirm=true"
    );
    assert_eq!(
        desk.post("/v1/payment_intents", &form).await.code(),
        "card_declined"
    );
    for verb in ["confirm", "cancel"] {
        let refused = desk.post(&format!("{path}/{verb}"), "").await;
        assert_eq!(refused.code(), "setup_intent_unexpected_state");
    }
}

#[tokio::test]
async fn an_abandoned_setup_is_canceled_and_stays_so() {
    let desk = Desk::open().await;
    let made = desk.post(SETUPS, "").await;
    let path = format!("{SETUPS}/{}", made.id());
    let canceled = desk
        .post(&format!("{path}/cancel"), "cancellation_reason=abandoned")
        .await;
    assert_eq!(
        (&canceled.body["status"], &canceled.body["cancellation_reason"]),
        (&"canceled".into(), &"abandoned".into())
    );
    assert_eq!(desk.kinds(), ["setup_intent.created", "setup_intent.canceled"]);
    let refused = desk
        .post(
            &format!("{path}/confirm"),
            "payment_method=pm_card_visa&return_url=https://shop.example",
        )
        .await;
    assert_eq!(refused.code(), "setup_intent_unexpected_state");
    let aimless = desk
        .post(SETUPS, "confirm=true&payment_method=pm_card_visa")
        .await;
    assert!(
        aimless.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("return_url")
    );
}
