//! What comes with a confirmation, and what is refused before one.

use axum::http::StatusCode;

use super::support::Desk;

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn texts_for_statements_and_receipts_are_refused_by_name() {
    let desk = Desk::open().await;
    let cases = [
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
async fn a_confirmation_token_pays_once_with_what_the_browser_collected() {
    let desk = Desk::open().await;
    let made = "payment_method=pm_card_visa&return_url=https://shop.example&shipping[name]=Ada";
    let token = desk.post("/v1/test_helpers/confirmation_tokens", made).await;
    let preview = &token.body["payment_method_preview"];
    assert_eq!(preview["card"]["last4"], "4242");
    let form = format!(
        "amount=100&currency=eur&confirm=true&confirmation_token={}",
        token.id()
    );
    let both = desk
        .post(INTENTS, &format!("{form}&payment_method=pm_card_visa"))
        .await;
    assert_eq!(both.body["error"]["param"], "confirmation_token");
    let paid = desk.post(INTENTS, &form).await;
    assert_eq!(
        (&paid.body["status"], &paid.body["shipping"]["name"]),
        (&"succeeded".into(), &"Ada".into())
    );
    let used = desk.get(&format!("/v1/confirmation_tokens/{}", token.id())).await;
    assert_eq!(used.body["payment_intent"], paid.id());

    let open = desk.post(INTENTS, "amount=100&currency=eur").await;
    let path = format!("{INTENTS}/{}/confirm", open.id());
    let again = desk
        .post(&path, &format!("confirmation_token={}", token.id()))
        .await;
    assert_eq!(again.body["error"]["param"], "confirmation_token");
    let token = desk.post("/v1/test_helpers/confirmation_tokens", made).await;
    let paid = desk
        .post(&path, &format!("confirmation_token={}", token.id()))
        .await;
    assert_eq!(paid.body["status"], "succeeded");
    let unknown = desk.post(&path, "confirmation_token=ctoken_nothing").await;
    assert_eq!(unknown.code(), "resource_missing");
}

#[tokio::test]
async fn what_belongs_to_a_confirmation_needs_one() {
    let desk = Desk::open().await;
    let refused = desk
        .post(INTENTS, "amount=100&currency=eur&off_session=true")
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}
