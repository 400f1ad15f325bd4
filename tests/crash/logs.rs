//! What the program writes to its log, at its most talkative.

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::json;
use time::macros::date;

use super::{LONG, Shop};
use crate::support::{WEBHOOK_SECRET, eventually_within};

#[tokio::test]
async fn no_secret_body_or_signature_is_in_the_log_at_any_level() {
    let mut shop = Shop::set_up("talkative").await;
    shop.quittance = shop.quittance.with("QUITTANCE_LOG", "trace");
    let service = shop.quittance.serve(&["--with-worker"]).await.unwrap();
    let invoice = shop
        .odoo
        .add_invoice("Canary Customer", 12_100, "EUR", date!(2026 - 11 - 01))
        .unwrap();
    shop.odoo.faults().next(
        Matcher::method_path("POST", "/json/2/account.payment/load"),
        Fault::ErrorAfter,
    );
    shop.stripe.faults().next(
        Matcher::method_path("POST", "/v1/payment_intents"),
        Fault::Garbage,
    );
    let paid = shop.create("S1", invoice).await.unwrap();
    assert!(paid.status.is_success(), "{paid:?}");
    let refused = shop
        .http
        .post(format!(
            "{}{}",
            shop.quittance.url(),
            shop.merchant.webhook_path()
        ))
        .header("Stripe-Signature", "t=1,v1=canary-signature")
        .body(json!({ "canary-body": true }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    eventually_within(LONG, async || {
        let listed = shop.listed("S1").await;
        let postings = listed[0]["postings"].as_array().unwrap();
        let done = postings.len() == 2 && postings.iter().all(|posting| posting["state"] == "sent");
        if done { Ok(()) } else { Err(format!("{listed:#}")) }
    })
    .await;
    service.stop().await.unwrap();

    let log = std::fs::read_to_string(shop.quittance.log()).unwrap();
    assert!(
        log.contains("TRACE") && log.contains("odoo has what it was sent"),
        "it is talkative"
    );
    let intents = shop.stripe.payment_intents();
    let client_secret = intents[0]["client_secret"].as_str().unwrap();
    let canaries = [
        ("Stripe's key", shop.stripe.secret_key()),
        ("the webhook secret", WEBHOOK_SECRET),
        ("our API key", &shop.merchant.api_key),
        ("Odoo's key", &shop.odoo.api_key()),
        ("the client secret", client_secret),
        ("a signature", "canary-signature"),
        ("a body", "canary-body"),
        ("a customer", "Canary Customer"),
    ];
    for (what, canary) in canaries {
        let line = log.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{what} is in the log");
    }
}
