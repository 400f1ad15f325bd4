//! Objects of every kind in every state that we know.

use quittance_sandbox::stripe::{Extra, PayoutKind, Rate};
use serde_json::Value;

use super::super::checkout::{SESSIONS, selling};
use super::super::sepa::{self, AGREED};
use super::super::setups::SETUPS;
use super::super::support::{Desk, Listener, SOON};

const SHIPPING: &str = "shipping[name]=Ada&shipping[address][city]=Graz";

/// Objects of every kind in every state that we know.
pub(super) async fn answers() -> Vec<Value> {
    let listener = Listener::start().await;
    let desk = Desk::open().await;
    desk.stripe.add_endpoint(listener.endpoint());
    let customer = desk.post("/v1/customers", "name=Ada&metadata[a]=b").await;
    let token = "type=card&card[token]=tok_mastercard";
    let method = desk.post("/v1/payment_methods", token).await;
    pay(&desk, customer.id()).await;
    hold_and_dispute(&desk).await;
    let mut answers = save_and_check_out(&desk, customer.id()).await;
    for card in ["visa", "pendingRefund", "refundFail"] {
        let paid = desk.pay(card, "").await;
        let refund = format!("payment_intent={}&reason=duplicate&metadata[a]=b", paid.id());
        answers.push(desk.post("/v1/refunds", &refund).await.body);
        let expanded = format!(
            "/v1/charges/{}?expand[]=refunds",
            paid.body["latest_charge"].as_str().unwrap()
        );
        answers.push(desk.get(&expanded).await.body);
    }
    answers.push(confirmation_token(&desk).await);
    desk.stripe.settle();
    pay_out(&desk).await;
    desk.stripe.wait_until_delivered(SOON).await.unwrap();
    answers.extend([customer.body, method.body, desk.get("/v1/balance").await.body]);
    answers.extend(desk.stripe.payment_intents());
    answers.extend(desk.stripe.charges());
    answers.extend(desk.stripe.refunds());
    answers.extend(desk.stripe.setup_intents());
    answers.extend(desk.stripe.checkout_sessions());
    answers.extend(desk.stripe.disputes());
    answers.extend(list(&desk, "payouts?limit=100").await);
    let lines = list(&desk, "balance_transactions?limit=100&expand[]=data.source").await;
    answers.extend(
        lines
            .iter()
            .map(|line| line["source"].clone())
            .filter(Value::is_object),
    );
    answers.extend(lines);
    answers.extend(desk.stripe.balance_transactions());
    answers.extend(desk.stripe.events());
    answers.extend(listener.events());
    let inside: Vec<_> = listener
        .events()
        .iter()
        .map(|event| event["data"]["object"].clone())
        .collect();
    answers.extend(inside);
    answers
}

/// Payments with every end.
async fn pay(desk: &Desk, customer: &str) {
    desk.post(
        "/v1/payment_intents",
        &format!("amount=100&currency=eur&{SHIPPING}"),
    )
    .await;
    desk.pay(
        "visa",
        &format!("customer={customer}&setup_future_usage=off_session"),
    )
    .await;
    desk.pay("threeDSecureRequired", "return_url=https://shop.example")
        .await;
    let challenged = desk
        .pay("authenticationRequired", "return_url=https://shop.example")
        .await;
    desk.stripe
        .customer()
        .authenticate(challenged.id(), true)
        .await
        .unwrap();
    desk.pay("chargeDeclinedLostCard", "").await;
    desk.pay("chargeDeclined", "").await;
}

/// Methods, mandates, setup intents and sessions in every state; those that their lists know come from there.
async fn save_and_check_out(desk: &Desk, customer: &str) -> Vec<Value> {
    let shopper = desk.stripe.customer();
    let back = "return_url=https://shop.example&confirm=true";
    for setup in [
        String::new(),
        format!("customer={customer}&payment_method=pm_card_visa&{back}"),
        format!("payment_method=pm_card_chargeDeclined&{back}"),
        format!("payment_method=pm_card_authenticationRequired&{back}"),
        "payment_method=pm_card_authenticationRequired&payment_method_types[]=card&confirm=true".to_owned(),
        format!("customer={customer}&payment_method=pm_sepaDebit_success&{back}&{AGREED}"),
    ] {
        desk.post(SETUPS, &setup).await;
    }
    let offline =
        "mandate_data[customer_acceptance][type]=offline&payment_method_types[]=sepa_debit&confirm=true";
    let account = sepa::account(desk, "AT611904300234573201").await;
    let form = format!(
        "amount=100&currency=eur&payment_method={}&{offline}",
        account.id()
    );
    desk.post("/v1/payment_intents", &form).await;
    let mut answers = vec![account.body];
    for charge in desk.stripe.charges() {
        if let Some(mandate) = charge["payment_method_details"]["sepa_debit"]["mandate"].as_str() {
            answers.push(desk.get(&format!("/v1/mandates/{mandate}")).await.body);
        }
    }
    for setup in desk.stripe.setup_intents() {
        if let Some(mandate) = setup["mandate"].as_str() {
            answers.push(desk.get(&format!("/v1/mandates/{mandate}")).await.body);
        }
    }
    assert_eq!(answers.len(), 3);
    for method in ["pm_card_visa", "pm_card_chargeDeclined", "pm_sepaDebit_success"] {
        let opened = desk.post(SESSIONS, &selling("metadata[a]=b")).await;
        shopper.check_out(opened.id(), method).await.unwrap();
        answers.push(opened.body);
    }
    let setup = desk
        .post(SESSIONS, "mode=setup&success_url=https://shop.example")
        .await;
    shopper.check_out(setup.id(), "pm_card_visa").await.unwrap();
    let left = desk.post(SESSIONS, &selling("")).await;
    desk.stripe.let_expire(left.id()).unwrap();
    let gone = desk.post("/v1/customers", "").await;
    answers.push(desk.delete(&format!("/v1/customers/{}", gone.id())).await.body);
    answers
}

/// Authorizations and disputes with every end.
async fn hold_and_dispute(desk: &Desk) {
    for (verb, form) in [("capture", "amount_to_capture=100"), ("cancel", "")] {
        let held = desk.pay("visa", "capture_method=manual").await;
        desk.post(&format!("/v1/payment_intents/{}/{verb}", held.id()), form)
            .await;
    }
    let several = "capture_method=manual&payment_method_options[card][request_multicapture]=if_available";
    let held = desk.pay("visa", several).await;
    let part = "amount_to_capture=100&final_capture=false";
    desk.post(&format!("/v1/payment_intents/{}/capture", held.id()), part)
        .await;
    desk.stripe.lapse(held.id()).unwrap();
    desk.pay(
        "createDisputeInquiry",
        &format!("{SHIPPING}&statement_descriptor_suffix=S1"),
    )
    .await;
    let disputed = desk.pay("visa", "").await;
    let dispute = desk.stripe.dispute(disputed.id(), "fraudulent").unwrap();
    let evidence = "evidence[receipt]=file_1&evidence[uncategorized_text]=winning_evidence";
    desk.post(&format!("/v1/disputes/{dispute}"), evidence).await;
}

async fn confirmation_token(desk: &Desk) -> Value {
    let token = format!("payment_method=pm_usBankAccount_success&return_url=https://shop.example&{SHIPPING}");
    desk.post("/v1/test_helpers/confirmation_tokens", &token)
        .await
        .body
}

/// Money in another currency, lines that come by themselves, and payouts with every end.
async fn pay_out(desk: &Desk) {
    let rate = Rate {
        currency: "eur".to_owned(),
        millionths: 915_000,
    };
    desk.stripe.settle_at("usd", Some(rate));
    let charge = desk.stripe.pay_in_dashboard(10_000, "usd").unwrap();
    desk.stripe.refund_in_dashboard(&charge, 100).unwrap();
    for extra in [Extra::StripeFee, Extra::Topup, Extra::Transfer, Extra::SolarFlare] {
        desk.stripe.write_line(extra, 1_000, "eur");
    }
    let failing = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    desk.stripe.land_payout(&failing).unwrap();
    desk.stripe.fail_payout(&failing).unwrap();
    let canceled = desk.stripe.pay_out_all("eur", PayoutKind::Automatic).unwrap();
    desk.stripe.cancel_payout(&canceled).unwrap();
    let manual = desk.stripe.pay_out_all("eur", PayoutKind::Manual).unwrap();
    desk.stripe.land_payout(&manual).unwrap();
    assert_eq!(list(desk, "payouts").await.len(), 3);
}

async fn list(desk: &Desk, path: &str) -> Vec<Value> {
    let listed = desk.get(&format!("/v1/{path}")).await.body;
    listed["data"].as_array().unwrap().clone()
}
