//! The states of a payment, and who may move it.

use axum::http::StatusCode;
use quittance_sandbox::stripe::Options;
use serde_json::Value;

use super::support::{Desk, paying};

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn a_paid_payment_tells_its_events_in_order_and_names_the_request() {
    let desk = Desk::open().await;
    let paid = desk.post_with_key(INTENTS, &paying("visa", ""), "k-1").await;
    assert_eq!(paid.body["status"], "succeeded");
    assert_eq!(
        desk.kinds(),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded"
        ]
    );
    let event = &desk.stripe.events()[2];
    assert_eq!(event["request"]["id"], paid.header("request-id").unwrap());
    assert_eq!(event["request"]["idempotency_key"], "k-1");
    assert_eq!(
        (&event["data"]["object"], &event["api_version"]),
        (&paid.body, &"2026-09-30.endive".into())
    );
}

#[tokio::test]
async fn a_declined_card_leaves_a_failed_charge_and_the_customer_may_try_another() {
    let desk = Desk::open().await;
    let declined = desk.pay("chargeDeclinedExpiredCard", "").await;
    let error = &declined.body["error"];
    assert_eq!(
        (declined.status, &error["type"]),
        (StatusCode::PAYMENT_REQUIRED, &"card_error".into())
    );
    assert_eq!(
        (declined.code(), &error["decline_code"]),
        (&"expired_card".into(), &Value::Null)
    );
    let intent = &error["payment_intent"];
    assert_eq!(
        (&intent["status"], &intent["payment_method"]),
        (&"requires_payment_method".into(), &Value::Null)
    );
    assert_eq!(
        intent["last_payment_error"]["payment_method"]["object"],
        "payment_method"
    );
    let events = [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ];
    assert_eq!(desk.kinds(), events);
    let id = intent["id"].as_str().unwrap();
    let again = desk
        .post(&format!("{INTENTS}/{id}/confirm"), "payment_method=pm_card_visa")
        .await;
    assert_eq!(
        (&again.body["status"], &again.body["last_payment_error"]),
        (&"succeeded".into(), &Value::Null)
    );
    assert_eq!((desk.stripe.charges().len(), desk.stripe.charges_made()), (2, 1));
}

#[tokio::test]
async fn a_customer_confirms_with_the_publishable_key_and_sees_no_more_than_a_browser_may() {
    let desk = Desk::open().await;
    let made = desk
        .post(INTENTS, "amount=100&currency=eur&metadata[secret]=x")
        .await;
    let secret = made.body["client_secret"].as_str().unwrap();
    let customer = desk.stripe.customer();
    let refused = customer
        .confirm(made.id(), "pi_other_secret", "pm_card_visa")
        .await
        .unwrap();
    assert_eq!(refused["error"]["param"], "client_secret");
    let declined = customer
        .confirm(made.id(), secret, "pm_card_chargeDeclined")
        .await
        .unwrap();
    assert_eq!(declined["error"]["code"], "card_declined");
    let paid = customer.confirm(made.id(), secret, "pm_card_visa").await.unwrap();
    assert_eq!(
        (&paid["status"], paid.get("metadata"), paid.get("customer")),
        (&"succeeded".into(), None, None)
    );
}

#[tokio::test]
async fn a_customer_says_yes_or_no_on_the_banks_page() {
    let desk = Desk::open().await;
    let card = "threeDSecure2Required";
    let asked = desk
        .pay(card, "return_url=https://shop.example/back?cart=1")
        .await;
    assert_eq!(asked.body["status"], "requires_action");
    assert_eq!(asked.body["next_action"]["type"], "redirect_to_url");
    assert_eq!(desk.stripe.charges().len(), 0);
    let back = desk
        .stripe
        .customer()
        .authenticate(asked.id(), false)
        .await
        .unwrap()
        .unwrap();
    assert!(
        back.starts_with("https://shop.example/back?cart=1&payment_intent=pi_"),
        "{back}"
    );
    assert!(back.ends_with("redirect_status=failed"), "{back}");
    let failed = desk.get(&format!("{INTENTS}/{}", asked.id())).await;
    assert_eq!(
        failed.body["last_payment_error"]["code"],
        "payment_intent_authentication_failure"
    );

    let asked = desk
        .post(
            &format!("{INTENTS}/{}/confirm", asked.id()),
            &format!("payment_method=pm_card_{card}"),
        )
        .await;
    let page = asked.body["next_action"]["redirect_to_url"]["url"]
        .as_str()
        .unwrap();
    let back = desk
        .stripe
        .customer()
        .authenticate_at(page, true)
        .await
        .unwrap()
        .unwrap();
    assert!(back.ends_with("redirect_status=succeeded"), "{back}");
    let paid = desk
        .get(&format!("{INTENTS}/{}?expand[]=latest_charge", asked.id()))
        .await;
    assert_eq!(paid.body["status"], "succeeded");
    let details = &paid.body["latest_charge"]["payment_method_details"]["card"];
    assert_eq!(details["three_d_secure"]["result"], "authenticated");
    let pressed_twice = desk
        .stripe
        .customer()
        .authenticate_at(page, true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pressed_twice, back);
    assert_eq!(desk.stripe.charges_made(), 1);
    let events = [
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
    ];
    assert_eq!(desk.kinds(), events);
}

#[tokio::test]
async fn a_bank_that_wants_its_customer_declines_without_one() {
    let desk = Desk::open().await;
    let declined = desk.pay("authenticationRequired", "off_session=true").await;
    assert_eq!(declined.code(), "authentication_required");
    assert_eq!(
        declined.body["error"]["payment_intent"]["status"],
        "requires_payment_method"
    );
}

#[tokio::test]
async fn a_debit_is_processing_until_the_bank_has_answered() {
    let desk = Desk::open().await;
    let form =
        "amount=12100&currency=usd&payment_method_types[]=us_bank_account&confirm=true&payment_method=";
    let ends = [
        (
            "success",
            "succeeded",
            ["charge.succeeded", "payment_intent.succeeded"],
        ),
        (
            "insufficientFunds",
            "requires_payment_method",
            ["charge.failed", "payment_intent.payment_failed"],
        ),
    ];
    for (account, status, last) in ends {
        let debit = desk
            .post(INTENTS, &format!("{form}pm_usBankAccount_{account}"))
            .await;
        assert_eq!(debit.body["status"], "processing");
        assert!(
            desk.kinds()
                .ends_with(&["charge.pending", "payment_intent.processing"].map(str::to_owned))
        );
        assert_eq!(desk.stripe.charges().pop().unwrap()["status"], "pending");
        desk.stripe.settle();
        let ended = desk.get(&format!("{INTENTS}/{}", debit.id())).await;
        assert_eq!(ended.body["status"], status);
        assert!(desk.kinds().ends_with(&last.map(str::to_owned)));
    }
    assert_eq!(
        (desk.stripe.charges_made(), desk.stripe.balance("usd")),
        (1, 11_893)
    );
    let refused = desk.post(INTENTS, &format!("{form}pm_card_visa")).await;
    assert_eq!(refused.body["error"]["param"], "payment_method");
}

#[tokio::test]
async fn a_succeeded_payment_can_neither_be_canceled_nor_confirmed_again() {
    let desk = Desk::open().await;
    let paid = desk.pay("visa", "").await;
    for verb in ["cancel", "confirm", "capture"] {
        let refused = desk.post(&format!("{INTENTS}/{}/{verb}", paid.id()), "").await;
        assert_eq!(
            (refused.status, refused.code()),
            (StatusCode::BAD_REQUEST, &"payment_intent_unexpected_state".into())
        );
    }
    assert_eq!(desk.stripe.charges_made(), 1);
}

#[tokio::test]
async fn parameters_are_refused_by_name() {
    let desk = Desk::open().await;
    let cases = [
        ("currency=eur", "parameter_missing", "amount"),
        ("amount=100", "parameter_missing", "currency"),
        ("amount=0&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=1.5&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=49&currency=eur", "amount_too_small", "amount"),
        ("amount=100000000&currency=eur", "amount_too_large", "amount"),
        ("amount=1005&currency=kwd", "", "amount"),
        ("amount=100&currency=xxx", "", "currency"),
        (
            "amount=100&currency=eur&colour=blue",
            "parameter_unknown",
            "colour",
        ),
        (
            "amount=100&currency=eur&automatic_payment_methods[on]=true",
            "parameter_unknown",
            "automatic_payment_methods[on]",
        ),
        (
            "amount=100&currency=eur&customer=cus_nobody",
            "resource_missing",
            "customer",
        ),
        (
            "amount=100&currency=eur&payment_method=pm_nothing",
            "resource_missing",
            "payment_method",
        ),
        (
            "amount=100&currency=eur&capture_method=later",
            "",
            "capture_method",
        ),
        (
            "amount=100&currency=eur&statement_descriptor=SHOP",
            "",
            "statement_descriptor",
        ),
        (
            "amount=100&currency=eur&statement_descriptor_suffix=a-text-of-23-characters",
            "",
            "statement_descriptor_suffix",
        ),
        (
            "amount=100&currency=eur&statement_descriptor_suffix=S*1",
            "",
            "statement_descriptor_suffix",
        ),
        (
            "amount=100&currency=eur&statement_descriptor_suffix=42",
            "",
            "statement_descriptor_suffix",
        ),
        (
            "amount=100&currency=eur&receipt_email=nobody",
            "email_invalid",
            "receipt_email",
        ),
        (
            "amount=100&currency=eur&payment_method_options[card][request_multicapture]=always",
            "",
            "payment_method_options[card][request_multicapture]",
        ),
    ];
    for (form, code, param) in cases {
        let refused = desk.post(INTENTS, form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{form}");
        let error = &refused.body["error"];
        assert_eq!(
            (error["code"].as_str().unwrap_or_default(), &error["param"]),
            (code, &param.into()),
            "{form}"
        );
    }
    assert!(desk.stripe.payment_intents().is_empty());
    let no_return_url = desk
        .post(
            INTENTS,
            "amount=100&currency=eur&confirm=true&payment_method=pm_card_visa",
        )
        .await;
    assert!(
        no_return_url.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`return_url`")
    );
}

#[tokio::test]
async fn a_confirmation_brings_what_the_creation_left_out() {
    let desk = Desk::open().await;
    let customer = desk.post("/v1/customers", "name=Ada").await;
    let other = desk.post("/v1/customers", "name=Eve").await;
    let form = format!(
        "amount=100&currency=eur&payment_method_types[]=card&customer={}",
        customer.id()
    );
    let open = desk.post(INTENTS, &form).await;
    let path = format!("{INTENTS}/{}/confirm", open.id());
    let moved = format!("payment_method=pm_card_visa&customer={}", other.id());
    for (form, param) in [
        (moved.as_str(), "customer"),
        (
            "payment_method=pm_card_visa&receipt_email=nobody",
            "receipt_email",
        ),
        (
            "payment_method=pm_card_visa&statement_descriptor=SHOP",
            "statement_descriptor",
        ),
        ("payment_method=pm_card_visa&colour=blue", "colour"),
    ] {
        let refused = desk.post(&path, form).await;
        assert_eq!(refused.body["error"]["param"], param);
    }
    let paid = desk
        .post(
            &path,
            "payment_method=pm_card_visa&off_session=true&return_url=https://shop.example&receipt_email=ada@shop.example\
             &setup_future_usage=off_session&shipping[name]=Ada&shipping[address][city]=Graz\
             &statement_descriptor_suffix=S1-2&capture_method=manual&metadata[op]=op_1\
             &payment_method_options[card][request_multicapture]=if_available",
        )
        .await;
    assert_eq!(paid.body["status"], "requires_capture");
    assert_eq!(paid.body["receipt_email"], "ada@shop.example");
    let charge = &desk.stripe.charges()[0];
    assert_eq!(charge["shipping"]["address"]["city"], "Graz");
    assert_eq!(charge["calculated_statement_descriptor"], "SANDBOX* S1-2");
    assert_eq!(
        charge["payment_method_details"]["card"]["multicapture"]["status"],
        "available"
    );
}

#[tokio::test]
async fn only_the_right_keys_open_the_right_doors() {
    let desk = Desk::with(Options {
        secret_key: "sk_test_other".to_owned(),
        ..Options::default()
    })
    .await;
    assert_eq!(desk.get("/v1/balance").await.status, StatusCode::OK);
    let client = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/v1/balance", desk.stripe.url());
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(client.get(&url)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        status(client.get(&url).bearer_auth("sk_test_sandbox")).await,
        StatusCode::UNAUTHORIZED
    );
    let browser = client.get(&url).bearer_auth(desk.stripe.publishable_key());
    assert_eq!(status(browser).await, StatusCode::FORBIDDEN);
    let merchant = || client.get(&url).bearer_auth("sk_test_other");
    assert_eq!(
        status(merchant().header("Stripe-Account", "acct_other")).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(merchant().header("Stripe-Account", desk.stripe.account_id())).await,
        StatusCode::OK
    );
    let seen = desk.stripe.requests();
    assert_eq!(
        seen.last().unwrap().stripe_account.as_deref(),
        Some(desk.stripe.account_id())
    );
    assert_eq!(desk.get("/v1/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn search_lags_while_lists_do_not() {
    let search_lag = std::time::Duration::from_mins(1);
    let desk = Desk::with(Options {
        search_lag,
        ..Options::default()
    })
    .await;
    let customer = desk.post("/v1/customers", "name=Ada").await;
    desk.pay("visa", &format!("customer={}&metadata[op]=op_1", customer.id()))
        .await;
    let found = desk
        .get("/v1/payment_intents/search?query=metadata%5B%27op%27%5D%3A%27op_1%27")
        .await;
    assert_eq!(
        (&found.body["object"], &found.body["data"]),
        (&"search_result".into(), &Value::Array(Vec::new()))
    );
    let listed = desk.get(&format!("{INTENTS}?customer={}", customer.id())).await;
    assert_eq!(listed.body["data"][0]["metadata"]["op"], "op_1");
}
