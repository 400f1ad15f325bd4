//! A crash while what was lost is taken in.

use std::time::Duration;

use quittance_sandbox::faults::{Fault, Matcher};
use reqwest::StatusCode;
use serde_json::json;

use super::shop::{LONG, Shop};
use crate::support::eventually_within;

/// More than Stripe lists on one page.
const CHARGES: usize = 104;

#[tokio::test]
async fn a_kill_in_the_middle_of_taking_in_loses_nothing_and_doubles_nothing() {
    let shop = Shop::set_up("kills").await;
    let service = shop.serve().await;
    shop.cluster.back_up().await.unwrap();
    shop.cluster.name_point("before").await.unwrap();
    let invoice = shop.invoice();
    let references: Vec<String> = (0..CHARGES).map(|number| format!("S{number}")).collect();
    let wish = || json!({ "settles": [{ "model": "account.move", "id": invoice, "amount_minor": 12_100 }], "allow_double": true });
    let mut first = Vec::new();
    for reference in &references {
        let reply = shop.charge(reference, invoice, wish()).await;
        first.push(reply.expect(StatusCode::CREATED)["id"].clone());
    }
    service.stop().await.unwrap();
    shop.cluster.restore_to("before").await.unwrap();

    // Every read of a single payment is slow, so that the kills come in the middle.
    let reads = Matcher::method_path("GET", "/v1/payment_intents/*");
    shop.stripe
        .faults()
        .always(reads, Fault::Delay(Duration::from_millis(10)));
    for known in [1, 40, 101] {
        let service = shop.serve().await;
        eventually_within(LONG, async || match shop.count("payment").await {
            there if there >= known => Ok(()),
            there => Err(format!("{there} of {known}")),
        })
        .await;
        service.kill().await.unwrap();
    }
    shop.let_stripe_speak();
    let service = shop.serve().await;
    let status = shop.until_lifted().await;
    assert_eq!(status["accounts"][0]["exceptions_open"], 0, "{status:#}");
    for (reference, first) in references.iter().zip(&first) {
        let again = shop.charge(reference, invoice, wish()).await;
        assert_eq!(again.expect(StatusCode::CREATED)["id"], *first, "{reference}");
    }
    assert_eq!(shop.stripe.charges_made(), CHARGES);
    assert_eq!(shop.count("operation where state <> 'succeeded'").await, 0);
    service.stop().await.unwrap();
}
