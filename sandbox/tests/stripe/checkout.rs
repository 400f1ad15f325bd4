//! Sessions of Checkout: a page that is paid, left, or forgotten.

use axum::http::StatusCode;
use serde_json::Value;

use super::support::{Answered, Desk};

pub(super) const SESSIONS: &str = "/v1/checkout/sessions";

const SHIRTS: &str = "line_items[0][quantity]=2&line_items[0][price_data][currency]=eur\
    &line_items[0][price_data][unit_amount]=6050&line_items[0][price_data][product_data][name]=Shirt";

/// EUR 121.00, to be paid on the page.
pub(super) fn selling(more: &str) -> String {
    let urls =
        "success_url=https://shop.example/done?session={CHECKOUT_SESSION_ID}&cancel_url=https://shop.example";
    format!("mode=payment&{SHIRTS}&{urls}&{more}")
}

async fn open(desk: &Desk, more: &str) -> Answered {
    let session = desk.post(SESSIONS, &selling(more)).await;
    assert_eq!(session.status, StatusCode::OK, "{}", session.body);
    session
}

async fn session(desk: &Desk, id: &str) -> Value {
    desk.get(&format!("{SESSIONS}/{id}")).await.body
}

fn state(session: &Value) -> (&str, &str) {
    (
        session["status"].as_str().unwrap(),
        session["payment_status"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn a_paid_session_is_complete_and_its_intent_has_what_the_merchant_gave_for_it() {
    let desk = Desk::open().await;
    let data = "payment_intent_data[metadata][order]=S1&payment_intent_data[description]=Order+S1\
        &payment_intent_data[statement_descriptor_suffix]=S1&payment_intent_data[receipt_email]=ada@shop.example\
        &payment_intent_data[shipping][name]=Ada&metadata[mine]=yes&client_reference_id=S1&locale=de";
    let opened = open(&desk, data).await;
    assert_eq!(state(&opened.body), ("open", "unpaid"));
    assert_eq!(
        (&opened.body["payment_intent"], &opened.body["amount_total"]),
        (&Value::Null, &12_100.into())
    );
    assert!(desk.stripe.payment_intents().is_empty() && desk.kinds().is_empty());

    let shopper = desk.stripe.customer();
    let back = shopper.check_out(opened.id(), "pm_card_visa").await.unwrap();
    assert_eq!(
        back.unwrap(),
        format!("https://shop.example/done?session={}", opened.id())
    );
    let paid = session(&desk, opened.id()).await;
    assert_eq!((state(&paid), &paid["url"]), (("complete", "paid"), &Value::Null));
    assert_eq!(
        (&paid["client_reference_id"], &paid["locale"]),
        (&"S1".into(), &"de".into())
    );
    let intent = desk.stripe.payment_intents().pop().unwrap();
    assert_eq!(paid["payment_intent"], intent["id"]);
    assert_eq!(
        [
            &intent["metadata"]["order"],
            &intent["metadata"]["mine"],
            &intent["description"]
        ],
        [&"S1".into(), &Value::Null, &Value::from("Order S1")]
    );
    assert_eq!(intent["shipping"]["name"], "Ada");
    assert_eq!(
        desk.kinds(),
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed"
        ]
    );
    let event = desk.stripe.events().pop().unwrap();
    assert_eq!(
        (&event["data"]["object"], &event["request"]["id"]),
        (&paid, &Value::Null)
    );
    assert!(shopper.check_out(opened.id(), "pm_card_visa").await.is_err());
    assert_eq!(desk.stripe.charges_made(), 1);

    let found = desk
        .get(&format!(
            "{SESSIONS}?payment_intent={}",
            intent["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(found.body["data"], Value::from(vec![paid]));
    let other = desk.get(&format!("{SESSIONS}?payment_intent=pi_other")).await;
    assert_eq!(other.body["data"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_decline_leaves_the_session_open_and_the_second_try_uses_the_same_intent() {
    let desk = Desk::open().await;
    let opened = open(&desk, "").await;
    let shopper = desk.stripe.customer();
    let declined = shopper
        .check_out(opened.id(), "pm_card_chargeDeclined")
        .await
        .unwrap();
    assert_eq!(declined, None);
    let tried = session(&desk, opened.id()).await;
    assert_eq!(state(&tried), ("open", "unpaid"));
    shopper
        .check_out(opened.id(), "pm_card_visa")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state(&session(&desk, opened.id()).await), ("complete", "paid"));
    assert_eq!(desk.stripe.payment_intents().len(), 1);
    assert_eq!((desk.stripe.charges().len(), desk.stripe.charges_made()), (2, 1));
}

#[tokio::test]
async fn a_bank_that_asks_sends_its_customer_back_to_the_page_and_on_to_the_shop() {
    let desk = Desk::open().await;
    let opened = open(&desk, "").await;
    let shopper = desk.stripe.customer();
    let card = "pm_card_threeDSecureRequired";
    let bank = shopper.check_out(opened.id(), card).await.unwrap().unwrap();
    let page = shopper.authenticate_at(&bank, false).await.unwrap().unwrap();
    assert!(page.starts_with(opened.body["url"].as_str().unwrap()), "{page}");
    assert_eq!(state(&session(&desk, opened.id()).await), ("open", "unpaid"));
    let bank = shopper.check_out(opened.id(), card).await.unwrap().unwrap();
    let page = shopper.authenticate_at(&bank, true).await.unwrap().unwrap();
    assert_eq!(state(&session(&desk, opened.id()).await), ("complete", "paid"));
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let sent = client.get(page).send().await.unwrap();
    assert!(
        sent.headers()["location"]
            .to_str()
            .unwrap()
            .starts_with("https://shop.example/done")
    );
}

#[tokio::test]
async fn a_session_paid_by_debit_is_complete_first_and_paid_or_not_later() {
    let desk = Desk::open().await;
    for (account, payment_status, last) in [
        ("success", "paid", "checkout.session.async_payment_succeeded"),
        ("failure", "unpaid", "checkout.session.async_payment_failed"),
    ] {
        let opened = open(&desk, "payment_method_types[]=sepa_debit").await;
        let method = format!("pm_sepaDebit_{account}");
        desk.stripe
            .customer()
            .check_out(opened.id(), &method)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(state(&session(&desk, opened.id()).await), ("complete", "unpaid"));
        assert!(desk.kinds().ends_with(&["checkout.session.completed".to_owned()]));
        desk.stripe.settle();
        assert_eq!(
            state(&session(&desk, opened.id()).await),
            ("complete", payment_status)
        );
        assert_eq!(desk.kinds().last().unwrap(), last);
    }
}

#[tokio::test]
async fn a_session_that_only_holds_money_is_complete_and_paid_once_it_is_captured() {
    let desk = Desk::open().await;
    let opened = open(&desk, "payment_intent_data[capture_method]=manual").await;
    desk.stripe
        .customer()
        .check_out(opened.id(), "pm_card_visa")
        .await
        .unwrap();
    let held = session(&desk, opened.id()).await;
    assert_eq!(state(&held), ("complete", "unpaid"));
    let intent = held["payment_intent"].as_str().unwrap();
    let path = format!("/v1/payment_intents/{intent}");
    assert_eq!(desk.get(&path).await.body["status"], "requires_capture");
    let captured = desk.post(&format!("{path}/capture"), "").await;
    assert_eq!(captured.body["status"], "succeeded");
    assert_eq!(state(&session(&desk, opened.id()).await), ("complete", "paid"));
}

#[tokio::test]
async fn an_intent_of_checkout_is_neither_confirmed_nor_canceled_past_its_open_session() {
    let desk = Desk::open().await;
    let opened = open(&desk, "").await;
    desk.stripe
        .customer()
        .check_out(opened.id(), "pm_card_chargeDeclined")
        .await
        .unwrap();
    let tried = session(&desk, opened.id()).await;
    let path = format!(
        "/v1/payment_intents/{}",
        tried["payment_intent"].as_str().unwrap()
    );
    for (verb, form) in [("confirm", "payment_method=pm_card_visa"), ("cancel", "")] {
        let refused = desk.post(&format!("{path}/{verb}"), form).await;
        assert_eq!(refused.code(), "payment_intent_unexpected_state");
    }
    desk.post(&format!("{SESSIONS}/{}/expire", opened.id()), "").await;
    assert_eq!(desk.get(&path).await.body["status"], "canceled");
}

#[tokio::test]
async fn an_expired_session_has_no_page_and_expires_only_once() {
    let desk = Desk::open().await;
    let opened = open(&desk, "").await;
    let path = format!("{SESSIONS}/{}/expire", opened.id());
    let expired = desk.post_with_key(&path, "", "k-1").await;
    assert_eq!(
        (state(&expired.body), &expired.body["url"]),
        (("expired", "unpaid"), &Value::Null)
    );
    let again = desk.post_with_key(&path, "", "k-1").await;
    assert_eq!(
        (again.header("idempotent-replayed"), &again.body),
        (Some("true"), &expired.body)
    );
    assert_eq!(desk.post(&path, "").await.status, StatusCode::BAD_REQUEST);
    assert!(
        desk.stripe
            .customer()
            .check_out(opened.id(), "pm_card_visa")
            .await
            .is_err()
    );
    let page = reqwest::get(opened.body["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(page.status(), reqwest::StatusCode::GONE);
    let forgotten = open(&desk, "").await;
    desk.stripe.let_expire(forgotten.id()).unwrap();
    assert_eq!(desk.kinds(), ["checkout.session.expired"; 2]);
    let paid = open(&desk, "").await;
    desk.stripe
        .customer()
        .check_out(paid.id(), "pm_card_visa")
        .await
        .unwrap();
    assert!(desk.stripe.let_expire(paid.id()).is_err());
}

#[tokio::test]
async fn a_session_saves_the_method_with_its_customer() {
    let desk = Desk::open().await;
    let customer = desk.post("/v1/customers", "email=ada@shop.example").await;
    let saving = format!(
        "customer={}&payment_intent_data[setup_future_usage]=off_session",
        customer.id()
    );
    let opened = open(&desk, &saving).await;
    desk.stripe
        .customer()
        .check_out(opened.id(), "pm_card_visa")
        .await
        .unwrap();
    let paid = session(&desk, opened.id()).await;
    assert_eq!(paid["customer_details"]["email"], "ada@shop.example");

    let setup = format!(
        "mode=setup&success_url=https://shop.example&customer={}&setup_intent_data[metadata][a]=b",
        customer.id()
    );
    let opened = desk.post(SESSIONS, &setup).await;
    desk.stripe
        .customer()
        .check_out(opened.id(), "pm_card_mastercard")
        .await
        .unwrap()
        .unwrap();
    let saved = session(&desk, opened.id()).await;
    assert_eq!(state(&saved), ("complete", "no_payment_required"));
    let intent = desk.stripe.setup_intents().pop().unwrap();
    assert_eq!(
        (&saved["setup_intent"], &intent["metadata"]["a"]),
        (&intent["id"], &"b".into())
    );
    let kept = desk
        .get(&format!("/v1/customers/{}/payment_methods", customer.id()))
        .await;
    assert_eq!(kept.body["data"].as_array().unwrap().len(), 2);

    let opened = open(&desk, "customer_creation=always&customer_email=bob@shop.example").await;
    desk.stripe
        .customer()
        .check_out(opened.id(), "pm_card_visa")
        .await
        .unwrap();
    let made = session(&desk, opened.id()).await["customer"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        desk.get(&format!("/v1/customers/{made}")).await.body["email"],
        "bob@shop.example"
    );
}

#[tokio::test]
async fn what_a_session_may_not_be_is_refused_by_name() {
    let desk = Desk::open().await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (soon, late) = (now + 1_700, now + 86_500);
    for (form, param) in [
        (selling(&format!("expires_at={soon}")), "expires_at"),
        (selling(&format!("expires_at={late}")), "expires_at"),
        (selling("customer=cus_nobody"), "customer"),
        (
            selling("payment_intent_data[amount]=1"),
            "payment_intent_data[amount]",
        ),
        (
            selling("payment_intent_data[capture_method]=later"),
            "payment_intent_data[capture_method]",
        ),
        (selling("colour=blue"), "colour"),
        (SHIRTS.to_owned(), "mode"),
        (format!("mode=payment&{SHIRTS}"), "success_url"),
        (format!("mode=payment&{SHIRTS}&success_url=shop"), "success_url"),
        (
            "mode=payment&success_url=https://shop.example".to_owned(),
            "line_items",
        ),
        (
            format!("{}&line_items[1][quantity]=1", selling("")),
            "line_items[1][price_data]",
        ),
        (SHIRTS.replace("6050", "half"), "mode"),
        (
            selling("").replace("6050", "half"),
            "line_items[0][price_data][unit_amount]",
        ),
        (selling("").replace("6050", "9223372036854775807"), "line_items"),
    ] {
        let refused = desk.post(SESSIONS, &form).await;
        assert_eq!(
            (refused.status, refused.body["error"]["param"].as_str()),
            (StatusCode::BAD_REQUEST, Some(param)),
            "{form}"
        );
    }
    assert!(desk.stripe.checkout_sessions().is_empty());
}
