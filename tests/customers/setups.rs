//! A customer leaves a method for later.

use reqwest::StatusCode;
use serde_json::json;

use super::{card, customer, setup, show, text, until};
use crate::support::{TestApp, Wishes};

#[tokio::test]
async fn a_browser_leaves_a_card_after_3d_secure() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let started = setup(&test, "s", &ada, json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        (&started["state"], &started["usage"], &started["payment_method"]),
        (&json!("created"), &json!("off_session"), &json!(null))
    );
    assert_eq!(started["publishable_key"], test.stripe.publishable_key());
    let path = format!("/v1/setups/{}", text(&started["id"]));
    let (intent, secret) = (
        text(&started["provider_reference"]),
        text(&started["client_secret"]),
    );
    let shopper = test.stripe.customer();
    shopper
        .confirm_setup(intent, secret, "pm_card_threeDSecureRequired")
        .await
        .unwrap();
    let waiting = until(&test, &path, |setup| setup["state"] == "requires_action").await;
    assert!(waiting["next_action"].is_object());
    shopper.authenticate(intent, true).await.unwrap();
    let saved = until(&test, &path, |setup| setup["state"] == "succeeded").await;
    assert_eq!(
        (&saved["client_secret"], &saved["next_action"]),
        (&json!(null), &json!(null))
    );
    let method = show(
        &test,
        &format!("/v1/payment_methods/{}", text(&saved["payment_method"])),
    )
    .await;
    assert_eq!(
        (
            &method["customer"],
            &method["kind"],
            &method["last4"],
            &method["default"]
        ),
        (&ada["id"], &json!("card"), &json!("3220"), &json!(false))
    );
    assert_eq!(test.stripe.charges_made(), 0);
}

#[tokio::test]
async fn a_declined_card_leaves_its_reason_and_the_customer_may_try_another() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let wish = json!({ "payment_method": "pm_card_chargeDeclinedInsufficientFunds" });
    let declined = setup(&test, "s", &ada, wish).await.expect(StatusCode::CREATED);
    assert_eq!(
        (&declined["state"], &declined["decline"]["code"]),
        (&json!("created"), &json!("insufficient_funds"))
    );
    let path = format!("/v1/setups/{}", text(&declined["id"]));
    let (intent, secret) = (
        text(&declined["provider_reference"]),
        text(&declined["client_secret"]),
    );
    let shopper = test.stripe.customer();
    shopper
        .confirm_setup(intent, secret, "pm_card_threeDSecureRequired")
        .await
        .unwrap();
    until(&test, &path, |setup| setup["state"] == "requires_action").await;
    shopper.authenticate(intent, false).await.unwrap();
    let failed = until(&test, &path, |setup| setup["state"] == "created").await;
    assert_eq!(failed["decline"]["code"], "setup_intent_authentication_failure");
    shopper
        .confirm_setup(intent, secret, "pm_card_visa")
        .await
        .unwrap();
    let saved = until(&test, &path, |setup| setup["state"] == "succeeded").await;
    assert_eq!(saved["decline"], json!(null));
}

#[tokio::test]
async fn a_method_is_saved_at_once_with_the_customer_there_or_not() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let wish = json!({
        "payment_method": "pm_card_authenticationRequiredOnSetup", "return_url": "https://shop.example/back",
        "payment_method_types": ["card"],
    });
    let asked = setup(&test, "s", &ada, wish).await.expect(StatusCode::CREATED);
    assert_eq!(asked["state"], "requires_action");
    assert_eq!(asked["next_action"]["type"], "redirect_to_url");
    let intent = text(&asked["provider_reference"]);
    test.stripe.customer().authenticate(intent, true).await.unwrap();
    let path = format!("/v1/setups/{}", text(&asked["id"]));
    until(&test, &path, |setup| setup["state"] == "succeeded").await;

    let method = card(&test, "s-2", &ada).await;
    let again = json!({ "payment_method": method, "usage": "on_session" });
    let again = setup(&test, "s-3", &ada, again).await.expect(StatusCode::CREATED);
    assert_eq!(
        (&again["state"], &again["payment_method"], &again["usage"]),
        (&json!("succeeded"), &json!(method), &json!("on_session"))
    );
}

#[tokio::test]
async fn a_setup_is_shown_with_the_callers_reference_which_another_one_may_have_too() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "5d0a7a3c-8a3e-4a7e-9d5b-2f6f0c1e9b77|7").await;
    assert_eq!(ada["partner"], "5d0a7a3c-8a3e-4a7e-9d5b-2f6f0c1e9b77|7");
    let wish = json!({ "reference": "V-7" });
    let mut ids = Vec::new();
    for key in ["s-1", "s-1", "s-2"] {
        let started = setup(&test, key, &ada, wish.clone())
            .await
            .expect(StatusCode::CREATED);
        assert_eq!(started["reference"], "V-7");
        let path = format!("/v1/setups/{}", text(&started["id"]));
        assert_eq!(show(&test, &path).await["reference"], "V-7");
        ids.push(started["id"].clone());
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let without = setup(&test, "s-3", &ada, json!({}))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(without["reference"], json!(null));
    for wrong in [String::new(), "x".repeat(256)] {
        let refused = setup(&test, "s-4", &ada, json!({ "reference": wrong })).await;
        let refused = refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            (&refused["field"], &refused["code"]),
            (&json!("reference"), &json!("invalid_reference"))
        );
    }
}

#[tokio::test]
async fn a_refresh_finds_out_what_no_webhook_told() {
    let test = TestApp::spawn_with(Wishes {
        webhooks: false,
        ..Wishes::default()
    })
    .await;
    let ada = customer(&test, "p").await;
    let started = setup(&test, "s", &ada, json!({}))
        .await
        .expect(StatusCode::CREATED);
    let (intent, secret) = (
        text(&started["provider_reference"]),
        text(&started["client_secret"]),
    );
    let shopper = test.stripe.customer();
    shopper
        .confirm_setup(intent, secret, "pm_card_visa")
        .await
        .unwrap();
    let path = format!("/v1/setups/{}", text(&started["id"]));
    assert_eq!(show(&test, &path).await["state"], "created");
    let saved = show(&test, &format!("{path}?refresh=true")).await;
    assert_eq!(saved["state"], "succeeded");
    assert!(text(&saved["payment_method"]).starts_with("pmt_"));
}

#[tokio::test]
async fn a_sepa_account_is_saved_with_its_mandate_which_ends_when_the_account_is_taken_back() {
    let test = TestApp::spawn().await;
    let ada = customer(&test, "p").await;
    let wish = json!({
        "payment_method": "pm_sepaDebit_success", "payment_method_types": ["sepa_debit"],
        "mandate": {
            "accepted_at": "2026-11-01T10:00:00Z", "ip_address": "192.0.2.7", "user_agent": "Firefox",
        },
    });
    let saved = setup(&test, "s", &ada, wish).await.expect(StatusCode::CREATED);
    assert_eq!(saved["state"], "succeeded", "{saved:#}");
    let path = format!("/v1/payment_methods/{}", text(&saved["payment_method"]));
    let method = show(&test, &path).await;
    assert_eq!(
        (
            &method["kind"],
            &method["last4"],
            &method["bank_code"],
            &method["country"]
        ),
        (
            &json!("sepa_debit"),
            &json!("3201"),
            &json!("19043"),
            &json!("AT")
        )
    );
    let mandate = show(&test, &format!("{path}/mandate")).await;
    assert_eq!(mandate["state"], "active");
    assert!(text(&mandate["url"]).starts_with("https://") && !text(&mandate["reference"]).is_empty());
    assert_eq!(method["mandate"], mandate);

    test.post(&format!("{path}/detach"), "x", &json!({}))
        .await
        .expect(StatusCode::OK);
    let path = format!("{path}/mandate");
    until(&test, &path, |mandate| mandate["state"] == "inactive").await;
    let read = show(&test, &format!("{path}?refresh=true")).await;
    assert_eq!(read["state"], "inactive");
}
