//! Payments that take days: the bank's answer comes when it comes.

use std::time::Duration;

use quittance_sandbox::stripe::{Options, Settlement};
use reqwest::StatusCode;
use serde_json::json;

use super::text;
use crate::support::{TestApp, Wishes};

#[tokio::test]
async fn a_sepa_debit_is_processing_until_the_bank_pays_or_does_not_and_nobody_asks_in_between() {
    let test = TestApp::spawn_with(Wishes {
        stripe: Options {
            settlement: Settlement::OnDemand,
            ..Options::default()
        },
        ..Wishes::default()
    })
    .await;
    let mut started = Vec::new();
    for (reference, method) in [("S1", "pm_sepaDebit_success"), ("S2", "pm_sepaDebit_failure")] {
        let created = test.create(reference, json!({})).await;
        let created = created.expect(StatusCode::CREATED);
        test.pay(&created, method).await;
        test.until(text(&created["id"]), "processing").await;
        started.push(text(&created["id"]).to_owned());
    }
    test.stripe
        .wait_until_delivered(Duration::from_secs(20))
        .await
        .unwrap();
    let open = async || {
        let due = test.count("operation where due_at is not null").await;
        (due, test.count("exception").await)
    };
    assert_eq!(open().await, (0, 0), "nothing is due, nothing is odd");

    test.stripe.settle();
    let paid = test.until(&started[0], "captured").await;
    assert_eq!(paid["captured_minor"], 12_100);
    let failed = test.until(&started[1], "created").await;
    assert!(failed["decline"]["code"].is_string(), "{failed:#}");
    assert_eq!(test.stripe.charges_made(), 1);
    assert_eq!(open().await, (0, 0));
}
